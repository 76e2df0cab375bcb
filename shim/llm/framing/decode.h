/*
 * Undoes content encodings (gzip, deflate as zlib or raw, br, zstd) of bodies that nobody else
 * decodes, piece by piece.
 *
 * Owned by an exchange, scribe's thread. Memory is taken only when such a body comes: the window
 * that the encoding needs, at most DECODE_WINDOW_MAX (brotli and zstd streams may ask for more:
 * those are refused), and a piece of DECODE_PIECE_BYTES. Output comes in bounded pieces, however
 * much a small input unfolds to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DECODE_PIECE_BYTES = 16 * 1024,
    DECODE_WINDOW_MAX = 8 * 1024 * 1024, /* RFC 8878 §3.1.1.1.2: decoders should take 8 MB; brotli's largest standard
                                            window is 16 MB, servers use 4 MB */
};

enum decode_kind { DECODE_NONE, DECODE_GZIP, DECODE_DEFLATE, DECODE_BROTLI, DECODE_ZSTD, DECODE_UNKNOWN };

/* What a Content-Encoding header asks for. Several encodings in a row are DECODE_UNKNOWN, as are
 * names that are not known; "identity" is none. */
enum decode_kind decode_kind(const char *value, size_t bytes);

typedef void decode_output(void *context, const char *data, size_t bytes);

struct decode;

/* NULL: not to be decoded (DECODE_NONE, DECODE_UNKNOWN) or no memory. */
struct decode *decode_open(enum decode_kind kind, decode_output *output, void *context);

/* False: the input is damaged or asks for too much memory; nothing more will come out. What follows
 * the encoding's end is passed over. */
bool decode_push(struct decode *decode, const uint8_t *data, size_t bytes);

/* Was the encoding's own end seen, undamaged? */
bool decode_complete(const struct decode *decode);
void decode_close(struct decode *decode); /* NULL is fine */
