/*
 * The growing buffer, scratch memory and zstd, for the encoders and decoders of this folder. Any
 * thread, each with objects of its own. Never keeps state outside those objects.
 */
#include "codec.h"

#include <stdlib.h>
#include <zstd.h>

struct span_codec {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *expand;
    struct {
        void *data;
        size_t bytes;
    } slot[SPAN_SLOT_COUNT];
};

struct span_codec *span_codec_new(void)
{
    return calloc(1, sizeof(struct span_codec));
}

void span_codec_free(struct span_codec *codec)
{
    if (codec == NULL)
        return;
    ZSTD_freeCCtx(codec->compress);
    ZSTD_freeDCtx(codec->expand);
    for (size_t i = 0; i < SPAN_SLOT_COUNT; i++)
        free(codec->slot[i].data);
    free(codec);
}

void *span_codec_scratch(struct span_codec *codec, enum span_slot slot, size_t bytes)
{
    if (codec->slot[slot].bytes < bytes) {
        size_t capacity = 1024;
        while (capacity < bytes)
            capacity *= 2;
        free(codec->slot[slot].data);
        codec->slot[slot].data = malloc(capacity);
        codec->slot[slot].bytes = codec->slot[slot].data == NULL ? 0 : capacity;
    }
    return codec->slot[slot].data;
}

/*
 * Whether zstd can gain anything, from the bytes' histogram alone: the chance that two bytes are
 * equal is 1/256 for noise. Costs a tenth of an attempt, and most packed columns are noise.
 */
static bool looks_compressible(const uint8_t *data, size_t bytes)
{
    enum { SAMPLE = 4096 };
    uint16_t histogram[256] = {0};
    const size_t sample = bytes < SAMPLE ? bytes : SAMPLE;
    for (size_t i = 0; i < sample; i++)
        histogram[data[i]]++;
    uint64_t pairs = 0;
    for (size_t i = 0; i < 256; i++)
        pairs += (uint64_t)histogram[i] * histogram[i];
    /* Noise gives (sample - 1) * sample / 256 equal pairs; ask for half as much again, for more
     * when the gain is a few bytes. */
    enum { SHORT = 1024 };
    const uint64_t halves = bytes < SHORT ? 6 : 3;
    return (pairs - sample) * 256 * 2 > (uint64_t)sample * (sample - 1) * halves;
}

void span_buffer_commit(struct span_buffer *buffer, size_t bytes)
{
    buffer->bytes += bytes;
    if (buffer->bytes > buffer->max)
        buffer->failed = true;
}

size_t span_zstd_append(struct span_buffer *out, const uint8_t *data, size_t bytes, int level, bool prefix)
{
    enum { WORTH_TRYING = 64 };
    struct span_codec *codec = span_buffer_codec(out);
    if (codec == NULL || level <= 0 || bytes < WORTH_TRYING || !looks_compressible(data, bytes))
        return 0;
    if (codec->compress == NULL)
        codec->compress = ZSTD_createCCtx();
    const size_t bound = ZSTD_compressBound(bytes);
    uint8_t *to = codec->compress == NULL ? NULL : span_buffer_reserve(out, bound + SPAN_VARINT_MAX);
    if (to == NULL)
        return 0; /* not for lack of room for the plain bytes: the caller stores those, and fails there if it must */
    size_t size = ZSTD_compressCCtx(codec->compress, to + SPAN_VARINT_MAX, bound, data, bytes, level);
    if (ZSTD_isError(size) || size + SPAN_VARINT_MAX + bytes / 64 >= bytes)
        return 0;
    const uint8_t *frame = to + SPAN_VARINT_MAX;
    size_t head = 0;
    if (prefix) {
        uint8_t length[SPAN_VARINT_MAX];
        head = span_varint_put(length, size);
        memcpy(to, length, head);
    }
    memmove(to + head, frame, size);
    span_buffer_commit(out, head + size);
    return head + size;
}

long span_zstd_size(const uint8_t *data, size_t bytes, size_t max)
{
    const unsigned long long size = ZSTD_getFrameContentSize(data, bytes);
    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > max)
        return -1;
    return (long)size;
}

int span_zstd_unpack(struct span_codec *codec, uint8_t *to, size_t to_bytes, const uint8_t *data, size_t bytes)
{
    if (codec->expand == NULL) {
        codec->expand = ZSTD_createDCtx();
        if (codec->expand == NULL)
            return -1;
    }
    const size_t size = ZSTD_decompressDCtx(codec->expand, to, to_bytes, data, bytes);
    return ZSTD_isError(size) || size != to_bytes ? -1 : 0;
}

struct span_codec *span_buffer_codec(struct span_buffer *buffer)
{
    if (buffer->codec == NULL) {
        buffer->codec = span_codec_new();
        if (buffer->codec == NULL)
            buffer->failed = true;
    }
    return buffer->codec;
}

uint8_t *span_buffer_reserve(struct span_buffer *buffer, size_t bytes)
{
    if (buffer->failed)
        return NULL;
    if (bytes > buffer->capacity - buffer->bytes) {
        /* Reserving may exceed the maximum (an encoder asks for the worst case); appending may
         * not. */
        size_t capacity = buffer->capacity < 256 ? 256 : buffer->capacity;
        while (capacity - buffer->bytes < bytes) {
            if (capacity > SIZE_MAX / 2) {
                buffer->failed = true;
                return NULL;
            }
            capacity *= 2;
        }
        uint8_t *data = realloc(buffer->data, capacity);
        if (data == NULL) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->bytes;
}

void span_buffer_init(struct span_buffer *buffer, size_t max)
{
    *buffer = (struct span_buffer){.max = max};
}

void span_buffer_done(struct span_buffer *buffer)
{
    free(buffer->data);
    span_codec_free(buffer->codec);
    *buffer = (struct span_buffer){.max = buffer->max};
}

void span_buffer_append(struct span_buffer *buffer, const void *data, size_t bytes)
{
    if (buffer->failed || bytes == 0)
        return;
    if (buffer->bytes > buffer->max || bytes > buffer->max - buffer->bytes) {
        buffer->failed = true;
        return;
    }
    uint8_t *to = span_buffer_reserve(buffer, bytes);
    if (to != NULL) {
        memcpy(to, data, bytes);
        buffer->bytes += bytes;
    }
}

/* ---- bytes of any kind: a byte that says whether the rest is a zstd frame ---- */

int span_bytes_pack(struct span_buffer *out, const uint8_t *data, size_t bytes, int zstd_level)
{
    const size_t how_at = out->bytes;

    span_put_byte(out, 1);
    if (!out->failed && span_zstd_append(out, data, bytes, zstd_level, false) == 0) {
        out->data[how_at] = 0;
        span_buffer_append(out, data, bytes);
    }
    return out->failed ? -1 : 0;
}

int span_bytes_unpack(struct span_buffer *to, const uint8_t *data, size_t bytes)
{
    const bool zstd = bytes > 0 && data[0] == 1;
    const long size = !zstd ? (long)bytes - 1 : span_zstd_size(data + 1, bytes - 1, to->max);

    if (bytes == 0 || data[0] > 1 || size < 0 || (size_t)size > to->max)
        return -1;
    to->bytes = 0;
    to->failed = false;
    if (span_buffer_codec(to) == NULL || span_buffer_reserve(to, (size_t)size + 1) == NULL)
        return -1;
    if (zstd && span_zstd_unpack(to->codec, to->data, (size_t)size, data + 1, bytes - 1) != 0)
        return -1;
    if (!zstd)
        memcpy(to->data, data + 1, (size_t)size);
    to->bytes = (size_t)size;
    return 0;
}
