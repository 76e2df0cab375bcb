/*
 * Framing of server-sent events (WHATWG HTML, 9.2), see sse.h.
 *
 * Runs on the scribe's thread inside exchange_response_body. It must never wait for a complete
 * line: lines of 100 KB are usual.
 */
#include "sse.h"

#include <string.h>

enum line { LINE_START, LINE_FIELD, LINE_DATA, LINE_EVENT, LINE_OTHER, LINE_COMMENT };

static const char done_mark[] = "[DONE]";
enum { DONE_BYTES = sizeof(done_mark) - 1 };

static void begin(struct sse *sse)
{
    sse->open = true;
    sse->events++;
    sse->handler->begin(sse->context, sse->name, sse->name_bytes);
    if (sse->held_bytes)
        sse->handler->data(sse->context, sse->held, sse->held_bytes);
}

/* Data before it is known whether this is an event at all. Returns how many bytes were dealt
 * with. */
static size_t hold(struct sse *sse, const char *p, size_t count)
{
    size_t i = 0;
    for (; i < count; i++) {
        const char c = p[i];
        const bool blank = c == ' ' || c == '\t' || c == '\n';
        if (blank && (!sse->held_bytes || sse->held_bytes == DONE_BYTES))
            continue;
        if (sse->held_bytes < DONE_BYTES && c == done_mark[sse->held_bytes]) {
            sse->held[sse->held_bytes++] = c;
            continue;
        }
        begin(sse);
        break;
    }
    return i;
}

static void data(struct sse *sse, const char *p, size_t count)
{
    if (!sse->open) {
        const size_t held = hold(sse, p, count);
        p += held;
        count -= held;
    }
    if (sse->open && count)
        sse->handler->data(sse->context, p, count);
}

static void dispatch(struct sse *sse)
{
    if (sse->open)
        sse->handler->end(sse->context);
    else if (sse->held_bytes == DONE_BYTES) {
        sse->handler->done(sse->context);
        sse->over = true;
    } else if (sse->held_bytes) { /* data that began like [DONE] */
        begin(sse);
        sse->handler->end(sse->context);
    }
    sse->open = sse->has_data = false;
    sse->name_bytes = sse->held_bytes = 0;
}

static void line_end(struct sse *sse)
{
    if (sse->line == LINE_START)
        dispatch(sse);
    else if (sse->line == LINE_FIELD && sse->field_bytes == 4 && !memcmp(sse->field, "data", 4))
        sse->has_data = true;
    sse->line = LINE_START;
}

/* The colon after a field's name was read. */
static void field_named(struct sse *sse)
{
    sse->value = true;
    if (sse->field_bytes == 4 && !memcmp(sse->field, "data", 4)) {
        sse->line = LINE_DATA;
        if (sse->has_data)
            data(sse, "\n", 1);
        sse->has_data = true;
    } else if (sse->field_bytes == 5 && !memcmp(sse->field, "event", 5)) {
        sse->line = LINE_EVENT;
        sse->name_bytes = 0;
    } else {
        sse->line = LINE_OTHER;
    }
}

static const char *field(struct sse *sse, const char *p, const char *end)
{
    for (; p < end && *p != '\n' && *p != '\r'; p++) {
        if (*p == ':') {
            field_named(sse);
            return p + 1;
        }
        if (sse->field_bytes < sizeof(sse->field))
            sse->field[sse->field_bytes++] = *p;
    }
    return p;
}

/* Where this line ends within [p, end). Data is JSON, which has neither LF nor CR inside, so this
 * is a search over long runs. */
static const char *find_line_end(const char *p, const char *end)
{
    const char *const lf = memchr(p, '\n', (size_t)(end - p));
    const char *const stop = lf != NULL ? lf : end;
    const char *const cr = memchr(p, '\r', (size_t)(stop - p));
    return cr != NULL ? cr : stop;
}

static const char *line_value(struct sse *sse, const char *p, const char *end)
{
    const char *const stop = find_line_end(p, end);
    if (sse->value && p < stop) {
        p += *p == ' ';
        sse->value = false;
    }
    const size_t count = (size_t)(stop - p);
    if (sse->line == LINE_DATA)
        data(sse, p, count);
    if (sse->line == LINE_EVENT) {
        const size_t room = (size_t)(SSE_NAME_MAX - sse->name_bytes);
        const size_t taken = count < room ? count : room;
        memcpy(sse->name + sse->name_bytes, p, taken);
        sse->name_bytes = (uint8_t)(sse->name_bytes + taken);
    }
    return stop;
}

static const char *line_start(struct sse *sse, const char *p)
{
    static const char mark[3] = "\xef\xbb\xbf";
    if (sse->bom < sizeof(mark)) {
        if (*p == mark[sse->bom]) {
            sse->bom++;
            return p + 1;
        }
        sse->bom = sizeof(mark);
    }
    if (*p == ':') {
        sse->comments++;
        sse->line = LINE_COMMENT;
        return p + 1;
    }
    sse->line = LINE_FIELD;
    sse->field_bytes = 0;
    return p;
}

void sse_init(struct sse *sse, const struct sse_handler *handler, void *context)
{
    *sse = (struct sse){.handler = handler, .context = context};
}

void sse_push(struct sse *sse, const char *bytes, size_t count)
{
    const char *p = bytes;
    const char *const end = bytes + count;
    while (p < end && !sse->over) {
        if (*p == '\n' || *p == '\r') {
            const bool second = *p == '\n' && sse->after_cr;
            sse->after_cr = *p++ == '\r';
            if (!second)
                line_end(sse);
            continue;
        }
        sse->after_cr = false;
        if (sse->line == LINE_START)
            p = line_start(sse, p);
        else if (sse->line == LINE_FIELD)
            p = field(sse, p, end);
        else
            p = line_value(sse, p, end);
    }
}

bool sse_end(struct sse *sse)
{
    const bool complete = !sse->open && !sse->held_bytes;
    line_end(sse);
    dispatch(sse);
    return complete;
}
