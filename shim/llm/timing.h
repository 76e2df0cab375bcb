/*
 * When generated content came: time to first token, decode time, gaps between content events, the
 * application's own pauses.
 *
 * Scribe's thread; fixed size. Times are monotonic nanoseconds as the hook took them; one that runs
 * backwards counts as no time passed, so nothing here is ever negative.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "span/sketch.h"
#include "span/span.h"

struct timing {
    uint64_t start_ns, now_ns;
    uint64_t first_ns, last_ns; /* content events */
    uint64_t first_text_ns;     /* the first of them that has text of the answer itself */
    uint64_t paused_ns, pause_began_ns, paused_in_gap_ns;
    uint64_t decode_paused_ns;
    bool content, paused, ever_paused;
    bool text;
    bool gapped, first_missed, text_missed; /* pieces are missing; some before the first content, text that was seen */
    struct span_sketch gaps;
};

/* `*timing` is all zero bytes. */
void timing_init(struct timing *timing, uint64_t start_ns);
/* Zeroes it; 4 KB are touched only where something is in them. */
void timing_wipe(struct timing *timing);
void timing_pause(struct timing *timing, uint64_t time_ns);
void timing_resume(struct timing *timing, uint64_t time_ns);
/* An event with generated content was complete; `text`: the answer's own, that people read. */
void timing_content(struct timing *timing, uint64_t time_ns, bool text);
/* Pieces of the answer did not get here. */
void timing_lost(struct timing *timing);
void timing_finish(struct timing *timing, uint64_t end_ns, struct span *span);
