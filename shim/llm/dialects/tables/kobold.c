/*
 * KoboldAI's API, as KoboldCpp, Aphrodite and others serve it.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

enum rule { TOKEN = TABLE_OWN, TOKEN_FINISH, RESULT_TEXT };

enum { SAW_TOKEN = 1, SAW_FINISH = 2 };

struct state {
    uint64_t table[TABLE_SCRATCH];
    unsigned saw;
};

/* clang-format off */
static const struct json_rule plain_rules[] = {
    RULE("results[]", TABLE_ITEM, 0),
    RULE("results[].text", RESULT_TEXT, JSON_PIECES),
    RULE("results[].finish_reason", TABLE_FINISH, 0),
    RULE("results[].tool_calls[]", TABLE_CALL_WHOLE, 0),
    RULE("results[].prompt_tokens", TABLE_ADDED_INPUT, 0),
    RULE("results[].completion_tokens", TABLE_ADDED_OUTPUT, 0),
    RULE("detail.type", ANSWER_TOP_TYPE, 0),
};

static const struct json_rule event_rules[] = {
    RULE("token", TOKEN, JSON_PIECES),
    RULE("finish_reason", TOKEN_FINISH, 0),
};

static const struct json_rule request_rules[] = {
    RULE("max_length", REQUEST_MAX_TOKENS, 0),
    RULE("n", REQUEST_CHOICES, 0),
    RULE("grammar", REQUEST_FORMAT, JSON_RAW),
    RULE("memory", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
};
/* clang-format on */

static void saw(struct facts *facts, unsigned what)
{
    struct state *const state = (struct state *)(void *)facts->scratch;
    state->saw |= what;
    facts->shape_seen = facts->shape_seen || state->saw == (SAW_TOKEN | SAW_FINISH);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct json_value as = *value;
    switch (value->rule) {
    case TOKEN: /* each event has both */
        if (value->type == JSON_STRING)
            saw(facts, SAW_TOKEN);
        as.rule = TABLE_TEXT;
        break;
    case TOKEN_FINISH:
        saw(facts, SAW_FINISH);
        as.rule = TABLE_FINISH;
        break;
    case RESULT_TEXT: /* older servers write nothing else, which anybody's list may hold: then the request tells */
        facts->shape_seen = facts->shape_seen || (value->type == JSON_STRING && facts->shape_asked);
        as.rule = TABLE_TEXT;
        break;
    default:
        break;
    }
    dialect_table_value(facts, &as);
}

struct dialect dialect_kobold = {
    .name = "kobold",
    .apis = "kobold-generate",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .docs = "Recognised by the path's end `/api/v1/generate`, `/api/latest/generate` and `/api/extra/generate/stream`, "
            "if the "
            "answer has the shape.\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `results[].text`; in a stream `token` of each event |\n"
            "| usage | the sum of `results[].prompt_tokens` and of `completion_tokens`; older servers and streams "
            "state none "
            "|\n"
            "| finish | `results[].finish_reason`, `finish_reason` of the last event |\n"
            "| error | `detail.type`, else the status |\n\n"
            "Quirks: neither request nor answer names the model. `/api/extra/generate/check` shows what was generated "
            "so far "
            "and is no call. A stream ends with the finish reason, without `[DONE]`.\n\n"
            "Source: https://lite.koboldai.net/koboldcpp_api.\n",
};
