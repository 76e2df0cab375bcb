/* Content decoders, see decode.h. zlib, brotli and zstd are linked statically. */
#include "decode.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

enum { ZSTD_WINDOW_LOG_MAX = 23, DEFLATE_HEAD_BYTES = 2 };

struct decode {
    enum decode_kind kind;
    decode_output *output;
    void *context;
    bool bad, complete, begun;
    uint8_t head[DEFLATE_HEAD_BYTES]; /* deflate: the first bytes tell zlib from raw */
    uint8_t head_bytes;
    size_t allocated; /* brotli's */
    z_stream zlib;
    BrotliDecoderState *brotli;
    ZSTD_DStream *zstd;
    uint8_t piece[DECODE_PIECE_BYTES];
};

enum decode_kind decode_kind(const char *value, size_t bytes)
{
    static const struct {
        const char *name;
        enum decode_kind kind;
    } names[] = {{"gzip", DECODE_GZIP}, {"x-gzip", DECODE_GZIP}, {"deflate", DECODE_DEFLATE},
                 {"br", DECODE_BROTLI}, {"zstd", DECODE_ZSTD},   {"identity", DECODE_NONE}};
    while (bytes && (*value == ' ' || *value == '\t'))
        value++, bytes--;
    while (bytes && strchr(" \t\r\n", value[bytes - 1]) != NULL)
        bytes--;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i].name) == bytes && !strncasecmp(names[i].name, value, bytes))
            return names[i].kind;
    return bytes ? DECODE_UNKNOWN : DECODE_NONE;
}

/* Brotli has no limit of its own for its window: its allocator gets one. Each block remembers its
 * size. */
static void *brotli_allocate(void *opaque, size_t bytes)
{
    struct decode *decode = opaque;
    if (bytes > DECODE_WINDOW_MAX || decode->allocated + bytes > DECODE_WINDOW_MAX + DECODE_WINDOW_MAX / 2)
        return NULL;
    size_t *block = malloc(bytes + 2 * sizeof(size_t)); /* two words keep the alignment */
    if (block == NULL)
        return NULL;
    block[0] = bytes;
    decode->allocated += bytes;
    return block + 2;
}

static void brotli_free(void *opaque, void *address)
{
    struct decode *decode = opaque;
    if (address == NULL)
        return;
    size_t *block = (size_t *)address - 2;
    decode->allocated -= block[0];
    free(block);
}

static bool open_decoder(struct decode *decode)
{
    switch (decode->kind) {
    case DECODE_GZIP:
        return inflateInit2(&decode->zlib, 15 + 16) == Z_OK;
    case DECODE_DEFLATE:
        return true; /* opened when its first bytes are known */
    case DECODE_BROTLI:
        decode->brotli = BrotliDecoderCreateInstance(brotli_allocate, brotli_free, decode);
        return decode->brotli != NULL;
    case DECODE_ZSTD:
        decode->zstd = ZSTD_createDStream();
        return decode->zstd != NULL &&
               !ZSTD_isError(ZSTD_DCtx_setParameter(decode->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX));
    default:
        return false;
    }
}

static void close_decoder(struct decode *decode)
{
    if (decode->kind == DECODE_GZIP || (decode->kind == DECODE_DEFLATE && decode->begun))
        inflateEnd(&decode->zlib);
    if (decode->brotli != NULL)
        BrotliDecoderDestroyInstance(decode->brotli);
    if (decode->zstd != NULL)
        ZSTD_freeDStream(decode->zstd);
}

static void give(struct decode *decode, size_t bytes)
{
    if (bytes)
        decode->output(decode->context, (const char *)decode->piece, bytes);
}

static bool push_zlib(struct decode *decode, const uint8_t *data, size_t bytes)
{
    z_stream *z = &decode->zlib;
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)bytes;
    for (;;) {
        if (decode->complete) {
            /* gzip members may follow one another; whatever else follows is no part of the body. */
            if (!z->avail_in || decode->kind != DECODE_GZIP || *z->next_in != 0x1f || inflateReset(z) != Z_OK)
                return true;
            decode->complete = false;
        }
        z->next_out = decode->piece;
        z->avail_out = sizeof(decode->piece);
        const int result = inflate(z, Z_NO_FLUSH);
        give(decode, sizeof(decode->piece) - z->avail_out);
        if (result == Z_STREAM_END)
            decode->complete = true;
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return false;
        else if (z->avail_out)
            return true; /* wants more input */
    }
}

