/*
 * struct span_process as tag, length, value: the payload of a PROCESS frame. Called by the shim's
 * outbox (write) and the collector (read); any thread, pure. Tags that are not known are skipped.
 */
#include "frame.h"
#include "varint.h"

#include <stddef.h>

enum { TAG_IDENTITY = 1, TAG_START_NS = 2, TAG_PID = 3, TAG_UID = 4 };

static const struct {
    uint8_t tag;
    uint16_t offset;
    uint16_t size;
} texts[] = {
    {5, offsetof(struct span_process, executable), sizeof(((struct span_process *)0)->executable)},
    {6, offsetof(struct span_process, host), sizeof(((struct span_process *)0)->host)},
    {7, offsetof(struct span_process, service), sizeof(((struct span_process *)0)->service)},
    {8, offsetof(struct span_process, team), sizeof(((struct span_process *)0)->team)},
    {9, offsetof(struct span_process, container), sizeof(((struct span_process *)0)->container)},
    {10, offsetof(struct span_process, version), sizeof(((struct span_process *)0)->version)},
    {11, offsetof(struct span_process, labels), sizeof(((struct span_process *)0)->labels)},
};
enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]) };

static void put_field(struct span_buffer *out, unsigned tag, const void *data, size_t bytes)
{
    span_put_varint(out, tag);
    span_put_varint(out, bytes);
    span_buffer_append(out, data, bytes);
}

static void put_number(struct span_buffer *out, unsigned tag, uint64_t value)
{
    uint8_t piece[SPAN_VARINT_MAX];
    put_field(out, tag, piece, span_varint_put(piece, value));
}

/* A number that fills its field exactly. */
static bool get_number(const uint8_t *data, size_t bytes, uint64_t *ret_value)
{
    struct span_reader reader = {data, data + bytes, false};
    const uint64_t value = span_take_varint(&reader);
    if (reader.bad || reader.at != reader.end)
        return false;
    *ret_value = value;
    return true;
}

/* Copies at most size - 1 bytes, up to a NUL, cut where no UTF-8 sequence is split. */
static void get_text(char *to, size_t size, const uint8_t *data, size_t bytes)
{
    size_t take = strnlen((const char *)data, bytes);
    if (take > size - 1) {
        take = size - 1;
        while (take > 0 && (data[take] & 0xc0) == 0x80)
            take--;
    }
    memcpy(to, data, take);
    to[take] = '\0';
}

static bool get_field(struct span_process *process, uint64_t tag, const uint8_t *data, size_t bytes)
{
    switch (tag) {
    case TAG_IDENTITY:
        if (bytes != sizeof(process->identity))
            return false;
        memcpy(process->identity, data, bytes);
        return true;
    case TAG_START_NS:
        return get_number(data, bytes, &process->start_ns);
    case TAG_PID:
        return get_number(data, bytes, &process->pid);
    case TAG_UID:
        process->has_uid = true;
        return get_number(data, bytes, &process->uid);
    default:
        break;
    }
    for (size_t i = 0; i < N_TEXTS; i++)
        if (texts[i].tag == tag)
            get_text((char *)process + texts[i].offset, texts[i].size, data, bytes);
    return true;
}

int span_process_write(struct span_buffer *out, const struct span_process *process)
{
    put_field(out, TAG_IDENTITY, process->identity, sizeof(process->identity));
    put_number(out, TAG_START_NS, process->start_ns);
    put_number(out, TAG_PID, process->pid);
    if (process->has_uid)
        put_number(out, TAG_UID, process->uid);
    for (size_t i = 0; i < N_TEXTS; i++) {
        const char *text = (const char *)process + texts[i].offset;
        const size_t bytes = strnlen(text, texts[i].size);
        if (bytes > 0)
            put_field(out, texts[i].tag, text, bytes);
    }
    return out->failed ? -1 : 0;
}

int span_process_read(struct span_process *ret_process, const uint8_t *payload, size_t bytes)
{
    struct span_process process = {0};
    struct span_reader reader = {payload, payload + bytes, false};
    bool identified = false;
    while (reader.at < reader.end) {
        const uint64_t tag = span_take_varint(&reader);
        const uint64_t size = span_take_varint(&reader);
        const uint8_t *data = size > span_left(&reader) ? NULL : span_take(&reader, (size_t)size);
        if (reader.bad || data == NULL || !get_field(&process, tag, data, (size_t)size))
            return -1;
        identified |= tag == TAG_IDENTITY;
    }
    if (!identified)
        return -1;
    *ret_process = process;
    return 0;
}
