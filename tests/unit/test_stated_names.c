/*
 * Names that the request itself states (model, deployment, prompt): what of them repeats a key of
 * the request's own headers or URL, or is an address cut in two, leaves no exchange; what only
 * looks like such an echo stays.
 */
#include "exchange_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FOR(i, list) for (size_t i = 0; i < sizeof(list) / sizeof((list)[0]); i++)

static struct exchange_config config = {.hash_key = {9, 9}, .has_hash_key = true};
static struct span span;

/* What the request itself states as a name: keys of its headers, whole or in part, and addresses
 * that are cut in two.
 */
static void test_stated_names(void **state)
{
    (void)state;
    static const char key[] = "Zq8RkW2mT7xLpVn4cHd9JyBs3FgAeUo6", part[] = "T7xLpVn4cHd9JyBs";
    static const char *const forms[] = {"Authorization: Bearer sk-proj-%s\n", "X-Api-Key: %s\n", "Cookie: sid=%s\n",
                                        "\001%s:x@\n", "\001?key=%s\n"};
    static const char *const bodies[] = {"{\"model\":\"ft:gpt-4o:corp:%s\",\"messages\":[]}",
                                         "{\"model\":\"m\",\"metadata\":{\"prompt_name\":\"p-%s\"},\"messages\":[]}",
                                         "{\"model\":\"m\",\"metadata\":{\"prompt_name\":\"p@%s\"},\"messages\":[]}",
                                         "{\"messages\":[]}"};
    char headers[512], body[512], url[256];
    FOR(i, forms)
    FOR(j, bodies)
    {
        const bool in_path = strstr(bodies[j], "%s") == NULL;
        snprintf(headers, sizeof(headers), forms[i], key);
        snprintf(headers + strlen(headers), 128, "X-Pprof-Prompt: n-%s\n", in_path ? part : "");
        snprintf(body, sizeof(body), bodies[j], part);
        snprintf(url, sizeof(url), "https://x.openai.azure.com/openai/deployments/d-%s/chat/completions",
                 in_path ? part : "");
        const struct exchange_text text = {
            .url = url, .headers = headers, .request = body, .response = "{\"choices\":[{\"index\":0}]}"};
        assert_true(exchange_run(&config, &text, &span));
        no_text_holds(&span, part, headers);
    }
    static const char *const mails[] = {"alice.wonder@corp-mail.example", "x@alice.wonder@corp-mail.example"};
    FOR(i, mails)
    for (unsigned j = 0; j < 2; j++) {
        snprintf(headers, sizeof(headers), "X-Pprof-Prompt: %s\n", mails[i]);
        snprintf(body, sizeof(body), "{\"metadata\":{\"prompt_name\":\"%s\"},\"messages\":[]}", mails[i]);
        const struct exchange_text text = {.url = "https://api.openai.com/v1/chat/completions",
                                           .headers = j ? headers : NULL,
                                           .request = j ? "{\"messages\":[]}" : body,
                                           .response = "{\"choices\":[]}"};
        assert_true(exchange_run(&config, &text, &span));
        no_text_holds(&span, "alice.wonder", headers);
        no_text_holds(&span, "corp-mail.example", headers);
    }
}

/* Words that are sent as keys where none is needed, and names of models in headers and queries,
 * take no name away. */
static void test_stated_names_stay(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *url, *model;
    } cases[] = {
        {"Authorization: Bearer ollama\n", "", "ollama/llama3.1:8b"},
        {"Authorization: Bearer lm-studio\n", "", "lmstudio-community/Qwen2.5-7B-Instruct-GGUF"},
        {"Authorization: Bearer sk-proj-Zq8RkW2mT7xLpVn4cHd9JyBs3FgAeUo6\nX-App: claude-sonnet-chat\n", "",
         "claude-sonnet-chat"},
        {"User-Agent: qwen-client/1.0\n", "?deployment=qwen-client-7b", "qwen-client-7b"},
        {"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20250101/us-east-1/bedrock/aws4_request, "
         "SignedHeaders=content-type;host;x-amz-date, "
         "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7\n",
         "", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0"},
        {"Authorization: Bearer sk-proj-Zq8RkW2mT7xLpVn4cHd9JyBs3FgAeUo6\n", "",
         "ft:gpt-4o-mini-2024-07-18:acme-corporation:customer-support-v2:A1bC2dE3"},
        {"Authorization: Bearer sk-proj-Zq8RkW2mT7xLpVn4cHd9JyBs3FgAeUo6\n", "",
         "accounts/fireworks/models/llama-v3p1-405b-instruct#accounts/my-team/deployments/a1b2c3d4"},
    };
    FOR(i, cases)
    {
        char body[512], url[128];
        snprintf(body, sizeof(body), "{\"model\":\"%s\",\"messages\":[]}", cases[i].model);
        snprintf(url, sizeof(url), "https://gateway.example/v1/chat/completions%s", cases[i].url);
        const struct exchange_text text = {
            .url = url, .headers = cases[i].headers, .request = body, .response = "{\"choices\":[{\"index\":0}]}"};
        assert_true(exchange_run(&config, &text, &span));
        assert_string_equal(exchange_field(&span, SPAN_request_model), cases[i].model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stated_names), cmocka_unit_test(test_stated_names_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
