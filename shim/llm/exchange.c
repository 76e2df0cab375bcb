/*
 * One exchange from its first record to its span, see exchange.h: recognise, scan the request,
 * follow the response, close.
 *
 * Runs on the scribe's thread. The state of one lies on a desk (desk.h): a call that waits costs
 * little, and the host's allocator is hardly touched; nothing here grows with a body.
 */
#include "exchange.h"

#include "body.h"
#include "shim/llm/facts/counted.h"
#include "shim/llm/framing/decode.h"
#include "desk.h"
#include "exchange_span.h"
#include "shim/llm/facts/failure.h"
#include "shim/llm/recognise/apis.h"
#include "shim/llm/recognise/recognise.h"
#include "request.h"
#include "request_headers.h"
#include "response_headers.h"
#include "span_clean.h"
#include "verdict.h"
#include "shim/llm/recognise/url.h"

#include "span/alias.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct work {
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
    bool request_torn; /* pieces of it are missing: what stands after them is not read */
    struct request request;
    struct body body;
    struct response_headers headers;
    uint16_t path_bytes;
    char path[SPAN_TEXT_MAX]; /* of the URL; the span gets it when all is known that must not stand in it */
    /* From here on each knows how much of it was used: wipe(). */
    struct facts facts;
    struct secret_echo echo; /* what of the request must not come back */
    struct span span;
    struct timing timing;
};
_Static_assert(sizeof(struct work) <= EXCHANGE_BYTES_MAX, "an exchange must stay within its budget");
_Static_assert(sizeof(struct work) % 8 == 0, "desks count in words");

/* Where the state lies is the desk's matter. */
struct exchange {
    struct desk_work desk;
};

/* NULL: it was given up, and counted, when memory ran out. */
static struct work *work_of(struct exchange *exchange)
{
    return desk_bring(&exchange->desk);
}

static void tidy(void *place)
{
    struct work *const work = place;
    facts_tidy(&work->facts);
    request_tidy(&work->request);
    json_scan_tidy(&work->body.scan);
}

static void wipe(void *place)
{
    struct work *const work = place;
    facts_wipe(&work->facts);
    secret_echo_wipe(&work->echo);
    span_wipe(&work->span);
    timing_wipe(&work->timing);
    memset(work, 0, offsetof(struct work, facts));
}

static const struct desk_kind work_kind = {sizeof(struct work), tidy, wipe};

static void take_headers(struct work *exchange, const char *headers, size_t bytes)
{
    const struct request_headers to = {exchange->config, &exchange->span, &exchange->facts.prompt, &exchange->echo};
    request_headers_take(&to, headers, bytes);
}

static void put_static(struct span *span, enum span_field field, const char *text)
{
    if (text != NULL)
        span_set_text(span, field, text, strlen(text));
}

static struct secret_path path_of(const struct work *exchange)
{
    const struct recognised *const recognised = &exchange->recognised;
    return (struct secret_path){exchange->path, exchange->path_bytes, recognised->said_path_bytes, recognised->model,
                                recognised->model_bytes};
}

static void put_address(struct work *exchange, const struct exchange_start *start)
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
    const struct secret_path whole = path_of(exchange);
    secret_echo_path(&exchange->echo, &whole);
}

static void put_path(const struct work *exchange, struct span *span)
{
    char path[SPAN_TEXT_MAX];
    const struct secret_path whole = path_of(exchange);
    const size_t bytes = secret_mask_path(&whole, &exchange->echo, path, sizeof(path));
    if (bytes)
        span_set_text(span, SPAN_path, path, bytes);
}

static void begin_response(struct work *exchange)
{
    struct facts *const facts = &exchange->facts;
    body_init(&exchange->body, exchange->dialect, facts, &exchange->timing);
    response_headers_init(&exchange->headers, facts);
    decode_close(exchange->decode);
    exchange->decode = NULL;
    span_clear(&exchange->span, SPAN_content_encoding);
    exchange->encoded = exchange->response_begun = false;
}

