/*
 * One exchange from its first record to its span, see exchange.h: recognise, scan the request, follow the response,
 * close.
 *
 * Runs on the scribe's thread. Exchanges come from a small pool so that the host's allocator is hardly touched; nothing
 * here grows with a body.
 */
#include "exchange.h"

#include "body.h"
#include "counted.h"
#include "decode.h"
#include "exchange_span.h"
#include "recognise.h"
#include "request.h"
#include "response_headers.h"
#include "span_clean.h"
#include "url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { POOL_MAX = 4 };

enum { CURLE_WRITE_ERROR = 23, CURLE_ABORTED_BY_CALLBACK = 42 }; /* the application's own callback ended it */

struct exchange {
    const struct exchange_config *config;
    struct dialect *dialect;
    struct recognised recognised;
    uint64_t start_ns, wall_ns;
    uint64_t status; /* of the last response; 0: none yet */
    uint64_t lost;
    bool encoded;          /* the body has a content encoding that nobody can undo, or it is damaged */
    struct decode *decode; /* undoes the content encoding that the tap left; NULL: none */
    uint64_t body_time_ns; /* of the last piece, the one being decoded */
    bool encodings_undone; /* by the tap */
    bool request_begun, request_read, response_begun;
    struct exchange *next_free;
    struct facts facts;
    struct request request;
    struct body body;
    struct timing timing;
    struct response_headers headers;
    struct secret_echo echo; /* what of the request must not come back */
    uint16_t path_bytes;
    char path[SPAN_TEXT_MAX]; /* of the URL; the span gets it when all is known that must not stand in it */
    struct span span;
};
_Static_assert(sizeof(struct exchange) <= EXCHANGE_BYTES_MAX, "an exchange must stay within its budget");

/* Scribe's thread only. A forked child inherits the free ones with its copy of memory. */
static struct exchange *pool;
static unsigned pool_count;

static struct exchange *pool_take(void)
{
    struct exchange *const exchange = pool;
    if (!exchange)
        return malloc(sizeof(*exchange));
    pool = exchange->next_free;
    pool_count--;
    return exchange;
}

static void pool_give(struct exchange *exchange)
{
    if (pool_count == POOL_MAX) {
        free(exchange);
        return;
    }
    exchange->next_free = pool;
    pool = exchange;
    pool_count++;
}

struct header {
    const char *name, *value;
    size_t name_bytes, value_bytes;
};

/* "Name: value" with any line end. False: no header line. */
static bool split_header(const char *line, size_t bytes, struct header *ret)
{
    const char *const colon = memchr(line, ':', bytes);
    if (!colon || colon == line)
        return false;
    const char *value = colon + 1, *end = line + bytes;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *ret = (struct header){line, value, (size_t)(colon - line), (size_t)(end - value)};
    return true;
}

static bool header_is(const struct header *header, const char *name)
{
    return strlen(name) == header->name_bytes && !strncasecmp(header->name, name, header->name_bytes);
}

static void take_request_header(struct exchange *exchange, const struct header *header)
{
    static const char *const keys[] = {"authorization", "x-api-key", "api-key", "x-goog-api-key"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char alias[17];
        if (!header_is(header, keys[i]))
            continue;
        prompt_key_alias(exchange->config, header->value, header->value_bytes, alias);
        if (alias[0] && (i > 0 || !span_has(&exchange->span, SPAN_key_alias)))
            span_set_text(&exchange->span, SPAN_key_alias, alias, strlen(alias));
        return;
    }
    if (header_is(header, "traceparent"))
        exchange_span_traceparent(&exchange->span, header->value, header->value_bytes);
    else
        prompt_header(&exchange->facts.prompt, header->name, header->name_bytes, header->value, header->value_bytes);
}

