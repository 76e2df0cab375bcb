/* Content decoders. First byte: encoding and cutting. Output is bounded by what the test is willing
 * to wait for. */
#include "shim/llm/framing/decode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void take(void *context, const char *data, size_t bytes)
{
    uint64_t *const sum = context;
    if (!bytes || bytes > DECODE_PIECE_BYTES)
        abort();
    *sum += (unsigned char)data[0] + (unsigned char)data[bytes - 1] + bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const enum decode_kind kinds[] = {DECODE_GZIP, DECODE_DEFLATE, DECODE_BROTLI, DECODE_ZSTD};
    if (bytes < 2 || bytes > 4096)
        return 0;
    const size_t step = (data[0] >> 2) + 1u;
    uint64_t sum = 0;
    struct decode *const decode = decode_open(kinds[data[0] & 3], take, &sum);
    bool good = decode != NULL;
    for (size_t at = 1; at < bytes && good; at += step)
        good = decode_push(decode, data + at, bytes - at < step ? bytes - at : step);
    if (good)
        (void)decode_complete(decode);
    decode_close(decode);
    return 0;
}
