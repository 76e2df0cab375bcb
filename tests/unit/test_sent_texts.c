/* Which texts of this process were sent already: those met last are known, a child begins anew. */
#include "shim/llm/identity/sent_texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_met_last(void **unused)
{
    (void)unused;
    static const uint8_t key[32] = {7};
    static struct sent_texts sent;
    sent_texts_init(&sent, key);
    for (uint64_t i = 1; i <= SENT_WAYS; i++)
        sent_texts_put(&sent, i * SENT_SETS + 5);
    for (uint64_t i = 1; i <= SENT_WAYS; i++)
        assert_true(sent_texts_has(&sent, i * SENT_SETS + 5)); /* the first is now the one met longest ago */
    assert_true(sent_texts_has(&sent, 1 * SENT_SETS + 5));     /* and now the second is */
    sent_texts_put(&sent, 99 * SENT_SETS + 5);
    assert_false(sent_texts_has(&sent, 2 * SENT_SETS + 5));
    assert_true(sent_texts_has(&sent, 1 * SENT_SETS + 5) && sent_texts_has(&sent, 99 * SENT_SETS + 5));
    assert_false(sent_texts_has(&sent, 1 * SENT_SETS + 6)); /* another set */
    sent_texts_init(&sent, key);                            /* a forked child begins */
    assert_false(sent_texts_has(&sent, 1 * SENT_SETS + 5));
    assert_true(sent.seed.a == sent_texts_seed(key).a && sent.seed.a && sent.seed.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_met_last)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
