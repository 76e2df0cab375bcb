/* The same rules in every dialect: the instructions decide which prompt it is, whatever the
 * conversation says; a date in them makes no other; other words do; and they bring features, once.
 * Where a dialect has no instructions (embeddings, images, audio …) the text's shared beginning
 * counts, or the template that was named. */
#include "exchange_run.h"
#include "shim/llm/identity/sent_texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "span/prompt_features.h"

static struct exchange_config config = {.hash_key = {3, 1}, .has_hash_key = true};
static struct sent_texts sent;
static struct span span;

#define RULES(day)                                                                                                     \
    "Today is 2026-01-" day                                                                                            \
    " in this house. You are the clerk of the front desk and answer in short sentences, as the "                       \
    "handbook of the house says, and never promise anything that is not in it."
#define OTHER                                                                                                          \
    "You are the cook of this house and tell what is on the table today, in short sentences, as the list of the "      \
    "kitchen says, and never praise what is not on it."

struct dialect {
    const char *name, *url;
    const char *format; /* of the request: %1$s are the instructions, %2$s what the user says */
    const char *headers;
};

static void ask(const struct dialect *dialect, const char *instructions, const char *user, struct span *ret)
{
    static char request[8192];
    snprintf(request, sizeof(request), dialect->format, instructions, user);
    const struct exchange_text text = {.url = dialect->url, .request = request, .headers = dialect->headers};
    struct exchange *const exchange = exchange_run_open(&config, &text);
    if (exchange == NULL)
        fail_msg("%s: %s is not recognised", dialect->name, dialect->url);
    assert_true(exchange_run_close(exchange, &text, 5000, ret));
}

static uint64_t id_of(const struct dialect *dialect, const char *instructions, const char *user)
{
    ask(dialect, instructions, user, &span);
    if (!span_has(&span, SPAN_prompt_id))
        return 0;
    return span.value[SPAN_prompt_id].u64;
}

