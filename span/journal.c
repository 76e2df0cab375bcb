/*
 * Reading a journal, and the few bytes that frame its entries, see journal.h. Called by the shim
 * (seal) and the collector (read). Must never trust a number in the file.
 */
#include "journal.h"

#include <stdlib.h>

#include "block.h"
#include "varint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The head; FORMAT.md. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 4, /* 2 bytes */
    AT_FLAGS = 6,   /* 2 bytes */
    AT_GREETING_BYTES = 8,
    AT_IDENTITY = 16,
    AT_PID = 32,
    AT_START = 40,
    AT_NAMESPACE = 48,
    AT_BOOT = 56, /* 40 bytes */
    AT_SUM = 96,  /* of all that stands before it, and of the greeting and the spool's path */
    VERSION = 1,
    FLAG_SPOOL_SAID = 1,
};

static const uint8_t magic[4] = {0x89, 'P', 'P', 'J'};

/* ---- the head ---- */

static uint64_t head_sum(const uint8_t *file)
{
    const size_t rest = SPAN_JOURNAL_AT_LOSS - SPAN_JOURNAL_AT_GREETING;
    return XXH3_64bits(file, AT_SUM) ^ XXH3_64bits(file + SPAN_JOURNAL_AT_GREETING, rest);
}

int span_journal_head_write(uint8_t to[SPAN_JOURNAL_AT_LOSS], const struct span_journal_head *head,
                            const uint8_t *greeting, size_t greeting_bytes)
{
    if (greeting_bytes > SPAN_JOURNAL_GREETING_BYTES)
        return -1;
    memset(to, 0, SPAN_JOURNAL_AT_LOSS);
    memcpy(to + AT_MAGIC, magic, sizeof(magic));
    to[AT_VERSION] = VERSION;
    to[AT_FLAGS] = head->spool_said ? FLAG_SPOOL_SAID : 0;
    span_store64(to + AT_GREETING_BYTES, greeting_bytes);
    memcpy(to + AT_IDENTITY, head->identity, sizeof(head->identity));
    span_store64(to + AT_PID, head->owner.pid);
    span_store64(to + AT_START, head->owner.start_ticks);
    span_store64(to + AT_NAMESPACE, head->owner.pid_namespace);
    memcpy(to + AT_BOOT, head->owner.boot, strnlen(head->owner.boot, sizeof(head->owner.boot) - 1));
    memcpy(to + SPAN_JOURNAL_AT_GREETING, greeting, greeting_bytes);
    memcpy(to + SPAN_JOURNAL_AT_SPOOL, head->spool, strnlen(head->spool, sizeof(head->spool) - 1));
    span_store64(to + AT_SUM, head_sum(to));
    return 0;
}

int span_journal_head_read(struct span_journal_head *ret_head, const uint8_t *file, size_t bytes)
{
    /* What every version keeps: magic, version, and the checksum. */
    if (bytes < SPAN_JOURNAL_AT_LOSS || memcmp(file + AT_MAGIC, magic, sizeof(magic)) != 0 ||
        span_load64(file + AT_SUM) != head_sum(file))
        return SPAN_JOURNAL_BAD;
    const unsigned version = file[AT_VERSION] | (unsigned)file[AT_VERSION + 1] << 8;
    if (version > VERSION)
        return SPAN_JOURNAL_TOO_NEW;
    if (version != VERSION || span_load64(file + AT_GREETING_BYTES) > SPAN_JOURNAL_GREETING_BYTES)
        return SPAN_JOURNAL_BAD;
    memset(ret_head, 0, sizeof(*ret_head));
    memcpy(ret_head->identity, file + AT_IDENTITY, sizeof(ret_head->identity));
    ret_head->owner.pid = span_load64(file + AT_PID);
    ret_head->owner.start_ticks = span_load64(file + AT_START);
    ret_head->owner.pid_namespace = span_load64(file + AT_NAMESPACE);
    memcpy(ret_head->owner.boot, file + AT_BOOT, sizeof(ret_head->owner.boot) - 1);
    ret_head->spool_said = (file[AT_FLAGS] & FLAG_SPOOL_SAID) != 0;
    memcpy(ret_head->spool, file + SPAN_JOURNAL_AT_SPOOL, sizeof(ret_head->spool) - 1);
    return SPAN_JOURNAL_OK;
}

