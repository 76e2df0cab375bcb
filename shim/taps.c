/* The taps that there are, see scribe/taps.h. */
#include "shim/scribe/taps.h"

#include "shim/tap/curl/phases.h"

void taps_end(enum tape_source source, const struct tape_end *end, uint64_t body_sent_us, struct exchange_end *ret_end)
{
    switch (source) {
    case TAPE_LIBCURL:
        phases_compute(end, body_sent_us, ret_end);
        break;
    }
}
