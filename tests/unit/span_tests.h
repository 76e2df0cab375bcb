/* Helpers of the span tests: reproducible random numbers, memory that ends at an unreadable page,
 * spans as from a busy service. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "guard.h"
#include "span/block.h"
#include "span/frame.h"

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline void set_text(struct span *span, enum span_field field, const char *text)
{
    span_set_text(span, field, text, strlen(text));
}

/* A span with most kinds of values; every seventh has failed, every third says nothing about
 * streams. */
static inline void make_span(struct span *span, uint64_t seq, uint64_t *state)
{
    static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "llama3.2:1b"};
    const uint64_t r = random_next(state);
    char text[64];
    span_init(span);
    span_set_u64(span, SPAN_seq, seq);
    span_set_u64(span, SPAN_start_ns, UINT64_C(1767225600000000000) + seq * 86000000 + r % 5000 * 1000);
    span_set_u64(span, SPAN_ttft_ns, (random_next(state) % 900000 + 1) * 1000);
    span_set_u64(span, SPAN_total_ns, (random_next(state) % 90000000 + 900000) * 1000);
    span_set_u64(span, SPAN_status, seq % 7 == 0 ? 429 : 200);
    if (seq % 7 == 0) {
        set_text(span, SPAN_error_type, "rate_limit_exceeded");
    } else {
        span_set_u64(span, SPAN_input_tokens, random_next(state) % 8000);
        span_set_u64(span, SPAN_output_tokens, random_next(state) % 500);
        span_list_add(span, SPAN_finish_reasons, "stop", 4);
        span_list_add(span, SPAN_finish_reasons, "tool_calls", seq % 5 == 0 ? 10 : 0);
    }
    if (seq % 3 != 0)
        span_set_u64(span, SPAN_response_stream, r & 1);
    span_set_u64(span, SPAN_prompt_id, (r % 10 + 1) * UINT64_C(0x9e3779b97f4a7c15));
    set_text(span, SPAN_request_model, models[r % 4]);
    snprintf(text, sizeof(text), "chatcmpl-%016llx", (unsigned long long)random_next(state));
    set_text(span, SPAN_response_id, text);
    span_set_text(span, SPAN_gap_sketch, (const char *)&r, 1 + r % 8);
}

static inline void assert_spans_equal(const struct span *a, const struct span *b)
{
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        const enum span_field field = (enum span_field)f;
        assert_int_equal(span_has(a, field), span_has(b, field));
        if (!span_has(a, field))
            continue;
        if (span_fields[f].type <= SPAN_ID64) {
            assert_int_equal(a->value[f].u64, b->value[f].u64);
        } else {
            assert_int_equal(a->value[f].text.bytes, b->value[f].text.bytes);
            assert_memory_equal(a->value[f].text.data, b->value[f].text.data, a->value[f].text.bytes);
        }
    }
}