/* ---- entries ---- */

void span_journal_pending_write(uint8_t to[SPAN_JOURNAL_PENDING_HEAD], uint64_t next_frame, uint64_t last_span)
{
    span_store64(to, next_frame);
    span_store64(to + 8, last_span);
    span_store64(to + 16, 0);
    span_store64(to + 24, XXH3_64bits(to, 24));
}

size_t span_journal_entry_bytes(size_t record_bytes)
{
    return (SPAN_JOURNAL_ENTRY_HEAD + record_bytes + 7) / 8 * 8;
}

void span_journal_entry_seal(uint8_t *entry, uint64_t a, uint64_t b, size_t bytes)
{
    span_store64(entry, a);
    span_store64(entry + 8, b);
    span_store64(entry + 16, bytes);
    span_store64(entry + 24, XXH3_64bits(entry, 24) ^ XXH3_64bits(entry + SPAN_JOURNAL_ENTRY_HEAD, bytes));
}

/* The record of a sealed entry, or NULL; at most `room` bytes belong to it. */
static const uint8_t *open_entry(const uint8_t *entry, size_t room, size_t *ret_bytes)
{
    if (room < SPAN_JOURNAL_ENTRY_HEAD)
        return NULL;
    const uint64_t bytes = span_load64(entry + 16);
    if (bytes > room - SPAN_JOURNAL_ENTRY_HEAD)
        return NULL;
    const uint8_t *record = entry + SPAN_JOURNAL_ENTRY_HEAD;
    if (span_load64(entry + 24) != (XXH3_64bits(entry, 24) ^ XXH3_64bits(record, (size_t)bytes)))
        return NULL;
    *ret_bytes = (size_t)bytes;
    return record;
}

/* ---- reading ---- */

struct reading {
    struct span_buffer *out;
    const uint8_t *file;
    size_t bytes;
    struct span_journal_head head;
    struct span_journal_found found;
    struct span_loss loss;
    uint64_t acked, alive_ns;
    uint64_t next_frame, last_span;
    uint64_t frame;   /* number of the next frame that is made here */
    uint64_t in_ring; /* highest number of a frame in the ring */
    struct span *rows[SPAN_BLOCK_ROWS_SHIM];
    size_t n;
    uint64_t *flights; /* of the pending spans: those are not in flight any more */
    size_t n_flights;
    bool too_new; /* a frame of a later version is in it */
};

/* Makes a frame of the rows gathered. */
static int flush(struct reading *reading)
{
    struct span_frame frame = {.kind = SPAN_FRAME_SPANS, .sequence = reading->frame++, .loss = reading->loss};
    struct span_buffer block;
    int status = 0;

    if (reading->n == 0) {
        reading->frame--;
        return 0;
    }
    span_buffer_init(&block, SPAN_FRAME_PAYLOAD_MAX);
    status = span_block_encode(&block, (const struct span *const *)reading->rows, reading->n, SPAN_ZSTD_LEVEL_SHIM);
    memcpy(frame.identity, reading->head.identity, sizeof(frame.identity));
    frame.payload = block.data;
    frame.payload_bytes = block.bytes;
    if (status == 0)
        status = span_frame_write(reading->out, &frame);
    span_buffer_done(&block);
    reading->n = 0;
    return status;
}

/* A row to read into; NULL without memory. */
static struct span *row(struct reading *reading)
{
    if (reading->rows[reading->n] == NULL)
        reading->rows[reading->n] = malloc(sizeof(**reading->rows));
    return reading->rows[reading->n];
}

/* Whether what lies here, with `room` bytes, is a frame that was whole once, and not acknowledged.
 * A frame loses its first bytes first when another one takes its place, and the one that was being
 * written at the moment of death is still pending. */
