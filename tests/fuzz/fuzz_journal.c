/*
 * Arbitrary bytes as a journal and as a record: frames that can be read, or none. Bytes 0 and 1 say
 * what of it is made good first (sums are written anew, so that what lies after them is reached),
 * what is put where, and where the file ends. The journal lies at the end of one room, so that a
 * byte read beyond it is seen; only what an input wrote is wiped after it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "span/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum {
    GOOD_HEAD = 1,
    GOOD_NUMBERS = 2,
    IN_PENDING = 4,
    GOOD_PENDING = 8,
    IN_RING = 16,
    GOOD_FRAMES = 32,
    IN_FLIGHTS = 64,
    GOOD_FLIGHTS = 128,
    INPUT_MAX = 4096, /* of each area: libFuzzer's inputs are no longer */
};

static uint8_t room[SPAN_JOURNAL_BYTES];

/* Where the journal begins: a shorter one begins later, and all end with the room. */
struct file {
    uint8_t *data;
    size_t bytes;
};

/* Puts as much of the input there as the file has; returns how much. */
static size_t put(struct file file, size_t at, const uint8_t *data, size_t bytes)
{
    const size_t left = at < file.bytes ? file.bytes - at : 0;
    const size_t put = bytes < left ? bytes : left;
    if (put > 0)
        memcpy(file.data + at, data, put);
    return put;
}

static void wipe(struct file file, size_t at, size_t bytes)
{
    if (at < file.bytes)
        memset(file.data + at, 0, bytes < file.bytes - at ? bytes : file.bytes - at);
}

/* Entries from `at` on with their sums put right, as far as their lengths allow. */
static void seal_entries(struct file file, size_t at, size_t end, size_t step)
{
    end = end < file.bytes ? end : file.bytes;
    while (at + (step != 0 ? step : SPAN_JOURNAL_ENTRY_HEAD) <= end) {
        uint64_t head[3];
        memcpy(head, file.data + at, sizeof(head));
        const size_t left = (step != 0 ? step : end - at) - SPAN_JOURNAL_ENTRY_HEAD;
        const size_t length = head[2] % (left < 700 ? left + 1 : 700);
        span_journal_entry_seal(file.data + at, head[0], step != 0 ? head[1] : 1, length);
        at += step != 0 ? step : span_journal_entry_bytes(length);
    }
}

/* The input as payloads of frames of this process, of another one, and of every length. */
static void put_frames(struct file file, const uint8_t *data, size_t bytes)
{
    static const uint8_t zeros[8];
    static struct span_buffer frames;
    if (frames.max == 0)
        span_buffer_init(&frames, 1 << 20);
    frames.bytes = 0;
    for (uint64_t number = 1; bytes > 0 && frames.bytes < INPUT_MAX; number++) {
        const size_t length = data[0] % 64u < bytes ? data[0] % 64u : bytes - 1;
        const struct span_frame frame = {.kind = SPAN_FRAME_SPANS,
                                         .identity = {data[0] < 250},
                                         .sequence = number,
                                         .payload = data + 1,
                                         .payload_bytes = length};
        if (span_frame_write(&frames, &frame) != 0)
            abort();
        span_buffer_append(&frames, zeros, (8 - frames.bytes % 8) % 8);
        data += length + 1;
        bytes -= length + 1;
    }
    (void)put(file, SPAN_JOURNAL_AT_RING, frames.data, frames.bytes);
}

