/*
 * An exchange of any API with any request, headers and body, cut anywhere, with losses, pauses and
 * rewinds between: a span or none, never a crash, and no more time between first and last content
 * than passed.
 *
 * Input: byte 0 picks the URL, byte 1 the cutting; then request, headers and body, separated by
 * 0xff.
 */
#include "shim/llm/exchange.h"

#include <stdlib.h>
#include <string.h>

static const char *const urls[] = {
    "https://api.openai.com/v1/chat/completions",
    "https://api.openai.com/v1/completions",
    "https://api.anthropic.com/v1/messages",
    "http://localhost:11434/api/chat",
    "http://localhost:11434/api/generate",
    "https://api.openai.com/v1/responses",
    "https://api.openai.com/v1/embeddings",
    "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent",
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse-stream",
    "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke-with-response-stream",
    "https://api.cohere.com/v2/chat",
    "https://api.openai.com/v1/audio/transcriptions",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static size_t until_mark(const uint8_t *data, size_t bytes)
{
    const uint8_t *const mark = memchr(data, 0xff, bytes);
    return mark ? (size_t)(mark - data) : bytes;
}

static void feed_body(struct exchange *exchange, const uint8_t *data, size_t bytes, size_t step)
{
    for (size_t at = 0, n = 0; at < bytes; at += step, n++) {
        exchange_response_body(exchange, 100 + n * 10, data + at, step < bytes - at ? step : bytes - at);
        if (data[at] == 0xfe)
            exchange_lost(exchange, 1);
        if (data[at] == 0xfd)
            exchange_pause(exchange, 105 + n * 10);
        if (data[at] == 0xfc)
            exchange_resume(exchange, 105 + n * 10);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct exchange_config config = {
        .hash_key = {1}, .has_hash_key = true, .preview_chars = 20, .prompt = "n@v"};
    static struct span span;
    bool no_memory;
    if (bytes < 2)
        return 0;
    const char *const url = urls[data[0] % (sizeof(urls) / sizeof(urls[0]))];
    const size_t step = data[1] ? data[1] : bytes;
    data += 2;
    bytes -= 2;
    const size_t request = until_mark(data, bytes);
    const uint8_t *const headers = data + request + (request < bytes);
    const size_t header_bytes = until_mark(headers, (size_t)(data + bytes - headers));
    const uint8_t *const body = headers + header_bytes + (headers + header_bytes < data + bytes);
    const struct exchange_start start = {.method = "POST",
                                         .method_bytes = 4,
                                         .url = url,
                                         .url_bytes = strlen(url),
                                         .headers = (const char *)headers,
                                         .headers_bytes = header_bytes};
    struct exchange *const exchange = exchange_open(&config, &start, &no_memory);
    if (!exchange)
        return 0;
    exchange_request_body(exchange, 10, data, request / 2);
    if (step % 3 == 0)
        exchange_request_rewind(exchange);
    exchange_request_body(exchange, 10, data + request / 2, request - request / 2);
    for (const uint8_t *line = headers; line < headers + header_bytes;) {
        const uint8_t *const lf = memchr(line, '\n', (size_t)(headers + header_bytes - line));
        const uint8_t *const end = lf ? lf + 1 : headers + header_bytes;
        exchange_response_header(exchange, 50, (const char *)line, (size_t)(end - line));
        line = end;
    }
    (void)exchange_peek(exchange, 60, &span);
    feed_body(exchange, body, (size_t)(data + bytes - body), step);
    (void)exchange_peek(exchange, 1u << 29, &span);
    const struct exchange_end end = {
        .time_ns = 1u << 30, .total_ns = UINT64_MAX, .queue_ns = UINT64_MAX, .how = EXCHANGE_ENDED};
    if (exchange_close(exchange, &end, &span) && span_has(&span, SPAN_decode_ns) &&
        span.value[SPAN_decode_ns].u64 > 1u << 30)
        abort();
    return 0;
}
