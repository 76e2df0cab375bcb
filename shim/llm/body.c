/*
 * Framing, scanning, counting of a response, see body.h. The content-type is a hint only: servers
 * send SSE as JSON and JSON as octets, and answer streams with one plain error object; the first
 * bytes decide.
 *
 * Called by exchange.c on the scribe's thread.
 */
#include "body.h"

#include <string.h>
#include <strings.h>

/* ---- events, whatever cut them out ---- */

static void count_begin(void *context)
{
    struct body *const body = context;
    body->events++;
    body->in_event = true;
    body->facts->event_kinds = 0;
    facts_error_event_begin(body->facts);
}

static void count_end(void *context)
{
    struct body *const body = context;
    body->in_event = false;
    facts_error_event_end(body->facts);
    if (body->facts->event_kinds) {
        body->content_events++;
        timing_content(body->timing, body->time_ns, body->facts->event_kinds & (CONTENT_TEXT | CONTENT_REFUSAL));
    }
    body->facts->event_kinds = 0;
}

/* Its JSON. */
static void json_begin(void *context, const char *name, size_t name_bytes)
{
    struct body *const body = context;
    json_scan_reset(&body->scan);
    body->event_first = '\0';
    body->event_cut = false;
    if (body->dialect->event_begin != NULL)
        body->dialect->event_begin(body->facts, name, name_bytes);
}

static void json_end(void *context)
{
    struct body *const body = context;
    body->event_cut =
        !json_scan_end(&body->scan) && body->event_first == '{'; /* half a "[DONE]" is nothing that is missed */
    if (body->dialect->event_end != NULL)
        body->dialect->event_end(body->facts);
}

static void on_begin(void *context, const char *name, size_t name_bytes)
{
    count_begin(context);
    json_begin(context, name, name_bytes);
}

static void on_line_begin(void *context)
{
    on_begin(context, "", 0);
}

static void on_data(void *context, const char *data, size_t bytes)
{
    struct body *const body = context;
    if (!body->event_first && bytes)
        body->event_first = data[0];
    json_scan_push(&body->scan, data, bytes);
}

static void on_end(void *context)
{
    json_end(context);
    count_end(context);
}

static void on_done(void *context)
{
    struct body *const body = context;
    body->facts->done = true;
}

static void on_failed(void *context, const char *name, size_t name_bytes)
{
    struct body *const body = context;
    facts_set_text(body->facts, FACT_ERROR_TYPE, name, name_bytes);
    facts_error_seen(body->facts);
}

static const struct sse_handler sse_events = {on_begin, on_data, on_end, on_done};
static const struct ndjson_handler line_events = {on_line_begin, on_data, on_end};
static const struct body_aws_handler aws_events = {on_begin,   on_data,  on_end,  count_begin, count_end,
                                                   json_begin, json_end, on_done, on_failed};

/* ---- framing ---- */

/* How `prefix` could be the beginning of an event stream: 1 yes, 0 no, -1 too short to say. */
static int looks_like_events(const char *prefix, size_t bytes)
{
    static const char *const starts[] = {":", "data:", "event:", "id:", "retry:"};
    int answer = 0;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        const size_t length = strlen(starts[i]);
        if (bytes >= length && !memcmp(prefix, starts[i], length))
            return 1;
        if (bytes < length && !memcmp(prefix, starts[i], bytes))
            answer = -1;
    }
    return answer;
}

static bool begins_json(char c)
{
    return c && strchr("{[\"-0123456789tfn", c) != NULL;
}

