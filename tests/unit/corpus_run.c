/*
 * Feeds kept exchanges to the exchange of the shim, see corpus_run.h. Used by test programs, on
 * their only thread.
 */
#include "corpus_run.h"

#include "shim/llm/desk.h"
#include "shim/llm/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const corpus_cutting_names[] = {"whole",       "recorded pieces",    "byte by byte",
                                            "random cuts", "random cuts, CR LF", "random cuts, packed between them"};

static const struct exchange_config config = {.hash_key = {1, 2, 3}, .has_hash_key = true};

/* LF becomes CR LF, where the stream has LF alone. */
static struct corpus_bytes with_crlf(struct corpus_bytes from)
{
    struct corpus_bytes to = {.data = malloc(from.count * 2 + 1), .count = 0};
    for (size_t i = 0; i < from.count; i++) {
        if (from.data[i] == '\n' && !(i && from.data[i - 1] == '\r'))
            to.data[to.count++] = '\r';
        to.data[to.count++] = from.data[i];
    }
    return to;
}

static char *header_lines(const cJSON *headers)
{
    size_t room = 1;
    const cJSON *header;
    cJSON_ArrayForEach(header, headers) room +=
        strlen(header->string) + (cJSON_IsString(header) ? strlen(header->valuestring) : 0) + 4;
    char *const lines = calloc(room, 1);
    char *to = lines;
    cJSON_ArrayForEach(header, headers)
    {
        if (cJSON_IsString(header))
            to += sprintf(to, "%s: %s\n", header->string, header->valuestring);
    }
    return lines;
}

/* The size of the next piece. Exact copies are made of pieces so that ASan sees any overread. */
static size_t piece_bytes(enum cutting cutting, size_t left, const cJSON **chunk, unsigned *seed)
{
    size_t bytes = left;
    if (cutting == SINGLE_BYTES)
        bytes = 1;
    if (cutting == RANDOM || cutting == RANDOM_CRLF || cutting == CROWDED)
        bytes = (size_t)rand_r(seed) % ((rand_r(seed) & 7) ? 40 : 4000) + 1;
    if (cutting == RECORDED && *chunk != NULL) {
        bytes = (size_t)(*chunk)->valuedouble;
        *chunk = (*chunk)->next;
    }
    return bytes < left ? bytes : left;
}

/* One exchange for every desk: whoever comes shares one, and is packed when these are asked for
 * it. */
static struct exchange *crowd[DESKS];

static void crowd_comes(void)
{
    static const char url[] = "https://api.openai.com/v1/chat/completions";
    const struct exchange_start start = {.method = "POST", .method_bytes = 4, .url = url, .url_bytes = strlen(url)};
    for (unsigned i = 0; i < DESKS; i++) {
        bool no_memory;
        crowd[i] = exchange_open(&config, &start, &no_memory);
    }
}

static void crowd_leaves(void)
{
    static struct span span;
    const struct exchange_end end = {EXCHANGE_END_UNKNOWN};
    for (unsigned i = 0; i < DESKS; i++)
        (void)exchange_close(crowd[i], &end, &span);
}

static void drive_out(enum cutting cutting)
{
    for (unsigned i = 0; cutting == CROWDED && i < DESKS; i++)
        exchange_pause(crowd[i], 1);
}

typedef void feed(struct exchange *exchange, uint64_t time_ns, const uint8_t *data, size_t bytes);

static void feed_pieces(struct exchange *exchange, struct corpus_bytes body, enum cutting cutting, const cJSON *chunks,
                        feed *to)
{
    const cJSON *chunk = chunks != NULL ? chunks->child : NULL;
    unsigned seed = (unsigned)body.count;
    for (size_t at = 0, n = 0; at < body.count; n++) {
        const size_t bytes = piece_bytes(cutting, body.count - at, &chunk, &seed);
        uint8_t *const piece = malloc(bytes ? bytes : 1);
        memcpy(piece, body.data + at, bytes);
        to(exchange, 1000 + n * 1000, piece, bytes);
        free(piece);
        drive_out(cutting);
        at += bytes;
    }
}

static void feed_headers(struct exchange *exchange, const cJSON *response, enum cutting cutting)
{
    char line[64];
    snprintf(line, sizeof(line), "HTTP/1.1 %d X\r\n", cJSON_GetObjectItem(response, "status")->valueint);
    exchange_response_header(exchange, 500, line, strlen(line));
    const cJSON *header;
    cJSON_ArrayForEach(header, cJSON_GetObjectItem(response, "headers"))
    {
        if (!cJSON_IsString(header))
            continue;
        const size_t room = strlen(header->string) + strlen(header->valuestring) + 5;
        char *const text = malloc(room);
        snprintf(text, room, "%s: %s\r\n", header->string, header->valuestring);
        exchange_response_header(exchange, 500, text, strlen(text));
        free(text);
        drive_out(cutting);
    }
}

static bool run(const cJSON *record, enum cutting cutting, struct span *ret_span)
{
    const cJSON *const request = cJSON_GetObjectItem(record, "request"), *const response =
                                                                             cJSON_GetObjectItem(record, "response");
    const char *const method = cJSON_GetObjectItem(request, "method")->valuestring;
    const char *const url = cJSON_GetObjectItem(request, "url")->valuestring;
    char *const headers = header_lines(cJSON_GetObjectItem(request, "headers"));
    const struct exchange_start start = {.wall_ns = UINT64_C(1700000000000000000),
                                         .method = method,
                                         .method_bytes = strlen(method),
                                         .url = url,
                                         .url_bytes = strlen(url),
                                         .decoded = true};
    bool no_memory;
    struct exchange *const exchange = exchange_open(&config, &start, &no_memory);
    if (exchange == NULL) {
        free(headers);
        return false;
    }
    const struct corpus_bytes asked = corpus_body(request);
    feed_pieces(exchange, asked, cutting, NULL, exchange_request_body);
    free(asked.data);
    exchange_request_headers(exchange, headers, strlen(headers)); /* as libcurl reads them: when it is connected */
    free(headers);
    feed_headers(exchange, response, cutting);
    struct corpus_bytes body = corpus_body(response);
    if (cutting == RANDOM_CRLF) {
        const struct corpus_bytes other = with_crlf(body);
        free(body.data);
        body = other;
    }
    feed_pieces(exchange, body, cutting, cJSON_GetObjectItem(response, "chunk_sizes"), exchange_response_body);
    free(body.data);
    const struct exchange_end end = {.time_ns = UINT64_C(1) << 40, EXCHANGE_END_UNKNOWN, .how = EXCHANGE_ENDED};
    const bool made = exchange_close(exchange, &end, ret_span);
    if (!desk_idle_is_empty())
        abort(); /* something of the exchange was left behind */
    return made;
}

bool corpus_run(const cJSON *record, enum cutting cutting, struct span *ret_span)
{
    if (cutting == CROWDED)
        crowd_comes();
    const bool made = run(record, cutting, ret_span);
    if (cutting == CROWDED)
        crowd_leaves();
    return made;
}
