/*
 * The universal endpoint of Cloudflare's AI gateway: a list of calls to try one after the other,
 * answered by one of them in its own shape.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. It reads the list and
 * what the gateway itself refuses; the header cf-aig-step tells which call was answered, whose
 * dialect then reads the body.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/recognise/recognise.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { STEP = REQUEST_OWN, STEP_PROVIDER, STEP_ENDPOINT };

#define QUERY "[].query"

/* clang-format off */
static const struct json_rule request_rules[] = {
    RULE("[]", STEP, 0),
    RULE("[].provider", STEP_PROVIDER, 0),
    RULE("[].endpoint", STEP_ENDPOINT, 0),
    RULE(QUERY ".model", REQUEST_MODEL, 0),
    RULE(QUERY ".stream", REQUEST_STREAM, 0),
    RULE(QUERY ".max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE(QUERY ".max_completion_tokens", REQUEST_MAX_TOKENS, 0),
    RULE(QUERY ".max_output_tokens", REQUEST_MAX_TOKENS, 0),
    RULE(QUERY ".tools", REQUEST_TOOLS, JSON_RAW),
    RULE(QUERY ".response_format", REQUEST_FORMAT, JSON_RAW),
    RULE(QUERY ".system", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE(QUERY ".instructions", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE(QUERY ".prompt", REQUEST_USER, JSON_PIECES),
    RULE(QUERY ".input", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES(QUERY ".messages"),
    REQUEST_END_USERS(QUERY "."),
};

static const struct json_rule answer_rules[] = {
    ANSWER_NAMED_ERRORS,
    FAILURE_ERROR("errors[]"),
};
/* clang-format on */

/* One call of the list, while it is read. */
struct state {
    uint8_t provider_bytes, endpoint_bytes;
    char provider[32], endpoint[160];
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

static void keep(const struct json_value *value, char *to, size_t room, uint8_t *ret_bytes)
{
    *ret_bytes = 0;
    if (value->type != JSON_STRING || value->cut || value->bytes > room)
        return;
    memcpy(to, value->text, value->bytes);
    *ret_bytes = (uint8_t)value->bytes;
}

/* What the call would be if it went to the gateway's path for its provider. */
static void step_end(struct facts *facts, uint32_t step)
{
    const struct state *const state = state_of(facts);
    struct recognised recognised;
    char url[256];
    if (step >= FACTS_STEPS_MAX || !state->provider_bytes)
        return;
    const int bytes = snprintf(url, sizeof(url), "https://gateway.ai.cloudflare.com/v1/a/g/%.*s/%.*s",
                               state->provider_bytes, state->provider, state->endpoint_bytes, state->endpoint);
    if (!recognise("POST", 4, url, (size_t)bytes, "", 0, &recognised) ||
        !strcmp(recognised.api, "cloudflare-universal"))
        return;
    facts->step[step] =
        (struct facts_step){recognised.api, recognised.shape != NULL ? recognised.shape : recognised.api};
    if (step)
        return;
    facts_set_text(facts, FACT_REQUEST_MODEL, recognised.model, recognised.model_bytes);
    if (recognised.stream_known) {
        facts->stream_stated = true;
        facts->stream_asked = recognised.stream;
    }
}

static void on_request(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    const uint32_t step = value->indexes ? value->index[0] : 0;
    switch (value->rule) {
    case STEP:
        if (value->type == JSON_OBJECT_BEGIN)
            state->provider_bytes = state->endpoint_bytes = 0;
        else if (value->type == JSON_OBJECT_END)
            step_end(facts, step);
        break;
    case STEP_PROVIDER:
        keep(value, state->provider, sizeof(state->provider), &state->provider_bytes);
        break;
    case STEP_ENDPOINT:
        keep(value, state->endpoint, sizeof(state->endpoint), &state->endpoint_bytes);
        break;
    default:
        if (!step) /* the others are asked the same, in case this one fails */
            dialect_request_value(facts, value);
        break;
    }
}

static void on_answer(void *context, const struct json_value *value)
{
    dialect_answer_value(context, value);
}

static void on_header(struct facts *facts, const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    static const char which[] = "cf-aig-step";
    if (name_bytes != sizeof(which) - 1 || strncasecmp(name, which, name_bytes) != 0 || value_bytes != 1 ||
        value[0] < '0' || value[0] >= '0' + FACTS_STEPS_MAX)
        return;
    facts->answered = (uint8_t)(value[0] - '0');
}

struct dialect dialect_cloudflare_universal = {
    .name = "cloudflare_universal",
    .apis = "cloudflare-universal",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .response_header = on_header,
    .docs =
        "Recognised by POST to `https://gateway.ai.cloudflare.com/v1/ACCOUNT/GATEWAY` alone. The body lists calls, "
        "each "
        "with `provider`, `endpoint` and `query`; the next is tried when one fails.\n\n"
        "| fact | where |\n|---|---|\n"
        "| `pprof.api` | that of the call that was answered (header `cf-aig-step`, else the first), if its endpoint is "
        "known; its page says where the answer's facts are |\n"
        "| model, stream, limits, prompt | of the first call |\n"
        "| error | of the gateway itself: `errors[].code`, `error.type` |\n\n"
        "Source: https://developers.cloudflare.com/ai-gateway/usage/universal/.\n",
};
