/* Prompt identity: the same whatever the cutting, white space, escapes and key order; different
 * when what is constant differs. */
#include "exchange_run.h"
#include "shim/llm/identity/prompt.h"
#include "shim/llm/identity/prompt_begin.h"
#include "shim/llm/identity/sent_texts.h"
#include "shim/llm/identity/shown.h"
#include "../../span/alias.h"
#include "../../span/prompt_features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct exchange_config config = {.hash_key = {9, 9}, .has_hash_key = true};
static struct span span;

static uint64_t later_ns; /* when calls are made */

static uint64_t id_of(const char *request, const char *headers, size_t step)
{
    const struct exchange_text text = {
        .url = "https://api.openai.com/v1/chat/completions", .headers = headers, .later_ns = later_ns};
    struct exchange *const exchange = exchange_run_open(&config, &text);
    assert_non_null(exchange);
    const size_t bytes = strlen(request);
    for (size_t at = 0; at < bytes; at += step)
        exchange_request_body(exchange, 1, (const uint8_t *)request + at, step < bytes - at ? step : bytes - at);
    assert_true(exchange_run_close(exchange, &text, 5000, &span));
    return span_has(&span, SPAN_prompt_id) ? span.value[SPAN_prompt_id].u64 : 0;
}

#define SYSTEM(text) "{\"role\":\"system\",\"content\":\"" text "\"}"
#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}]"

static uint64_t text_id(void)
{
    return span_has(&span, SPAN_prompt_text_id) ? span.value[SPAN_prompt_text_id].u64 : 0;
}

static void test_stable(void **state)
{
    (void)state;
    static const char *const same[] = {
        "{\"model\":\"m\",\"messages\":[" SYSTEM("Be caf\\u00e9.") "," USER("one") "]," TOOLS "}",
        "{" TOOLS
        ", \"messages\" : [ {\"content\":\"Be caf\xc3\xa9.\", \"role\":\"system\"},\n" USER("quite another") "]}",
        "{\"messages\":[{\"content\":[{\"type\":\"text\",\"text\":\"Be caf\xc3\xa9.\"}],\"role\":\"developer\"}," USER(
            "x") "],"
                 "\"tools\":[{\"function\":{\"parameters\":{},\"name\":\"f\"},\"type\":\"function\"}],\"model\":"
                 "\"n\"}"};
    const uint64_t id = id_of(same[0], NULL, 10000), text = text_id();
    assert_true(id != 0 && text != 0);
    for (size_t i = 0; i < 3; i++)
        for (size_t step = 1; step < 30; step += 3)
            assert_true(id_of(same[i], NULL, step) == id && text_id() == text);
    assert_true(id_of("{\"messages\":[" SYSTEM("Be caf\\u00e8.") "]," TOOLS "}", NULL, 99) != id);
    assert_true(text_id() != text);
    config.hash_key[0]++;
    assert_true(id_of(same[0], NULL, 99) != id && text_id() != text);
    config.hash_key[0]--;
}

/* Tools and response format are the text's, and no part of which prompt it is. */
#define LONG                                                                                                           \
    "Be kind, and answer each question of a customer about an order, its way and its price in two short sentences."
static void test_setup(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "{\"messages\":[" SYSTEM(LONG) "]}", "{\"messages\":[" SYSTEM(LONG) "]," TOOLS "}",
        "{\"messages\":[" SYSTEM(LONG) "],\"response_format\":{\"type\":\"json_object\"}," TOOLS "}"};
    uint64_t text[3];
    const uint64_t id = id_of(requests[0], NULL, 99);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(id_of(requests[i], NULL, 99) == id);
        text[i] = text_id();
    }
    assert_true(text[0] != text[1] && text[1] != text[2] && text[0] != text[2]);
    /* A few words are anybody's: there they belong to the prompt. */
    assert_true(id_of("{\"messages\":[" SYSTEM("Be kind.") "]}", NULL, 99) !=
                id_of("{\"messages\":[" SYSTEM("Be kind.") "]," TOOLS "}", NULL, 99));
    /* Without instructions they are all that there is. */
    const uint64_t tools = id_of("{\"messages\":[" USER("Hi") "]," TOOLS "}", NULL, 99);
    assert_false(span_has(&span, SPAN_prompt_text_id));
    assert_true(
        tools !=
        id_of("{\"messages\":[" USER("Hi") "],\"response_format\":{\"type\":\"json_object\"}," TOOLS "}", NULL, 99));
}

