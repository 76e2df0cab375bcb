/*
 * AWS event streams (application/vnd.amazon.eventstream): cuts bytes of any cutting into messages,
 * hands their payloads on in pieces.
 *
 * Owned by the body of an exchange, scribe's thread. Keeps no payload: what a message says is given
 * before its checksum was seen, so that nothing needs to be buffered; end() tells whether the
 * checksum agreed. The prelude's checksum is verified before its lengths are believed; after damage
 * nothing more is given (the stream has no marks to find the next message by).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EVENTSTREAM_NAME_MAX = 64,                  /* longest known event type: invocationMetrics-like names of 30 bytes */
    EVENTSTREAM_MESSAGE_MAX = 32 * 1024 * 1024, /* the format allows 24 MB of payload and 128 KB of headers */
    EVENTSTREAM_HEADERS_MAX = 128 * 1024,
};

enum eventstream_type { EVENTSTREAM_EVENT, EVENTSTREAM_EXCEPTION, EVENTSTREAM_ERROR };

struct eventstream_handler {
    /* `name`: ":event-type", ":exception-type" or ":error-code", whichever the message type asks
     * for; "" if it has none. */
    void (*begin)(void *context, enum eventstream_type type, const char *name, size_t bytes);
    void (*data)(void *context, const char *data, size_t bytes);
    void (*end)(void *context, bool intact);
};

struct eventstream {
    const struct eventstream_handler *handler;
    void *context;
    uint8_t state;
    bool bad;
    uint8_t have; /* bytes in `word` or of the header's fixed part */
    uint8_t word[12];
    uint32_t crc;
    uint32_t headers_left, payload_left;
    /* the header under way */
    uint8_t header_state, value_type;
    uint16_t value_left;
    uint8_t name_bytes, name_left, value_bytes;
    char name[EVENTSTREAM_NAME_MAX], value[EVENTSTREAM_NAME_MAX];
    /* the message under way */
    uint8_t message_type, event_bytes[3];
    char event[3][EVENTSTREAM_NAME_MAX]; /* by enum eventstream_type */
};

void eventstream_init(struct eventstream *stream, const struct eventstream_handler *handler, void *context);
void eventstream_push(struct eventstream *stream, const char *data, size_t bytes);

/* True: the stream ended between two messages and nothing was damaged. */
bool eventstream_end(const struct eventstream *stream);

/* Do these 12 bytes begin an event stream (lengths possible, checksum right)? */
bool eventstream_prelude_valid(const uint8_t prelude[12]);
