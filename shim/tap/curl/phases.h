/*
 * From libcurl's clock readings to phases, and from its numbers to names. Pure functions, used by
 * the scribe.
 */
#pragma once

#include "shim/llm/exchange.h"
#include "shim/tape/tape.h"

/*
 * Fills all of *ret_end but time_ns. `body_sent_us`: when the last byte left the application's read
 * callback, counted from the transfer's start, TAPE_UNKNOWN when the body was handed over at once.
 */
void phases_compute(const struct tape_end *end, uint64_t body_sent_us, struct exchange_end *ret_end);

/* "CURLE_OPERATION_TIMEDOUT"; NULL for CURLE_OK and for codes that this version does not know. */
const char *phases_curl_error(uint64_t code);
