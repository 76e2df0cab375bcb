/* eventstream.c and base64.c: messages of any cutting, damage at every byte, lengths that lie. */
#include "shim/llm/framing/base64.h"
#include "shim/llm/framing/eventstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

struct log {
    char text[4096];
    size_t bytes;
    unsigned messages, damaged;
};

static void say(struct log *log, const char *text, size_t bytes)
{
    assert_true(log->bytes + bytes < sizeof(log->text));
    memcpy(log->text + log->bytes, text, bytes);
    log->bytes += bytes;
    log->text[log->bytes] = '\0';
}

static void on_begin(void *context, enum eventstream_type type, const char *name, size_t bytes)
{
    static const char *const types[] = {"<event ", "<exception ", "<error "};
    say(context, types[type], strlen(types[type]));
    say(context, name, bytes);
    say(context, ">", 1);
}

static void on_data(void *context, const char *data, size_t bytes)
{
    say(context, data, bytes);
}

static void on_end(void *context, bool intact)
{
    struct log *const log = context;
    log->messages++;
    log->damaged += !intact;
    say(log, "\n", 1);
}

static const struct eventstream_handler handler = {on_begin, on_data, on_end};

static void put_u32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static size_t put_header(uint8_t *to, const char *name, const char *value)
{
    const size_t name_bytes = strlen(name), value_bytes = strlen(value);
    to[0] = (uint8_t)name_bytes;
    memcpy(to + 1, name, name_bytes);
    to[1 + name_bytes] = 7;
    to[2 + name_bytes] = (uint8_t)(value_bytes >> 8);
    to[3 + name_bytes] = (uint8_t)value_bytes;
    memcpy(to + 4 + name_bytes, value, value_bytes);
    return 4 + name_bytes + value_bytes;
}

/* Appends a message; `extra` are raw header bytes before the named ones. */
static size_t put_message(uint8_t *to, const char *type, const char *key, const char *name, const void *extra,
                          size_t extra_bytes, const char *payload)
{
    size_t at = 12;
    if (extra_bytes)
        memcpy(to + at, extra, extra_bytes);
    at += extra_bytes;
    at += put_header(to + at, ":message-type", type);
    at += put_header(to + at, key, name);
    const size_t headers = at - 12;
    memcpy(to + at, payload, strlen(payload));
    at += strlen(payload);
    put_u32(to, (uint32_t)at + 4);
    put_u32(to + 4, (uint32_t)headers);
    put_u32(to + 8, (uint32_t)crc32(0, to, 8));
    put_u32(to + at, (uint32_t)crc32(0, to, (uInt)at));
    return at + 4;
}

static size_t sample(uint8_t *to)
{
    /* one header of each type that is no string: bool, byte, short, int, long, bytes, timestamp,
     * uuid */
    static const uint8_t others[] = {1, 'a', 0, 1,   'b', 2, 9, 1, 'c', 3,   1, 2, 1, 'd', 4,   1, 2, 3, 4, 1, 'e', 5,
                                     1, 2,   3, 4,   5,   6, 7, 8, 1,   'f', 6, 0, 0, 1,   'g', 8, 1, 2, 3, 4, 5,   6,
                                     7, 8,   1, 'h', 9,   1, 2, 3, 4,   5,   6, 7, 8, 1,   2,   3, 4, 5, 6, 7, 8};
    size_t at = put_message(to, "event", ":event-type", "contentBlockDelta", others, sizeof(others), "{\"delta\":1}");
    at += put_message(to + at, "event", ":event-type", "messageStop", NULL, 0, "");
    at += put_message(to + at, "exception", ":exception-type", "throttlingException", NULL, 0, "{}");
    return at + put_message(to + at, "error", ":error-code", "InternalError", NULL, 0, "");
}

static const char expected[] = "<event contentBlockDelta>{\"delta\":1}\n<event messageStop>\n<exception "
                               "throttlingException>{}\n<error InternalError>\n";

