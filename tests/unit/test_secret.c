/*
 * No free text leaves an exchange: words of the services, shapes of keys and addresses, echoes of
 * the request, paths that hold keys. Keys, names and addresses are planted in every place where a
 * server or a URL can put them; none may stand in any text of the span.
 */
#include "exchange_run.h"
#include "echo_forms.h"
#include "shim/llm/privacy/secret.h"
#include "shim/llm/privacy/words.h"
#include "../../span/alias.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct exchange_config config = {.hash_key = {9, 9}, .has_hash_key = true};
static struct span span;

/* What people and services have as keys, names and addresses. */
static const char *const secrets[] = {
    "sk-proj-Ab3dEf6hIj9kLmN0pQrS",
    "sk_live_abc12345",
    "hf_AbCdEfGhIjKlMnOpQr",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA1234567890abcdefghijklmn",
    "gsk_1234567890abcdefghij",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "xoxb-123456789012-abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh",
    "Bearer planted-secret",
    "0123456789abcdef0123456789abcdef",
    "password=hunter2hunter",
    "erika.mustermann@example.com",
    "https://erika.example.com/reset?x=1",
    "192.168.178.23",
    "2001:db8:0:1:1:1:1:1",
    "00:1a:2b:3c:4d:5e",
    "+49 170 1234567",
    "0170 123 45 67",
    "(555) 123-4567",
};

/* Free text, however much it looks like an identifier. */
static const char *const free_texts[] = {
    "Erika",
    "erika_mustermann",
    "planted-secret-17",
    "hunter2",
    "correct horse battery",
    "Max",
    "invalid_key_ab3",
    "sk_test",
    "error_for_erika",
    "ErrorForErika",
    "tier_planted",
    "stop_planted",
    "no user erika",
    "invalid_api_key_1",
    "Error: Erika",
    "12345678901234",
    "4111111111111111",
    "user_1234567",
};

static const char *const words[] = {
    "stop",
    "end_turn",
    "tool_calls",
    "MAX_TOKENS",
    "invalid_api_key",
    "rate_limit_exceeded",
    "invalid_request_error",
    "ThrottlingException",
    "InvalidParameter.DataInspection",
    "RESOURCE_EXHAUSTED",
    "1113",
    "-1",
    "1008",
    "336003",
    "ModelOverloadedError",
    "InvalidAPIKey",
    "client specified an invalid argument",
    "no_available_providers",
    "value_error.missing",
    "on_demand",
    "class_2",
    "ON_DEMAND_FLEX",
    "FAKE_NEW_FINISH_REASON",
};

#define FOR(i, list) for (size_t i = 0; i < sizeof(list) / sizeof((list)[0]); i++)

static void test_words(void **state)
{
    (void)state;
    FOR(i, words)
    if (!words_known(words[i], strlen(words[i])))
        fail_msg("%s is a word of the services", words[i]);
    FOR(i, secrets)
    if (words_known(secrets[i], strlen(secrets[i])))
        fail_msg("%s is no word", secrets[i]);
    FOR(i, free_texts)
    if (words_known(free_texts[i], strlen(free_texts[i])) && strcmp(free_texts[i], "invalid_api_key_1") != 0)
        fail_msg("%s is no word", free_texts[i]);
    char longest[WORDS_BYTES_MAX + 8];
    memset(longest, 'a', sizeof(longest));
    assert_false(words_known(longest, sizeof(longest)));
    assert_false(words_known("", 0));
    assert_false(words_known("___", 3));
}