static bool was_a_frame(const struct reading *reading, const uint8_t *data, size_t at, size_t room)
{
    enum { PAGE_BYTES = 4096 };

    if (room < SPAN_FRAME_HEADER_BYTES)
        return false;
    const uint64_t sequence = span_load64(data + 32);
    const bool torn = at % PAGE_BYTES > PAGE_BYTES - SPAN_FRAME_HEADER_BYTES; /* a write stops at a page's end */

    return memcmp(data + 16, reading->head.identity, sizeof(reading->head.identity)) == 0 &&
           memcmp(data, "\x89PPF", 4) == 0 && !torn && sequence > reading->acked && sequence < reading->next_frame;
}

/* Frames lie on multiples of 8; what is left of older ones is told by their numbers and
 * checksums. */
static void read_ring(struct reading *reading)
{
    const uint8_t *const ring = reading->file + SPAN_JOURNAL_AT_RING;
    const size_t behind = reading->bytes > SPAN_JOURNAL_AT_RING ? reading->bytes - SPAN_JOURNAL_AT_RING : 0;
    const size_t end = behind < SPAN_JOURNAL_RING_BYTES ? behind : SPAN_JOURNAL_RING_BYTES;

    for (size_t at = 0; at < end && (at += span_frame_seek(ring + at, end - at)) < end;) {
        const uint8_t *data = ring + at;
        struct span_frame frame;
        const long bytes = span_frame_read(&frame, data, end - at);

        reading->too_new |= bytes == SPAN_FRAME_TOO_NEW;
        if (bytes <= 0) {
            reading->found.damaged += was_a_frame(reading, data, at, end - at);
            at += 8;
            continue;
        }
        at += ((size_t)bytes + 7) / 8 * 8;
        if (memcmp(frame.identity, reading->head.identity, sizeof(frame.identity)) != 0)
            continue;
        if (frame.sequence > reading->in_ring)
            reading->in_ring = frame.sequence;
        if (frame.sequence <= reading->acked)
            continue;
        span_buffer_append(reading->out, data, (size_t)bytes);
        reading->found.frames++;
    }
}

/* Spans that were to be the next frame. 0, or -1 without memory. */
static int read_pending(struct reading *reading)
{
    size_t at = SPAN_JOURNAL_AT_PENDING + SPAN_JOURNAL_PENDING_HEAD;
    const size_t end = SPAN_JOURNAL_AT_PENDING + SPAN_JOURNAL_PENDING_BYTES;
    const size_t most = SPAN_JOURNAL_PENDING_BYTES / SPAN_JOURNAL_ENTRY_HEAD;

    reading->flights = calloc(most, sizeof(*reading->flights));
    if (reading->flights == NULL)
        return -1;
    while (at < end && end <= reading->bytes && reading->n < SPAN_BLOCK_ROWS_SHIM) {
        size_t bytes;
        const uint8_t *entry = reading->file + at;
        const uint8_t *record = open_entry(entry, end - at, &bytes);
        struct span *span = row(reading);

        if (span == NULL)
            return -1;
        if (record == NULL || span_load64(entry + 8) != reading->next_frame)
            break; /* the end: nothing, half an entry, or one of an earlier frame */
        at += span_journal_entry_bytes(bytes);
        if (span_record_read(span, record, bytes) != 0) {
            reading->found.damaged++;
            continue;
        }
        reading->flights[reading->n_flights++] = span_load64(entry);
        if (span_has(span, SPAN_seq) && span->value[SPAN_seq].u64 > reading->last_span)
            reading->last_span = span->value[SPAN_seq].u64;
        reading->n++;
        reading->found.spans++;
    }
    reading->frame = reading->next_frame;
    const int status = flush(reading);
    /* A death between a frame's place in the ring and the next head of this area: its number is
     * taken. */
    if (reading->frame <= reading->in_ring)
        reading->frame = reading->in_ring + 1;
    return status;
}

static bool is_pending(const struct reading *reading, uint64_t flight)
{
    for (size_t i = 0; i < reading->n_flights; i++)
        if (reading->flights[i] == flight)
            return true;
    return false;
}