static void take_request_headers(struct exchange *exchange, const char *headers, size_t bytes)
{
    const char *const end = headers + bytes;
    while (headers < end) {
        const char *const lf = memchr(headers, '\n', (size_t)(end - headers));
        const char *const stop = lf ? lf : end;
        struct header header;
        if (headers < stop && *headers == EXCHANGE_BESIDE) {
            secret_echo_beside(&exchange->echo, headers + 1, (size_t)(stop - headers - 1));
        } else if (split_header(headers, (size_t)(stop - headers), &header)) {
            secret_echo_header(&exchange->echo, header.name, header.name_bytes, header.value, header.value_bytes);
            take_request_header(exchange, &header);
        }
        headers = lf ? lf + 1 : end;
    }
}

static void put_static(struct span *span, enum span_field field, const char *text)
{
    if (text)
        span_set_text(span, field, text, strlen(text));
}

static void put_address(struct exchange *exchange, const struct exchange_start *start)
{
    struct span *const span = &exchange->span;
    struct url url;
    if (start->method_bytes)
        span_set_text(span, SPAN_method, start->method, start->method_bytes);
    if (!url_split(start->url, start->url_bytes, &url))
        return;
    span_set_text(span, SPAN_host, url.host.data, url.host.bytes);
    if (url.port)
        span_set_u64(span, SPAN_port, url.port);
    exchange->path_bytes =
        (uint16_t)(url.path.bytes < sizeof(exchange->path) ? url.path.bytes : sizeof(exchange->path));
    if (exchange->path_bytes)
        memcpy(exchange->path, url.path.data, exchange->path_bytes);
}

static void put_path(struct exchange *exchange)
{
    char path[SPAN_TEXT_MAX];
    const size_t bytes = secret_mask_path(exchange->path, exchange->path_bytes, exchange->recognised.model,
                                          exchange->recognised.model_bytes, &exchange->echo, path, sizeof(path));
    if (bytes)
        span_set_text(&exchange->span, SPAN_path, path, bytes);
}

static void begin_response(struct exchange *exchange)
{
    struct facts *const facts = &exchange->facts;
    body_init(&exchange->body, exchange->dialect, facts, &exchange->timing);
    response_headers_init(&exchange->headers, facts);
    decode_close(exchange->decode);
    exchange->decode = NULL;
    span_clear(&exchange->span, SPAN_content_encoding);
    exchange->encoded = exchange->response_begun = false;
}

/* What URL and headers say of the answer and the model. */
static void take_recognised(struct exchange *exchange)
{
    const struct recognised *const recognised = &exchange->recognised;
    struct facts *const facts = &exchange->facts;
    if (recognised->stream_known) {
        facts->stream_stated = true;
        facts->stream_asked = recognised->stream;
    }
    facts_set_text(facts, FACT_REQUEST_MODEL, recognised->model, recognised->model_bytes);
}

static void open_facts(struct exchange *exchange)
{
    const struct recognised *const recognised = &exchange->recognised;
    struct facts *const facts = &exchange->facts;
    if (exchange->dialect->open)
        exchange->dialect->open(facts, recognised->api, recognised->provider);
    take_recognised(exchange);
}

/* Of a list of calls one is answered; its own dialect reads the answer. */
static void take_step(struct exchange *exchange)
{
    struct facts *const facts = &exchange->facts;
    const struct facts_step *const step = &facts->step[facts->answered];
    struct dialect *const dialect = step->shape ? dialect_by_api(step->shape) : NULL;
    if (!dialect)
        return;
    facts->api = step->api;
    memset(facts->scratch, 0, sizeof(facts->scratch));
    exchange->body.dialect = dialect;
    if (dialect->open)
        dialect->open(facts, step->api, exchange->recognised.provider);
}

/* What the request said of streaming stays; dialects open with what holds where it says nothing. */
static void forget_answer(struct exchange *exchange)
{
    struct facts *const facts = &exchange->facts;
    const bool stated = facts->stream_stated, asked = facts->stream_asked;
    facts_forget_answer(facts);
    if (exchange->dialect->open)
        exchange->dialect->open(facts, exchange->recognised.api, exchange->recognised.provider);
    facts->stream_stated = stated;
    facts->stream_asked = asked;
}

