/* Facts of any length: texts end before a character that does not fit. */
#include "exchange_run.h"

#include "shim/llm/facts/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct exchange_config config = {.hash_key = {7}, .has_hash_key = true};

/* Texts end before a character that does not fit; arguments of any length are checked to their
 * end. */
static void test_long_texts(void **state)
{
    enum { ARGUMENTS = 200000 };
    static char text[FACTS_TEXT_MAX + 8], json[ARGUMENTS + 1];
    struct facts *const facts = calloc(1, sizeof(*facts));
    (void)state;
    assert_non_null(facts);
    facts_init(facts, &config);
    for (unsigned before = 0; before < 4; before++) {
        memset(text, 'a', sizeof(text));
        memcpy(text + FACTS_TEXT_MAX - before, "\xf0\x9f\x98\x80", 4);
        facts_set_text(facts, FACT_RESPONSE_MODEL, text, sizeof(text));
        assert_int_equal(facts->text_bytes[FACT_RESPONSE_MODEL], FACTS_TEXT_MAX - before);
    }
    facts_set_text(facts, FACT_RESPONSE_MODEL, text, FACTS_TEXT_MAX);
    assert_int_equal(facts->text_bytes[FACT_RESPONSE_MODEL], FACTS_TEXT_MAX);
    memset(json, ' ', ARGUMENTS);
    for (size_t piece = 100; piece < ARGUMENTS; piece *= 5) {
        facts_call_begin(facts, 0);
        for (size_t at = 0; at < ARGUMENTS; at += piece)
            facts_call_arguments(facts, json + at, at + piece < ARGUMENTS ? piece : ARGUMENTS - at);
        facts_call_end(facts);
    }
    free(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_long_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