static void test_shapes(void **state)
{
    (void)state;
    static const char *const names[] = {
        "gpt-4o-2024-08-06",
        "claude-3-7-sonnet@20250219",
        "text-bison@002",
        "meta-llama/Llama-3.3-70B-Instruct",
        "our vectors",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/mi1dadi0g15f",
        "us.amazon.nova-micro-v1:0",
        "ft:gpt-4o-mini-2024-07-18:my-org::7p4lURel",
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "triage",
        "größer",
        "qwen2.5:7b-instruct-q4_K_M",
        "models/tiny.gguf"};
    static const char *const ids[] = {"chatcmpl-C9OI9Ey9XvN",
                                      "msg_013Zva2CMHLNnjNjJKqJ2EF",
                                      "0123456789abcdef0123456789abcdef",
                                      "FgGzadX9HZ-Ew-UP9tT9sAY",
                                      "b3f0c1de-5e4e-4edc-8568-ef276937ad1d",
                                      "202406131234567890123",
                                      "gen-1718288888-AbCd",
                                      "stub"};
    FOR(i, names)
    if (!secret_free_name(names[i], strlen(names[i])))
        fail_msg("%s is a name", names[i]);
    FOR(i, ids)
    if (!secret_free_id(ids[i], strlen(ids[i])))
        fail_msg("%s is an id", ids[i]);
    FOR(i, secrets)
    if (secret_free_name(secrets[i], strlen(secrets[i])))
        fail_msg("%s must not be a name", secrets[i]);
    FOR(i, secrets)
    if (strcmp(secrets[i], "0123456789abcdef0123456789abcdef") != 0 && secret_free_id(secrets[i], strlen(secrets[i])))
        fail_msg("%s must not be an id", secrets[i]);
    assert_false(secret_free_id("Erika Mustermann", 16));
    assert_false(secret_free_name("a\nb", 3));
    /* Nothing after the text is looked at. */
    FOR(i, secrets)
    {
        const size_t bytes = strlen(secrets[i]);
        char *const copy = memcpy(malloc(bytes), secrets[i], bytes);
        assert_false(secret_free_name(copy, bytes));
        (void)secret_free_id(copy, bytes);
        free(copy);
    }
}

