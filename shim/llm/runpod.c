/*
 * RunPod's serverless endpoints: a job handed in and waited for, handed in alone, and asked after.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Workers of every kind run there; what is
 * asked by a prompt or messages, or answers as the vLLM worker does, is a call.
 */
#include "dialect.h"
#include "dialect_request.h"
#include "dialect_table.h"

enum rule { EXECUTION_MS = TABLE_OWN };

#define OUTPUT_RULES(at)                                                                                               \
    {at ".choices[].tokens[]", TABLE_TEXT, JSON_PIECES}, {at ".choices[].text", TABLE_TEXT, JSON_PIECES},              \
        {at ".choices[].message.content", TABLE_TEXT, JSON_PIECES}, {at ".choices[].finish_reason", TABLE_FINISH, 0},  \
        {at ".model", ANSWER_MODEL, 0}, {at ".usage.input", TABLE_ADDED_INPUT, 0},                                     \
        {at ".usage.output", TABLE_ADDED_OUTPUT, 0}, {at ".usage.prompt_tokens", TABLE_ADDED_INPUT, 0},                \
    {                                                                                                                  \
        at ".usage.completion_tokens", TABLE_ADDED_OUTPUT, 0                                                           \
    }

static const struct json_rule answer_rules[] = {
    {"id", ANSWER_ID, 0},
    {"status", TABLE_STATUS, 0},
    OUTPUT_RULES("output"),
    OUTPUT_RULES("output[]"),
    {"output", TABLE_TEXT, JSON_PIECES},
    {"output[].usage", TABLE_SHAPE, 0},
    {"output.usage", TABLE_SHAPE, 0},
    {"delayTime", ANSWER_QUEUE_MS, 0},
    {"executionTime", EXECUTION_MS, 0},
    {"error", ANSWER_ERROR, 0},
};

static const struct json_rule request_rules[] = {
    {"input.model", REQUEST_MODEL, 0},
    {"input.openai_input.model", REQUEST_MODEL, 0},
    {"input.sampling_params.max_tokens", REQUEST_MAX_TOKENS, 0},
    {"input.max_tokens", REQUEST_MAX_TOKENS, 0},
    {"input.openai_input.max_tokens", REQUEST_MAX_TOKENS, 0},
    {"input.prompt", REQUEST_PROMPTED, JSON_PIECES},
    REQUEST_MESSAGES("input.messages"),
    REQUEST_MESSAGES("input.openai_input.messages"),
};

static void on_answer(void *context, const struct json_value *value)
{
    if (value->rule == EXECUTION_MS)
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
        "Recognised at RunPod by POST to `/v2/ENDPOINT/runsync` and `/run`, GET or POST to `/v2/ENDPOINT/status/JOB`, "
        "if request or answer has a prompt, messages or tokens.\n\n"
        "| fact | where |\n|---|---|\n"
        "| model | `input.model`; answer `output.model` |\n"
        "| content | `output[].choices[].tokens[]` (the vLLM worker), `.text`, `.message.content`, or `output` |\n"
        "| usage | the sum of `output[].usage.input`, `output`; `prompt_tokens`, `completion_tokens` |\n"
        "| id, finish | `id`; a choice's `finish_reason`, else `status` |\n"
        "| server times | `delayTime` (queue), `executionTime` |\n"
        "| error | `error`, a text, with `status` FAILED |\n\n"
        "Quirks: what `/run` hands in is answered to who asks after it, maybe several times: tokens are counted with "
        "the first answer that states them. `/stream/JOB` is not read. `/openai/v1` below an endpoint is OpenAI's.\n\n"
        "Source: https://docs.runpod.io/serverless/endpoints/send-requests, "
        "https://docs.runpod.io/serverless/vllm/vllm-requests.\n",
};
