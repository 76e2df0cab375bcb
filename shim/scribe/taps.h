/*
 * What the taps lay on the tape, in the exchange's words: each tap knows what its own records say.
 * The scribe's thread; pure. The one place that lists the taps is shim/taps.c.
 */
#pragma once

#include "shim/llm/exchange.h"
#include "shim/tape/tape.h"

/*
 * Fills all of *ret_end but time_ns. `body_sent_us`: when the last byte of the request left the
 * application, counted from the transfer's start, TAPE_UNKNOWN when the body was handed over at
 * once.
 */
void taps_end(enum tape_source source, const struct tape_end *end, uint64_t body_sent_us, struct exchange_end *ret_end);
