/*
 * The parts of requests that look alike in several dialects: model, stream, limits, tools,
 * messages, said prompt names.
 *
 * Called from the dialects' request handlers on the scribe's thread.
 */
#include "dialect_request.h"

#include "shim/llm/identity/exchange_config.h"
#include "shim/llm/privacy/secret.h"

#include <string.h>

/* One byte further along `mark`, whose first byte stands nowhere else in it. */
static uint8_t follow(const char *mark, uint8_t matched, char c)
{
    if (!mark[matched])
        return matched;
    return (uint8_t)(c == mark[matched] ? matched + 1 : c == mark[0]);
}

/* Does the response format demand JSON? All that do spell it "json..." (json_object, json_schema,
 * json), "application/json" or give a schema. */
static void look_for_json(struct facts *facts, const struct json_value *raw)
{
    static const char type[] = "\"json", mime[] = "/json\"";
    if (raw->type != JSON_RAW_BYTES)
        return;
    if (raw->first)
        facts->format_matched = facts->mime_matched = 0;
    for (size_t i = 0; i < raw->bytes; i++) {
        facts->format_matched = follow(type, facts->format_matched, raw->text[i]);
        facts->mime_matched = follow(mime, facts->mime_matched, raw->text[i]);
    }
    if (!type[facts->format_matched] || !mime[facts->mime_matched])
        facts->json_asked = true;
}

static void message(struct facts *facts, const struct json_value *value)
{
    facts->shape_asked = facts->shape_asked || value->type == JSON_OBJECT_BEGIN;
    if (value->type == JSON_OBJECT_BEGIN)
        prompt_message_begin(&facts->prompt);
    else if (value->type == JSON_OBJECT_END)
        prompt_message_end(&facts->prompt);
}

/* A list of prompts asks for an answer to each; a list of numbers is one prompt. */
static void count_prompt(struct facts *facts, const struct json_value *value)
{
    const bool element = value->indexes == 1 && value->first;
    const bool one = value->type == JSON_STRING || value->type == JSON_ARRAY_BEGIN || value->type == JSON_OBJECT_BEGIN;
    facts->prompts += element && one && facts->prompts < UINT32_MAX;
    facts->prompt_of_tokens = facts->prompt_of_tokens || (element && value->type == JSON_NUMBER);
}

static void said(struct facts *facts, const struct json_value *value)
{
    struct prompt *const prompt = &facts->prompt;
    if (value->type != JSON_STRING && value->type != JSON_NUMBER)
        return;
    if (value->rule == REQUEST_PROMPT_ID && value->type == JSON_STRING)
        prompt_said(prompt, PROMPT_SAID_BODY, value->text, value->bytes);
    else if (value->rule == REQUEST_PROMPT_VERSION)
        prompt_said_version(prompt, PROMPT_SAID_BODY, value->text, value->bytes);
    else if (value->rule == REQUEST_META_NAME && value->type == JSON_STRING)
        prompt_said(prompt, PROMPT_SAID_METADATA, value->text, value->bytes);
    else if (value->rule == REQUEST_META_VERSION)
        prompt_said_version(prompt, PROMPT_SAID_METADATA, value->text, value->bytes);
}

/* What was cut is nobody's. */
static void end_user(struct facts *facts, const struct json_value *value)
{
    const struct exchange_config *const config = facts->prompt.config;
    if ((value->type != JSON_STRING && value->type != JSON_NUMBER) || !value->bytes)
        return;
    if (facts->echo != NULL)
        secret_echo_take(facts->echo, value->text, value->bytes, ' ');
    if (value->rule < facts->end_user_said || value->cut || !config->has_hash_key)
        return;
    facts->end_user_said = value->rule;
    span_key_alias(config->hash_key, value->text, value->bytes, facts->end_user);
}

void dialect_request_value(struct facts *facts, const struct json_value *value)
{
    switch (value->rule) {
    case REQUEST_MODEL:
        facts_set_value(facts, FACT_REQUEST_MODEL, value);
        break;
    case REQUEST_STREAM:
        facts_stream_asked(facts, value);
        break;
    case REQUEST_MAX_TOKENS:
        facts_set_count(facts, FACT_MAX_TOKENS, value);
        facts->shape_asked = facts->shape_asked || value->has_u64;
        break;
    case REQUEST_CHOICES:
        facts_set_count(facts, FACT_CHOICES_ASKED, value);
        break;
    case REQUEST_TOOLS:
        prompt_tools(&facts->prompt, value);
        break;
    case REQUEST_FORMAT:
        look_for_json(facts, value);
        prompt_format(&facts->prompt, value);
        break;
    case REQUEST_SCHEMA: /* an object, or its text */
        if (value->type == JSON_RAW_BYTES && value->first && value->bytes &&
            (value->text[0] == '{' || value->text[0] == '"'))
            facts->json_asked = true;
        prompt_format(&facts->prompt, value);
        break;
    case REQUEST_MESSAGE:
        message(facts, value);
        break;
    case REQUEST_ROLE:
        if (value->type == JSON_STRING)
            prompt_message_role(&facts->prompt, value->text, value->bytes);
        break;
    case REQUEST_TEXT:
        if (value->type == JSON_STRING)
            prompt_message_text(&facts->prompt, value->text, value->bytes);
        break;
    case REQUEST_INSTRUCTIONS:
        prompt_instructions(&facts->prompt, value);
        break;
    case REQUEST_PROMPTED:
        facts->shape_asked = true;
        count_prompt(facts, value);
        prompt_user(&facts->prompt, value);
        break;
    case REQUEST_USER:
        count_prompt(facts, value);
        prompt_user(&facts->prompt, value);
        break;
    case REQUEST_END_USER ... REQUEST_END_USER_SAFE:
        end_user(facts, value);
        break;
    default:
        said(facts, value);
        break;
    }
}