/* Dates, numbers and ids, several messages, a name: what makes another prompt and what another
 * text. */
static void test_words(void **state)
{
    (void)state;
    const uint64_t id = id_of("{\"messages\":[" SYSTEM("Today is 2026-01-31, user a91f-33.\\nBe kind.") "]}", NULL, 99);
    const uint64_t text = text_id();
    assert_true(id == id_of("{\"messages\":[" SYSTEM("Today is 2027-1-1, user 7.\\r\\n \\nBe kind.") "]}", NULL, 99));
    assert_true(text_id() != text);
    assert_true(id != id_of("{\"messages\":[" SYSTEM("Today is Monday, user 7.\\nBe kind.") "]}", NULL, 99));
    assert_true(id !=
                id_of("{\"messages\":[" SYSTEM("Today is 2027-1-1, user 7.\\n") "," SYSTEM("Be kind.") "]}", NULL, 99));
    assert_true(id != id_of("{\"messages\":[" SYSTEM("Today is 2027-1-1, user 7.\\nBe kind.") "]}",
                            "X-Pprof-Prompt: triage\n", 99));
    /* The text comes before the role says that it is none, or one. */
    const uint64_t one = id_of("{\"messages\":[" SYSTEM("Be kind.") "," USER("Who is it?") "]}", NULL, 99);
    assert_true(one ==
                id_of("{\"messages\":[{\"content\":\"Who is it?\",\"role\":\"user\"},{\"content\":\"Me.\",\"role\":"
                      "\"assistant\"},{\"content\":\"Be kind.\",\"role\":\"system\"}]}",
                      NULL, 3));
}

static struct sent_texts sent;

static void features_begin(void)
{
    sent_texts_init(&sent, config.hash_key);
    config.sent = &sent;
}

/* Whether the span brings features; then they are what a reader takes. */
static bool has_features(struct prompt_features *ret)
{
    if (!span_has(&span, SPAN_prompt_features))
        return false;
    const struct span_text data = span.value[SPAN_prompt_features].text;
    assert_int_equal(prompt_features_read(ret, data.data, data.bytes), 0);
    return true;
}

static bool brings(const char *request, const char *headers, struct prompt_features *ret)
{
    id_of(request, headers, 99);
    return has_features(ret);
}

/* Once an hour for each prompt and set of tools; again in a process that was forked; never
 * without a prompt. */
static void test_features(void **state)
{
    (void)state;
    static const char plain[] = "{\"messages\":[" SYSTEM("Order 7 of Erika Mustermann. " LONG) "]}";
    static const char tools[] = "{\"messages\":[" SYSTEM("Order 8 of Erika Mustermann. " LONG) "]," TOOLS "}";
    struct prompt_features first, second, named;
    assert_false(brings(plain, NULL, &first)); /* nobody keeps what was sent */
    features_begin();
    assert_true(brings(plain, NULL, &first));
    assert_int_equal(first.heads, 30);
    assert_int_equal(first.bytes, 29 + sizeof(LONG) - 1);
    assert_int_equal(first.setup, 0);
    assert_false(brings(plain, NULL, &second));
    assert_true(brings(tools, NULL, &second));
    assert_false(brings(tools, NULL, &named));
    assert_int_not_equal(second.setup, 0);
    assert_true(brings(plain, "X-Pprof-Prompt: triage\n", &named));
    assert_int_equal(first.scope, second.scope);
    assert_int_not_equal(first.scope, named.scope);
    assert_memory_equal(first.head, second.head, sizeof(first.head));
    assert_false(brings("{\"messages\":[" USER("Hi") "]," TOOLS "}", NULL, &second));
    features_begin(); /* as a child's scribe does */
    assert_true(brings(plain, NULL, &second));
    assert_memory_equal(&first, &second, sizeof(first));
    config.has_hash_key = false;
    assert_false(brings(plain, NULL, &second));
    assert_false(span_has(&span, SPAN_prompt_text_id));
    config.has_hash_key = true;
    /* Every hour anew: the store forgets what did not recur. */
    features_begin();
    assert_true(brings(plain, NULL, &second));
    later_ns = UINT64_C(3600000000000);
    assert_true(brings(plain, NULL, &second));
    assert_memory_equal(&first, &second, sizeof(first));
    assert_false(brings(plain, NULL, &second));
    later_ns = 0;
    /* A look at a call under way brings none, and takes none away. */
    features_begin();
    const struct exchange_text text = {.url = "https://api.openai.com/v1/chat/completions", .request = plain};
    struct exchange *const exchange = exchange_run_open(&config, &text);
    struct span now;
    exchange_response_body(exchange, 1900, (const uint8_t *)"{\"id\":\"x\",", 10);
    assert_true(exchange_peek(exchange, 2000, &now));
    assert_false(span_has(&now, SPAN_prompt_features));
    assert_true(exchange_run_close(exchange, &text, 5000, &span));
    assert_true(has_features(&second));
    assert_true(span_has(&now, SPAN_prompt_text_id));
    assert_true(now.value[SPAN_prompt_id].u64 == span.value[SPAN_prompt_id].u64);
    config.sent = NULL;
}