static const struct dialect with_instructions[] = {
    {"chat, system", "https://api.openai.com/v1/chat/completions",
     "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},{\"role\":\"user\",\"content\":\"%s\"}]}",
     NULL},
    {"chat, developer in parts", "https://api.openai.com/v1/chat/completions",
     "{\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]},{\"role\":\"user\","
     "\"content\":\"%s\"}]}",
     NULL},
    {"chat, an agent's conversation", "https://api.openai.com/v1/chat/completions",
     "{\"messages\":[{\"role\":\"system\",\"content\":\"%1$s\"},{\"role\":\"user\",\"content\":\"Go\"},{\"role\":"
     "\"assistant\","
     "\"content\":\"I look at "
     "%2$s\"},{\"role\":\"tool\",\"content\":\"%2$s\"},{\"role\":\"user\",\"content\":\"%2$s\"}]}",
     NULL},
    {"responses, instructions", "https://api.openai.com/v1/responses",
     "{\"model\":\"m\",\"instructions\":\"%s\",\"input\":\"%s\"}", NULL},
    {"responses, a developer's message", "https://api.openai.com/v1/responses",
     "{\"model\":\"m\",\"input\":[{\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"%s\"}]},{"
     "\"role\":"
     "\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"%s\"}]}]}",
     NULL},
    {"messages, a string", "https://api.anthropic.com/v1/messages",
     "{\"model\":\"m\",\"max_tokens\":9,\"system\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
     NULL},
    {"messages, cached blocks", "https://api.anthropic.com/v1/messages",
     "{\"model\":\"m\",\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"%s\",\"cache_control\":{\"type\":"
     "\"ephemeral\"}}],"
     "\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
     NULL},
    {"gemini, systemInstruction",
     "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:generateContent",
     "{\"systemInstruction\":{\"parts\":[{\"text\":\"%s\"}]},\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"%"
     "s\"}]}]}",
     NULL},
    {"gemini, system_instruction",
     "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:generateContent",
     "{\"system_instruction\":{\"parts\":[{\"text\":\"%s\"}]},\"contents\":[{\"parts\":[{\"text\":\"%s\"}]}]}", NULL},
    {"bedrock, converse", "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3/converse",
     "{\"system\":[{\"text\":\"%s\"}],\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"%s\"}]}]}", NULL},
    {"bedrock, invoke of messages", "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3/invoke",
     "{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":9,\"system\":\"%s\",\"messages\":[{\"role\":"
     "\"user\",\"content\":\"%s\"}]}",
     NULL},
    {"ollama, chat", "http://127.0.0.1:11434/api/chat",
     "{\"model\":\"llama3\",\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},{\"role\":\"user\",\"content\":\"%"
     "s\"}]}",
     NULL},
    {"ollama, generate with system", "http://127.0.0.1:11434/api/generate",
     "{\"model\":\"llama3\",\"system\":\"%s\",\"prompt\":\"%s\"}", NULL},
    {"ollama, generate with template", "http://127.0.0.1:11434/api/generate",
     "{\"model\":\"llama3\",\"template\":\"%s\",\"prompt\":\"%s\"}", NULL},
    {"cohere, preamble", "https://api.cohere.com/v1/chat", "{\"preamble\":\"%s\",\"message\":\"%s\"}", NULL},
    {"cohere, version 2", "https://api.cohere.com/v2/chat",
     "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"%s\"},{\"role\":\"user\",\"content\":\"%s\"}]}",
     NULL},
    {"speech", "https://api.openai.com/v1/audio/speech",
     "{\"model\":\"m\",\"voice\":\"alloy\",\"instructions\":\"%s\",\"input\":\"%s\"}", NULL},
    {"assistants, a run", "https://api.openai.com/v1/threads/runs",
     "{\"assistant_id\":\"asst_1\",\"instructions\":\"%s\",\"thread\":{\"messages\":[{\"role\":\"user\",\"content\":\"%"
     "s\"}]}}",
     NULL},
};

static void test_instructions_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(with_instructions) / sizeof(with_instructions[0]); i++) {
        const struct dialect *const dialect = &with_instructions[i];
        struct prompt_features features;
        sent_texts_init(&sent, config.hash_key);
        config.sent = &sent;
        const uint64_t id = id_of(dialect, RULES("02"), "How late is it?");
        if (!span_has(&span, SPAN_prompt_text_id) || !span_has(&span, SPAN_prompt_features))
            fail_msg("%s: its instructions are not taken for such", dialect->name);
        const struct span_text data = span.value[SPAN_prompt_features].text;
        assert_int_equal(prompt_features_read(&features, data.data, data.bytes), 0);
        assert_int_equal(features.bytes, sizeof(RULES("02")) - 1);
        assert_int_equal(features.head_look[2] >> 5, PROMPT_WORD_DATE >> 1);
        const uint64_t text_id = span.value[SPAN_prompt_text_id].u64;
        if (id_of(dialect, RULES("02"), "And what is for dinner, please?") != id)
            fail_msg("%s: what the user says makes another prompt", dialect->name);
        assert_true(span.value[SPAN_prompt_text_id].u64 == text_id);
        assert_false(span_has(&span, SPAN_prompt_features));
        if (id_of(dialect, RULES("30"), "How late is it?") != id)
            fail_msg("%s: a date makes another prompt", dialect->name);
        assert_true(span.value[SPAN_prompt_text_id].u64 != text_id);
        if (id_of(dialect, OTHER, "How late is it?") == id)
            fail_msg("%s: other instructions make no other prompt", dialect->name);
        assert_true(span_has(&span, SPAN_prompt_features));
        config.sent = NULL;
    }
}

