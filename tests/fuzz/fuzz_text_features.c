/* Any text in any cutting has the same features and the same digest, and what reads features takes
 * them; of a text that was dropped nothing stays. What is read is written as it was. */
#include "shim/llm/identity/text_features.h"

#include <stdlib.h>
#include <string.h>

struct result {
    struct prompt_features features;
    uint64_t whole[2], exact;
};

/* The first byte cuts the rest in parts: two, unless it is odd. */
static void run(const uint8_t *data, size_t bytes, size_t step, struct result *ret)
{
    static const struct text_seed seed = {UINT64_C(0x9ddfea08eb382d69), UINT64_C(0xc3a5c85c97cb3127)};
    static struct text_features features;
    const size_t parts = data[0] % 2 ? 1 : 2;
    text_features_init(&features, &seed);
    for (size_t part = 0; part < parts; part++) {
        const uint8_t *const from = data + 1 + part * (bytes / 2);
        const size_t end = part + 1 < parts ? bytes / 2 : (size_t)(data + bytes + 1 - from);
        text_features_part_begin(&features);
        for (size_t at = 0; at < end; at += step) {
            text_features_push(&features, from + at, step < end - at ? step : end - at);
            text_features_tidy(&features);
        }
        text_features_part_end(&features);
        text_features_part_begin(&features);
        text_features_push(&features, from, end);
        text_features_part_drop(&features);
    }
    for (size_t i = 0; i < sizeof(features.buffer); i++)
        if (features.buffer[i])
            abort();
    memset(ret, 0, sizeof(*ret));
    text_features_get(&features, &ret->features);
    memcpy(ret->whole, features.now.whole, sizeof(ret->whole));
    ret->exact = features.now.exact;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t copy[1 << 16];
    struct result whole, cut;
    struct prompt_features read;
    uint8_t written[SPAN_TEXT_MAX];
    if (prompt_features_read(&read, data, bytes) == 0 &&
        (prompt_features_write(&read, written) != bytes || memcmp(written, data, bytes) != 0))
        abort();
    if (bytes < 2)
        return 0;
    /* Inputs are short; what matters lies beyond the buffer. */
    const size_t text = bytes - 1, times = data[bytes - 1] % 16U + 1;
    size_t used = 1;
    copy[0] = data[0];
    for (size_t i = 0; i < times && used + text <= sizeof(copy); i++, used += text)
        memcpy(copy + used, data + 1, text);
    run(copy, used - 1, used, &whole);
    run(copy, used - 1, data[1] % 61U + 1, &cut);
    if (memcmp(&whole, &cut, sizeof(whole)) != 0)
        abort();
    const size_t size = prompt_features_write(&whole.features, written);
    if (prompt_features_read(&read, written, size) != 0 || memcmp(&read, &whole.features, sizeof(read)) != 0)
        abort();
    return 0;
}
