/*
 * Batches of OpenAI, Anthropic, Mistral and Google: made, asked after, listed, cancelled;
 * Anthropic's results, a line per request.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/iterations.h"

#include <string.h>

enum rule {
    STATUS = ANSWER_OWN,
    SHAPE,
    RESULT_MODEL,
    RESULT_USAGE,
    INLINED_USAGE,
    ITERATION, /* and what follows: enum iterations_part */
    ITERATION_END = ITERATION + ITERATIONS_COUNT,
    RESULT_COUNT = ANSWER_COUNT + FACT_USAGE_END
};

/* Of the line of results under way. */
struct state {
    struct iterations iterations;
    uint64_t stated[ITERATED];
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

#define ADDED(path, fact) RULE(path, RESULT_COUNT + (fact), 0)
#define RESULT "result.message.usage"
/* Of a finished batch of Google's; "metadata.output" repeats it. */
#define INLINED "response.inlinedResponses.inlinedResponses[].response.usageMetadata"

/* clang-format off */
static const struct json_rule answer_rules[] = {
    ANSWER_IDENTITY,
    ANSWER_NAMED_ERRORS,
    RULE("usage", ANSWER_USAGE, 0),
    RULE("status", STATUS, 0),
    RULE("processing_status", STATUS, 0),
    RULE("request_counts", SHAPE, 0),
    RULE("data[].request_counts", SHAPE, 0),
    RULE("result.message.model", RESULT_MODEL, 0),
    RULE(RESULT, RESULT_USAGE, 0),
    ITERATION_RULES(RESULT, ITERATION),
    ADDED(RESULT ".input_tokens", FACT_INPUT),
    ADDED(RESULT ".output_tokens", FACT_OUTPUT),
    ADDED(RESULT ".cache_read_input_tokens", FACT_CACHE_READ),
    ADDED(RESULT ".cache_creation_input_tokens", FACT_CACHE_CREATION),
    ADDED(RESULT ".cache_creation.ephemeral_5m_input_tokens", FACT_CACHE_CREATION_5M),
    ADDED(RESULT ".cache_creation.ephemeral_1h_input_tokens", FACT_CACHE_CREATION_1H),
    ADDED(RESULT ".output_tokens_details.thinking_tokens", FACT_REASONING),
    RULE("metadata.state", STATUS, 0),
    RULE("metadata.batchStats", SHAPE, 0),
    RULE(INLINED, INLINED_USAGE, 0),
    ADDED(INLINED ".promptTokenCount", FACT_INPUT),
    ADDED(INLINED ".candidatesTokenCount", FACT_OUTPUT),
    ADDED(INLINED ".thoughtsTokenCount", FACT_REASONING),
    ADDED(INLINED ".cachedContentTokenCount", FACT_CACHE_READ),
};

static const struct json_rule request_rules[] = {
    RULE("metadata", SHAPE, 0),
};
/* clang-format on */

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

static void add(struct facts *facts, enum facts_number which, const struct json_value *value)
{
    facts_add_count(facts, which, value);
    for (unsigned i = 0; i < ITERATED && value->has_u64; i++)
        if (iterated[i] == which)
            state_of(facts)->stated[i] = value->u64;
}

/* One answer in Anthropic's words, by Anthropic's arithmetic: what its runs of models had beside
 * the last one is added when all is known. */
static void result_usage(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    facts->input_excludes_cache = true;
    dialect_answer_product(facts);
    for (unsigned i = 0; i < ITERATED && value->type == JSON_OBJECT_END; i++) {
        const struct json_value above = {.has_u64 = true,
                                         .u64 = iterations_above(&state->iterations, i, state->stated[i])};
        if (above.u64)
            facts_add_count(facts, iterated[i], &above);
    }
    memset(state, 0, sizeof(*state));
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    if (value->rule >= RESULT_COUNT && value->rule < RESULT_COUNT + FACT_USAGE_END) {
        add(facts, (enum facts_number)(value->rule - RESULT_COUNT), value);
        return;
    }
    switch (value->rule) {
    case STATUS:
        facts_set_value(facts, FACT_STATUS, value);
        break;
    case SHAPE:
        if (value->type != JSON_OBJECT_BEGIN)
            break;
        facts->shape_seen = true;
        facts->kinds |= CONTENT_ELSEWHERE;
        break;
    case RESULT_MODEL:
        facts_set_value(facts, FACT_RESPONSE_MODEL, value);
        break;
    case RESULT_USAGE:
        result_usage(facts, value);
        break;
    case ITERATION ... ITERATION_END:
        iterations_value(&state_of(facts)->iterations, (enum iterations_part)(value->rule - ITERATION), value);
        break;
    case INLINED_USAGE:
        facts->output_excludes_reasoning = true;
        dialect_answer_product(facts);
        break;
    default:
        dialect_answer_value(facts, value);
        break;
    }
}

/* Requests of a batch name many models and prompts, or a file of them: nothing to say about the one
 * call that hands them in. */
static void on_request(void *context, const struct json_value *value)
{
    (void)context;
    (void)value;
}

/* The end of results is the end of the transport. */
static void on_open(struct facts *facts, const char *api, const char *provider)
{
    (void)api;
    (void)provider;
    facts->no_end_mark = true;
}

struct dialect dialect_batches = {
    .name = "batches",
    .apis = "batch",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .repeats = true,
    .open = on_open,
    .docs =
        "Recognised by the path's end: `/v1/batches`, `/v1/batches/B`, `/batches/B/cancel` (OpenAI, Azure, relays), "
        "`/messages/batches`, `/messages/batches/B`, `/cancel`, `/results` (Anthropic), "
        "`:batchGenerateContent`, `:asyncBatchEmbedContent`, `/v1beta/batches/B` (Google), `/batch/jobs`, "
        "`/batch/jobs/J` (Mistral).\n\n"
        "| fact | where |\n|---|---|\n"
        "| id, finish | `id`; `status` (OpenAI, Mistral), `processing_status` (Anthropic), `metadata.state` (Google) "
        "|\n"
        "| usage | OpenAI `usage`; Anthropic's results: the sum of `result.message.usage` over all lines, its "
        "`iterations` included; Google's "
        "inlined responses: the "
        "sum of `usageMetadata` |\n"
        "| model | OpenAI `model`; Anthropic's results: the last line's |\n"
        "| error | `error.type`, `error.code` |\n\n"
        "Quirks: a batch is made now and computed later; times are those of the exchange, not of a model. Its usage is "
        "repeated to everybody "
        "who asks after it or fetches the results again: it is counted once for an id (results: for a path), later "
        "answers state none. Lists of "
        "batches state nothing. The models and prompts of the requests within a batch are not taken for those of the "
        "call. Results "
        "of OpenAI's batches are files, which are no call.\n\n"
        "Source: https://platform.openai.com/docs/api-reference/batch, "
        "https://docs.anthropic.com/en/api/creating-message-batches, "
        "https://ai.google.dev/gemini-api/docs/batch-api, https://docs.mistral.ai/api/endpoint/batch, recorded "
        "traffic.\n",
};