static enum body_framing decide(const struct body *body, bool last)
{
    const bool asked = body->facts->stream_asked;
    if (body->hint == BODY_AWS || body->hint == BODY_OPAQUE)
        return (enum body_framing)body->hint;
    if (!body->prefix_bytes)
        return last && body->hint ? (enum body_framing)body->hint : BODY_UNDECIDED;
    switch (body->prefix[0]) {
    case '{':
        if (body->dialect->lines && asked && (!body->hint || body->dialect->lines_as_json))
            return BODY_LINES;
        return body->hint == BODY_LINES ? BODY_LINES : BODY_PLAIN;
    case '[':
        if (body->dialect->array && asked)
            return BODY_ARRAY;
        return body->text ? BODY_OPAQUE : BODY_PLAIN; /* "[Music]" */
    case '\0':
        return body->hint == BODY_UNDECIDED ? BODY_AWS : BODY_PLAIN;
    default:
        break;
    }
    const int events = looks_like_events(body->prefix, body->prefix_bytes);
    if (events < 0 && !last)
        return BODY_UNDECIDED;
    if (events > 0 || body->hint == BODY_SSE)
        return BODY_SSE;
    return body->hint == BODY_UNDECIDED && (body->text || !begins_json(body->prefix[0])) ? BODY_OPAQUE : BODY_PLAIN;
}

static void start(struct body *body, enum body_framing framing)
{
    body->framing = (uint8_t)framing;
    body->facts->stream = framing != BODY_PLAIN && framing != BODY_OPAQUE;
    struct dialect_scan *const with = !body->facts->stream ? &body->dialect->plain : &body->dialect->event;
    json_scan_init(&body->scan, &with->rules, with->value, body->facts, framing == BODY_PLAIN || framing == BODY_ARRAY);
    body->facts->event_kinds = 0;
    if (framing == BODY_SSE)
        sse_init(&body->frame.sse, &sse_events, body);
    if (framing == BODY_LINES)
        ndjson_init(&body->frame.lines, &line_events, body);
    if (framing == BODY_AWS)
        body_aws_init(&body->frame.aws, &aws_events, body, body->dialect->text_chunks);
}

/* An element of a JSON array that is a stream: that it is one is known when it is complete. */
static void on_element(void *context)
{
    struct body *const body = ((struct facts *)context)->owner;
    body->events++;
    if (body->dialect->event_end != NULL)
        body->dialect->event_end(body->facts);
    count_end(body);
}

/* An answer of its own, where a plain body is a list of them. */
static void on_document(void *context)
{
    facts_document_end(context);
}

static void framed(struct body *body, const char *data, size_t bytes)
{
    switch ((enum body_framing)body->framing) {
    case BODY_PLAIN:
    case BODY_ARRAY:
        json_scan_push(&body->scan, data, bytes);
        break;
    case BODY_SSE:
        sse_push(&body->frame.sse, data, bytes);
        break;
    case BODY_LINES:
        ndjson_push(&body->frame.lines, data, bytes);
        break;
    case BODY_AWS:
        body_aws_push(&body->frame.aws, data, bytes);
        break;
    case BODY_OPAQUE:
    case BODY_UNDECIDED:
        break;
    }
}

static void begin(struct body *body, enum body_framing framing)
{
    start(body, framing);
    if (framing == BODY_ARRAY)
        body->scan.document = on_element;
    if (framing == BODY_PLAIN)
        body->scan.document = on_document;
    if (body->indented)
        framed(body, " ", 1); /* which makes " data:" no data */
    framed(body, body->prefix, body->prefix_bytes);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Stands before any kind of text, or not (RFC 8259, 8.1; WHATWG HTML, 9.2.5); nothing else begins
 * with its first byte.
 */
static bool is_byte_order_mark(struct body *body, char c)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (body->hint == BODY_AWS || c != mark[body->bom])
        return false;
    body->bom++;
    return true;
}

void body_init(struct body *body, struct dialect *dialect, struct facts *facts, struct timing *timing)
{
    body->dialect = dialect;
    body->facts = facts;
    body->timing = timing;
    body->time_ns = body->events = body->content_events = 0;
    body->framing = body->hint = BODY_UNDECIDED;
    body->prefix_bytes = body->bom = 0;
    body->in_event = body->event_cut = body->indented = body->complete = body->text = false;
    facts->owner = body;
}