/* The features that a public key, or none, would give. */
static struct prompt_features guessed(struct text_seed seed, const char *text)
{
    static struct text_features features;
    struct prompt_features ret;
    text_features_init(&features, &seed);
    text_features_part_begin(&features);
    text_features_push(&features, text, strlen(text));
    text_features_part_end(&features);
    text_features_get(&features, &ret);
    return ret;
}

/* Neither words nor what anybody without the key could make of them. */
static void test_features_are_keyed(void **state)
{
    (void)state;
    static const char text[] = "Order 7 of Erika Mustermann.";
    static const uint8_t no_key[32];
    const struct text_seed seeds[] = {{1, 1}, {0, 0}, {0, 1}, {1, 0}, sent_texts_seed(no_key)};
    struct prompt_features features;
    features_begin();
    assert_true(brings("{\"messages\":[" SYSTEM("Order 7 of Erika Mustermann.") "]}", NULL, &features));
    for (size_t s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++) {
        const struct prompt_features other = guessed(seeds[s], text);
        assert_int_equal(other.heads, features.heads);
        for (unsigned i = 0; i < features.heads; i++)
            assert_int_not_equal(features.head[i], other.head[i]);
    }
    const struct prompt_features same = guessed(sent.seed, text);
    assert_memory_equal(same.head, features.head, sizeof(same.head));
    for (size_t i = 0; i + 5 <= span.arena_used; i++)
        assert_true(memcmp(span.arena + i, "Erika", 5) != 0 && memcmp(span.arena + i, "Muste", 5) != 0);
    config.sent = NULL;
}

