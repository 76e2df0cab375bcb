/*
 * The table of fields, and the setters of a span under construction. Called by the scribe, the
 * collector and tests, each on spans of its own; pure. A text that does not fit is left out or cut,
 * never half a character.
 */
#include "span.h"
#include "varint.h"

const struct span_field_info span_fields[SPAN_FIELD_COUNT] = {
#define FIELD(number, ident, type, unit, name, meaning) {number, SPAN_##type, SPAN_##unit, #ident, name},
#include "fields.def"
#undef FIELD
};

#define FIELD(number, ident, type, unit, name, meaning)                                                                \
    _Static_assert(sizeof(#ident) <= SPAN_IDENT_BYTES && sizeof(name) <= SPAN_NAME_BYTES, #ident);
#include "fields.def"
#undef FIELD

/* Index + 1 by wire number; 0 where a number is not in use. */
static const uint8_t index_by_number[SPAN_FIELD_NUMBER_END] = {
#define FIELD(number, ident, type, unit, name, meaning) [number] = SPAN_##ident + 1,
#include "fields.def"
#undef FIELD
};
_Static_assert(SPAN_FIELD_COUNT < 255, "index_by_number holds bytes");

static const char list_separator = 0x1f;

void span_init(struct span *span)
{
    memset(span->present, 0, sizeof(span->present));
    span->arena_used = 0;
}

void span_wipe(struct span *span)
{
    memset(span, 0, offsetof(struct span, arena) + span->arena_used);
}

static void mark(struct span *span, enum span_field field)
{
    span->present[field >> 6] |= UINT64_C(1) << (field & 63);
}

void span_clear(struct span *span, enum span_field field)
{
    span->present[field >> 6] &= ~(UINT64_C(1) << (field & 63));
}

void span_set_u64(struct span *span, enum span_field field, uint64_t value)
{
    span->value[field].u64 = span_fields[field].type == SPAN_BOOL ? value != 0 : value;
    mark(span, field);
}

/* Where a new text of this field would begin: over the old one when that lies last in the arena. */
static uint32_t arena_start(const struct span *span, enum span_field field)
{
    if (span_has(span, field)) {
        const struct span_text *old = &span->value[field].text;
        if (old->data + old->bytes == span->arena + span->arena_used)
            return span->arena_used - old->bytes;
    }
    return span->arena_used;
}

void span_set_text(struct span *span, enum span_field field, const char *data, size_t bytes)
{
    size_t take = bytes;
    if (take > SPAN_TEXT_MAX) {
        if (span_fields[field].type == SPAN_BLOB) {
            span_clear(span, field);
            return;
        }
        take = SPAN_TEXT_MAX;
        while (take > 0 && ((uint8_t)data[take] & 0xc0) == 0x80)
            take--;
    }
    const uint32_t start = arena_start(span, field);
    if (take > SPAN_ARENA_BYTES - start) {
        span_clear(span, field);
        return;
    }
    if (take > 0)
        memmove(span->arena + start, data, take); /* data may be a text of this very span */
    if (start + take < span->arena_used)          /* what was longer leaves nothing behind */
        memset(span->arena + start + take, 0, span->arena_used - start - take);
    span->value[field].text = (struct span_text){span->arena + start, (uint32_t)take};
    span->arena_used = start + (uint32_t)take;
    mark(span, field);
}

void span_list_add(struct span *span, enum span_field field, const char *data, size_t bytes)
{
    char list[SPAN_TEXT_MAX];
    size_t used = 0;
    if (span_has(span, field)) {
        used = span->value[field].text.bytes;
        if (bytes + 1 > sizeof(list) - used)
            return; /* an item is whole or not there */
        memcpy(list, span->value[field].text.data, used);
        list[used++] = list_separator;
    }
    if (bytes > sizeof(list) - used)
        return;
    for (size_t i = 0; i < bytes; i++)
        list[used++] = data[i] == list_separator ? ' ' : data[i];
    span_set_text(span, field, list, used);
}

void span_copy(struct span *to, const struct span *from)
{
    span_init(to);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        const enum span_field field = (enum span_field)f;
        if (!span_has(from, field))
            continue;
        if (span_fields[field].type <= SPAN_ID64)
            span_set_u64(to, field, from->value[field].u64);
        else
            span_set_text(to, field, from->value[field].text.data, from->value[field].text.bytes);
    }
}

bool span_field_retired(unsigned number)
{
    enum { FIRST = 20, LAST = 24 };
    return number >= FIRST && number <= LAST;
}

enum span_field span_field_by_number(unsigned number)
{
    if (number >= SPAN_FIELD_NUMBER_END || index_by_number[number] == 0)
        return SPAN_FIELD_COUNT;
    return (enum span_field)(index_by_number[number] - 1);
}

static bool is_named(const char *text, const char *name, size_t bytes)
{
    return strlen(text) == bytes && memcmp(text, name, bytes) == 0;
}

enum span_field span_field_by_name(const char *name, size_t bytes)
{
    for (unsigned f = 0; bytes > 0 && f < SPAN_FIELD_COUNT; f++)
        if (is_named(span_fields[f].name, name, bytes) || is_named(span_fields[f].ident, name, bytes))
            return (enum span_field)f;
    return SPAN_FIELD_COUNT;
}

/* The finaliser of splitmix64: a bijection, so that different sequence numbers never give the same
 * id within a process.
 */
static uint64_t mix64(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static void store_big_endian(uint8_t *to, uint64_t value)
{
    value = htobe64(value == 0 ? 1 : value); /* an id of zeros means "none" to everybody */
    memcpy(to, &value, sizeof(value));
}

void span_derive_ids(const uint8_t identity[16], const struct span *span, uint8_t trace[16], uint8_t id[8])
{
    const uint64_t step = UINT64_C(0x9e3779b97f4a7c15); /* odd: seq * step is a bijection too */
    const uint64_t low = span_load64(identity);
    const uint64_t high = span_load64(identity + 8);
    const uint64_t sequence = span_has(span, SPAN_seq) ? span->value[SPAN_seq].u64 : 0;
    store_big_endian(id, mix64((low ^ mix64(high)) + sequence * step));
    if (span_has(span, SPAN_trace_hi) && span_has(span, SPAN_trace_lo)) {
        const uint64_t half[2] = {htobe64(span->value[SPAN_trace_hi].u64), htobe64(span->value[SPAN_trace_lo].u64)};
        memcpy(trace, half, sizeof(half));
        return;
    }
    store_big_endian(trace, mix64((high ^ mix64(low)) + sequence * step));
    store_big_endian(trace + 8, mix64((low + step) ^ mix64(high + sequence)));
}