static void test_echoes(void **state)
{
    (void)state;
    struct secret_echo echo;
    secret_echo_init(&echo);
#define HEADER(name, value) secret_echo_header(&echo, name, strlen(name), value, strlen(value))
#define ECHOED(text) secret_echoed(&echo, text, strlen(text))
    HEADER("Authorization", "Bearer my-own-token-77");
    HEADER("X-Api-Key", "zq7-messages-88x"); /* a word of all services within a key */
    HEADER("X-Other-Key", "ab~cd~ef~gh~ij");
    HEADER("X-Custom", "Erika");
    HEADER("X-Tenant", "mustermann");
    HEADER("Proxy-Authorization", "Basic aHViZXJ0OnBhc3N3b3J0MTI="); /* hubert:passwort12 */
    HEADER("Content-Type", "application/json");
    HEADER("User-Agent", "OpenAI/Python 1.2");
    HEADER("X-Title", "claude mini app");
    HEADER("X-Build", "12345678");      /* numbers of up to eight digits are versions and dates */
    HEADER("X-Account", "987654321-0"); /* longer ones are somebody's */
    HEADER("X-Path", "completions/messages/zq8v");
    static const char beside[] = "otto:geheim99@?api-version=2024-08-06-preview&key=query%2Dsecret&alt=sse#fragment-x7";
    secret_echo_beside(&echo, beside, sizeof(beside) - 1);
    static const char *const told[] = {"my-own-token-77", "id-MY-OWN-TOKEN-77-x", "own-token",
                                       "erika",           "model-erika-1",        "xmustermannx",
                                       "hubert",          "passwort12",           "otto",
                                       "geheim99",        "query-secret",         "fragment-x7",
                                       "987654321-0",     "YWJ-Y2R-ZWZ-Z2h-aWo",  "YWJ+Y2R+ZWZ+Z2h+aWo",
                                       "zq7-mess"};
    FOR(i, told)
    if (!ECHOED(told[i]))
        fail_msg("%s is an echo", told[i]);
    static const char *const fine[] = {"application-x",
                                       "openai/gpt-4o-2024-08-06",
                                       "claude-3-5-haiku",
                                       "erikamodel",
                                       "json",
                                       "gpt-4.5-preview",
                                       "us-east-1",
                                       "12345678",
                                       "our messages",
                                       "completions-x"};
    FOR(i, fine)
    if (ECHOED(fine[i]))
        fail_msg("%s is no echo", fine[i]);
    /* More than fits: the first stay, nothing is written outside. */
    for (unsigned i = 0; i < 1000; i++)
        HEADER("X-Api-Key", "another-one-of-the-keys");
    assert_true(echo.bytes <= SECRET_ECHO_BYTES);
    assert_true(ECHOED("my-own-token-77") && ECHOED("another-one-of-the-keys"));
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path, *model, *stored;
        size_t said;
    } cases[] = {
        /* What LIBPPROF_ENDPOINTS names stays, what lies below it does not, and keys never. */
        {"/internal/ask", "", "/internal/ask", 13},
        {"/team-blue/ask/erika", "", "/team-blue/ask/*", 14},
        {"/team-blue/ask/chat", "", "/team-blue/ask/chat", 14},
        {"/ask/sk-proj-Ab3dEf6hIj9kLmN0pQrS", "", "/ask/*", 33},
        {"/team-blue/ask", "", "/*/*", 0},
        {"/v1/chat/completions", "", "/v1/chat/completions", 0},
        {"/v1/planted-secret-17/chat/completions", "", "/v1/*/chat/completions", 0},
        {"/erika/v1/chat/completions", "", "/*/v1/chat/completions", 0},
        {"/bot123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11/v1/messages", "", "/*/v1/messages", 0},
        {"/sk-proj-Ab3dEf6hIj9kLmN0pQrS/v1/responses", "", "/*/v1/responses", 0},
        {"/v1/%65rika/responses", "", "/v1/*/responses", 0},
        {"/v1beta/models/gemini-2.0-flash:generateContent", "gemini-2.0-flash",
         "/v1beta/models/gemini-2.0-flash:generateContent", 0},
        {"/v1/projects/my-project/locations/us-central1/publishers/google/models/text-bison@002:predict",
         "text-bison@002",
         "/v1/projects/my-project/locations/us-central1/publishers/google/models/text-bison@002:predict", 0},
        {"/openai/deployments/our%20chat/chat/completions", "our chat",
         "/openai/deployments/our%20chat/chat/completions", 0},
        {"/openai/deployments/hdr-secret/chat/completions", "", "/openai/deployments/*/chat/completions", 0},
        {"/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/run/@cf/meta/llama-3", "@cf/meta/llama-3",
         "/client/v4/accounts/*/ai/run/@cf/meta/llama-3", 0},
        {"/v1/threads/thread_1HjgF1qM3kuRK2aviYYaLlxF/runs", "", "/v1/threads/thread_1HjgF1qM3kuRK2aviYYaLlxF/runs", 0},
        {"/model/anthropic.claude-v2%3A1/invoke", "anthropic.claude-v2:1", "/model/anthropic.claude-v2%3A1/invoke", 0},
        /* A verb stays, behind a name. */
        {"/v1/erika:predict", "", "/v1/*:predict", 0},
        {"/v1/:predict", "", "/v1/:predict", 0},
        {"/v1/erika:", "", "/v1/*", 0},
        {"/v1/erika:erika", "", "/v1/*", 0},
        {"/v1/predict:erika:predict", "", "/v1/*:predict", 0},
        {"//v1//messages/", "", "//v1//messages/", 0},
        {"", "", "", 0},
    };
    FOR(i, cases)
    {
        struct secret_echo echo;
        char out[SPAN_TEXT_MAX];
        secret_echo_init(&echo);
        secret_echo_take(&echo, "hdr-secret", 10, '!');
        const struct secret_path path = {.path = cases[i].path,
                                         .bytes = strlen(cases[i].path),
                                         .said_bytes = cases[i].said,
                                         .model = cases[i].model,
                                         .model_bytes = strlen(cases[i].model)};
        const size_t bytes = secret_mask_path(&path, &echo, out, sizeof(out) - 1);
        out[bytes] = '\0';
        assert_string_equal(out, cases[i].stored);
        assert_true(secret_mask_path(&path, &echo, out, 5) <= 5);
    }
}

/* Names that services generate are no keys; a key, and what the request's credential says, is no
 * name. */
static void test_hosts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"api.openai.com", "api.openai.com"},
        {"my-firm-eu2.openai.azure.com", "my-firm-eu2.openai.azure.com"},
        {"qk3zmx8t7u2hv9wa.us-east-1.aws.endpoints.huggingface.cloud",
         "qk3zmx8t7u2hv9wa.us-east-1.aws.endpoints.huggingface.cloud"},
        {"k8f3m1x9q2w7e5-8000.proxy.runpod.net", "k8f3m1x9q2w7e5-8000.proxy.runpod.net"},
        {"127.0.0.1", "127.0.0.1"},
        {"::1", "::1"},
        {"sk-proj-Ab3dEf6hIj9kLmN0pQrS.example.com", "*.example.com"},
        {"SK-PROJ-AB3DEF6HIJ9KLMN0PQRS.example.com", "*.example.com"},
        {"eu.header-secret.example.com.", "eu.*.example.com."},
        {"HEADER-SECRET", "*"},
        {"a..b", "a..b"},
        {"", ""},
    };
    FOR(i, cases)
    {
        struct secret_echo echo;
        char out[SPAN_TEXT_MAX];
        secret_echo_init(&echo);
        secret_echo_take(&echo, "header-secret", 13, '!');
        const size_t bytes = secret_mask_host(cases[i][0], strlen(cases[i][0]), &echo, out, sizeof(out) - 1);
        out[bytes] = '\0';
        assert_string_equal(out, cases[i][1]);
        assert_true(secret_mask_host(cases[i][0], strlen(cases[i][0]), &echo, out, 5) <= 5);
    }
}

