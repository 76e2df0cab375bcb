/*
 * Is it a call of a language model at all? What the address of a request leaves open, and what must
 * be seen for it to be one. Pure; used on the scribe's thread.
 */
#pragma once

#include "shim/llm/recognise/recognised.h"

/* What was seen that only calls of language models have. */
enum verdict_evidence {
    EVIDENCE_ANSWER = 1,  /* a choice, usage, content: the API's own shape */
    EVIDENCE_REQUEST = 2, /* messages or a limit of tokens were handed in */
    EVIDENCE_MODEL = 4,   /* the request's body names a model */
};

/* Any of which makes it a call; 0: nothing is needed. A call that failed has no answer of that
 * shape. */
unsigned verdict_needs(enum verdict_claim claim, bool failed);

/* `seen`: EVIDENCE_*. `veto`: something was seen that no such call has. */
bool verdict_is_call(enum verdict_claim claim, bool failed, unsigned seen, bool veto);