struct exchange *exchange_open(const struct exchange_config *config, const struct exchange_start *start,
                               bool *ret_no_memory)
{
    struct recognised recognised;
    *ret_no_memory = false;
    if (!recognise(start->method, start->method_bytes, start->url, start->url_bytes, start->headers,
                   start->headers_bytes, &recognised))
        return NULL;
    dialect_init();
    struct dialect *const dialect = dialect_by_api(recognised.shape ? recognised.shape : recognised.api);
    if (!dialect)
        return NULL;
    struct exchange *const exchange = pool_take();
    if (!exchange) {
        *ret_no_memory = true;
        return NULL;
    }
    exchange->config = config;
    exchange->dialect = dialect;
    exchange->recognised = recognised;
    exchange->start_ns = exchange->body_time_ns = start->time_ns;
    exchange->wall_ns = start->wall_ns;
    exchange->status = exchange->lost = 0;
    exchange->encodings_undone = start->decoded;
    exchange->request_begun = false;
    exchange->path_bytes = 0;
    span_init(&exchange->span);
    timing_init(&exchange->timing, start->time_ns);
    facts_init(&exchange->facts, config);
    request_init(&exchange->request, dialect, &exchange->facts);
    exchange->decode = NULL;
    begin_response(exchange);
    open_facts(exchange);
    /* Whole microseconds, as everything measured here: the last three digits would cost the store a byte and a half per
     * span. */
    span_set_u64(&exchange->span, SPAN_start_ns, start->wall_ns / 1000 * 1000);
    put_static(&exchange->span, SPAN_api, recognised.api);
    put_static(&exchange->span, SPAN_operation, recognised.operation);
    put_static(&exchange->span, SPAN_provider, recognised.provider);
    secret_echo_init(&exchange->echo);
    take_request_headers(exchange, start->headers, start->headers_bytes);
    put_address(exchange, start);
    return exchange;
}

/* Headers said what is called where the URL did not. */
static void change_dialect(struct exchange *exchange)
{
    struct dialect *const dialect = dialect_by_api(exchange->recognised.api);
    if (!dialect)
        return;
    exchange->dialect = dialect;
    request_init(&exchange->request, dialect, &exchange->facts);
    begin_response(exchange);
    open_facts(exchange);
    put_static(&exchange->span, SPAN_api, exchange->recognised.api);
    put_static(&exchange->span, SPAN_operation, exchange->recognised.operation);
}

void exchange_request_headers(struct exchange *exchange, const char *headers, size_t bytes)
{
    struct recognised *const recognised = &exchange->recognised;
    const struct recognised before = *recognised;
    recognise_headers(headers, bytes, recognised);
    if (recognised->api != before.api)
        change_dialect(exchange);
    else if (recognised->model_bytes != before.model_bytes || recognised->stream_known != before.stream_known)
        take_recognised(exchange);
    take_request_headers(exchange, headers, bytes);
}

void exchange_request_body(struct exchange *exchange, uint64_t time_ns, const uint8_t *data, size_t bytes)
{
    (void)time_ns;
    exchange->request_begun = exchange->request_begun || bytes;
    request_push(&exchange->request, data, bytes);
}

void exchange_request_rewind(struct exchange *exchange)
{
    request_reset(&exchange->request);
    prompt_rewind(&exchange->facts.prompt);
    exchange->facts.json_asked = exchange->facts.shape_asked = exchange->facts.stream_stated =
        exchange->facts.stream_asked = false;
    open_facts(exchange);
}

static uint64_t status_of_line(const char *line, size_t bytes)
{
    const char *const blank = memchr(line, ' ', bytes);
    uint64_t status = 0;
    for (const char *p = blank ? blank + 1 : line + bytes; p < line + bytes && *p >= '0' && *p <= '9' && status < 1000;
         p++)
        status = status * 10 + (uint64_t)(*p - '0');
    return status;
}