/* Without instructions: the same beginning is the same prompt, another one is another. */
static const struct dialect without_instructions[] = {
    {"completions", "https://api.openai.com/v1/completions", "{\"model\":\"m\",\"prompt\":\"%s %s\"}", NULL},
    {"images", "https://api.openai.com/v1/images/generations", "{\"model\":\"m\",\"prompt\":\"%s %s\"}", NULL},
    {"ollama, generate", "http://127.0.0.1:11434/api/generate", "{\"model\":\"llama3\",\"prompt\":\"%s %s\"}", NULL},
    {"gemini, cached contents",
     "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:generateContent",
     "{\"cachedContent\":\"cachedContents/abc\",\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"%s %s\"}]}]}",
     NULL},
};

static void test_beginnings_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(without_instructions) / sizeof(without_instructions[0]); i++) {
        const struct dialect *const dialect = &without_instructions[i];
        const uint64_t id = id_of(dialect, OTHER, "How late is it?");
        assert_false(span_has(&span, SPAN_prompt_text_id));
        assert_false(span_has(&span, SPAN_prompt_features));
        if (id_of(dialect, OTHER, "And what is for dinner?") != id)
            fail_msg("%s: what lies behind the beginning makes another prompt", dialect->name);
        if (id_of(dialect, "Whatever " OTHER, "How late is it?") == id)
            fail_msg("%s: another beginning makes no other prompt", dialect->name);
    }
}

/* What is embedded, ranked, moderated or spoken is data, each another: it makes no prompt. */
static const struct dialect data_alone[] = {
    {"embeddings", "https://api.openai.com/v1/embeddings", "{\"model\":\"m\",\"input\":\"%s %s\"}", NULL},
    {"speech", "https://api.openai.com/v1/audio/speech", "{\"model\":\"m\",\"voice\":\"alloy\",\"input\":\"%s %s\"}",
     NULL},
    {"rerank", "https://api.cohere.com/v2/rerank", "{\"model\":\"m\",\"query\":\"%s %s\",\"documents\":[\"a\",\"b\"]}",
     NULL},
    {"moderation", "https://api.openai.com/v1/moderations", "{\"model\":\"m\",\"input\":\"%s %s\"}", NULL},
};

static void test_data_makes_no_prompt(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(data_alone) / sizeof(data_alone[0]); i++)
        assert_int_equal(id_of(&data_alone[i], OTHER, "How late is it?"), 0);
}

/* A prompt that lies at the provider is that prompt, whatever its variables. */
static const struct dialect stored[] = {
    {"responses, a stored prompt", "https://api.openai.com/v1/responses",
     "{\"model\":\"m\",\"prompt\":{\"id\":\"pmpt_68\",\"version\":\"2\",\"variables\":{\"name\":\"%s\"}},\"input\":\"%"
     "s\"}",
     NULL},
    {"bedrock, a prompt's ARN",
     "https://bedrock-runtime.us-east-1.amazonaws.com/model/"
     "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprompt%2FABCDEFGHIJ%3A2/converse",
     "{\"promptVariables\":{\"name\":{\"text\":\"%s %s\"}}}", NULL},
    {"assistants", "https://api.openai.com/v1/threads/runs",
     "{\"assistant_id\":\"asst_abc\",\"thread\":{\"messages\":[{\"role\":\"user\",\"content\":\"%s %s\"}]}}", NULL},
};

static void test_stored_prompts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
        const uint64_t id = id_of(&stored[i], RULES("02"), "Anna");
        char name[SPAN_TEXT_MAX + 1];
        snprintf(name, sizeof(name), "%s", exchange_field(&span, SPAN_prompt_name));
        if (strcmp(name, "-") == 0)
            fail_msg("%s: no name is known", stored[i].name);
        if (id_of(&stored[i], OTHER, "Otto") != id)
            fail_msg("%s: its variables make another prompt", stored[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instructions_decide), cmocka_unit_test(test_beginnings_decide),
        cmocka_unit_test(test_data_makes_no_prompt), cmocka_unit_test(test_stored_prompts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