static void fill(struct file file, unsigned how, const uint8_t *data, size_t bytes)
{
    const struct span_journal_head head = {.identity = {1}, .owner = {.pid = 2}};
    uint8_t begin[SPAN_JOURNAL_AT_LOSS];
    uint8_t numbers[SPAN_JOURNAL_PENDING_HEAD];
    if ((how & GOOD_HEAD) && span_journal_head_write(begin, &head, data, bytes) == 0)
        (void)put(file, 0, begin, sizeof(begin));
    else
        (void)put(file, 0, data, bytes);
    (void)put(file, SPAN_JOURNAL_AT_LOSS, data, bytes < 48 ? bytes : 48);
    span_journal_pending_write(numbers, 1, 5);
    if (how & GOOD_NUMBERS)
        (void)put(file, SPAN_JOURNAL_AT_PENDING, numbers, sizeof(numbers));
    else
        (void)put(file, SPAN_JOURNAL_AT_PENDING, data, bytes);
    const size_t pending = SPAN_JOURNAL_AT_PENDING + SPAN_JOURNAL_PENDING_HEAD;
    if (how & IN_PENDING)
        (void)put(file, pending, data, bytes);
    if (how & GOOD_PENDING)
        seal_entries(file, pending, pending + bytes, 0);
    if (how & GOOD_FRAMES)
        put_frames(file, data, bytes);
    else if (how & IN_RING)
        (void)put(file, SPAN_JOURNAL_AT_RING, data, bytes);
    if (how & IN_FLIGHTS)
        (void)put(file, SPAN_JOURNAL_AT_FLIGHTS, data, bytes);
    if (how & GOOD_FLIGHTS)
        seal_entries(file, SPAN_JOURNAL_AT_FLIGHTS, SPAN_JOURNAL_AT_FLIGHTS + INPUT_MAX, SPAN_JOURNAL_FLIGHT_BYTES);
}

static void clear(struct file file)
{
    wipe(file, 0, SPAN_JOURNAL_AT_PENDING);
    wipe(file, SPAN_JOURNAL_AT_PENDING, INPUT_MAX + SPAN_JOURNAL_FLIGHT_BYTES);
    wipe(file, SPAN_JOURNAL_AT_RING, 2 * INPUT_MAX);
    wipe(file, SPAN_JOURNAL_AT_FLIGHTS, INPUT_MAX + SPAN_JOURNAL_FLIGHT_BYTES);
}

static void must_be_frames(const struct span_buffer *out, size_t at)
{
    struct span_frame frame;
    long length = 0;
    while (at < out->bytes && (length = span_frame_read(&frame, out->data + at, out->bytes - at)) > 0)
        at += (size_t)length;
    if (at != out->bytes)
        abort();
}

static void try_journal(unsigned how, unsigned end, const uint8_t *data, size_t bytes)
{
    static struct span_buffer out;
    /* Where it ends: whole, or in the head, the pending area, the ring, the flights. */
    static const size_t ends[] = {0, SPAN_JOURNAL_BYTES, SPAN_JOURNAL_BYTES - SPAN_JOURNAL_AT_PENDING,
                                  SPAN_JOURNAL_BYTES - SPAN_JOURNAL_AT_RING,
                                  SPAN_JOURNAL_BYTES - SPAN_JOURNAL_AT_FLIGHTS};
    const size_t missing = end < 128 ? 0 : ends[end % 5] > (end - 128) * 33u ? ends[end % 5] - (end - 128) * 33u : 0;
    const struct file file = {room + missing, sizeof(room) - missing};
    struct span_journal_found found;
    if (bytes > INPUT_MAX)
        bytes = INPUT_MAX;
    if (out.max == 0)
        span_buffer_init(&out, 64 << 20);
    out.bytes = 0;
    fill(file, how, data, bytes);
    if (span_journal_frames(&out, file.data, file.bytes, &found) == 0 && (how & GOOD_HEAD))
        must_be_frames(&out, bytes); /* the greeting is what it is */
    clear(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct span span, again;
    static uint8_t record[SPAN_RECORD_BYTES_MAX];
    bool all;
    if (bytes < 2)
        return 0;
    try_journal(data[0], data[1], data + 2, bytes - 2);
    if (span_record_read(&span, data + 2, bytes - 2) == 0) {
        const size_t written = span_record_write(record, sizeof(record), &span, &all);
        if (!all || span_record_read(&again, record, written) != 0 ||
            memcmp(span.present, again.present, sizeof(span.present)) != 0)
            abort();
    }
    return 0;
}