static void on_decoded(void *context, const char *data, size_t bytes)
{
    struct exchange *const exchange = context;
    body_push(&exchange->body, exchange->body_time_ns, data, bytes);
}

/* The application gets this body encoded; it is undone here for the facts' sake. A second encoding is not undone. */
static void take_encoding(struct exchange *exchange, const struct header *header)
{
    const enum decode_kind kind = decode_kind(header->value, header->value_bytes);
    if (exchange->encodings_undone || kind == DECODE_NONE)
        return;
    if (!exchange->decode && !exchange->encoded)
        exchange->decode = decode_open(kind, on_decoded, exchange);
    else
        exchange->encoded = true;
    span_set_text(&exchange->span, SPAN_content_encoding, header->value, header->value_bytes);
    exchange->encoded = exchange->encoded || !exchange->decode;
}

void exchange_response_header(struct exchange *exchange, uint64_t time_ns, const char *line, size_t bytes)
{
    struct header header;
    (void)time_ns;
    if (bytes >= 5 && !memcmp(line, "HTTP/", 5)) {
        if (exchange->status) /* another response: after 100, a redirect, authentication */
            forget_answer(exchange);
        exchange->status = status_of_line(line, bytes);
        begin_response(exchange);
        return;
    }
    if (!split_header(line, bytes, &header))
        return;
    if (header_is(&header, "content-type"))
        body_content_type(&exchange->body, header.value, header.value_bytes);
    else if (header_is(&header, "content-encoding"))
        take_encoding(exchange, &header);
    else
        response_headers_line(&exchange->headers, &exchange->facts, header.name, header.name_bytes, header.value,
                              header.value_bytes, exchange->wall_ns);
    if (exchange->dialect->response_header)
        exchange->dialect->response_header(&exchange->facts, header.name, header.name_bytes, header.value,
                                           header.value_bytes);
}

void exchange_response_body(struct exchange *exchange, uint64_t time_ns, const uint8_t *data, size_t bytes)
{
    if (bytes && !exchange->response_begun) {
        exchange->response_begun = true;
        take_step(exchange);
    }
    exchange->body_time_ns = time_ns;
    if (exchange->encoded)
        return;
    if (!exchange->decode)
        body_push(&exchange->body, time_ns, (const char *)data, bytes);
    else if (!decode_push(exchange->decode, data, bytes))
        exchange->encoded = true;
}

void exchange_pause(struct exchange *exchange, uint64_t time_ns)
{
    timing_pause(&exchange->timing, time_ns);
}

void exchange_resume(struct exchange *exchange, uint64_t time_ns)
{
    timing_resume(&exchange->timing, time_ns);
}

void exchange_lost(struct exchange *exchange, uint64_t bytes)
{
    exchange->lost += bytes;
    if (exchange->response_begun) {
        body_lost(&exchange->body);
        timing_lost(&exchange->timing);
        exchange->encoded = exchange->encoded || exchange->decode; /* no decoder goes on behind a gap */
    } else {
        request_reset(&exchange->request);
    }
}

/* A state after which nothing more comes in this answer. */
static bool status_is_final(const struct facts *facts)
{
    static const char *const passing[] = {"queued", "in_progress", "cancelling", "validating", "finalizing"};
    const size_t bytes = facts->text_bytes[FACT_STATUS];
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (strlen(passing[i]) == bytes && !memcmp(passing[i], facts->text[FACT_STATUS], bytes))
            return false;
    return bytes > 0;
}

static bool finish_stated(const struct facts *facts)
{
    bool stated = status_is_final(facts);
    for (uint32_t i = 0; i < facts->choices; i++)
        stated = stated || facts->choice[i].stated;
    return stated;
}

/* Did the answer itself say that it is complete? */
static bool end_mark_seen(const struct exchange *exchange)
{
    const struct facts *const facts = &exchange->facts;
    if (!facts->stream || !exchange->body.complete || exchange->body.framing == BODY_ARRAY)
        return exchange->body.complete;
    return facts->done || facts->error_seen || facts->no_end_mark || finish_stated(facts);
}

