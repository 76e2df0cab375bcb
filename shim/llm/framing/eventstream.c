/* AWS event streams, see eventstream.h. Called by body.c; the format:
 * https://smithy.io/2.0/aws/amazon-eventstream.html
 */
#include "eventstream.h"

#include <string.h>
#include <zlib.h>

enum { PRELUDE, HEADERS, PAYLOAD, TRAILER };
enum { NAME_LENGTH, NAME, VALUE_TYPE, VALUE_LENGTH, VALUE };
enum { PRELUDE_BYTES = 12, FRAME_BYTES = 16, TYPE_STRING = 7 };

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t checksum(uint32_t crc, const void *data, size_t bytes)
{
    return (uint32_t)crc32(crc, data, (uInt)bytes);
}

bool eventstream_prelude_valid(const uint8_t prelude[12])
{
    const uint32_t total = big_endian(prelude), headers = big_endian(prelude + 4);
    return total >= FRAME_BYTES && total <= EVENTSTREAM_MESSAGE_MAX && headers <= EVENTSTREAM_HEADERS_MAX &&
           headers <= total - FRAME_BYTES && checksum(0, prelude, 8) == big_endian(prelude + 8);
}

static void begin_payload(struct eventstream *stream)
{
    if (stream->header_state != NAME_LENGTH) {
        stream->bad = true; /* a header runs past the headers */
        return;
    }
    const unsigned type = stream->message_type;
    stream->state = stream->payload_left ? PAYLOAD : TRAILER;
    stream->have = 0;
    stream->handler->begin(stream->context, (enum eventstream_type)type, stream->event[type],
                           stream->event_bytes[type]);
}

static void take_prelude(struct eventstream *stream)
{
    if (!eventstream_prelude_valid(stream->word)) {
        stream->bad = true;
        return;
    }
    stream->crc = checksum(0, stream->word, PRELUDE_BYTES);
    stream->headers_left = big_endian(stream->word + 4);
    stream->payload_left = big_endian(stream->word) - stream->headers_left - FRAME_BYTES;
    stream->message_type = EVENTSTREAM_EVENT;
    memset(stream->event_bytes, 0, sizeof(stream->event_bytes));
    stream->header_state = NAME_LENGTH;
    stream->state = HEADERS;
    stream->have = 0;
    if (!stream->headers_left)
        begin_payload(stream);
}

static bool name_is(const struct eventstream *stream, const char *name)
{
    return strlen(name) == stream->name_bytes && !memcmp(stream->name, name, stream->name_bytes);
}

static bool value_is(const struct eventstream *stream, const char *value)
{
    return strlen(value) == stream->value_bytes && !memcmp(stream->value, value, stream->value_bytes);
}

static void take_header(struct eventstream *stream)
{
    static const char *const names[] = {":event-type", ":exception-type", ":error-code"};
    stream->header_state = NAME_LENGTH;
    if (stream->value_type != TYPE_STRING)
        return;
    if (name_is(stream, ":message-type"))
        stream->message_type = value_is(stream, "exception") ? EVENTSTREAM_EXCEPTION
                               : value_is(stream, "error")   ? EVENTSTREAM_ERROR
                                                             : EVENTSTREAM_EVENT;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (name_is(stream, names[i])) {
            memcpy(stream->event[i], stream->value, stream->value_bytes);
            stream->event_bytes[i] = stream->value_bytes;
        }
}

/* Length of a value of a fixed size by its type; -1: the length follows; -2: no such type. */
static int fixed_bytes(uint8_t type)
{
    static const int bytes[] = {0, 0, 1, 2, 4, 8, -1, -1, 8, 16};
    return type < sizeof(bytes) / sizeof(bytes[0]) ? bytes[type] : -2;
}

static void begin_value(struct eventstream *stream, uint8_t type)
{
    const int bytes = fixed_bytes(type);
    stream->value_type = type;
    stream->value_bytes = 0;
    stream->have = 0;
    stream->value_left = bytes > 0 ? (uint16_t)bytes : 0;
    stream->bad = stream->bad || bytes == -2;
    stream->header_state = bytes == -1 ? VALUE_LENGTH : VALUE;
    if (!bytes)
        take_header(stream);
}

static void header_byte(struct eventstream *stream, uint8_t byte)
{
    switch (stream->header_state) {
    case NAME_LENGTH:
        stream->name_left = byte;
        stream->name_bytes = 0;
        stream->header_state = byte ? NAME : VALUE_TYPE;
        break;
    case NAME:
        if (stream->name_bytes < EVENTSTREAM_NAME_MAX)
            stream->name[stream->name_bytes++] = (char)byte;
        if (!--stream->name_left)
            stream->header_state = VALUE_TYPE;
        break;
    case VALUE_TYPE:
        begin_value(stream, byte);
        break;
    case VALUE_LENGTH:
        stream->value_left = (uint16_t)(stream->value_left << 8 | byte);
        if (++stream->have < 2)
            break;
        stream->header_state = VALUE;
        if (!stream->value_left)
            take_header(stream);
        break;
    default:
        if (stream->value_bytes < EVENTSTREAM_NAME_MAX)
            stream->value[stream->value_bytes++] = (char)byte;
        if (!--stream->value_left)
            take_header(stream);
        break;
    }
}

static size_t push_headers(struct eventstream *stream, const char *data, size_t bytes)
{
    const size_t take = bytes < stream->headers_left ? bytes : stream->headers_left;
    stream->crc = checksum(stream->crc, data, take);
    for (size_t i = 0; i < take && !stream->bad; i++)
        header_byte(stream, (uint8_t)data[i]);
    stream->headers_left -= (uint32_t)take;
    if (!stream->headers_left && !stream->bad)
        begin_payload(stream);
    return take;
}

static size_t push_payload(struct eventstream *stream, const char *data, size_t bytes)
{
    const size_t take = bytes < stream->payload_left ? bytes : stream->payload_left;
    stream->crc = checksum(stream->crc, data, take);
    stream->payload_left -= (uint32_t)take;
    stream->handler->data(stream->context, data, take);
    if (!stream->payload_left) {
        stream->state = TRAILER;
        stream->have = 0;
    }
    return take;
}

static size_t push_word(struct eventstream *stream, const char *data, size_t bytes)
{
    const size_t want = (stream->state == PRELUDE ? PRELUDE_BYTES : 4) - (size_t)stream->have;
    const size_t take = bytes < want ? bytes : want;
    memcpy(stream->word + stream->have, data, take);
    stream->have = (uint8_t)(stream->have + take);
    if (take < want)
        return take;
    if (stream->state == PRELUDE) {
        take_prelude(stream);
        return take;
    }
    const bool intact = big_endian(stream->word) == stream->crc;
    stream->state = PRELUDE;
    stream->have = 0;
    stream->bad = !intact;
    stream->handler->end(stream->context, intact);
    return take;
}

void eventstream_init(struct eventstream *stream, const struct eventstream_handler *handler, void *context)
{
    memset(stream, 0, sizeof(*stream));
    stream->handler = handler;
    stream->context = context;
}

void eventstream_push(struct eventstream *stream, const char *data, size_t bytes)
{
    while (bytes && !stream->bad) {
        const size_t take = stream->state == HEADERS   ? push_headers(stream, data, bytes)
                            : stream->state == PAYLOAD ? push_payload(stream, data, bytes)
                                                       : push_word(stream, data, bytes);
        data += take;
        bytes -= take;
    }
}

bool eventstream_end(const struct eventstream *stream)
{
    return !stream->bad && stream->state == PRELUDE && !stream->have;
}
