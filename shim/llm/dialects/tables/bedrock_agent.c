/*
 * Amazon Bedrock's agents, made beforehand or with the request, and its knowledge bases that
 * answer.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. One call runs models
 * several times; only traces, where they are asked for, tell how often and with how many tokens.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

#define GUARDED (TABLE_OWN)

/* clang-format off */
static const struct json_rule plain_rules[] = {
    RULE("output.text", TABLE_TEXT, JSON_PIECES),
    RULE("output", TABLE_SHAPE, 0),
    RULE("guardrailAction", GUARDED, 0),
};

static const struct json_rule event_rules[] = {
    RULE("bytes", TABLE_TEXT, JSON_PIECES), /* chunk: base64 of text */
    RULE("text", TABLE_TEXT, JSON_PIECES), /* output, of knowledge bases */
    RULE("action", GUARDED, 0), /* guardrail, likewise */
    RULE("invocationInputs[]", TABLE_CALL_WHOLE, 0),
    RULE("files[]", TABLE_MEDIA, 0),
    RULE("trace.*.modelInvocationInput.foundationModel", ANSWER_MODEL, 0),
    RULE("trace.*.modelInvocationOutput.metadata.usage.inputTokens", TABLE_ADDED_INPUT, 0),
    RULE("trace.*.modelInvocationOutput.metadata.usage.outputTokens", TABLE_ADDED_OUTPUT, 0),
    RULE("trace.guardrailTrace.action", GUARDED, 0),
};

static const struct json_rule request_rules[] = {
    RULE("inputText", REQUEST_PROMPTED, JSON_PIECES),
    RULE("instruction", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("foundationModel", REQUEST_MODEL, 0),
    RULE("streamingConfigurations.streamFinalResponse", REQUEST_STREAM, 0),
    RULE("input.text", REQUEST_PROMPTED, JSON_PIECES),
    RULE("retrieveAndGenerateConfiguration.*.modelArn", REQUEST_MODEL, 0),
    RULE("retrieveAndGenerateConfiguration.*.generationConfiguration.*.*.maxTokens", REQUEST_MAX_TOKENS, 0),
};
/* clang-format on */

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    if (value->rule == GUARDED)
        facts->filtered = facts->filtered || json_text_is(value, "INTERVENED");
    else
        dialect_table_value(facts, value);
}

static void on_open(struct facts *facts, const char *api, const char *provider)
{
    (void)api;
    (void)provider;
    facts->no_end_mark = true; /* the frames end with the answer */
}

static void on_event_begin(struct facts *facts, const char *name, size_t bytes)
{
    (void)name;
    facts->shape_seen = facts->shape_seen || bytes;
}

struct dialect dialect_bedrock_agent = {
    .name = "bedrock_agent",
    .apis = "bedrock-agent bedrock-knowledge",
    .text_chunks = true,
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .open = on_open,
    .event_begin = on_event_begin,
    .docs =
        "Recognised on `bedrock-agent-runtime` by POST to `/agents/A/agentAliases/B/sessions/S/text` (InvokeAgent), "
        "`/agents/S` (InvokeInlineAgent), `/retrieveAndGenerate` and `/retrieveAndGenerateStream`.\n\n"
        "| fact | where |\n|---|---|\n"
        "| model | request `foundationModel` (inline agents), `modelArn` (knowledge bases); of agents made beforehand "
        "what traces say of the last run, `trace.*.modelInvocationInput.foundationModel` |\n"
        "| content | events `chunk`, `output`, `files`; `output.text` |\n"
        "| usage | the sum of `trace.*.modelInvocationOutput.metadata.usage` over all events; without `enableTrace`, "
        "and of knowledge bases, none is stated |\n"
        "| tool calls | `returnControl`: `invocationInputs[]` |\n"
        "| error | header `x-amzn-errortype`; in a stream the exception's name; a guardrail's doing: `action`, "
        "`guardrailAction` |\n\n"
        "Quirks: the chunks are base64 of text, where those of InvokeModel are of JSON. Flows (`/flows/F/aliases/A`) "
        "state neither model nor tokens and are not read.\n\n"
        "Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_InvokeAgent.html, "
        "API_agent-runtime_InvokeInlineAgent.html, API_agent-runtime_RetrieveAndGenerate.html, "
        "API_agent-runtime_Metadata.html.\n",
};
