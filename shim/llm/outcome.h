/*
 * How an exchange came out: complete, left by the application, or cut. From how its transport ended
 * and what the answer itself said of its end. Pure; used on the scribe's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "exchange_ends.h"

struct body;
struct facts;

struct outcome_seen {
    const struct facts *facts;
    const struct body *body;
    uint64_t status; /* of the last status line; 0: none */
    bool lost;       /* bytes are missing */
    bool torn;       /* the same, those of the end included */
    bool encoded;    /* nobody could read the body */
    bool begun;      /* there is a body */
};

struct outcome {
    bool whole, cancelled; /* neither: cut */
    bool lost;             /* bytes are missing: nothing is said about what was not seen */
    bool silent;           /* a success that came to its end and said nothing */
    uint64_t status;       /* 0: none */
};

/* `status`: the transport's; 0 or UINT64_MAX where it does not know. */
struct outcome outcome_of(const struct outcome_seen *seen, enum exchange_how how, uint64_t status);
