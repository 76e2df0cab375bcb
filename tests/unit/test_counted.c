/* Tokens that a service states again and again, of runs and batches, are counted once. */
#include "exchange_run.h"

#include "shim/llm/facts/counted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct exchange_config config = {.hash_key = {7}, .has_hash_key = true};
static const char one_run[] = "https://api.openai.com/v1/threads/thread_1/runs/run_1";

#define USAGE                                                                                                          \
    "\"usage\":{\"prompt_tokens\":123,\"completion_tokens\":456,\"total_tokens\":579,\"prompt_token_details\":{"       \
    "\"cached_tokens\":7},"                                                                                            \
    "\"completion_tokens_details\":{\"reasoning_tokens\":9}}"
#define RUN(status, more)                                                                                              \
    "{\"id\":\"run_1\",\"object\":\"thread.run\",\"status\":\"" status                                                 \
    "\",\"model\":\"gpt-4o\",\"tools\":[{\"type\":\"x\"}]," more "}"

static const char *input_of(const char *method, const char *url, const char *response)
{
    static struct span span;
    const struct exchange_text text = {.method = method, .url = url, .response = response};
    assert_true(exchange_run(&config, &text, &span));
    return exchange_field(&span, SPAN_input_tokens);
}

static void test_counted_once(void **state)
{
    (void)state;
    counted_forget();
    assert_string_equal(input_of("GET", one_run, RUN("in_progress", "\"usage\":null")), "-");
    assert_string_equal(input_of("GET", one_run, RUN("completed", USAGE)), "123");
    assert_string_equal(input_of("GET", one_run, RUN("completed", USAGE)), "-");
    assert_string_equal(input_of("POST", one_run, RUN("completed", USAGE)), "-");
    assert_string_equal(
        input_of("GET", one_run, "{\"id\":\"run_2\",\"object\":\"thread.run\",\"status\":\"completed\"," USAGE "}"),
        "123");
    /* A batch says 0 until it is done. */
    const char batch[] = "https://api.openai.com/v1/batches/batch_1";
    const char nothing[] = "{\"id\":\"batch_1\",\"object\":\"batch\",\"status\":\"validating\",\"usage\":{\"input_"
                           "tokens\":0,\"output_tokens\":0}}";
    const char done[] = "{\"id\":\"batch_1\",\"object\":\"batch\",\"status\":\"completed\",\"usage\":{\"input_tokens\":"
                        "5,\"output_tokens\":6}}";
    assert_string_equal(input_of("GET", batch, nothing), "0");
    assert_string_equal(input_of("GET", batch, nothing), "0");
    assert_string_equal(input_of("GET", batch, done), "5");
    assert_string_equal(input_of("GET", batch, done), "-");
    /* Chat completions may be replayed by a cache; each is a call. */
    const char chat[] =
        "{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":5}}";
    assert_string_equal(input_of("POST", "https://api.openai.com/v1/chat/completions", chat), "5");
    assert_string_equal(input_of("POST", "https://api.openai.com/v1/chat/completions", chat), "5");
    /* Old ids give way to new ones. */
    char id[32];
    for (int i = 0; i < 2100; i++)
        assert_true(counted_first(id, (size_t)snprintf(id, sizeof(id), "id-%d", i)));
    assert_false(counted_first("id-2099", 7));
    assert_true(counted_first("id-0", 4));
    assert_true(counted_first("", 0));
    assert_true(counted_first("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
