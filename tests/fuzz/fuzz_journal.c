/*
 * Arbitrary bytes as a journal and as a record: frames that can be read, or none. Byte 0 says what of it is made good
 * first: sums are written anew, so that what lies behind them is reached.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "span/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Entries from `at` on with their sums put right, as far as their lengths allow. */
static void seal_entries(uint8_t *file, size_t at, size_t end, size_t step)
{
    while (at + SPAN_JOURNAL_ENTRY_HEAD <= end) {
        uint64_t head[3];
        memcpy(head, file + at, sizeof head);
        const size_t room = (step != 0 ? step : end - at) - SPAN_JOURNAL_ENTRY_HEAD;
        const size_t length = head[2] % (room < 700 ? room + 1 : 700);
        span_journal_entry_seal(file + at, head[0], step != 0 ? head[1] : 1, length);
        at += step != 0 ? step : span_journal_entry_bytes(length);
    }
}

static void try_journal(const uint8_t *data, size_t bytes, unsigned how)
{
    static uint8_t file[SPAN_JOURNAL_BYTES];
    const struct span_journal_head head = {.identity = {1}, .owner = {.pid = 2}};
    struct span_journal_found found;
    struct span_buffer out;
    struct span_frame frame;
    memset(file, 0, sizeof file);
    for (size_t at = 0; bytes > 0 && at < sizeof file; at += bytes + 4096)
        memcpy(file + at, data, bytes < sizeof file - at ? bytes : sizeof file - at);
    if (how & 1)
        (void)span_journal_head_write(file, &head, data, bytes < 4096 ? bytes : 4096);
    if (how & 2)
        span_journal_pending_write(file + SPAN_JOURNAL_AT_PENDING, 1, 5);
    if (how & 4)
        seal_entries(file, SPAN_JOURNAL_AT_PENDING + SPAN_JOURNAL_PENDING_HEAD, SPAN_JOURNAL_AT_RING, 0);
    if (how & 8)
        seal_entries(file, SPAN_JOURNAL_AT_FLIGHTS, sizeof file, SPAN_JOURNAL_FLIGHT_BYTES);
    span_buffer_init(&out, 64 << 20);
    if (span_journal_frames(&out, file, sizeof file, &found) == 0) {
        size_t at = bytes < 4096 ? bytes : 4096; /* the greeting is what it is */
        for (long length; at < out.bytes && (length = span_frame_read(&frame, out.data + at, out.bytes - at)) > 0;)
            at += (size_t)length;
        if ((how & 1) && at != out.bytes)
            abort();
    }
    span_buffer_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct span span, again;
    static uint8_t record[SPAN_RECORD_BYTES_MAX];
    bool all;
    if (bytes < 1)
        return 0;
    try_journal(data + 1, bytes - 1, data[0]);
    if (span_record_read(&span, data + 1, bytes - 1) == 0) {
        const size_t written = span_record_write(record, sizeof record, &span, &all);
        if (!all || span_record_read(&again, record, written) != 0 ||
            memcmp(span.present, again.present, sizeof span.present) != 0)
            abort();
    }
    return 0;
}
