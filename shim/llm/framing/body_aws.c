/*
 * AWS event streams as bodies, see body_aws.h. An event `chunk` is InvokeModel's: its payload holds
 * the model's own event as base64. A `PayloadPart` is SageMaker's: a piece of what the container
 * streams (SSE or JSON lines), cut anywhere; the message counts as the event, the container's
 * events are read across them
 * (https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_PayloadPart.html).
 * Exceptions and errors are events with an error's name.
 */
#include "body_aws.h"

#include <string.h>

/* clang-format off */
static const struct json_rule envelope_table[] = {
    RULE("bytes", 1, JSON_PIECES),
};
/* clang-format on */
static struct json_rules envelope_rules = JSON_RULES(envelope_table);

static void on_bytes(void *context, const struct json_value *value)
{
    struct body_aws *aws = context;
    enum { STEP = 1024 };
    uint8_t decoded[STEP * 3 / 4 + 1];
    if (value->type != JSON_STRING)
        return;
    for (size_t at = 0; at < value->bytes; at += STEP) {
        const size_t step = value->bytes - at < STEP ? value->bytes - at : STEP;
        const size_t bytes = base64_push(&aws->base64, value->text + at, step, decoded);
        aws->handler->data(aws->context, (const char *)decoded, bytes);
    }
}

static void on_inner_event(void *context, const char *name, size_t bytes)
{
    const struct body_aws *aws = context;
    aws->handler->inner_begin(aws->context, name, bytes);
}

static void on_inner_line(void *context)
{
    const struct body_aws *aws = context;
    aws->handler->inner_begin(aws->context, "", 0);
}

static void on_inner_data(void *context, const char *data, size_t bytes)
{
    struct body_aws *aws = context;
    aws->handler->data(aws->context, data, bytes);
}

static void on_inner_end(void *context)
{
    struct body_aws *aws = context;
    aws->handler->inner_end(aws->context);
}

static void on_inner_done(void *context)
{
    struct body_aws *aws = context;
    aws->handler->done(aws->context);
}

static const struct sse_handler inner_events = {on_inner_event, on_inner_data, on_inner_end, on_inner_done};
static const struct ndjson_handler inner_lines = {on_inner_line, on_inner_data, on_inner_end};

/* The first byte that is no blank tells how the container frames its stream. */
static void push_part(struct body_aws *aws, const char *data, size_t bytes)
{
    size_t at = 0;
    while (aws->parts == PARTS_UNDECIDED && at < bytes &&
           (data[at] == ' ' || data[at] == '\t' || data[at] == '\r' || data[at] == '\n'))
        at++;
    if (at == bytes)
        return;
    if (aws->parts == PARTS_UNDECIDED) {
        aws->parts = data[at] == '{' || data[at] == '[' ? PARTS_LINES : PARTS_SSE;
        if (aws->parts == PARTS_SSE)
            sse_init(&aws->inner.sse, &inner_events, aws);
        else
            ndjson_init(&aws->inner.lines, &inner_lines, aws);
    }
    if (aws->parts == PARTS_SSE)
        sse_push(&aws->inner.sse, data + at, bytes - at);
    else
        ndjson_push(&aws->inner.lines, data + at, bytes - at);
}

static void on_begin(void *context, enum eventstream_type type, const char *name, size_t bytes)
{
    struct body_aws *aws = context;
    if (type != EVENTSTREAM_EVENT)
        aws->handler->failed(aws->context, name, bytes);
    aws->enveloped =
        type == EVENTSTREAM_EVENT && bytes == 5 && !__builtin_memcmp(name, "chunk", 5) && !aws->plain_chunks;
    aws->part = type == EVENTSTREAM_EVENT && bytes == 11 && !__builtin_memcmp(name, "PayloadPart", 11);
    if (aws->enveloped) {
        json_scan_init(&aws->envelope, &envelope_rules, on_bytes, aws, false);
        aws->base64 = (struct base64){0};
    }
    if (aws->part)
        aws->handler->part_begin(aws->context);
    else
        aws->handler->begin(aws->context, name, bytes);
}

static void on_data(void *context, const char *data, size_t bytes)
{
    struct body_aws *aws = context;
    if (aws->enveloped)
        json_scan_push(&aws->envelope, data, bytes);
    else if (aws->part)
        push_part(aws, data, bytes);
    else
        aws->handler->data(aws->context, data, bytes);
}

static void on_end(void *context, bool intact)
{
    struct body_aws *aws = context;
    (void)intact; /* what a damaged message said was taken already; nothing after it is believed */
    if (aws->part)
        aws->handler->part_end(aws->context);
    else
        aws->handler->end(aws->context);
}

static const struct eventstream_handler messages = {on_begin, on_data, on_end};

void body_aws_init(struct body_aws *aws, const struct body_aws_handler *handler, void *context, bool plain_chunks)
{
    json_rules_compile(&envelope_rules);
    eventstream_init(&aws->stream, &messages, aws);
    aws->handler = handler;
    aws->context = context;
    aws->plain_chunks = plain_chunks;
    aws->enveloped = aws->part = false;
    aws->parts = PARTS_UNDECIDED;
}

void body_aws_push(struct body_aws *aws, const char *data, size_t bytes)
{
    eventstream_push(&aws->stream, data, bytes);
}

void body_aws_lost(struct body_aws *aws)
{
    aws->stream.bad = true;
}

bool body_aws_end(struct body_aws *aws)
{
    const bool whole = eventstream_end(&aws->stream);
    if (aws->parts == PARTS_SSE)
        (void)sse_end(&aws->inner.sse); /* the last blank line may be missing, its JSON may not */
    else if (aws->parts == PARTS_LINES)
        (void)ndjson_end(&aws->inner.lines);
    return whole;
}
