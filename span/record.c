/*
 * Records: a span as tagged values, see record.h. Written by the scribe, read by the collector.
 * Must never read past its input or believe a length.
 */
#include "record.h"

#include "varint.h"

/* A tag is the field's number and, in the lowest bit, whether a text follows. */
static bool is_text(enum span_field field)
{
    return span_fields[field].type > SPAN_ID64;
}

size_t span_record_write(uint8_t *to, size_t capacity, const struct span *span, bool *ret_all)
{
    size_t used = 0;
    bool all = true;

    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        const enum span_field field = (enum span_field)f;
        uint8_t head[2 * SPAN_VARINT_MAX];
        const struct span_text *text = &span->value[field].text;

        if (!span_has(span, field))
            continue;
        const size_t text_bytes = is_text(field) ? text->bytes : 0;
        size_t bytes = span_varint_put(head, (uint64_t)span_fields[field].number << 1 | is_text(field));
        bytes += span_varint_put(head + bytes, is_text(field) ? text_bytes : span->value[field].u64);
        if (bytes + text_bytes > capacity - used) {
            all = false;
            continue;
        }
        memcpy(to + used, head, bytes);
        if (text_bytes > 0)
            memcpy(to + used + bytes, text->data, text_bytes);
        used += bytes + text_bytes;
    }
    if (ret_all != NULL)
        *ret_all = all;
    return used;
}

int span_record_read(struct span *ret_span, const uint8_t *data, size_t bytes)
{
    struct span_reader reader = {data, data + bytes, false};

    span_init(ret_span);
    while (reader.at < reader.end) {
        const uint64_t tag = span_take_varint(&reader);
        const uint64_t value = span_take_varint(&reader);
        const bool text = (tag & 1) != 0;
        const uint8_t *at = !text ? NULL : value > span_left(&reader) ? NULL : span_take(&reader, (size_t)value);
        if (reader.bad || tag >> 1 >= SPAN_FIELD_NUMBER_END || (text && at == NULL))
            return -1;
        const enum span_field field = span_field_by_number((unsigned)(tag >> 1));
        if (field == SPAN_FIELD_COUNT)
            continue;
        if (text != is_text(field) || (text && value > SPAN_TEXT_MAX))
            return -1;
        if (text)
            span_set_text(ret_span, field, (const char *)at, (size_t)value);
        else
            span_set_u64(ret_span, field, value);
    }
    return 0;
}
