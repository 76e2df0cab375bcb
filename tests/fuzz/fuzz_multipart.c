/* Forms. First byte: the cutting. The result may not depend on it. */
#include "shim/llm/framing/multipart.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void add(uint64_t *sum, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        *sum = *sum * 31 + (unsigned char)data[i];
}

static void on_field(void *context, const char *name, size_t name_bytes, const char *value, size_t value_bytes,
                     bool cut)
{
    add(context, name, name_bytes);
    add(context, value, value_bytes);
    *(uint64_t *)context += cut;
}

static void on_file(void *context, const char *name, size_t name_bytes, uint64_t bytes)
{
    add(context, name, name_bytes);
    *(uint64_t *)context += bytes;
}

static const struct multipart_handler handler = {on_field, on_file};

static uint64_t feed(const char *data, size_t bytes, size_t step)
{
    uint64_t sum = 0;
    struct multipart form;
    multipart_init(&form, &handler, &sum);
    for (size_t at = 0; at < bytes; at += step)
        multipart_push(&form, data + at, bytes - at < step ? bytes - at : step);
    return sum * 2 + multipart_complete(&form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 2)
        return 0;
    const char *const body = (const char *)data + 1;
    if (feed(body, bytes - 1, bytes) != feed(body, bytes - 1, data[0] % 16 + 1u))
        abort();
    return 0;
}
