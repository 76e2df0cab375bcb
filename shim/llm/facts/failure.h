/*
 * Failures that a success of HTTP carries: what vendors say instead of an "error". For dialects and exchange.c;
 * scribe's thread.
 */
#pragma once

#include "facts.h"

/* Ids of the rules below; a dialect hands each value of them to failure_value. */
enum {
    FAILURE_SUCCESS = 248, /* "success": false */
    FAILURE_STATUS,        /* a number that is 0 where nothing failed */
    FAILURE_CODE,          /* a code that means something only if it stands where an answer should */
    FAILURE_RULES_END,
};

#define FAILURE_RULES                                                                                                  \
    {"success", FAILURE_SUCCESS, 0},                                                                                   \
    {                                                                                                                  \
        "base_resp.status_code", FAILURE_STATUS, 0                                                                     \
    }

static inline bool failure_is(const struct json_value *value)
{
    return value->rule >= FAILURE_SUCCESS && value->rule < FAILURE_RULES_END;
}

void failure_value(struct facts *facts, const struct json_value *value);
/* The code that was stated names a failure: it is none of the many spellings of "all is well". */
bool failure_code_stated(const struct facts *facts);
/* At the end: a code instead of an answer, or an answer that says that it ended by an error. */
void failure_finish(struct facts *facts);
