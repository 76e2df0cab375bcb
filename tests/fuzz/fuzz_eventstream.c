/* AWS event streams. First byte: the cutting. Checksums are put right first, so that what lies
 * after them is reached; the result may not depend on cutting. */
#include "shim/llm/framing/base64.h"
#include "shim/llm/framing/eventstream.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct sum {
    uint64_t value, messages;
    struct base64 base64;
};

static void add(struct sum *sum, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        sum->value = sum->value * 31 + (unsigned char)data[i];
}

static void on_begin(void *context, enum eventstream_type type, const char *name, size_t bytes)
{
    struct sum *const sum = context;
    sum->value += type;
    add(sum, name, bytes);
}

static void on_data(void *context, const char *data, size_t bytes)
{
    struct sum *const sum = context;
    uint8_t out[64];
    add(sum, data, bytes);
    for (size_t at = 0; at < bytes; at += 64)
        (void)base64_push(&sum->base64, data + at, bytes - at < 64 ? bytes - at : 64, out);
}

static void on_end(void *context, bool intact)
{
    ((struct sum *)context)->messages += intact;
}

static const struct eventstream_handler handler = {on_begin, on_data, on_end};

static struct sum feed(const uint8_t *data, size_t bytes, size_t step)
{
    struct sum sum = {0};
    struct eventstream stream;
    eventstream_init(&stream, &handler, &sum);
    for (size_t at = 0; at < bytes; at += step)
        eventstream_push(&stream, (const char *)data + at, bytes - at < step ? bytes - at : step);
    (void)eventstream_end(&stream);
    return sum;
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t copy[1 << 16];
    if (bytes < 17 || bytes - 1 > sizeof(copy))
        return 0;
    const size_t step = data[0] % 32 + 1u;
    memcpy(copy, data + 1, bytes - 1);
    bytes--;
    const uint32_t total = bytes < 1000 ? (uint32_t)bytes : 1000;
    put_u32(copy, total);
    put_u32(copy + 4, copy[7] % (total - 15));
    put_u32(copy + 8, (uint32_t)crc32(0, copy, 8));
    put_u32(copy + total - 4, (uint32_t)crc32(0, copy, total - 4));
    const struct sum whole = feed(copy, bytes, bytes), pieces = feed(copy, bytes, step);
    if (whole.value != pieces.value || whole.messages != pieces.messages)
        abort();
    return 0;
}