/* An answer that the query asks for has the id that was asked for, whatever the parameter is
 * called; what the query holds beside that comes back nowhere, and no id elsewhere than as the
 * answer's. */
static void test_asked_ids(void **state)
{
    (void)state;
    static const struct {
        const char *query, *id;
        bool kept;
    } cases[] = {
        {"?chat_id=chat-77x", "chat-77x", true},
        {"?task_id=7a-task-19", "7a-task-19", true},
        {"?a=b&requestId=rq_0815", "rq_0815", true},
        {"?id=resp_0815abc", "resp_0815abc", true},
        {"?run-id=run%2D0815abc", "run-0815abc", true},
        {"?response_id=resp_0815abc&key=hunter2x", "resp_0815abc", true},
        {"?response_id=resp_0815abc", "resp_0815abcd", false}, /* more than was asked for */
        {"?client_id=erika-0815", "erika-0815", false},
        {"?user_id=erika-0815", "erika-0815", false},
        {"?access_key_id=AK-0815abc", "AK-0815abc", false},
        {"?session_id=sess-0815abc", "sess-0815abc", false},
        {"?valid=erika-0815", "erika-0815", false},
        {"?q=erika-0815", "erika-0815", false},
        {"?erika-0815", "erika-0815", false},
        {"?id=gsk_Ab3dEf6hIj9kLmN0pQrStUvWx", "gsk_Ab3dEf6hIj9kLmN0pQrStUvWx", false},
    };
    FOR(i, cases)
    {
        char headers[256], body[512];
        snprintf(headers, sizeof(headers), "\001%s\n", cases[i].query);
        snprintf(body, sizeof(body),
                 "{\"id\":\"%s\",\"model\":\"%s\",\"service_tier\":\"%s\",\"choices\":[{\"index\":0,\"message\":{"
                 "\"content\":\"x\"},\"finish_reason\":\"%s\"}]}",
                 cases[i].id, cases[i].id, cases[i].id, cases[i].id);
        const struct exchange_text text = {.url = "https://api.openai.com/v1/chat/completions",
                                           .headers = headers,
                                           .request = "{\"model\":\"m\",\"messages\":[]}",
                                           .response = body};
        assert_true(exchange_run(&config, &text, &span));
        if (strcmp(exchange_field(&span, SPAN_response_id), cases[i].kept ? cases[i].id : "-") != 0)
            fail_msg("%s: %s is %s", cases[i].query, cases[i].id, cases[i].kept ? "its id" : "an echo");
        span_clear(&span, SPAN_response_id);
        no_text_holds(&span, cases[i].id, cases[i].query);
    }
}

