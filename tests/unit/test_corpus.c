/*
 * Every exchange of our own fixtures or of the recorded corpus becomes the span that its `truth` states, however its
 * body is cut: whole, as it came from the socket, byte by byte, at random; and event streams with other line ends.
 * Negatives make no span. Each API has a fixture.
 *
 * test_corpus [fixtures]: without an argument the corpus is read. That is other people's data and not part of this
 * repository; where it is not there this test says so and is reported as skipped. CORPUS_ONLY=text picks records by id
 * or API.
 */
#include "corpus_truth.h"

#include "../../shim/llm/counted.h"
#include "../../shim/llm/dialect.h"
#include "../../shim/llm/exchange.h"
#include "corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum cutting { WHOLE, RECORDED, SINGLE_BYTES, RANDOM, RANDOM_CRLF, CUTTINGS };
static const char *const cutting_names[] = {"whole", "recorded pieces", "byte by byte", "random cuts",
                                            "random cuts, CR LF"};

static const struct exchange_config config = {.hash_key = {1, 2, 3}, .hash_key_bytes = 32};

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
    if (cutting == RANDOM || cutting == RANDOM_CRLF)
        bytes = (size_t)rand_r(seed) % ((rand_r(seed) & 7) ? 40 : 4000) + 1;
    if (cutting == RECORDED && *chunk) {
        bytes = (size_t)(*chunk)->valuedouble;
        *chunk = (*chunk)->next;
    }
    return bytes < left ? bytes : left;
}

typedef void feed(struct exchange *exchange, uint64_t time_ns, const uint8_t *data, size_t bytes);

static void feed_pieces(struct exchange *exchange, struct corpus_bytes body, enum cutting cutting, const cJSON *chunks,
                        feed *to)
{
    const cJSON *chunk = chunks ? chunks->child : NULL;
    unsigned seed = (unsigned)body.count;
    for (size_t at = 0, n = 0; at < body.count; n++) {
        const size_t bytes = piece_bytes(cutting, body.count - at, &chunk, &seed);
        uint8_t *const piece = malloc(bytes ? bytes : 1);
        memcpy(piece, body.data + at, bytes);
        to(exchange, 1000 + n * 1000, piece, bytes);
        free(piece);
        at += bytes;
    }
}

static void feed_headers(struct exchange *exchange, const cJSON *response)
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
    }
}

/* False: no span came of it. */
static bool run(const cJSON *record, enum cutting cutting, struct span *ret_span)
{
    counted_forget(); /* each run is the first that asks */
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
    if (!exchange) {
        free(headers);
        return false;
    }
    const struct corpus_bytes asked = corpus_body(request);
    feed_pieces(exchange, asked, cutting, NULL, exchange_request_body);
    free(asked.data);
    exchange_request_headers(exchange, headers, strlen(headers)); /* as libcurl reads them: when it is connected */
    free(headers);
    feed_headers(exchange, response);
    struct corpus_bytes body = corpus_body(response);
    if (cutting == RANDOM_CRLF) {
        const struct corpus_bytes other = with_crlf(body);
        free(body.data);
        body = other;
    }
    feed_pieces(exchange, body, cutting, cJSON_GetObjectItem(response, "chunk_sizes"), exchange_response_body);
    free(body.data);
    const struct exchange_end end = {.time_ns = UINT64_C(1) << 40, EXCHANGE_END_UNKNOWN, .finished = true};
    return exchange_close(exchange, &end, ret_span);
}

static const char *const apis[] = {
#define API(name, operation) name,
#include "../../shim/llm/apis.def"
#undef API
};
enum { APIS = sizeof(apis) / sizeof(apis[0]) };

struct totals {
    unsigned long exchanges, runs, facts, wrong, exact, skipped;
    bool seen[APIS];
};

static bool has_framing(const cJSON *record, const char *framing)
{
    const cJSON *const is = cJSON_GetObjectItem(cJSON_GetObjectItem(record, "truth"), "framing");
    return cJSON_IsString(is) && !strcmp(is->valuestring, framing);
}

static void check(void *context, const cJSON *record, bool negative)
{
    struct totals *const totals = context;
    const char *const id = cJSON_GetObjectItem(record, "id")->valuestring;
    const cJSON *const api = cJSON_GetObjectItem(record, "api");
    const char *const only = getenv("CORPUS_ONLY");
    if (only && !strstr(id, only) && !(cJSON_IsString(api) && !strcmp(api->valuestring, only)))
        return;
    if (!negative && !dialect_by_api(api->valuestring)) {
        totals->skipped++;
        return;
    }
    for (size_t i = 0; i < APIS; i++)
        totals->seen[i] = totals->seen[i] || (!negative && !strcmp(api->valuestring, apis[i]));
    unsigned wrong = 0;
    totals->exchanges++;
    for (enum cutting cutting = WHOLE; cutting < CUTTINGS; cutting++) {
        static struct span span;
        if (cutting == RANDOM_CRLF && !negative && !has_framing(record, "sse"))
            continue;
        totals->runs++;
        const bool made = run(record, cutting, &span);
        if (made == negative) {
            fprintf(stderr, "%s (%s): %s\n", id, cutting_names[cutting],
                    negative ? "a span came of a negative" : "no span");
            wrong++;
        } else if (made) {
            wrong += corpus_compare(record, &span, cutting_names[cutting], &totals->facts);
        }
    }
    totals->wrong += wrong;
    totals->exact += !wrong;
}

/* Our own fixtures leave no API out. */
static unsigned long unseen(const struct totals *totals)
{
    unsigned long count = totals->skipped;
    for (size_t i = 0; i < APIS; i++) {
        if (totals->seen[i])
            continue;
        fprintf(stderr, "no fixture for %s\n", apis[i]);
        count++;
    }
    return count;
}

int main(int count, char **arguments)
{
    const bool fixtures = count == 2 && !strcmp(arguments[1], "fixtures");
    if (!fixtures && count != 1) {
        fprintf(stderr, "usage: test_corpus [fixtures]\n");
        return 2;
    }
    static struct totals totals;
    const char *const directory = fixtures ? CORPUS_FIXTURES : corpus_directory();
    if (!directory)
        return CORPUS_SKIPPED;
    corpus_each(directory, check, &totals);
    if (fixtures && !getenv("CORPUS_ONLY"))
        totals.wrong += unseen(&totals);
    printf("%lu exchanges, %lu of them exact, fed in %lu ways; %lu facts compared, %lu wrong; %lu exchanges of APIs "
           "without dialect\n",
           totals.exchanges, totals.exact, totals.runs, totals.facts, totals.wrong, totals.skipped);
    return totals.wrong || !totals.exchanges ? 1 : 0;
}