void body_content_type(struct body *body, const char *value, size_t bytes)
{
    static const struct {
        const char *type;
        enum body_framing framing;
    } types[] = {
        {"text/event-stream", BODY_SSE},
        {"application/x-ndjson", BODY_LINES},
        {"application/ndjson", BODY_LINES},
        {"application/jsonl", BODY_LINES},
        {"application/x-jsonl", BODY_LINES}, /* results of Anthropic's batches */
        {"application/x-jsonlines", BODY_LINES},
        {"application/stream+json", BODY_LINES},
        {"application/vnd.amazon.eventstream", BODY_AWS},
        {"application/json", BODY_PLAIN},
        {"audio/", BODY_OPAQUE},
        {"image/", BODY_OPAQUE},
        {"video/", BODY_OPAQUE},
        {"text/vtt", BODY_OPAQUE},
        {"application/x-subrip", BODY_OPAQUE},
    };
    body->hint = BODY_UNDECIDED;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (bytes >= strlen(types[i].type) && !strncasecmp(value, types[i].type, strlen(types[i].type)))
            body->hint = (uint8_t)types[i].framing;
    body->text = bytes >= 10 && !strncasecmp(value, "text/plain", 10);
}

void body_push(struct body *body, uint64_t time_ns, const char *data, size_t bytes)
{
    body->time_ns = time_ns;
    size_t used = 0;
    while (body->framing == BODY_UNDECIDED && used < bytes) {
        const char c = data[used++];
        if (!body->prefix_bytes && body->bom < 3 && is_byte_order_mark(body, c))
            continue;
        if (!body->prefix_bytes && is_blank(c) && body->hint != BODY_AWS) {
            body->indented = c == ' ' || c == '\t';
            continue; /* OpenRouter keeps plain requests alive with blanks before the object */
        }
        body->prefix[body->prefix_bytes++] = c;
        const enum body_framing framing = decide(body, body->prefix_bytes == BODY_PREFIX_MAX);
        if (framing != BODY_UNDECIDED)
            begin(body, framing);
    }
    if (used < bytes)
        framed(body, data + used, bytes - used);
}

void body_lost(struct body *body)
{
    const bool lines = body->hint == BODY_SSE || body->hint == BODY_LINES;
    if (body->framing == BODY_UNDECIDED && lines && !body->prefix_bytes)
        return; /* it begins with the next event that is whole */
    json_scan_reset(&body->scan);
    body->facts->fragment.open = body->facts->usage_open = false;
    body->in_event = false;
    if (body->framing == BODY_SSE) {
        sse_init(&body->frame.sse, &sse_events, body);
        body->frame.sse.bom = 3;
    }
    if (body->framing == BODY_LINES)
        ndjson_init(&body->frame.lines, &line_events, body);
    if (body->framing == BODY_AWS)
        body_aws_lost(&body->frame.aws);
    if (body->framing == BODY_PLAIN || body->framing == BODY_ARRAY || body->framing == BODY_UNDECIDED)
        body->framing = BODY_OPAQUE; /* nor where in the document the rest stands */
}

void body_end(struct body *body)
{
    if (body->framing == BODY_UNDECIDED && body->prefix_bytes)
        begin(body, decide(body, true));
    switch ((enum body_framing)body->framing) {
    case BODY_SSE:
        (void)sse_end(&body->frame.sse);
        body->complete = !body->event_cut; /* the last blank line may be missing, its JSON may not */
        break;
    case BODY_LINES:
        (void)ndjson_end(&body->frame.lines);
        body->complete = !body->event_cut;
        break;
    case BODY_PLAIN:
        body->complete = json_scan_end(&body->scan);
        facts_documents_end(body->facts);
        break;
    case BODY_ARRAY:
        body->complete = json_scan_end(&body->scan) && !body->scan.in_array;
        break;
    case BODY_AWS:
        body->complete =
            body_aws_end(&body->frame.aws) && (body->frame.aws.parts == PARTS_UNDECIDED || !body->event_cut);
        break;
    case BODY_OPAQUE:
    case BODY_UNDECIDED:
        body->complete = true;
        break;
    }
}