/* The answer says `planted` in one place after the other. */
static void plant(const char *planted, const char *headers, const char *url)
{
    static const struct {
        const char *where, *status, *body;
    } places[] = {
        {"content encoding", "200 OK", "{}"}, /* then the body is not read */
        {"model", "200 OK",
         "{\"id\":\"a1\",\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\"},\"finish_reason\":"
         "\"stop\"}]}"},
        {"id", "200 OK",
         "{\"id\":\"%s\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\"},\"finish_reason\":"
         "\"stop\"}]}"},
        {"finish reason", "200 OK",
         "{\"id\":\"a1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\"},\"finish_reason\":"
         "\"%s\"}]}"},
        {"tier", "200 OK",
         "{\"id\":\"a1\",\"model\":\"m\",\"service_tier\":\"%s\",\"choices\":[{\"index\":0,\"message\":{\"content\":"
         "\"x\"},\"finish_reason\":\"stop\"}]}"},
        {"tool", "200 OK",
         "{\"id\":\"a1\",\"choices\":[{\"index\":0,\"message\":{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":"
         "\"%s\",\"arguments\":\"{}\"}}]}}]}"},
        {"error type", "401 Unauthorized", "{\"error\":{\"type\":\"%s\",\"message\":\"m\"}}"},
        {"error code", "401 Unauthorized", "{\"error\":{\"code\":\"%s\",\"message\":\"m\"}}"},
        {"error message", "401 Unauthorized", "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"%s\"}}"},
        {"error parameter", "401 Unauthorized", "{\"error\":{\"code\":null,\"param\":\"%s\",\"message\":\"m\"}}"},
        {"error text", "401 Unauthorized", "{\"error\":\"%s\"}"},
        {"error in 200", "200 OK", "{\"error\":{\"type\":\"%s\",\"message\":\"m\"}}"},
    };
    FOR(i, places)
    {
        char body[1024], head[512];
        snprintf(body, sizeof(body), places[i].body, planted);
        snprintf(head, sizeof(head),
                 "HTTP/1.1 %s\n%s%s\nx-gemini-service-tier: %s\nx-amzn-errortype: %s\nx-request-id: %s\n",
                 places[i].status, i ? "X-Content: " : "Content-Encoding: identity, ", planted, planted, planted,
                 planted);
        const struct exchange_text text = {.url = url,
                                           .headers = headers,
                                           .request = "{\"model\":\"m\",\"messages\":[]}",
                                           .response_headers = head,
                                           .response = body};
        assert_true(exchange_run(&config, &text, &span));
        no_text_holds(&span, planted, places[i].where);
        if (!strncmp(places[i].where, "error", 5))
            if (!span_has(&span, SPAN_error_type)) /* that it failed is still said */
                fail_msg("%s in %s: no error is stated", planted, places[i].where);
    }
}

static void test_planted_shapes(void **state)
{
    (void)state;
    FOR(i, secrets)
    if (strcmp(secrets[i], "0123456789abcdef0123456789abcdef") != 0) /* an id as good as any, unless it is echoed */
        plant(secrets[i], NULL, "https://api.openai.com/v1/chat/completions");
}

/* What the request's headers and URL hold comes back, with no shape of its own. */
static void test_planted_echoes(void **state)
{
    (void)state;
    static const char *const tokens[] = {"planted-secret-17", "0123456789abcdef0123456789abcdef", "mustermann",
                                         "hunter2x"};
    static const char *const forms[] = {
        "Authorization: Bearer %s\n", "X-Api-Key: %s\n", "api-key: %s\n",  "X-Custom: a=%s; b\n", "\001%s:x@\n",
        "\001?a=b&key=%s&alt=sse\n",  "\001#%s\n",       "X-User: <%s>\n", "Cookie: session=%s\n"};
    FOR(i, tokens)
    {
        char headers[256];
        FOR(j, forms)
        {
            snprintf(headers, sizeof(headers), forms[j], tokens[i]);
            plant(tokens[i], headers, "https://api.openai.com/v1/chat/completions");
        }
        snprintf(headers, sizeof(headers), "https://gateway.example/%s/v1/chat/completions", tokens[i]);
        plant(tokens[i], NULL, headers);
    }
}

/* The same in another form, in every text that is stored, from every place of the request. */
static void test_encoded_echoes(void **state)
{
    (void)state;
    static const char *const tokens[] = {"planted-secret-17", "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "mustermann",
                                         "hunter2x"};
    static const char *const forms[] = {"Authorization: Bearer %s\n", "X-Custom: a=%s; b\n", "\001%s:x@\n",
                                        "\001?a=b&key=%s&alt=sse\n"};
    char headers[256], encoded[512];
    FOR(i, tokens)
    FOR(j, forms)
    for (unsigned k = 0; k < ENCODINGS; k++) {
        snprintf(headers, sizeof(headers), forms[j], tokens[i]);
        encode(encoded, tokens[i], k);
        plant(encoded, headers, "https://api.openai.com/v1/chat/completions");
    }
    /* A key of usual length: each second byte of it, its bytes as one number, in base85. */
    static const char *const of_key[] = {"Z8NkmP7tWYCdf6TUNVX", "qv3L2qR9xb4EGhyjbcz",
                                         "8371940567291837465019283746501928374650192837465019283746501928374650192837",
                                         "X>D+Ca&c3dX>=enWNBk%Z*(hcWpZ;UA!}(xVq|Y"};
    FOR(i, of_key)
    plant(of_key[i], "Authorization: Bearer sk-proj-Zq8vN3kLm2Pq7Rt9WxYbC4dEfG6hTyUjNbVcXz\n",
          "https://api.openai.com/v1/chat/completions");
    /* Ids and models that look encoded, and hold nothing of the request. */
    struct secret_echo echo;
    secret_echo_init(&echo);
    secret_echo_header(&echo, "Authorization", 13, "Bearer planted-secret-17", 24);
    static const char *const fine[] = {
        "chatcmpl-BvR9Pa0Fq2", "resp_68af40", "c2VjcmV0IG9mIG5vYm9keQ", "gpt-4o-mini", "6f776e2d6964",
        "%7Bnothing%7D",       "terces-fo"};
    FOR(i, fine)
    assert_false(secret_echoed(&echo, fine[i], strlen(fine[i])));
}

