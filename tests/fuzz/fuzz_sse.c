/* Any bytes in any cutting: events of SSE and lines of JSON are the same, begin and end in turn,
 * and nothing beyond the input is read. */
#include "shim/llm/identity/json_canon.h"
#include "shim/llm/framing/ndjson.h"
#include "shim/llm/framing/sse.h"

#include <stdlib.h>
#include <string.h>

struct seen {
    struct text_hash hash;
    bool open;
};

static void on_begin(void *context, const char *name, size_t bytes)
{
    struct seen *const seen = context;
    if (seen->open)
        abort();
    seen->open = true;
    text_hash_push(&seen->hash, "<", 1);
    text_hash_push(&seen->hash, name, bytes);
}

static void on_line(void *context)
{
    on_begin(context, "", 0);
}

static void on_data(void *context, const char *data, size_t bytes)
{
    struct seen *const seen = context;
    if (!seen->open)
        abort();
    text_hash_push(&seen->hash, data, bytes);
}

static void on_end(void *context)
{
    struct seen *const seen = context;
    if (!seen->open)
        abort();
    seen->open = false;
    text_hash_push(&seen->hash, ">", 1);
}

static void on_done(void *context)
{
    text_hash_push(&((struct seen *)context)->hash, "!", 1);
}

static void run(const char *data, size_t bytes, size_t step, uint64_t digest[2])
{
    static const struct sse_handler events = {on_begin, on_data, on_end, on_done};
    static const struct ndjson_handler lines = {on_line, on_data, on_end};
    struct seen seen = {.open = false};
    struct sse sse;
    struct ndjson ndjson;
    text_hash_init(&seen.hash, 0);
    sse_init(&sse, &events, &seen);
    for (size_t at = 0; at < bytes; at += step)
        sse_push(&sse, data + at, step < bytes - at ? step : bytes - at);
    (void)sse_end(&sse);
    ndjson_init(&ndjson, &lines, &seen);
    for (size_t at = 0; at < bytes; at += step)
        ndjson_push(&ndjson, data + at, step < bytes - at ? step : bytes - at);
    (void)ndjson_end(&ndjson);
    text_hash_end(&seen.hash, digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint64_t whole[2], cut[2];
    if (!bytes)
        return 0;
    run((const char *)data, bytes, bytes, whole);
    run((const char *)data, bytes, data[bytes - 1] % 11u + 1, cut);
    if (memcmp(whole, cut, sizeof(whole)) != 0)
        abort();
    return 0;
}
