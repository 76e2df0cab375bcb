/*
 * One span as a row of tagged values: for a span that is not in a block yet (the journal).
 * FORMAT.md, section "Records".
 *
 * Pure: no memory but the caller's, no I/O. Scribe's thread, the collector, tests.
 */
#pragma once

#include "span.h"

/* No record is longer: each field's tag and number, or tag, length and text, where all texts fit
 * one arena. */
enum { SPAN_RECORD_BYTES_MAX = SPAN_FIELD_COUNT * 12 + SPAN_ARENA_BYTES };

/*
 * Writes the span's facts to `to`, at most `capacity` bytes, in the order of fields.def; a fact
 * that does not fit any more is left out whole (*ret_all, where it is not NULL, says whether none
 * was). Returns the bytes written.
 */
size_t span_record_write(uint8_t *to, size_t capacity, const struct span *span, bool *ret_all);

/*
 * Reads all of data to *ret_span (initialised here); fields that this version does not know are
 * skipped. Returns 0, or -1 when it is no record; the span then holds what came before the damage.
 */
int span_record_read(struct span *ret_span, const uint8_t *data, size_t bytes);