static void test_user_beginning(void **state)
{
    (void)state;
    const uint64_t id = id_of("{\"messages\":[" USER("Summarise the following text: Once upon") "]}", NULL, 5);
    assert_true(id != 0);
    assert_true(id == id_of("{\"messages\":[" USER("summarise  the following text:\\nAnother story") "]}", NULL, 3));
    assert_true(id != id_of("{\"messages\":[" USER("Translate the following text: Once upon") "]}", NULL, 3));
    static const struct {
        const char *text, *begin;
    } cases[] = {{"Summarise the following text: Once upon", "summarise the following text:"},
                 {"  What is the capital of France?", "what is the capital of"},
                 {"Look at https://x.y/z now", "look at"},
                 {"Order 66 now", "order"},
                 {"Say \"x\" twice", "say"},
                 {"Do it. Then I'll go on and on until it ends", "do it. then i'll go on and on"},
                 {"Fix {json}", "fix"},
                 {"say \xe2\x80\x9cx\xe2\x80\x9d", "say"},
                 {"12", ""},
                 {"", ""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char begin[PROMPT_BEGIN_BYTES + 1] = "";
        const size_t bytes = prompt_begin(cases[i].text, strlen(cases[i].text), begin);
        begin[bytes] = '\0';
        assert_string_equal(begin, cases[i].begin);
    }
}

static void test_said(void **state)
{
    (void)state;
    static const char request[] =
        "{\"metadata\":{\"prompt_name\":\"meta\",\"prompt_version\":\"3\"},\"messages\":[" SYSTEM("A") "]}";
    id_of(request, NULL, 4);
    assert_string_equal(exchange_field(&span, SPAN_prompt_name), "meta");
    assert_string_equal(exchange_field(&span, SPAN_prompt_version), "3");
    id_of(request, "X-Pprof-Prompt: triage@v2\n", 4);
    assert_string_equal(exchange_field(&span, SPAN_prompt_name), "triage");
    assert_string_equal(exchange_field(&span, SPAN_prompt_version), "v2");
    config.prompt = "env";
    const uint64_t id = id_of("{\"messages\":[" SYSTEM("A") "]}", NULL, 4);
    char version[9], got[9];
    snprintf(version, sizeof(version), "%08x", (unsigned)(id >> 32));
    snprintf(got, sizeof(got), "%.8s", exchange_field(&span, SPAN_prompt_version));
    assert_string_equal(exchange_field(&span, SPAN_prompt_name), "env");
    assert_string_equal(got, version);
    assert_true(id_of("{\"messages\":[" SYSTEM("B") "]}", NULL, 4) != id);
    assert_string_not_equal(exchange_field(&span, SPAN_prompt_version), version);
    id_of("{\"messages\":[" USER("B") "]}", NULL, 4); /* no instructions whose version it could be */
    assert_string_equal(exchange_field(&span, SPAN_prompt_version), "-");
    id_of("{\"metadata\":{\"prompt_name\":\"meta\"},\"messages\":[" SYSTEM(LONG) "]}", NULL, 4);
    assert_string_equal(exchange_field(&span, SPAN_prompt_version), "-"); /* the collector finds it */
    config.prompt = NULL;
    id_of("{\"messages\":[" SYSTEM("A") "]}", NULL, 4); /* no name that it could be the version of */
    assert_string_equal(exchange_field(&span, SPAN_prompt_name), "-");
    assert_string_equal(exchange_field(&span, SPAN_prompt_version), "-");
}

static struct shown shown;

static const char *preview_of(const char *system, const char *user)
{
    char request[1024];
    snprintf(request, sizeof(request), "{\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}%s%s%s]}", user,
             system != NULL ? ",{\"role\":\"system\",\"content\":\"" : "", system != NULL ? system : "",
             system != NULL ? "\"}" : "");
    id_of(request, NULL, 7);
    return exchange_field(&span, SPAN_prompt_preview);
}

static void preview_begin(unsigned chars, bool user)
{
    shown_init(&shown, config.hash_key);
    config.preview_chars = chars;
    config.preview_user = user;
    config.shown = &shown;
}

/* A text that came three times is shown, one that came twice is not. */
static void test_preview_of_the_same(void **state)
{
    (void)state;
    static const char text[] = "You help Erika Mustermann.";
    assert_string_equal(preview_of(text, "x"), "-"); /* nobody asked */
    preview_begin(60, false);
    assert_string_equal(preview_of(text, "x"), "-");
    assert_string_equal(preview_of(text, "y"), "-");
    assert_string_equal(preview_of(text, "z"), text);
    assert_string_equal(preview_of(text, "z"), text);
    preview_begin(2, false);
    for (int i = 0; i < 3; i++)
        (void)preview_of("\\u00e9\\u00e9\\u00e9 system", "x");
    assert_string_equal(exchange_field(&span, SPAN_prompt_preview), "\xc3\xa9\xc3\xa9");
    preview_begin(6, false);
    for (int i = 0; i < 3; i++)
        (void)preview_of(
            "\xe4\xbd\xa0\xe6\x98\xaf\xe4\xb8\x80\xe4\xb8\xaa\xe7\xbf\xbb\xe8\xaf\x91\xe5\x8a\xa9\xe6\x89\x8b", "x");
    assert_int_equal(strlen(exchange_field(&span, SPAN_prompt_preview)), 18);
}

/* Of texts that differ, the words that three of them have; names, however they stand, stay
 * inside. */
/* Where the preview ends within a word, its beginning is no word that texts share. */
static void test_preview_ends_with_words(void **state)
{
    (void)state;
    preview_begin(12, false);
    static const char *const texts[] = {"you serve Mara", "you serve Mona", "you serve Mike", "you serve Moritz",
                                        "you serve Max"};
    for (unsigned i = 0; i < 5; i++)
        (void)preview_of(texts[i], "x");
    assert_string_equal(exchange_field(&span, SPAN_prompt_preview), "you serve");
}

static void test_preview_of_the_shared(void **state)
{
    (void)state;
    static const char *const names[] = {"Erika", "Otto", "Hubert", "Adelheid", "Kunigunde", "Ottokar"};
    preview_begin(200, false);
    for (size_t i = 0; i < 6; i++) {
        char text[128];
        snprintf(text, sizeof(text), "You are the clerk of %s in room %zu. Be brief.", names[i], i);
        const char *const seen = preview_of(text, "x");
        assert_string_equal(seen, i < 2 ? "-" : "You are the clerk of \xe2\x80\xa6 in room \xe2\x80\xa6 Be brief.");
    }
    /* The same text again and again is one text. */
    preview_begin(200, false);
    for (int i = 0; i < 2; i++)
        assert_string_equal(preview_of("Help Erika", "x"), "-");
    assert_string_equal(preview_of("Help Otto", "x"), "-");
    assert_string_equal(preview_of("Help Hubert", "x"), "Help");
}

/* With the features comes which of their words stand in the preview, in its order: those of the
 * first message, where both begin. */
static void test_preview_words(void **state)
{
    (void)state;
    static const struct {
        const char *messages, *preview;
        uint64_t begins, shown;
    } cases[] = {
        {SYSTEM("You help, at 7, (it)"), "You help, at \xe2\x80\xa6 (it)", 0x5b, 0x4b},
        {SYSTEM("You help Erika") "," SYSTEM("Otto knows"), "You help ErikaOtto knows", 7, 3},
        {SYSTEM("You help \xe2\x80\xa6 it"), "You help \xe2\x80\xa6 it", 15, 11},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char request[512];
        struct prompt_features features;
        snprintf(request, sizeof(request), "{\"messages\":[%s]}", cases[i].messages);
        preview_begin(60, false);
        for (int k = 0; k < 3; k++) {
            features_begin();
            assert_true(brings(request, NULL, &features));
            assert_true(k == 2 || (features.preview_begins | features.preview_shown) == 0); /* nothing is shown yet */
        }
        assert_string_equal(exchange_field(&span, SPAN_prompt_preview), cases[i].preview);
        assert_int_equal(features.preview_begins, cases[i].begins);
        assert_int_equal(features.preview_shown, cases[i].shown);
    }
    config.sent = NULL;
}

/* What looks like data is shown in no case, and the user's text only where it was asked for. */
static void test_preview_of_data(void **state)
{
    (void)state;
    static const char *const data[] = {
        "hunter2",     "erika@example.com", "https://x.example", "sk-Ab3dEf6hIj9kLm",
        "/home/erika", "10.0.0.1",          "planted-secret-17", "a=b",
        "C:\\\\Users", "user_name",         "{{template}}",      "abcdefghijklmnopqrstuvwxyz"};
    for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "Use %s now", data[i]);
        preview_begin(200, true);
        for (int j = 0; j < 5; j++)
            (void)preview_of(text, "x");
        assert_string_equal(exchange_field(&span, SPAN_prompt_preview), "Use \xe2\x80\xa6 now");
        assert_string_equal(preview_of(NULL, text), "Use \xe2\x80\xa6 now");
    }
    preview_begin(60, false);
    for (int j = 0; j < 5; j++)
        assert_string_equal(preview_of(NULL, "a question"), "-");
    preview_begin(60, true);
    assert_string_equal(preview_of(NULL, "a question"), "a question");
    for (int j = 0; j < 2; j++)
        assert_string_equal(preview_of("Instructions of Erika", "a question"),
                            "-"); /* the rule of instructions stays */
}