/* Whoever stops behind the end of a stream has everything, and so have we: behind its last mark, or behind the reason
 * and the usage. */
static bool everything_seen(const struct exchange *exchange)
{
    const struct facts *const facts = &exchange->facts;
    if (!facts->stream || !exchange->body.complete)
        return false;
    const bool usage = facts_has_number(facts, FACT_INPUT) || facts_has_number(facts, FACT_OUTPUT);
    return exchange->body.framing == BODY_ARRAY || facts->done || facts->error_seen || (usage && finish_stated(facts));
}

static struct exchange_outcome outcome_of(const struct exchange *exchange, const struct exchange_end *end)
{
    struct exchange_outcome outcome = {.lost = exchange->lost > 0, .status = exchange->status};
    const bool failed = end->curl_code != 0 && end->curl_code != UINT64_MAX;
    if (end->status && end->status != UINT64_MAX)
        outcome.status = end->status;
    const bool body_readable = !exchange->encoded && !outcome.lost && exchange->response_begun;
    const bool own =
        !end->finished || end->curl_code == CURLE_WRITE_ERROR || end->curl_code == CURLE_ABORTED_BY_CALLBACK;
    if (own || failed)
        outcome.whole = body_readable && everything_seen(exchange);
    else
        outcome.whole = !body_readable || end_mark_seen(exchange) || outcome.status >= 400;
    outcome.cancelled = own && !outcome.whole;
    return outcome;
}

/*
 * The transport's clock starts later than ours, which starts when the application does (libcurl: after our hook, and in
 * a multi handle with its first turn); its end is earlier than when the application asked for the result. So the total
 * is the transport's, but covers everything that was seen.
 */
static uint64_t total_of(const struct exchange *exchange, const struct exchange_end *end)
{
    const uint64_t elapsed = end->time_ns > exchange->start_ns ? end->time_ns - exchange->start_ns : 0;
    if (end->total_ns == UINT64_MAX)
        return elapsed;
    const uint64_t seen = exchange->body_time_ns > exchange->start_ns ? exchange->body_time_ns - exchange->start_ns : 0;
    return seen > end->total_ns && seen <= elapsed ? (seen + 999) / 1000 * 1000
                                                   : end->total_ns; /* microseconds, as libcurl's */
}

static void put_stream(struct exchange *exchange)
{
    const struct facts *const facts = &exchange->facts;
    const bool request_read = exchange->request_read;
    if (facts->stream_stated || request_read)
        span_set_u64(&exchange->span, SPAN_request_stream, facts->stream_asked);
    if (!exchange->response_begun || exchange->encoded)
        return;
    span_set_u64(&exchange->span, SPAN_response_stream, facts->stream);
    if (!facts->stream || exchange->timing.gapped) /* with pieces missing, counts would be too low */
        return;
    span_set_u64(&exchange->span, SPAN_stream_events, exchange->body.events);
    span_set_u64(&exchange->span, SPAN_content_chunks, exchange->body.content_events);
}

/* Tokens that were counted with an earlier answer are not stated again. Results without an id of their own go by their
 * path. */
static void count_once(struct exchange *exchange)
{
    struct facts *const facts = &exchange->facts;
    const char *id = facts->text[FACT_RESPONSE_ID];
    size_t bytes = facts->text_bytes[FACT_RESPONSE_ID];
    const bool repeats = exchange->dialect->repeats || exchange->recognised.poll;
    if (!repeats || !(facts_number(facts, FACT_INPUT) | facts_number(facts, FACT_OUTPUT)))
        return;
    if (!bytes) {
        id = exchange->path;
        bytes = exchange->path_bytes;
    }
    if (!counted_first(id, bytes))
        facts->usage.present = 0;
}

/*
 * Is it a call at all? Where the path alone does not prove it, an answer of the API's own shape does. A call that
 * failed has no such answer; then the request may prove it: it hands in messages or a limit of tokens, or names a model
 * where nobody else does.
 */