/* Calls in flight, as what they were when the process died. 0, or -1 without memory. */
static int read_flights(struct reading *reading)
{
    for (size_t at = SPAN_JOURNAL_AT_FLIGHTS;
         at + SPAN_JOURNAL_FLIGHT_BYTES <= reading->bytes && at < SPAN_JOURNAL_BYTES_MAX;
         at += SPAN_JOURNAL_FLIGHT_BYTES) {
        size_t bytes;
        const uint8_t *entry = reading->file + at;
        const uint64_t flight = span_load64(entry), begin_ns = span_load64(entry + 8);
        const uint8_t *record;
        struct span *span = row(reading);

        if (span == NULL)
            return -1;
        if (flight == 0 || is_pending(reading, flight))
            continue;
        record = open_entry(entry, SPAN_JOURNAL_FLIGHT_BYTES, &bytes);
        if (record == NULL || span_record_read(span, record, bytes) != 0) {
            reading->found.damaged++;
            continue;
        }
        span_set_u64(span, SPAN_seq, ++reading->last_span);
        span_set_text(span, SPAN_completeness, "killed", 6);
        /* Until the last sign of life. */
        if (reading->alive_ns > begin_ns &&
            (!span_has(span, SPAN_total_ns) || span->value[SPAN_total_ns].u64 < reading->alive_ns - begin_ns))
            span_set_u64(span, SPAN_total_ns, (reading->alive_ns - begin_ns) / 1000 * 1000);
        reading->found.killed++;
        if (++reading->n == SPAN_BLOCK_ROWS_SHIM && flush(reading) != 0)
            return -1;
    }
    return flush(reading);
}

/* Nothing else told it. */
static int tell_loss(struct reading *reading)
{
    static const struct span_loss none;
    struct span_frame frame = {.kind = SPAN_FRAME_LOSS, .sequence = reading->frame, .loss = reading->loss};

    if (reading->found.spans + reading->found.killed > 0 || memcmp(&reading->loss, &none, sizeof(none)) == 0)
        return 0;
    memcpy(frame.identity, reading->head.identity, sizeof(frame.identity));
    return span_frame_write(reading->out, &frame);
}

static int read_numbers(struct reading *reading)
{
    const uint8_t *file = reading->file;
    const uint8_t *pending = file + SPAN_JOURNAL_AT_PENDING;

    if (reading->bytes < SPAN_JOURNAL_AT_PENDING + SPAN_JOURNAL_PENDING_HEAD ||
        span_load64(pending + 24) != XXH3_64bits(pending, 24))
        return -1;
    span_loss_read(&reading->loss, file + SPAN_JOURNAL_AT_LOSS);
    reading->acked = span_load64(file + SPAN_JOURNAL_AT_ACKED);
    reading->alive_ns = span_load64(file + SPAN_JOURNAL_AT_ALIVE);
    reading->next_frame = span_load64(pending);
    reading->last_span = span_load64(pending + 8);
    return reading->next_frame == 0 || reading->next_frame > UINT64_MAX / 2 ? -1 : 0;
}

int span_journal_frames(struct span_buffer *out, const uint8_t *file, size_t bytes,
                        struct span_journal_found *ret_found)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    int status;

    memset(ret_found, 0, sizeof(*ret_found));
    if (reading == NULL)
        return SPAN_JOURNAL_NO_MEMORY;
    reading->out = out;
    reading->file = file;
    reading->bytes = bytes;
    status = span_journal_head_read(&reading->head, file, bytes);
    if (status == SPAN_JOURNAL_OK && read_numbers(reading) != 0)
        status = SPAN_JOURNAL_BAD;
    if (status == SPAN_JOURNAL_OK) {
        span_buffer_append(out, file + SPAN_JOURNAL_AT_GREETING, (size_t)span_load64(file + AT_GREETING_BYTES));
        read_ring(reading);
        if (read_pending(reading) != 0 || read_flights(reading) != 0 || tell_loss(reading) != 0 || out->failed)
            status = SPAN_JOURNAL_NO_MEMORY;
        else if (reading->too_new)
            status = SPAN_JOURNAL_TOO_NEW;
        *ret_found = reading->found;
    }
    for (size_t i = 0; i < SPAN_BLOCK_ROWS_SHIM; i++)
        free(reading->rows[i]);
    free(reading->flights);
    free(reading);
    return status;
}