static const char *preview_of_tools(const char *url, const char *request)
{
    const struct exchange_text text = {.url = url, .request = request, .response = "{}", .step = 1};
    struct exchange *const exchange = exchange_run_open(&config, &text);
    assert_non_null(exchange);
    assert_true(exchange_run_close(exchange, &text, 5000, &span));
    return exchange_field(&span, SPAN_prompt_preview);
}

#define CHAT "https://api.openai.com/v1/chat/completions"

/* Without instructions, the names of tools by the same rule; never what else a tool says, and no
 * user's text. */
static void test_preview_of_tools(void **state)
{
    (void)state;
    static const struct {
        const char *url, *request;
    } shapes[] = {
        {CHAT,
         "{\"messages\":[{\"role\":\"user\",\"content\":\"planted\"}],\"tools\":[{\"type\":\"function\",\"function\":"
         "{\"description\":\"planted\",\"parameters\":{\"properties\":{\"name\":{\"default\":\"planted\"},\"x\":{"
         "\"name\":\"planted\"}}},\"name\":\"get_weather\"}},{\"type\":\"planted\"},{\"type\":\"function\","
         "\"function\":{\"name\":\"find\\u005fflights\"}}]}"},
        {CHAT, "{\"messages\":[],\"functions\":[{\"name\":\"get_weather\"},{\"name\":\"find_flights\"}]}"},
        {"https://api.openai.com/v1/responses",
         "{\"input\":\"planted\",\"tools\":[{\"type\":\"function\",\"name\":\"get_weather\",\"parameters\":{\"name\":"
         "\"planted\"}},{\"name\":\"find_flights\"}]}"},
        {"https://api.anthropic.com/v1/messages", "{\"tools\":[{\"name\":\"get_weather\",\"input_schema\":{\"name\":"
                                                  "\"planted\"}},{\"name\":\"find_flights\"}]}"},
        {"https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
         "{\"tools\":[{\"functionDeclarations\":[{\"name\":\"get_weather\",\"parameters\":{\"name\":\"planted\"}}]},{"
         "\"function_declarations\":[{\"name\":\"find_flights\"}]}]}"},
        {"https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
         "{\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"get_weather\",\"inputSchema\":{\"name\":\"planted\"}}},"
         "{"
         "\"toolSpec\":{\"name\":\"find_flights\"}}]}}"},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        preview_begin(60, false);
        for (int j = 0; j < 2; j++)
            assert_string_equal(preview_of_tools(shapes[i].url, shapes[i].request), "-");
        assert_string_equal(preview_of_tools(shapes[i].url, shapes[i].request), "tools: get_weather find_flights");
    }
    /* Of lists that differ, the names that three of them have. */
    static const char *const others[] = {"ask_erika", "ask_otto", "ask_hubert", "key_sk_live_Ab3dEf6hIj", "user_17"};
    preview_begin(60, false);
    for (size_t i = 0; i < 5; i++) {
        char request[256];
        snprintf(request, sizeof(request), "{\"tools\":[{\"name\":\"%s\"},{\"name\":\"find_flights\"}]}", others[i]);
        assert_string_equal(preview_of_tools("https://api.anthropic.com/v1/messages", request),
                            i < 2 ? "-" : "tools: \xe2\x80\xa6 find_flights");
    }
    for (size_t i = 0; i < 5; i++) /* what looks like data, never */
        assert_string_equal(preview_of_tools("https://api.anthropic.com/v1/messages",
                                             "{\"tools\":[{\"name\":\"user_17\"},{\"name\":\"a@b.example\"}]}"),
                            "-");
    /* Instructions are shown before tools, and so is the user's text where it was asked for. */
    preview_begin(60, false);
    for (size_t i = 0; i < 3; i++)
        (void)preview_of_tools(CHAT, "{\"tools\":[{\"name\":\"find_flights\"}],\"messages\":[{\"role\":\"system\","
                                     "\"content\":\"Be brief\"}]}");
    assert_string_equal(exchange_field(&span, SPAN_prompt_preview), "Be brief");
    preview_begin(60, true);
    assert_string_equal(preview_of_tools(CHAT, "{\"tools\":[{\"name\":\"find_flights\"}],\"messages\":[{\"role\":"
                                               "\"user\",\"content\":\"a question\"}]}"),
                        "a question");
    config.preview_chars = 0;
    assert_string_equal(preview_of_tools(CHAT, shapes[0].request), "-");
}

