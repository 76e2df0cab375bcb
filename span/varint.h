/*
 * Little-endian numbers and varints (LEB128): the alphabet of every encoding in this folder.
 * Included by the .c files of span/ only.
 *
 * A reader never passes its end: once a read fails, `bad` sticks and every further read answers
 * zero.
 */
#pragma once

#include <endian.h>
#include <string.h>

#include "buffer.h"

enum { SPAN_VARINT_MAX = 10 };

struct span_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static inline uint64_t span_load64(const uint8_t *data)
{
    uint64_t value;
    memcpy(&value, data, sizeof(value));
    return le64toh(value);
}

static inline void span_store64(uint8_t *data, uint64_t value)
{
    value = htole64(value);
    memcpy(data, &value, sizeof(value));
}

static inline unsigned span_bit_length(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

static inline uint64_t span_zigzag(uint64_t signed_value)
{
    return (signed_value << 1) ^ (0 - (signed_value >> 63));
}

static inline uint64_t span_unzigzag(uint64_t value)
{
    return (value >> 1) ^ (0 - (value & 1));
}

static inline size_t span_varint_put(uint8_t *to, uint64_t value)
{
    size_t bytes = 0;
    while (value >= 0x80) {
        to[bytes++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    to[bytes++] = (uint8_t)value;
    return bytes;
}

static inline void span_put_varint(struct span_buffer *out, uint64_t value)
{
    uint8_t piece[SPAN_VARINT_MAX];
    span_buffer_append(out, piece, span_varint_put(piece, value));
}

static inline void span_put_byte(struct span_buffer *out, unsigned value)
{
    const uint8_t byte = (uint8_t)value;
    span_buffer_append(out, &byte, 1);
}

static inline size_t span_left(const struct span_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* The next `bytes` bytes, or NULL (and bad) when there are fewer. */
static inline const uint8_t *span_take(struct span_reader *reader, size_t bytes)
{
    if (reader->bad || bytes > span_left(reader)) {
        reader->bad = true;
        return NULL;
    }
    const uint8_t *data = reader->at;
    reader->at += bytes;
    return data;
}

static inline unsigned span_take_byte(struct span_reader *reader)
{
    const uint8_t *data = span_take(reader, 1);
    return data == NULL ? 0 : *data;
}

/* A value that does not fit 64 bits is bad; needless zero bytes at the end are too, so that every
 * number has one spelling. */
static inline uint64_t span_take_varint(struct span_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned byte = span_take_byte(reader);
        if (reader->bad || (shift == 63 && byte > 1) || (shift > 0 && byte == 0))
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    reader->bad = true;
    return 0;
}
