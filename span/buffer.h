/*
 * What encoders write into, and the working memory that they and the decoders keep. Implemented by
 * codec.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Working memory of the encoders and decoders (zstd contexts, scratch), see codec.h. Allocated when
 * first needed. */
struct span_codec;

/*
 * A growing byte buffer with a maximum; used by the encoders. `failed` sticks once memory or the
 * maximum ran out. Set `bytes` to 0 to use it again: memory and working memory stay. Owner: the
 * caller; one thread.
 */
struct span_buffer {
    uint8_t *data;
    size_t bytes;
    size_t capacity;
    size_t max;
    bool failed;
    struct span_codec *codec; /* owned; NULL until an encoder needs it */
};
void span_buffer_init(struct span_buffer *buffer, size_t max);
void span_buffer_done(struct span_buffer *buffer);
void span_buffer_append(struct span_buffer *buffer, const void *data, size_t bytes);

/* Appends bytes of any kind, by zstd where that is smaller. 0, or -1 when the buffer failed. */
int span_bytes_pack(struct span_buffer *out, const uint8_t *data, size_t bytes, int zstd_level);
/* What was packed so, in place of what is in the buffer. 0, or -1 when it is damaged or more than
 * the buffer's maximum, or (errno is ENOMEM) without memory. */
int span_bytes_unpack(struct span_buffer *to, const uint8_t *data, size_t bytes);
