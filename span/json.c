/*
 * Writes a span as JSON. Called by export on any thread; pure. Must never write what a strict JSON
 * parser refuses, whatever bytes the texts hold.
 */
#include "json.h"
#include "sketch.h"
#include "hidden.h"
#include "varint.h"

static const char list_separator = 0x1f;

static void put(struct span_buffer *out, const char *text)
{
    span_buffer_append(out, text, strlen(text));
}

/* How many bytes of data are one well-formed UTF-8 character, 0 when they are not (RFC 3629: no
 * overlong forms, no surrogates). */
static size_t utf8_length(const uint8_t *data, size_t bytes)
{
    const uint8_t first = data[0];
    size_t length = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        low = first == 0xe0 ? 0xa0 : low;
        high = first == 0xed ? 0x9f : high;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        low = first == 0xf0 ? 0x90 : low;
        high = first == 0xf4 ? 0x8f : high;
    }
    if (length == 0 || length > bytes || data[1] < low || data[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* The character of `length` well-formed bytes. */
static uint32_t character_at(const uint8_t *data, size_t length)
{
    uint32_t character = length == 1 ? data[0] : data[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        character = character << 6 | (data[i] & 0x3f);
    return character;
}

static void put_unit(struct span_buffer *out, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    const char text[] = {'\\',           'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15],
                         hex[unit & 15], '\0'};
    put(out, text);
}

/* As \uXXXX, beyond the basic plane as two of them. */
static void put_hidden(struct span_buffer *out, uint32_t character)
{
    if (character > 0xffff) {
        put_unit(out, 0xd800 + ((character - 0x10000) >> 10));
        character = 0xdc00 + ((character - 0x10000) & 0x3ff);
    }
    put_unit(out, character);
}

static void put_escaped(struct span_buffer *out, uint8_t byte)
{
    switch (byte) {
    case '"':
        put(out, "\\\"");
        break;
    case '\\':
        put(out, "\\\\");
        break;
    case '\n':
        put(out, "\\n");
        break;
    case '\r':
        put(out, "\\r");
        break;
    case '\t':
        put(out, "\\t");
        break;
    default:
        put_unit(out, byte);
        break;
    }
}

void span_json_string(struct span_buffer *out, const char *data, size_t bytes)
{
    const uint8_t *at = (const uint8_t *)data;
    put(out, "\"");
    size_t plain = 0; /* bytes that can be copied together */
    size_t i = 0;
    while (i < bytes) {
        const size_t length = utf8_length(at + i, bytes - i);
        const bool hidden = length > 1 && span_hidden_character(character_at(at + i, length));
        if (length > 0 && at[i] >= 0x20 && at[i] != '"' && at[i] != '\\' && at[i] != 0x7f && !hidden) {
            plain += length;
            i += length;
            continue;
        }
        span_buffer_append(out, at + i - plain, plain);
        plain = 0;
        if (length == 0) {
            put(out, "\xef\xbf\xbd");
        } else if (hidden) {
            put_hidden(out, character_at(at + i, length));
            i += length - 1;
        } else {
            put_escaped(out, at[i]);
        }
        i++;
    }
    if (plain > 0)
        span_buffer_append(out, at + i - plain, plain);
    put(out, "\"");
}

/* Keys are our own names: nothing in them needs escaping. */
static void put_key(struct span_buffer *out, const char *key)
{
    put(out, out->data[out->bytes - 1] == '{' ? "\"" : ",\"");
    put(out, key);
    put(out, "\":");
}

static void put_number(struct span_buffer *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    span_buffer_append(out, digits + at, sizeof(digits) - at);
}

static void put_hex(struct span_buffer *out, const uint8_t *data, size_t bytes)
{
    static const char hex[] = "0123456789abcdef";
    put(out, "\"");
    for (size_t i = 0; i < bytes; i++) {
        const char pair[2] = {hex[data[i] >> 4], hex[data[i] & 15]};
        span_buffer_append(out, pair, sizeof(pair));
    }
    put(out, "\"");
}

static void put_list(struct span_buffer *out, const struct span_text *text)
{
    put(out, "[");
    const char *at = text->data;
    size_t left = text->bytes;
    for (;;) {
        const char *end = left == 0 ? NULL : memchr(at, list_separator, left);
        const size_t item = end == NULL ? left : (size_t)(end - at);
        span_json_string(out, at, item);
        if (end == NULL)
            break;
        put(out, ",");
        at = end + 1;
        left -= item + 1;
    }
    put(out, "]");
}

static void put_value(struct span_buffer *out, const struct span *span, enum span_field field)
{
    const union span_value *value = &span->value[field];
    switch (span_fields[field].type) {
    case SPAN_U64:
        put_number(out, value->u64);
        break;
    case SPAN_BOOL:
        put(out, value->u64 != 0 ? "true" : "false");
        break;
    case SPAN_ID64: {
        const uint64_t big = htobe64(value->u64);
        put_hex(out, (const uint8_t *)&big, sizeof(big));
        break;
    }
    case SPAN_STR:
        span_json_string(out, value->text.data, value->text.bytes);
        break;
    case SPAN_LIST:
        put_list(out, &value->text);
        break;
    case SPAN_BLOB:
        put_hex(out, (const uint8_t *)value->text.data, value->text.bytes);
        break;
    }
}

static void put_text(struct span_buffer *out, const char *key, const char *text)
{
    if (text[0] != '\0') {
        put_key(out, key);
        span_json_string(out, text, strlen(text));
    }
}

static void put_identity(struct span_buffer *out, const struct span_process *process, const struct span *span)
{
    uint8_t trace[16];
    uint8_t id[8];
    span_derive_ids(process->identity, span, trace, id);
    put_key(out, "trace_id");
    put_hex(out, trace, sizeof(trace));
    put_key(out, "span_id");
    put_hex(out, id, sizeof(id));
    uint64_t end;
    if (span_has(span, SPAN_start_ns)) {
        put_key(out, "start_time_unix_nano");
        put_number(out, span->value[SPAN_start_ns].u64);
        if (span_has(span, SPAN_total_ns) &&
            !__builtin_add_overflow(span->value[SPAN_start_ns].u64, span->value[SPAN_total_ns].u64, &end)) {
            put_key(out, "end_time_unix_nano");
            put_number(out, end);
        }
    }
    put_text(out, "service.name", process->service);
    put_text(out, "host.name", process->host);
    if (process->pid != 0) {
        put_key(out, "process.pid");
        put_number(out, process->pid);
    }
    put_text(out, "process.executable.name", process->executable);
    put_text(out, "container.id", process->container);
    put_text(out, "pprof.team", process->team);
    put_text(out, "pprof.labels", process->labels);
}

/* What is told of the gaps, from their histogram; nothing where it cannot be read. */
static void put_gaps(struct span_buffer *out, const struct span_text *sketch)
{
    static const struct {
        const char *name;
        double q;
    } facts[] = {
#define X(name, meaning, q) {name, q},
        SPAN_GAP_FACTS(X)
#undef X
    };
    struct span_sketch gaps = {0};
    if (span_sketch_merge_bytes(&gaps, (const uint8_t *)sketch->data, sketch->bytes) != 0 || gaps.count == 0)
        return;
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        put_key(out, facts[i].name);
        put_number(out, facts[i].q < 0 ? gaps.count : span_sketch_quantile(&gaps, facts[i].q));
    }
}

int span_json_write(struct span_buffer *out, const struct span_process *process, const struct span *span)
{
    put(out, "{");
    if (out->failed)
        return -1; /* put_key looks at what was written last */
    put_identity(out, process, span);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        const enum span_field field = (enum span_field)f;
        if (field == SPAN_gap_sketch && span_has(span, field))
            put_gaps(out, &span->value[field].text);
        if (field == SPAN_start_ns || span_fields[field].name[0] == '\0' || !span_has(span, field))
            continue;
        put_key(out, span_fields[field].name);
        put_value(out, span, field);
    }
    put(out, "}");
    return out->failed ? -1 : 0;
}