/* Bedrock takes a prompt that lies there for a model: arn:aws:bedrock:REGION:ACCOUNT:prompt/ID or
 * with :VERSION. */
static void take_stored_prompt(struct facts *facts, const char *model, size_t bytes)
{
    static const char before[] = ":prompt/";
    const char *const found = bytes ? memmem(model, bytes, before, sizeof(before) - 1) : NULL;
    if (found == NULL || bytes < 4 || memcmp(model, "arn:", 4) != 0)
        return;
    const char *const id = found + sizeof(before) - 1, *const end = model + bytes;
    const char *const colon = memchr(id, ':', (size_t)(end - id));
    prompt_said(&facts->prompt, PROMPT_SAID_BODY, id, (size_t)((colon != NULL ? colon : end) - id));
    if (colon != NULL)
        prompt_said_version(&facts->prompt, PROMPT_SAID_BODY, colon + 1, (size_t)(end - colon - 1));
}

/* What URL and headers say of the answer, the model and the prompt. */
static void take_recognised(struct work *exchange)
{
    const struct recognised *const recognised = &exchange->recognised;
    struct facts *const facts = &exchange->facts;
    if (recognised->stream_known) {
        facts->stream_stated = true;
        facts->stream_asked = recognised->stream;
    }
    facts_set_text(facts, FACT_REQUEST_MODEL, recognised->model, recognised->model_bytes);
    take_stored_prompt(facts, recognised->model, recognised->model_bytes);
}

static void open_facts(struct work *exchange)
{
    const struct recognised *const recognised = &exchange->recognised;
    struct facts *const facts = &exchange->facts;
    if (exchange->dialect->open != NULL)
        exchange->dialect->open(facts, recognised->api, recognised->provider);
    take_recognised(exchange);
}

/* Of a list of calls one is answered; its own dialect reads the answer. */
static void take_step(struct work *exchange)
{
    struct facts *const facts = &exchange->facts;
    const struct facts_step *const step = &facts->step[facts->answered];
    struct dialect *const dialect = step->shape != NULL ? dialect_by_api(step->shape) : NULL;
    if (dialect == NULL)
        return;
    facts->api = step->api;
    memset(facts->scratch, 0, sizeof(facts->scratch));
    exchange->body.dialect = dialect;
    if (dialect->open != NULL)
        dialect->open(facts, step->api, exchange->recognised.provider);
}