/* What was dropped leaves what the exchange states otherwise. */
static void test_what_stays(void **state)
{
    (void)state;
    static const struct {
        const char *status, *body, *error;
    } cases[] = {
        {"429 Too Many", "{\"error\":{\"type\":\"Erika spent it all\",\"code\":\"rate_limit_exceeded\"}}",
         "rate_limit_exceeded"},
        {"429 Too Many", "{\"error\":{\"type\":\"Erika spent it all\",\"code\":\"for Erika\"}}", "429"},
        {"400 Bad", "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"for Erika\"}}", "invalid_request_error"},
        {"200 OK", "{\"error\":{\"type\":\"Erika\"}}", "_OTHER"},
        {"503 Busy", "{\"error\":{\"code\":1305}}", "1305"},
    };
    FOR(i, cases)
    {
        char head[64];
        snprintf(head, sizeof(head), "HTTP/1.1 %s\n", cases[i].status);
        const struct exchange_text text = {.url = "https://api.openai.com/v1/chat/completions",
                                           .request = "{\"model\":\"m\",\"messages\":[]}",
                                           .response_headers = head,
                                           .response = cases[i].body};
        assert_true(exchange_run(&config, &text, &span));
        assert_string_equal(exchange_field(&span, SPAN_error_type), cases[i].error);
    }
    const struct exchange_text reasons = {.url = "https://api.openai.com/v1/chat/completions",
                                          .request = "{\"model\":\"key-model\",\"messages\":[]}",
                                          .headers = "X-Model: key-model\n",
                                          .response =
                                              "{\"model\":\"key-model\",\"choices\":[{\"index\":0,\"finish_reason\":"
                                              "\"Erika left\"},{\"index\":1,\"finish_reason\":\"stop\"}]}"};
    assert_true(exchange_run(&config, &reasons, &span));
    assert_string_equal(exchange_field(&span, SPAN_finish_reasons), "_OTHER,stop");
    assert_string_equal(exchange_field(&span, SPAN_response_model), "key-model");
    const struct exchange_text timeout = {.url = "https://api.openai.com/v1/chat/completions",
                                          .request = "{}",
                                          .response = "",
                                          .response_headers = "",
                                          .error = "CURLE_OPERATION_TIMEDOUT"};
    assert_true(exchange_run(&config, &timeout, &span));
    assert_string_equal(exchange_field(&span, SPAN_error_type), "CURLE_OPERATION_TIMEDOUT");
}

/* The id of a user that a request names leaves as a hash under the installation's key, and not at
 * all where there is none; what the server says back of it does not. */
