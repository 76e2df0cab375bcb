/*
 * AWS event streams as bodies, see body_aws.h. An event `chunk` is InvokeModel's: its payload holds the model's own event as base64.
 * A `PayloadPart` is SageMaker's: a slice of the container's own stream (its "data:" lines are passed over as no JSON). Exceptions and errors are
 * events with an error's name.
 */
#include "body_aws.h"

#include "body.h"

#include <string.h>

static const struct json_rule envelope_table[] = {{"bytes", 1, JSON_PIECES}};
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
        body_event_data(aws->body, (const char *)decoded, bytes);
    }
}

static void on_begin(void *context, enum eventstream_type type, const char *name, size_t bytes)
{
    struct body_aws *aws = context;
    if (type != EVENTSTREAM_EVENT) {
        facts_set_text(aws->body->facts, FACT_ERROR_TYPE, name, bytes);
        facts_error_seen(aws->body->facts);
    }
    aws->enveloped = type == EVENTSTREAM_EVENT && bytes == 5 && !memcmp(name, "chunk", 5);
    aws->slice = type == EVENTSTREAM_EVENT && bytes == 11 && !memcmp(name, "PayloadPart", 11);
    if (aws->enveloped) {
        json_scan_init(&aws->envelope, &envelope_rules, on_bytes, aws, false);
        aws->base64 = (struct base64){0};
    }
    if (aws->slice)
        body_slice_begin(aws->body, name, bytes);
    else
        body_event_begin(aws->body, name, bytes);
}

static void on_data(void *context, const char *data, size_t bytes)
{
    struct body_aws *aws = context;
    if (aws->enveloped)
        json_scan_push(&aws->envelope, data, bytes);
    else
        body_event_data(aws->body, data, bytes);
}

static void on_end(void *context, bool intact)
{
    struct body_aws *aws = context;
    (void)intact; /* what a damaged message said was taken already; nothing after it is believed */
    if (aws->slice)
        body_slice_end(aws->body);
    else
        body_event_end(aws->body);
}

static const struct eventstream_handler handler = {on_begin, on_data, on_end};

void body_aws_init(struct body_aws *aws, struct body *body)
{
    json_rules_compile(&envelope_rules);
    eventstream_init(&aws->stream, &handler, aws);
    aws->body = body;
    aws->enveloped = aws->slice = false;
}
