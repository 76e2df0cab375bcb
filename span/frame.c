/*
 * Frames: header and payload with checksums. Called by the shim's outbox and the collector's
 * listener; any thread, pure. Must never believe a header before its checksum fits.
 */
#include "frame.h"
#include "varint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Where things stand in the header; FORMAT.md, section "Frames". */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_HEADER_BYTES = 6,
    AT_KIND = 8,
    AT_FLAGS = 10,
    AT_PAYLOAD_BYTES = 12,
    AT_IDENTITY = 16,
    AT_SEQUENCE = 32,
    AT_LOSS = 40,
    AT_PAYLOAD_SUM = 96,
    AT_HEADER_SUM = 104,     /* always the last 8 bytes of the header */
    FLAGS_REQUIRED = 0xff00, /* a reader that does not know one of these must not go on */
};
_Static_assert(AT_HEADER_SUM + 8 == SPAN_FRAME_HEADER_BYTES, "header layout");
_Static_assert(AT_LOSS + SPAN_LOSS_BYTES == AT_PAYLOAD_SUM, "header layout");

static const uint8_t magic[4] = {0x89, 'P', 'P', 'F'};

static void store16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static unsigned load16(const uint8_t *data)
{
    return data[0] | (unsigned)data[1] << 8;
}

static uint32_t load32(const uint8_t *data)
{
    return load16(data) | (uint32_t)load16(data + 2) << 16;
}

void span_loss_write(uint8_t to[SPAN_LOSS_BYTES], const struct span_loss *loss)
{
#define X(ident)                                                                                                       \
    span_store64(to, loss->ident);                                                                                     \
    to += 8;
    SPAN_LOSSES(X)
#undef X
}

void span_loss_read(struct span_loss *ret_loss, const uint8_t data[SPAN_LOSS_BYTES])
{
#define X(ident)                                                                                                       \
    ret_loss->ident = span_load64(data);                                                                               \
    data += 8;
    SPAN_LOSSES(X)
#undef X
}

int span_frame_write(struct span_buffer *out, const struct span_frame *frame)
{
    if (frame->payload_bytes > SPAN_FRAME_PAYLOAD_MAX)
        return -1;
    uint8_t header[SPAN_FRAME_HEADER_BYTES] = {0};
    memcpy(header + AT_MAGIC, magic, sizeof(magic));
    store16(header + AT_VERSION, SPAN_FRAME_VERSION);
    store16(header + AT_HEADER_BYTES, SPAN_FRAME_HEADER_BYTES);
    store16(header + AT_KIND, frame->kind);
    store16(header + AT_FLAGS, frame->flags);
    store16(header + AT_PAYLOAD_BYTES, (unsigned)frame->payload_bytes);
    store16(header + AT_PAYLOAD_BYTES + 2, (unsigned)(frame->payload_bytes >> 16));
    memcpy(header + AT_IDENTITY, frame->identity, sizeof(frame->identity));
    span_store64(header + AT_SEQUENCE, frame->sequence);
    span_loss_write(header + AT_LOSS, &frame->loss);
    span_store64(header + AT_PAYLOAD_SUM,
                 XXH3_64bits(frame->payload_bytes == 0 ? header : frame->payload, frame->payload_bytes));
    span_store64(header + AT_HEADER_SUM, XXH3_64bits(header, AT_HEADER_SUM));
    span_buffer_append(out, header, sizeof(header));
    span_buffer_append(out, frame->payload, frame->payload_bytes);
    return out->failed ? -1 : 0;
}

long span_frame_bytes(const uint8_t *data, size_t bytes)
{
    if (bytes > 0 && memcmp(data, magic, bytes < sizeof(magic) ? bytes : sizeof(magic)) != 0)
        return SPAN_FRAME_BAD;
    if (bytes < AT_HEADER_BYTES + 2)
        return SPAN_FRAME_NEED_MORE;
    /* What every version shares: magic, version, size of the header, and the header's checksum at
     * its end. */
    const size_t header_bytes = load16(data + AT_HEADER_BYTES);
    if (header_bytes < SPAN_FRAME_HEADER_BYTES || header_bytes > SPAN_FRAME_HEADER_BYTES_MAX)
        return SPAN_FRAME_BAD;
    if (bytes < header_bytes)
        return SPAN_FRAME_NEED_MORE;
    if (span_load64(data + header_bytes - 8) != XXH3_64bits(data, header_bytes - 8) || load16(data + AT_VERSION) == 0)
        return SPAN_FRAME_BAD;
    if (load16(data + AT_VERSION) > SPAN_FRAME_VERSION || (load16(data + AT_FLAGS) & FLAGS_REQUIRED) != 0)
        return SPAN_FRAME_TOO_NEW;
    const uint32_t payload_bytes = load32(data + AT_PAYLOAD_BYTES);
    if (payload_bytes > SPAN_FRAME_PAYLOAD_MAX)
        return SPAN_FRAME_BAD;
    return (long)(header_bytes + payload_bytes);
}

size_t span_frame_seek(const uint8_t *data, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        const uint8_t *const found = memchr(data + at, magic[0], bytes - at);
        if (found == NULL)
            break;
        at = (size_t)(found - data);
        if (at % 8 == 0 && bytes - at >= sizeof(magic) && memcmp(found, magic, sizeof(magic)) == 0)
            return at;
        at = at / 8 * 8 + 8;
    }
    return bytes;
}

long span_frame_read(struct span_frame *ret_frame, const uint8_t *data, size_t bytes)
{
    const long whole = span_frame_bytes(data, bytes);
    if (whole <= 0)
        return whole;
    if (bytes < (size_t)whole)
        return SPAN_FRAME_NEED_MORE;
    const size_t header_bytes = load16(data + AT_HEADER_BYTES);
    const uint8_t *payload = data + header_bytes;
    const size_t payload_bytes = (size_t)whole - header_bytes;
    if (span_load64(data + AT_PAYLOAD_SUM) != XXH3_64bits(payload_bytes == 0 ? data : payload, payload_bytes))
        return SPAN_FRAME_BAD;
    *ret_frame = (struct span_frame){
        .kind = (uint16_t)load16(data + AT_KIND),
        .flags = (uint16_t)load16(data + AT_FLAGS),
        .sequence = span_load64(data + AT_SEQUENCE),
        .payload = payload,
        .payload_bytes = payload_bytes,
    };
    span_loss_read(&ret_frame->loss, data + AT_LOSS);
    memcpy(ret_frame->identity, data + AT_IDENTITY, sizeof(ret_frame->identity));
    return whole;
}
