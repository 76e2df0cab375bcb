/*
 * Times of a stream, see timing.h. A gap in which the application itself had paused the transfer is
 * shortened by the pause: it was not the model's.
 *
 * Called by the exchange on the scribe's thread.
 */
#include "timing.h"

#include <stddef.h>
#include <string.h>

/* Time never runs backwards here. */
static uint64_t forward(struct timing *timing, uint64_t time_ns)
{
    if (time_ns > timing->now_ns)
        timing->now_ns = time_ns;
    return timing->now_ns;
}

void timing_init(struct timing *timing, uint64_t start_ns)
{
    timing->start_ns = timing->now_ns = start_ns;
    timing->first_ns = timing->last_ns = timing->first_text_ns = 0;
    timing->paused_ns = timing->pause_began_ns = timing->paused_in_gap_ns = timing->decode_paused_ns = 0;
    timing->content = timing->paused = timing->ever_paused = timing->gapped = timing->first_missed = false;
    timing->text = timing->text_missed = false;
}

void timing_wipe(struct timing *timing)
{
    if (timing->gaps.count)
        span_sketch_init(&timing->gaps);
    memset(timing, 0, offsetof(struct timing, gaps));
}

void timing_pause(struct timing *timing, uint64_t time_ns)
{
    const uint64_t now = forward(timing, time_ns);
    if (timing->paused)
        return;
    timing->paused = timing->ever_paused = true;
    timing->pause_began_ns = now;
}

void timing_resume(struct timing *timing, uint64_t time_ns)
{
    const uint64_t now = forward(timing, time_ns);
    if (!timing->paused)
        return;
    timing->paused = false;
    timing->paused_ns += now - timing->pause_began_ns;
    timing->paused_in_gap_ns += now - timing->pause_began_ns;
}

void timing_content(struct timing *timing, uint64_t time_ns, bool text)
{
    const uint64_t now = forward(timing, time_ns);
    if (timing->content) {
        const uint64_t gap = now - timing->last_ns;
        const uint64_t paused = timing->paused_in_gap_ns < gap ? timing->paused_in_gap_ns : gap;
        span_sketch_add(&timing->gaps, gap - paused, 1);
        timing->decode_paused_ns += paused;
    } else {
        timing->first_ns = now;
    }
    if (text && !timing->text)
        timing->first_text_ns = now;
    timing->text = timing->text || text;
    timing->content = true;
    timing->last_ns = now;
    timing->paused_in_gap_ns = 0;
}

void timing_lost(struct timing *timing)
{
    timing->gapped = true;
    timing->first_missed = timing->first_missed || !timing->content;
    timing->text_missed = timing->text_missed || !timing->text;
}

static void write_sketch(const struct timing *timing, struct span *span)
{
    struct span_buffer buffer;
    span_buffer_init(&buffer, SPAN_TEXT_MAX);
    if (!span_sketch_write(&buffer, &timing->gaps) && buffer.bytes <= SPAN_TEXT_MAX)
        span_set_text(span, SPAN_gap_sketch, (const char *)buffer.data, buffer.bytes);
    span_buffer_done(&buffer);
}

void timing_finish(struct timing *timing, uint64_t end_ns, struct span *span)
{
    timing_resume(timing, end_ns);
    if (timing->ever_paused)
        span_set_u64(span, SPAN_paused_ns, timing->paused_ns);
    if (!timing->content)
        return;
    if (!timing->first_missed)
        span_set_u64(span, SPAN_ttft_ns, timing->first_ns - timing->start_ns);
    if (timing->text && !timing->text_missed)
        span_set_u64(span, SPAN_first_text_ns, timing->first_text_ns - timing->start_ns);
    if (timing->gapped)
        return; /* what was seen of the rest is less than there was */
    span_set_u64(span, SPAN_decode_ns, timing->last_ns - timing->first_ns - timing->decode_paused_ns);
    if (timing->gaps.count)
        write_sketch(timing, span);
}