/* More texts than the table holds: less is shown, nothing more, and what is public stays. */
static void test_preview_is_bounded(void **state)
{
    (void)state;
    preview_begin(60, false);
    for (int i = 0; i < 3; i++)
        (void)preview_of("Always the same words", "x");
    for (unsigned i = 0; i < 3 * SHOWN_SLOTS; i++) {
        const uint64_t digest[2] = {i * UINT64_C(0x9e3779b97f4a7c15), i};
        char text[32], out[64];
        snprintf(text, sizeof(text), "w%c%c%c%c", 'a' + (int)(i % 26), 'a' + (int)(i / 26 % 26),
                 'a' + (int)(i / 676 % 26), 'a' + (int)(i / 17576));
        const struct shown_text one = {.text = text, .bytes = strlen(text), .digest = {digest[0], digest[1]}};
        assert_int_equal(shown_preview(&shown, &one, 60, out, sizeof(out)), 0);
        shown.n_dirty = 0;
    }
    assert_string_equal(preview_of("Always the same words", "x"), "Always the same words");
    config.preview_chars = 0;
    config.shown = NULL;
}

static void test_key_alias(void **state)
{
    (void)state;
    char one[SPAN_ALIAS_BYTES], two[SPAN_ALIAS_BYTES];
    span_key_alias(config.hash_key, "Bearer sk-abc", 13, one);
    span_key_alias(config.hash_key, " sk-abc\r\n", 9, two);
    assert_string_equal(one, two);
    assert_int_equal(strlen(one), 16);
    span_key_alias(config.hash_key, "sk-abd", 6, two);
    assert_string_not_equal(one, two);
    span_key_alias(config.hash_key, " ", 1, two);
    assert_string_equal(two, "");
    id_of("{}", "Authorization: Bearer sk-abc\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
          9);
    assert_string_equal(exchange_field(&span, SPAN_key_alias), one);
    assert_true(span.value[SPAN_trace_hi].u64 == UINT64_C(0x0af7651916cd43dd));
    assert_true(span.value[SPAN_parent_id].u64 == UINT64_C(0xb7ad6b7169203331));
    for (size_t i = 0; i + 6 <= span.arena_used; i++)
        assert_memory_not_equal(span.arena + i, "sk-abc", 6);
}