static bool feed(const uint8_t *data, size_t bytes, size_t step, struct log *log)
{
    struct eventstream stream;
    *log = (struct log){0};
    eventstream_init(&stream, &handler, log);
    for (size_t at = 0; at < bytes; at += step) {
        const size_t take = bytes - at < step ? bytes - at : step;
        char *const copy = malloc(take); /* of exactly its size: ASan sees overreads */
        assert_non_null(copy);
        memcpy(copy, data + at, take);
        eventstream_push(&stream, copy, take);
        free(copy);
    }
    return eventstream_end(&stream);
}

static void any_cutting(void **state)
{
    uint8_t data[1024];
    struct log log;
    const size_t bytes = sample(data);
    (void)state;
    for (size_t step = 1; step <= bytes; step++) {
        assert_true(feed(data, bytes, step, &log));
        assert_string_equal(log.text, expected);
        assert_int_equal(log.messages, 4);
    }
    for (size_t cut = 1; cut < bytes; cut++) /* complete only at the ends of messages */
        (void)feed(data, cut, 7, &log);
    assert_false(feed(data, bytes - 1, bytes, &log));
}

static void damage(void **state)
{
    uint8_t data[1024];
    struct log log;
    const size_t bytes = sample(data);
    (void)state;
    for (size_t at = 0; at < bytes; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            data[at] ^= (uint8_t)(1u << bit);
            assert_false(feed(data, bytes, 5, &log));
            assert_true(log.messages - log.damaged < 4);
            data[at] ^= (uint8_t)(1u << bit);
        }
    }
}

static void lying_lengths(void **state)
{
    static const uint32_t lengths[][2] = {
        {0, 0}, {15, 0}, {16, 1}, {100, 85}, {0xffffffff, 0}, {1u << 26, 0}, {1u << 24, 1u << 20}};
    uint8_t prelude[12];
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        put_u32(prelude, lengths[i][0]);
        put_u32(prelude + 4, lengths[i][1]);
        put_u32(prelude + 8, (uint32_t)crc32(0, prelude, 8));
        assert_false(eventstream_prelude_valid(prelude));
    }
    put_u32(prelude, 16);
    put_u32(prelude + 4, 0);
    put_u32(prelude + 8, (uint32_t)crc32(0, prelude, 8));
    assert_true(eventstream_prelude_valid(prelude));
}

/* A header that says it is longer than all headers together, under a right checksum. */
static void header_past_its_end(void **state)
{
    uint8_t data[64] = {0};
    struct log log;
    (void)state;
    data[12] = 40; /* name of 40 bytes in 4 bytes of headers */
    put_u32(data, 20);
    put_u32(data + 4, 4);
    put_u32(data + 8, (uint32_t)crc32(0, data, 8));
    put_u32(data + 16, (uint32_t)crc32(0, data, 16));
    assert_false(feed(data, 20, 3, &log));
    assert_int_equal(log.messages, 0);
}

static void decodes_base64(void **state)
{
    static const char text[] = "eyJhIjoiw7zigqwiLCJiIjpbMSwyXX0K";
    (void)state;
    for (size_t step = 1; step <= sizeof(text); step++) {
        struct base64 base64 = {0};
        uint8_t out[64];
        size_t bytes = 0;
        for (size_t at = 0; at < strlen(text); at += step)
            bytes += base64_push(&base64, text + at, strlen(text) - at < step ? strlen(text) - at : step, out + bytes);
        assert_int_equal(bytes, 24);
        assert_memory_equal(out, "{\"a\":\"\xc3\xbc\xe2\x82\xac\",\"b\":[1,2]}\n", 24);
        assert_false(base64.bad);
    }
    struct base64 base64 = {0};
    uint8_t out[8];
    assert_int_equal(base64_push(&base64, "Zg==", 4, out), 1);
    assert_int_equal(out[0], 'f');
    assert_false(base64.bad);
    (void)base64_push(&base64, "\x01", 1, out);
    assert_true(base64.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_cutting), cmocka_unit_test(damage),
                                       cmocka_unit_test(lying_lengths), cmocka_unit_test(header_past_its_end),
                                       cmocka_unit_test(decodes_base64)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