/* A zlib header is 0x78-like with a checksum modulo 31; without one it is raw deflate (as some
 * servers send it). */
static bool push_deflate(struct decode *decode, const uint8_t *data, size_t bytes)
{
    while (!decode->begun && decode->head_bytes < DEFLATE_HEAD_BYTES && bytes) {
        decode->head[decode->head_bytes++] = *data++;
        bytes--;
    }
    if (decode->head_bytes < DEFLATE_HEAD_BYTES)
        return true;
    if (!decode->begun) {
        const uint8_t *head = decode->head;
        const bool wrapped = (head[0] & 15) == 8 && head[0] >> 4 <= 7 && (head[0] << 8 | head[1]) % 31 == 0;
        if (inflateInit2(&decode->zlib, wrapped ? 15 : -15) != Z_OK)
            return false;
        decode->begun = true;
        if (!push_zlib(decode, head, DEFLATE_HEAD_BYTES))
            return false;
    }
    return push_zlib(decode, data, bytes);
}

static bool push_brotli(struct decode *decode, const uint8_t *data, size_t bytes)
{
    while (!decode->complete) {
        uint8_t *to = decode->piece;
        size_t room = sizeof(decode->piece);
        const BrotliDecoderResult result =
            BrotliDecoderDecompressStream(decode->brotli, &bytes, &data, &room, &to, NULL);
        give(decode, sizeof(decode->piece) - room);
        if (result == BROTLI_DECODER_RESULT_ERROR)
            return false;
        decode->complete = result == BROTLI_DECODER_RESULT_SUCCESS;
        if (result != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT)
            break;
    }
    return true;
}

static bool push_zstd(struct decode *decode, const uint8_t *data, size_t bytes)
{
    ZSTD_inBuffer in = {data, bytes, 0};
    for (;;) {
        ZSTD_outBuffer out = {decode->piece, sizeof(decode->piece), 0};
        const size_t result = ZSTD_decompressStream(decode->zstd, &out, &in);
        if (ZSTD_isError(result))
            return false;
        give(decode, out.pos);
        decode->complete = result == 0;
        if (in.pos == in.size && (out.pos < out.size || decode->complete))
            return true;
    }
}

struct decode *decode_open(enum decode_kind kind, decode_output *output, void *context)
{
    if (kind == DECODE_NONE || kind == DECODE_UNKNOWN)
        return NULL;
    struct decode *decode = malloc(sizeof(*decode));
    if (decode == NULL)
        return NULL;
    memset(decode, 0, offsetof(struct decode, piece));
    decode->kind = kind;
    decode->output = output;
    decode->context = context;
    if (open_decoder(decode))
        return decode;
    if (kind == DECODE_ZSTD || kind == DECODE_BROTLI)
        close_decoder(decode);
    free(decode);
    return NULL;
}

bool decode_push(struct decode *decode, const uint8_t *data, size_t bytes)
{
    enum { STEP = 1 << 30 }; /* zlib counts in unsigned int */
    while (bytes && !decode->bad) {
        const size_t step = bytes < STEP ? bytes : STEP;
        const bool good = decode->kind == DECODE_GZIP      ? push_zlib(decode, data, step)
                          : decode->kind == DECODE_DEFLATE ? push_deflate(decode, data, step)
                          : decode->kind == DECODE_BROTLI  ? push_brotli(decode, data, step)
                                                           : push_zstd(decode, data, step);
        decode->bad = !good;
        data += step;
        bytes -= step;
    }
    return !decode->bad;
}

bool decode_complete(const struct decode *decode)
{
    return decode->complete && !decode->bad;
}

void decode_close(struct decode *decode)
{
    if (decode == NULL)
        return;
    close_decoder(decode);
    free(decode);
}
