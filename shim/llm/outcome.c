/* How an exchange came out, see outcome.h. */
#include "outcome.h"

#include "body.h"
#include "shim/llm/facts/facts.h"

#include <string.h>

/* A state after which nothing more comes in this answer. */
static bool status_is_final(const struct facts *facts)
{
    static const char *const passing[] = {"queued", "in_progress", "cancelling", "validating", "finalizing"};
    const size_t bytes = facts->text_bytes[FACT_STATUS];
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (strlen(passing[i]) == bytes && !memcmp(passing[i], facts->text[FACT_STATUS], bytes))
            return false;
    return bytes > 0;
}

static bool finish_stated(const struct facts *facts)
{
    return status_is_final(facts) || facts_answers_ended(facts);
}

/* Did the answer itself say that it is complete? */
static bool end_mark_seen(const struct outcome_seen *seen)
{
    const struct facts *const facts = seen->facts;
    if (!facts->stream || !seen->body->complete || seen->body->framing == BODY_ARRAY)
        return seen->body->complete;
    return facts->done || facts->error_seen || facts->no_end_mark || finish_stated(facts);
}

/* Whoever stops after the end of a stream has everything, and so have we: after its last mark, or
 * after the reason and the usage. */
static bool everything_seen(const struct outcome_seen *seen)
{
    const struct facts *const facts = seen->facts;
    if (!facts->stream || !seen->body->complete)
        return false;
    const bool usage = facts_has_number(facts, FACT_INPUT) || facts_has_number(facts, FACT_OUTPUT);
    return seen->body->framing == BODY_ARRAY || facts->done || facts->error_seen || (usage && finish_stated(facts));
}

/* A success without any answer. */
static bool is_silent(const struct outcome_seen *seen, enum exchange_how how, uint64_t status)
{
    return how == EXCHANGE_ENDED && status == 200 && !seen->encoded && !seen->torn &&
           (!seen->begun || (seen->facts->stream && !seen->body->events));
}

struct outcome outcome_of(const struct outcome_seen *seen, enum exchange_how how, uint64_t status)
{
    struct outcome outcome = {.lost = seen->lost, .status = seen->status};
    if (status && status != UINT64_MAX)
        outcome.status = status;
    const bool readable = !seen->encoded && !seen->lost && seen->begun;
    if (how == EXCHANGE_ENDED)
        outcome.whole = !readable || end_mark_seen(seen) || outcome.status >= 400;
    else
        outcome.whole = readable && everything_seen(seen);
    outcome.cancelled = how == EXCHANGE_CANCELLED && !outcome.whole;
    outcome.silent = is_silent(seen, how, outcome.status);
    return outcome;
}