static void test_users(void **state)
{
    (void)state;
    static const struct {
        const char *url, *request, *id; /* NULL: none is named */
    } cases[] = {
        {"https://api.openai.com/v1/chat/completions", "{\"user\":\"erika-0815\",\"messages\":[{\"user\":\"x\"}]}",
         "erika-0815"},
        {"https://api.openai.com/v1/chat/completions", "{\"safety_identifier\":\"erika-0815\",\"user\":\"otto-17\"}",
         "erika-0815"},
        {"https://api.openai.com/v1/chat/completions", "{\"user\":\"otto-17\",\"safety_identifier\":\"erika-0815\"}",
         "erika-0815"},
        {"https://r.openai.azure.com/openai/deployments/d/chat/completions",
         "{\"user_security_context\":{\"end_user_id\":\"erika-0815\"},\"user\":\"otto-17\"}", "erika-0815"},
        {"https://api.openai.com/v1/responses", "{\"input\":\"x\",\"user\":\"erika-0815\"}", "erika-0815"},
        {"https://api.openai.com/v1/responses", "{\"input\":\"x\",\"safety_identifier\":\"erika-0815\"}", "erika-0815"},
        {"https://api.openai.com/v1/embeddings", "{\"input\":\"x\",\"user\":\"erika-0815\"}", "erika-0815"},
        {"https://api.openai.com/v1/images/generations", "{\"prompt\":\"x\",\"user\":\"erika-0815\"}", "erika-0815"},
        {"https://api.openai.com/v1/completions", "{\"prompt\":\"x\",\"user\":\"erika-0815\"}", "erika-0815"},
        {"https://api.anthropic.com/v1/messages",
         "{\"messages\":[],\"metadata\":{\"user_id\":\"erika-0815\",\"other\":\"x\"}}", "erika-0815"},
        {"https://open.bigmodel.cn/api/paas/v4/chat/completions", "{\"user_id\":\"erika-0815\",\"messages\":[]}",
         "erika-0815"},
        {"https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions",
         "{\"user_id\":\"erika-0815\",\"messages\":[]}", "erika-0815"},
        {"https://api.dify.ai/v1/chat-messages", "{\"query\":\"x\",\"user\":\"erika-0815\"}", "erika-0815"},
        {"https://api.coze.com/v3/chat", "{\"bot_id\":\"7\",\"user_id\":\"erika-0815\"}", "erika-0815"},
        {"https://api.openai.com/v1/chat/completions", "{\"user\":4820260815,\"messages\":[]}", "4820260815"},
        {"https://api.openai.com/v1/chat/completions", "{\"user\":\"\",\"messages\":[]}", NULL},
        {"https://api.openai.com/v1/chat/completions", "{\"user\":null,\"user_id\":{\"id\":\"x\"},\"messages\":[]}",
         NULL},
        {"https://api.openai.com/v1/chat/completions", "{\"messages\":[{\"user\":\"x\"}]}", NULL},
    };
    FOR(i, cases)
    {
        char body[512], alias[SPAN_ALIAS_BYTES] = "-";
        struct exchange_config without_key = config;
        const char *const id = cases[i].id != NULL ? cases[i].id : "-none-";
        snprintf(body, sizeof(body), "{\"id\":\"r-%s\",\"model\":\"m-%s\",\"error\":{\"type\":\"%s\",\"code\":\"%s\"}}",
                 id, id, id, id);
        const struct exchange_text text = {.url = cases[i].url, .request = cases[i].request, .response = body};
        if (cases[i].id != NULL)
            span_key_alias(config.hash_key, id, strlen(id), alias);
        assert_true(exchange_run(&config, &text, &span));
        if (strcmp(exchange_field(&span, SPAN_user_alias), alias) != 0)
            fail_msg("%s: %s instead of %s", cases[i].request, exchange_field(&span, SPAN_user_alias), alias);
        if (cases[i].id != NULL)
            no_text_holds(&span, id, cases[i].request);
        without_key.has_hash_key = false;
        assert_true(exchange_run(&without_key, &text, &span));
        assert_false(span_has(&span, SPAN_user_alias));
        if (cases[i].id != NULL)
            no_text_holds(&span, id, cases[i].request);
    }
    /* So long that it was cut: the hash of a part would be that of many. */
    char request[1024] = "{\"messages\":[],\"user\":\"";
    memset(request + strlen(request), 'a', 700);
    strcat(request, "\"}");
    const struct exchange_text text = {
        .url = "https://api.openai.com/v1/chat/completions", .request = request, .response = "{}"};
    assert_true(exchange_run(&config, &text, &span));
    assert_false(span_has(&span, SPAN_user_alias));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),          cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_echoes),         cmocka_unit_test(test_paths),
        cmocka_unit_test(test_hosts),          cmocka_unit_test(test_planted_shapes),
        cmocka_unit_test(test_planted_echoes), cmocka_unit_test(test_encoded_echoes),
        cmocka_unit_test(test_what_stays),     cmocka_unit_test(test_asked_ids),
        cmocka_unit_test(test_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