/* Where the key cannot be read, what it would hash is absent. */
static void test_without_key(void **state)
{
    (void)state;
    config.has_hash_key = false;
    config.prompt = "triage";
    id_of("{\"messages\":[" SYSTEM("A") "]}", "Authorization: Bearer sk-abc\n", 99);
    assert_false(span_has(&span, SPAN_prompt_id));
    assert_false(span_has(&span, SPAN_key_alias));
    assert_string_equal(exchange_field(&span, SPAN_prompt_name), "triage");
    config.has_hash_key = true;
    config.prompt = NULL;
}

static void test_rewind(void **state)
{
    (void)state;
    static const char request[] = "{\"model\":\"m\",\"messages\":[" SYSTEM("A") "]}";
    const uint64_t id = id_of(request, NULL, 99);
    const struct exchange_text text = {.url = "https://api.openai.com/v1/chat/completions"};
    struct exchange *const exchange = exchange_run_open(&config, &text);
    exchange_request_body(exchange, 1, (const uint8_t *)request, 40);
    exchange_request_rewind(exchange);
    exchange_request_body(exchange, 1, (const uint8_t *)request, sizeof(request) - 1);
    assert_true(exchange_run_close(exchange, &text, 5000, &span));
    assert_true(span.value[SPAN_prompt_id].u64 == id);
}

/* Whatever of the body had been read by then: a body that is sent again counts from its
 * beginning. */
static void test_rewind_anywhere(void **state)
{
    (void)state;
    static const char request[] = "{\"model\":\"m\",\"messages\":[" SYSTEM("A") "," SYSTEM("B") "]," TOOLS "}";
    const uint64_t id = id_of(request, NULL, 99);
    const struct exchange_text text = {.url = "https://api.openai.com/v1/chat/completions"};
    for (size_t before = 0; before < sizeof(request); before++) {
        struct exchange *const exchange = exchange_run_open(&config, &text);
        exchange_request_body(exchange, 1, (const uint8_t *)request, before);
        exchange_request_rewind(exchange);
        exchange_request_body(exchange, 1, (const uint8_t *)request, sizeof(request) - 1);
        assert_true(exchange_run_close(exchange, &text, 5000, &span));
        assert_true(span.value[SPAN_prompt_id].u64 == id);
        assert_string_equal(exchange_field(&span, SPAN_request_model), "m");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stable),
                                       cmocka_unit_test(test_setup),
                                       cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_features),
                                       cmocka_unit_test(test_features_are_keyed),
                                       cmocka_unit_test(test_user_beginning),
                                       cmocka_unit_test(test_said),
                                       cmocka_unit_test(test_preview_of_the_same),
                                       cmocka_unit_test(test_preview_of_the_shared),
                                       cmocka_unit_test(test_preview_ends_with_words),
                                       cmocka_unit_test(test_preview_words),
                                       cmocka_unit_test(test_preview_of_data),
                                       cmocka_unit_test(test_preview_of_tools),
                                       cmocka_unit_test(test_preview_is_bounded),
                                       cmocka_unit_test(test_without_key),
                                       cmocka_unit_test(test_key_alias),
                                       cmocka_unit_test(test_rewind),
                                       cmocka_unit_test(test_rewind_anywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