/* What the request said of streaming stays; dialects open with what holds where it says nothing. */
static void forget_answer(struct work *exchange)
{
    struct facts *const facts = &exchange->facts;
    const bool stated = facts->stream_stated, asked = facts->stream_asked;
    facts_forget_answer(facts);
    if (exchange->dialect->open != NULL)
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
    struct dialect *const dialect = dialect_by_api(recognised.shape != NULL ? recognised.shape : recognised.api);
    if (dialect == NULL)
        return NULL;
    struct exchange *const owner = malloc(sizeof(*owner));
    struct work *const exchange = owner != NULL ? desk_open(&owner->desk, &work_kind) : NULL;
    if (exchange == NULL) {
        free(owner);
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
    exchange->request_begun = exchange->request_read = exchange->request_torn = false;
    exchange->path_bytes = 0;
    span_init(&exchange->span);
    timing_init(&exchange->timing, start->time_ns);
    facts_init(&exchange->facts, config);
    request_init(&exchange->request, dialect, &exchange->facts);
    exchange->decode = NULL;
    begin_response(exchange);
    open_facts(exchange);
    /* Whole microseconds, as everything measured here: the last three digits would cost the store a
     * byte and a half per span. */
    span_set_u64(&exchange->span, SPAN_start_ns, start->wall_ns / 1000 * 1000);
    put_static(&exchange->span, SPAN_api, recognised.api);
    put_static(&exchange->span, SPAN_operation, recognised.operation);
    put_static(&exchange->span, SPAN_provider, recognised.provider);
    secret_echo_init(&exchange->echo);
    exchange->facts.echo = &exchange->echo;
    take_headers(exchange, start->headers, start->headers_bytes);
    put_address(exchange, start);
    return owner;
}

/* Headers said what is called where the URL did not. */
static void change_dialect(struct work *exchange)
{
    struct dialect *const dialect = dialect_by_api(exchange->recognised.api);
    if (dialect == NULL)
        return;
    exchange->dialect = dialect;
    request_init(&exchange->request, dialect, &exchange->facts);
    begin_response(exchange);
    open_facts(exchange);
    put_static(&exchange->span, SPAN_api, exchange->recognised.api);
    put_static(&exchange->span, SPAN_operation, exchange->recognised.operation);
}

void exchange_request_headers(struct exchange *owner, const char *headers, size_t bytes)
{
    struct work *const exchange = work_of(owner);
    if (exchange == NULL)
        return;
    struct recognised *const recognised = &exchange->recognised;
    const struct recognised before = *recognised;
    recognise_headers(headers, bytes, recognised);
    if (recognised->api != before.api)
        change_dialect(exchange);
    else if (recognised->model_bytes != before.model_bytes || recognised->stream_known != before.stream_known)
        take_recognised(exchange);
    take_headers(exchange, headers, bytes);
}

void exchange_request_body(struct exchange *owner, uint64_t time_ns, const uint8_t *data, size_t bytes)
{
    struct work *const exchange = work_of(owner);
    if (exchange == NULL)
        return;
    (void)time_ns;
    exchange->request_begun = exchange->request_begun || bytes;
    if (!exchange->request_torn)
        request_push(&exchange->request, data, bytes);
}

void exchange_request_rewind(struct exchange *owner)
{
    struct work *const exchange = work_of(owner);
    if (exchange == NULL)
        return;
    exchange->request_torn = false;
    request_reset(&exchange->request);
    prompt_rewind(&exchange->facts.prompt);
    exchange->facts.prompts = 0;
    exchange->facts.prompt_of_tokens = false;
    exchange->facts.end_user_said = 0;
    exchange->facts.end_user[0] = '\0';
    exchange->facts.json_asked = exchange->facts.shape_asked = exchange->facts.stream_stated =
        exchange->facts.stream_asked = false;
    open_facts(exchange);
}

static void on_decoded(void *context, const char *data, size_t bytes)
{
    struct work *const exchange = context;
    body_push(&exchange->body, exchange->body_time_ns, data, bytes);
}

/* The application gets this body encoded; it is undone here for the facts' sake. A second encoding
 * is not undone. */
static void take_encoding(struct work *exchange, const struct header *header)
{
    const enum decode_kind kind = decode_kind(header->value, header->value_bytes);
    if (exchange->encodings_undone || kind == DECODE_NONE)
        return;
    if (exchange->decode == NULL && !exchange->encoded)
        exchange->decode = decode_open(kind, on_decoded, exchange);
    else
        exchange->encoded = true;
    span_set_text(&exchange->span, SPAN_content_encoding, header->value, header->value_bytes);
    exchange->encoded = exchange->encoded || exchange->decode == NULL;
}

void exchange_response_header(struct exchange *owner, uint64_t time_ns, const char *line, size_t bytes)
{
    struct work *const exchange = work_of(owner);
    if (exchange == NULL)
        return;
    struct header header;
    (void)time_ns;
    if (bytes >= 5 && !memcmp(line, "HTTP/", 5)) {
        if (exchange->status) /* another response: after 100, a redirect, authentication */
            forget_answer(exchange);
        exchange->status = response_status_of_line(line, bytes);
        begin_response(exchange);
        return;
    }
    if (!header_split(line, bytes, &header))
        return;
    if (header_is(&header, "content-type"))
        body_content_type(&exchange->body, header.value, header.value_bytes);
    else if (header_is(&header, "content-encoding"))
        take_encoding(exchange, &header);
    else
        response_headers_line(&exchange->headers, &exchange->facts, header.name, header.name_bytes, header.value,
                              header.value_bytes, exchange->wall_ns);
    if (exchange->dialect->response_header != NULL)
        exchange->dialect->response_header(&exchange->facts, header.name, header.name_bytes, header.value,
                                           header.value_bytes);
}

void exchange_response_body(struct exchange *owner, uint64_t time_ns, const uint8_t *data, size_t bytes)
{
    struct work *const exchange = work_of(owner);
    if (exchange == NULL)
        return;
    if (bytes && !exchange->response_begun) {
        exchange->response_begun = true;
        take_step(exchange);
    }
    exchange->body_time_ns = time_ns;
    if (exchange->encoded)
        return;
    if (exchange->decode == NULL)
        body_push(&exchange->body, time_ns, (const char *)data, bytes);
    else if (!decode_push(exchange->decode, data, bytes))
        exchange->encoded = true;
}

void exchange_pause(struct exchange *owner, uint64_t time_ns)
{
    struct work *const exchange = work_of(owner);
    if (exchange == NULL)
        return;
    timing_pause(&exchange->timing, time_ns);
}

void exchange_resume(struct exchange *owner, uint64_t time_ns)
{
    struct work *const exchange = work_of(owner);
    if (exchange == NULL)
        return;
    timing_resume(&exchange->timing, time_ns);
}

void exchange_lost(struct exchange *owner, uint64_t bytes)
{
    struct work *const exchange = work_of(owner);
    if (exchange == NULL)
        return;
    exchange->lost += bytes;
    if (exchange->status) { /* its response has begun: perhaps the loss was there */
        body_lost(&exchange->body);
        timing_lost(&exchange->timing);
        exchange->encoded = exchange->encoded || exchange->decode != NULL; /* no decoder goes on after a gap */
    }
    if (!exchange->response_begun) {
        request_reset(&exchange->request);
        exchange->request_torn = true;
    }
}

/*
 * The transport's clock starts later than ours, which starts when the application does (libcurl:
 * after our hook, and in a multi handle with its first turn); its end is earlier than when the
 * application asked for the result. So the total is the transport's, but covers everything that was
 * seen.
 */
static uint64_t total_of(const struct work *exchange, const struct exchange_end *end)
{
    const uint64_t elapsed = end->time_ns > exchange->start_ns ? end->time_ns - exchange->start_ns : 0;
    if (end->total_ns == UINT64_MAX)
        return elapsed;
    const uint64_t seen = exchange->body_time_ns > exchange->start_ns ? exchange->body_time_ns - exchange->start_ns : 0;
    return seen > end->total_ns && seen <= elapsed ? (seen + 999) / 1000 * 1000
                                                   : end->total_ns; /* microseconds, as libcurl's */
}

static void put_stream(const struct work *exchange, struct span *span)
{
    const struct facts *const facts = &exchange->facts;
    if (facts->stream_stated || exchange->request_read)
        span_set_u64(span, SPAN_request_stream, facts->stream_asked);
    const bool beginning_lost = exchange->lost && exchange->body.framing == BODY_OPAQUE;
    if (!exchange->response_begun || exchange->encoded || beginning_lost)
        return;
    span_set_u64(span, SPAN_response_stream, facts->stream);
    if (!facts->stream || exchange->timing.gapped) /* with pieces missing, counts would be too low */
        return;
    span_set_u64(span, SPAN_stream_events, exchange->body.events);
    span_set_u64(span, SPAN_content_chunks, exchange->body.content_events);
}

static bool is_inference(const struct work *exchange, uint64_t status, enum exchange_how how)
{
    const struct facts *const facts = &exchange->facts;
    const struct recognised *const recognised = &exchange->recognised;
    const bool named = facts_has_text(facts, FACT_REQUEST_MODEL) && !recognised->model_bytes;
    const unsigned seen = (facts->shape_seen ? EVIDENCE_ANSWER : 0U) | (facts->shape_asked ? EVIDENCE_REQUEST : 0U) |
                          (named ? EVIDENCE_MODEL : 0U);
    return verdict_is_call(recognised->claim, status >= 400 || how != EXCHANGE_ENDED, seen, facts->not_inference);
}

/* Counts and times from wherever they were stated. */
static void sum_counts(struct work *exchange, struct span *span)
{
    if (exchange->body.dialect->sum != NULL)
        exchange->body.dialect->sum(&exchange->facts);
    facts_fallback_use(&exchange->facts);
    response_headers_finish(&exchange->headers, &exchange->facts, span);
}

static bool finish(struct work *exchange, const struct exchange_end *end, struct span *ret_span)
{
    struct facts *const facts = &exchange->facts;
    struct span *const span = &exchange->span;
    exchange->request_read = request_end(&exchange->request) && !exchange->request_torn;
    if (end->no_response && !exchange->response_begun) {
        begin_response(exchange);
        exchange->status = 0;
    }
    body_end(&exchange->body);
    if (exchange->body.dialect->close != NULL)
        exchange->body.dialect->close(facts);
    sum_counts(exchange, span);
    const bool asked_after = exchange->recognised.poll || exchange->dialect->repeats;
    if (asked_after || exchange->dialect->kept)
        counted_once(facts, exchange->path, exchange->path_bytes, exchange->recognised.tail_id, asked_after);
    failure_finish(facts);
    const struct outcome_seen seen = {facts,
                                      &exchange->body,
                                      exchange->status,
                                      exchange->lost > 0,
                                      exchange->lost + end->lost_bytes > 0,
                                      exchange->encoded,
                                      exchange->response_begun};
    const struct outcome outcome = outcome_of(&seen, end->how, end->status);
    exchange->lost += end->lost_bytes;
    const bool inference = is_inference(exchange, outcome.status, end->how);
    if (inference) {
        exchange_span_transport(span, end);
        timing_finish(&exchange->timing, end->time_ns, span);
        span_set_u64(span, SPAN_total_ns, total_of(exchange, end));
        if (outcome.status)
            span_set_u64(span, SPAN_status, outcome.status);
        put_stream(exchange, span);
        if (facts->api != NULL) {
            put_static(span, SPAN_api, facts->api);
            put_static(span, SPAN_operation, recognise_operation(facts->api));
        }
        exchange_span_facts(span, facts, &outcome, end);
        if (exchange->request_torn)
            prompt_torn(&facts->prompt);
        prompt_finish(&facts->prompt, span);
        put_path(exchange, span);
        span_clean(span, facts, &exchange->echo);
        if (exchange->lost)
            span_set_u64(span, SPAN_lost_bytes, exchange->lost);
        span_copy(ret_span, span);
    }
    decode_close(exchange->decode);
    secret_echo_wipe(&exchange->echo);
    explicit_bzero(exchange->path, exchange->path_bytes);
    return inference;
}

bool exchange_close(struct exchange *owner, const struct exchange_end *end, struct span *ret_span)
{
    struct work *const exchange = work_of(owner);
    const bool inference = exchange != NULL && finish(exchange, end, ret_span);
    desk_close(&owner->desk);
    free(owner);
    return inference;
}

bool exchange_peek(struct exchange *owner, uint64_t time_ns, struct span *ret_span)
{
    struct work *const exchange = work_of(owner);
    if (exchange == NULL)
        return false;
    const struct exchange_end end = {EXCHANGE_END_UNKNOWN, .time_ns = time_ns};
    const struct outcome outcome = {.lost = exchange->lost > 0, .status = exchange->status};
    struct facts *const facts = &exchange->facts;
    struct facts_peek peek;
    struct timing timing = exchange->timing;
    if (!is_inference(exchange, outcome.status, end.how))
        return false;
    span_copy(ret_span, &exchange->span);
    if (outcome.status)
        span_set_u64(ret_span, SPAN_status, outcome.status);
    timing_finish(&timing, time_ns, ret_span);
    put_stream(exchange, ret_span);
    facts_peek_begin(facts, &peek);
    sum_counts(exchange, ret_span);
    exchange_span_facts(ret_span, facts, &outcome, &end);
    facts_peek_end(facts, &peek);
    if (exchange->response_begun) /* the request is whole: its prompt is known */
        prompt_peek(&facts->prompt, ret_span);
    put_path(exchange, ret_span);
    span_clean(ret_span, facts, &exchange->echo);
    return true;
}
