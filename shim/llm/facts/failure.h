/*
 * Failures that a success of HTTP carries: what vendors say instead of an "error". For dialects and
 * exchange.c; scribe's thread.
 */
#pragma once

#include "facts.h"

/* Ids of the rules below; a dialect hands each value of them to failure_value. */
enum {
    FAILURE_SUCCESS = 248, /* "success": false */
    FAILURE_STATUS,        /* a number that is 0 where nothing failed */
    FAILURE_CODE,          /* a code that means something only if it stands where an answer should */
    FAILURE_OBJECT,        /* an error object, or its text */
    FAILURE_MEMBER,        /* of an error object */
    FAILURE_RULES_END,
};

/* clang-format off */
#define FAILURE_RULES \
    RULE("success", FAILURE_SUCCESS, 0), \
    RULE("base_resp.status_code", FAILURE_STATUS, 0)

/*
 * An error of any shape: {"error":"text"}, {"error":{"type"|"name","status","code","message",...}}.
 * Many services send an error object with every answer and leave it empty, or fill it with the
 * words of a success, where nothing failed: an error is seen when something in it says so. A name,
 * a status or a message does, and a code, if they are no success's; so do members that nobody
 * knows, where no known one stands beside them. An answer that is nothing but an error object which
 * says nothing is no error either, but an answer without content: every failure in the documents
 * and in recorded traffic has a name, a code or a message.
 */
#define FAILURE_ERROR(at) \
    RULE(at, FAILURE_OBJECT, 0), \
    RULE(at ".*", FAILURE_MEMBER, 0)
/* clang-format on */

static inline bool failure_is(const struct json_value *value)
{
    return value->rule >= FAILURE_SUCCESS && value->rule < FAILURE_RULES_END;
}

void failure_value(struct facts *facts, const struct json_value *value);
/* The same for FAILURE_OBJECT and FAILURE_MEMBER, but for facts_error_seen. True: the error is
 * one. */
bool failure_error(struct facts *facts, const struct json_value *value);
/* A member that names the kind of error; dialects look at these to tell whose they are. */
bool failure_is_type(const struct json_value *value);
/* A code, status or message of which each service has its own for "all is well". */
bool failure_is_well(const struct json_value *value);
/* A code beside the answer; gives way to that of an error object. */
void failure_code(struct facts *facts, const struct json_value *value);
/* The code that was stated names a failure: it is none of the many spellings of "all is well". */
bool failure_code_stated(const struct facts *facts);
/* At the end: a code instead of an answer, or an answer that says that it ended by an error. */
void failure_finish(struct facts *facts);