static bool is_inference(const struct exchange *exchange, const struct exchange_outcome *outcome,
                         const struct exchange_end *end)
{
    const struct facts *const facts = &exchange->facts;
    const struct recognised *const recognised = &exchange->recognised;
    const bool named = facts_has_text(facts, FACT_REQUEST_MODEL) && !recognised->model_bytes && !recognised->weak;
    const bool failed =
        outcome->status >= 400 || !end->finished || (end->curl_code != 0 && end->curl_code != UINT64_MAX);
    const bool proved =
        facts->shape_seen || (facts->shape_asked && (recognised->request_proves || failed)) || (named && failed);
    const bool proof_needed = recognised->tentative || (recognised->unproven && !failed);
    return !facts->not_inference && (!proof_needed || proved);
}

bool exchange_close(struct exchange *exchange, const struct exchange_end *end, struct span *ret_span)
{
    struct facts *const facts = &exchange->facts;
    struct span *const span = &exchange->span;
    exchange->request_read = request_end(&exchange->request);
    if (end->no_response && !exchange->response_begun) {
        begin_response(exchange);
        exchange->status = 0;
    }
    body_end(&exchange->body);
    if (exchange->body.dialect->close)
        exchange->body.dialect->close(facts);
    facts_fallback_use(facts);
    response_headers_finish(&exchange->headers, facts, span);
    count_once(exchange);
    const struct exchange_outcome outcome = outcome_of(exchange, end);
    const bool inference = is_inference(exchange, &outcome, end);
    if (inference) {
        exchange_span_transport(span, end);
        timing_finish(&exchange->timing, end->time_ns, span);
        span_set_u64(span, SPAN_total_ns, total_of(exchange, end));
        if (outcome.status)
            span_set_u64(span, SPAN_status, outcome.status);
        put_stream(exchange);
        if (facts->api) {
            put_static(span, SPAN_api, facts->api);
            put_static(span, SPAN_operation, recognise_operation(facts->api));
        }
        exchange_span_facts(span, facts, &outcome, end);
        prompt_finish(&facts->prompt, span);
        put_path(exchange);
        span_clean(span, facts, &exchange->echo);
        if (exchange->lost)
            span_set_u64(span, SPAN_lost_bytes, exchange->lost);
        span_copy(ret_span, span);
    }
    decode_close(exchange->decode);
    secret_echo_wipe(&exchange->echo);
    explicit_bzero(exchange->path, exchange->path_bytes);
    pool_give(exchange);
    return inference;
}

bool exchange_peek(const struct exchange *exchange, uint64_t time_ns, struct span *ret_span)
{
    const struct exchange_end end = {EXCHANGE_END_UNKNOWN, .time_ns = time_ns, .curl_code = UINT64_MAX};
    const struct exchange_outcome outcome = {.lost = exchange->lost > 0, .status = exchange->status};
    const struct facts *const facts = &exchange->facts;
    struct timing timing = exchange->timing;
    if (!is_inference(exchange, &outcome, &end))
        return false;
    span_copy(ret_span, &exchange->span);
    if (outcome.status)
        span_set_u64(ret_span, SPAN_status, outcome.status);
    timing_finish(&timing, time_ns, ret_span);
    if (facts->stream_stated)
        span_set_u64(ret_span, SPAN_request_stream, facts->stream_asked);
    if (exchange->response_begun && !exchange->encoded)
        span_set_u64(ret_span, SPAN_response_stream, facts->stream);
    if (exchange->response_begun && !exchange->encoded && facts->stream && !timing.gapped) {
        span_set_u64(ret_span, SPAN_stream_events, exchange->body.events);
        span_set_u64(ret_span, SPAN_content_chunks, exchange->body.content_events);
    }
    exchange_span_facts(ret_span, facts, &outcome, &end);
    if (exchange->response_begun) /* the request is whole: its prompt is known */
        prompt_peek(&facts->prompt, ret_span);
    return true;
}
