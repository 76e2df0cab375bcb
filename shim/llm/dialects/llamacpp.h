/*
 * llama.cpp's own answers, which also stand at paths of OpenAI's (bare /completions): the rules and
 * their reader. For dialects only; scribe's thread.
 */
#pragma once

#include "shim/llm/facts/facts.h"

/* Ids of the rules below. */
enum {
    LLAMACPP_TEXT = 224,
    LLAMACPP_INDEX,
    LLAMACPP_STOP,
    LLAMACPP_STOP_TYPE,
    LLAMACPP_STOPPED_EOS,
    LLAMACPP_STOPPED_WORD,
    LLAMACPP_STOPPED_LIMIT,
    LLAMACPP_INPUT,
    LLAMACPP_OUTPUT,
    LLAMACPP_TIMED_INPUT, /* timings, of every API */
    LLAMACPP_TIMED_OUTPUT,
    LLAMACPP_TIMED_CACHED,
    LLAMACPP_PREFILL_MS,
    LLAMACPP_DECODE_MS,
    LLAMACPP_DRAFT,
    LLAMACPP_ACCEPTED,
    LLAMACPP_RULES_END,
};

/* clang-format off */
#define LLAMACPP_TIMINGS \
    RULE("timings.cache_n", LLAMACPP_TIMED_CACHED, 0), \
    RULE("timings.prompt_n", LLAMACPP_TIMED_INPUT, 0), \
    RULE("timings.predicted_n", LLAMACPP_TIMED_OUTPUT, 0), \
    RULE("timings.prompt_ms", LLAMACPP_PREFILL_MS, 0), \
    RULE("timings.predicted_ms", LLAMACPP_DECODE_MS, 0), \
    RULE("timings.draft_n", LLAMACPP_DRAFT, 0), \
    RULE("timings.draft_n_accepted", LLAMACPP_ACCEPTED, 0)
#define LLAMACPP_RULES \
    RULE("content", LLAMACPP_TEXT, JSON_PIECES), \
    RULE("index", LLAMACPP_INDEX, 0), \
    RULE("stop", LLAMACPP_STOP, 0), \
    RULE("stop_type", LLAMACPP_STOP_TYPE, 0), \
    RULE("stopped_eos", LLAMACPP_STOPPED_EOS, 0), \
    RULE("stopped_word", LLAMACPP_STOPPED_WORD, 0), \
    RULE("stopped_limit", LLAMACPP_STOPPED_LIMIT, 0), \
    RULE("tokens_evaluated", LLAMACPP_INPUT, 0), \
    RULE("tokens_predicted", LLAMACPP_OUTPUT, 0)
/* clang-format on */

/* Of the event or document under way, but for `answers` and `stopped`. All zero at first. */
struct llamacpp {
    struct facts_part part;
    uint32_t timed_input, timed_cached, timed_output;
    uint32_t answers, stopped; /* documents of a plain list; answers that ended */
    uint32_t index;
    bool index_known, timed, cache_timed;
    bool text, stop; /* the answer has them; one alone may be anybody's */
    bool native;     /* it has both, or counts of its own */
    uint8_t reason_bytes;
    char reason[12];
};

static inline bool llamacpp_is(const struct json_value *value)
{
    return value->rule >= LLAMACPP_TEXT && value->rule < LLAMACPP_RULES_END;
}

void llamacpp_value(struct facts *facts, struct llamacpp *state, const struct json_value *value);
void llamacpp_begin(struct llamacpp *state);
/* An event or document of llama.cpp's own shape is over. */
void llamacpp_end(struct facts *facts, struct llamacpp *state);
/* Counts of the timings as a part, where nothing better is stated. */
void llamacpp_timings(const struct llamacpp *state, struct facts_part *part);
