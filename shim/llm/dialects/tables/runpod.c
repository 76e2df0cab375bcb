/*
 * RunPod's serverless endpoints: a job handed in and waited for, handed in alone, and asked after.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Workers of every kind
 * run there; what is asked by a prompt or messages, or answers as the vLLM worker does, is a call.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

enum rule { EXECUTION_MS = TABLE_OWN, PLAIN_INPUT, PLAIN_OUTPUT };

/* clang-format off */
#define OUTPUT_RULES(at) \
    RULE(at ".choices[].tokens[]", TABLE_TEXT, JSON_PIECES), \
    RULE(at ".choices[].text", TABLE_TEXT, JSON_PIECES), \
    RULE(at ".choices[].message.content", TABLE_TEXT, JSON_PIECES), \
    RULE(at ".choices[].finish_reason", TABLE_FINISH, 0), \
    RULE(at ".choices[].delta.content", TABLE_TEXT, JSON_PIECES), \
    RULE(at ".text[]", TABLE_TEXT, JSON_PIECES), \
    RULE(at ".data[].embedding", TABLE_VECTOR, 0), \
    RULE(at ".model", ANSWER_MODEL, 0), \
    RULE(at ".usage", TABLE_SHAPE, 0), \
    ANSWER_COUNTED(at ".usage.input", FACT_INPUT), \
    ANSWER_COUNTED(at ".usage.output", FACT_OUTPUT), \
    USAGE_RULES(at ".usage"), \
    FAILURE_ERROR(at ".error")

static const struct json_rule answer_rules[] = {
    RULE("id", ANSWER_ID, 0),
    RULE("status", TABLE_STATUS, 0),
    OUTPUT_RULES("output"),
    OUTPUT_RULES("output[]"),
    OUTPUT_RULES("stream[].output"),
    RULE("output", TABLE_TEXT, JSON_PIECES),
    RULE("output[]", TABLE_TEXT, JSON_PIECES),
    RULE("stream[].output", TABLE_TEXT, JSON_PIECES),
    RULE("output.input_tokens", PLAIN_INPUT, 0),
    RULE("output.output_tokens", PLAIN_OUTPUT, 0),
    RULE("delayTime", ANSWER_QUEUE_MS, 0),
    RULE("executionTime", EXECUTION_MS, 0),
};

static const struct json_rule request_rules[] = {
    RULE("input.model", REQUEST_MODEL, 0),
    RULE("input.openai_input.model", REQUEST_MODEL, 0),
    RULE("input.sampling_params.max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("input.max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("input.openai_input.max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("input.prompt", REQUEST_PROMPTED, JSON_PIECES),
    REQUEST_MESSAGES("input.messages"),
    REQUEST_MESSAGES("input.openai_input.messages"),
};
/* clang-format on */

static void plain_count(struct facts *facts, const struct json_value *value)
{
    facts->shape_seen = facts->shape_seen || value->has_u64;
    facts_set_count(facts, value->rule == PLAIN_INPUT ? FACT_INPUT : FACT_OUTPUT, value);
}

static void on_answer(void *context, const struct json_value *value)
{
    if (value->rule == PLAIN_INPUT || value->rule == PLAIN_OUTPUT)
        plain_count(context, value);
    else if (value->rule == EXECUTION_MS)
        facts_set_time(context, FACT_SERVER_PROCESSING_NS, value, 1e6);
    else if (value->rule != TABLE_TEXT || value->type == JSON_STRING) /* objects are what the other rules look into */
        dialect_table_value(context, value);
}

struct dialect dialect_runpod = {
    .name = "runpod",
    .apis = "runpod-job",
    .repeats = true,
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs =
        "Recognised at RunPod by POST to `/v2/ENDPOINT/runsync` and `/run`, GET or POST to `/v2/ENDPOINT/status/JOB` "
        "and "
        "`/stream/JOB`, "
        "if request or answer has a prompt, messages or tokens.\n\n"
        "| fact | where |\n|---|---|\n"
        "| model | `input.model`; answer `output.model` |\n"
        "| content | `output[].choices[].tokens[]` (the vLLM worker), `.text`, `.message.content`, or `output` |\n"
        "| usage | `usage.input`, `output` of an output, or as OpenAI names them; each piece states the input again "
        "and "
        "the output so far, so the last counts; `output.input_tokens`, `output_tokens` of an older worker, which in a "
        "list count each piece alone |\n"
        "| id, finish | `id`; a choice's `finish_reason`, else `status` |\n"
        "| server times | `delayTime` (queue), `executionTime` |\n"
        "| error | `error`, a text, with `status` FAILED |\n\n"
        "Quirks: what `/run` hands in is answered to who asks after it, in pieces (`stream[].output`, or a list of "
        "`output`) or several times: of what an answer states, what earlier ones stated of the same job is no more "
        "counted. `/openai/v1` below an endpoint is OpenAI's.\n\n"
        "Source: https://docs.runpod.io/serverless/endpoints/send-requests, "
        "https://docs.runpod.io/serverless/vllm/vllm-requests, the worker (runpod-workers/worker-vllm).\n",
};
