/* Frames and process records (span/frame.c, process.c): round trips, damage, files from other
 * versions in tests/golden/span. */
#include "span_tests.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { GOLDEN_ROWS = 40 };

static struct span_process make_process(void)
{
    struct span_process process = {.start_ns = UINT64_C(1767225600000000000),
                                   .pid = 4711,
                                   .uid = 0,
                                   .has_uid = true,
                                   .executable = "app",
                                   .host = "h1",
                                   .service = "shop",
                                   .team = "core",
                                   .container = "0123abcd",
                                   .version = "0.1.0",
                                   .labels = "region=eu"};
    for (size_t i = 0; i < sizeof(process.identity); i++)
        process.identity[i] = (uint8_t)(i * 17);
    return process;
}

static void write_frame(struct span_buffer *out, unsigned kind, uint64_t sequence, const struct span_buffer *payload)
{
    struct span_frame frame = {.kind = (uint16_t)kind,
                               .sequence = sequence,
                               .payload = payload->data,
                               .payload_bytes = payload->bytes,
                               .loss = {1, 2, 3, UINT64_MAX}};
    const struct span_process process = make_process();
    memcpy(frame.identity, process.identity, sizeof(frame.identity));
    assert_int_equal(span_frame_write(out, &frame), 0);
}

static void write_spans(struct span_buffer *out, size_t n)
{
    static struct span spans[GOLDEN_ROWS];
    const struct span *order[GOLDEN_ROWS];
    struct span_buffer block;
    uint64_t seed = 31;
    span_buffer_init(&block, SPAN_FRAME_PAYLOAD_MAX);
    for (size_t i = 0; i < n; i++) {
        make_span(&spans[i], i + 1, &seed);
        order[i] = &spans[i];
    }
    assert_int_equal(span_block_encode(&block, order, n, SPAN_ZSTD_LEVEL_SHIM), 0);
    write_frame(out, SPAN_FRAME_SPANS, 7, &block);
    span_buffer_done(&block);
}

/* The header's checksum again after a change to it. */
static void seal(uint8_t *frame, size_t header_bytes)
{
    const uint64_t sum = XXH3_64bits(frame, header_bytes - 8);
    for (size_t i = 0; i < 8; i++)
        frame[header_bytes - 8 + i] = (uint8_t)(sum >> (i * 8));
}

static void test_round_trip(void **state)
{
    (void)state;
    struct span_buffer out;
    struct span_frame frame;
    span_buffer_init(&out, 1 << 20);
    write_spans(&out, 5);
    const struct span_buffer none = {0};
    const size_t first = out.bytes;
    write_frame(&out, SPAN_FRAME_ACK, UINT64_MAX, &none);
    assert_int_equal(span_frame_read(&frame, out.data, out.bytes), first);
    assert_int_equal(frame.kind, SPAN_FRAME_SPANS);
    assert_int_equal(frame.sequence, 7);
    assert_int_equal(frame.payload_bytes, first - SPAN_FRAME_HEADER_BYTES);
    assert_int_equal(frame.identity[15], 255);
    assert_int_equal(frame.loss.tape_records, 1);
    assert_int_equal(frame.loss.tape_bytes, 2);
    assert_int_equal(frame.loss.spans, 3);
    assert_int_equal(frame.loss.exchanges, UINT64_MAX);
    assert_int_equal(span_frame_read(&frame, out.data + first, out.bytes - first), SPAN_FRAME_HEADER_BYTES);
    assert_int_equal(frame.sequence, UINT64_MAX);
    struct span_frame huge = {.payload_bytes = SPAN_FRAME_PAYLOAD_MAX + 1};
    assert_int_equal(span_frame_write(&out, &huge), -1);
    span_buffer_done(&out);
}

static void test_every_flip_and_cut(void **state)
{
    (void)state;
    struct span_buffer out;
    struct span_frame frame;
    span_buffer_init(&out, 1 << 20);
    write_spans(&out, 5);
    struct guard guard = guard_make(out.bytes);
    for (size_t cut = 0; cut < out.bytes; cut++) {
        const uint8_t *at = guard_place(&guard, out.data, cut);
        assert_int_equal(span_frame_read(&frame, at, cut), SPAN_FRAME_NEED_MORE);
        assert_int_equal(span_frame_bytes(at, cut), cut < SPAN_FRAME_HEADER_BYTES ? 0 : (long)out.bytes);
    }
    for (size_t i = 0; i < out.bytes; i++) {
        for (unsigned value = 1; value < 256; value++) {
            out.data[i] ^= (uint8_t)value;
            const uint8_t *at = guard_place(&guard, out.data, out.bytes);
            const long answer = span_frame_read(&frame, at, out.bytes);
            out.data[i] ^= (uint8_t)value;
            /* A damaged header size may ask for more bytes; nothing else may pass for a frame, or
             * for a newer version.
             */
            assert_true(answer == SPAN_FRAME_BAD || ((i == 6 || i == 7) && answer == SPAN_FRAME_NEED_MORE));
        }
    }
    guard_free(&guard);
    span_buffer_done(&out);
}

static void test_versions_and_flags(void **state)
{
    (void)state;
    struct span_buffer out;
    struct span_frame frame;
    span_buffer_init(&out, 1 << 20);
    write_spans(&out, 2);
    out.data[11] = 0x01; /* a required flag that this version does not know */
    seal(out.data, SPAN_FRAME_HEADER_BYTES);
    assert_int_equal(span_frame_read(&frame, out.data, out.bytes), SPAN_FRAME_TOO_NEW);
    out.data[11] = 0;
    out.data[10] = 0x80; /* one that may be ignored */
    seal(out.data, SPAN_FRAME_HEADER_BYTES);
    assert_int_equal(span_frame_read(&frame, out.data, out.bytes), out.bytes);
    assert_int_equal(frame.flags, 0x80);
    out.data[4] = 2;
    seal(out.data, SPAN_FRAME_HEADER_BYTES);
    assert_int_equal(span_frame_read(&frame, out.data, out.bytes), SPAN_FRAME_TOO_NEW);
    out.data[4] = 0;
    seal(out.data, SPAN_FRAME_HEADER_BYTES);
    assert_int_equal(span_frame_read(&frame, out.data, out.bytes), SPAN_FRAME_BAD);
    out.data[4] = 1;
    out.data[15] = 0x40; /* payload of a gigabyte */
    seal(out.data, SPAN_FRAME_HEADER_BYTES);
    assert_int_equal(span_frame_read(&frame, out.data, out.bytes), SPAN_FRAME_BAD);
    span_buffer_done(&out);
}

static void test_process(void **state)
{
    (void)state;
    const struct span_process process = make_process();
    struct span_process back;
    struct span_buffer out;
    span_buffer_init(&out, 4096);
    assert_int_equal(span_process_write(&out, &process), 0);
    span_buffer_append(&out, "\x63\x03new", 5); /* a tag of a later version */
    assert_int_equal(span_process_read(&back, out.data, out.bytes), 0);
    assert_memory_equal(back.identity, process.identity, sizeof(back.identity));
    assert_int_equal(back.start_ns, process.start_ns);
    assert_int_equal(back.pid, 4711);
    assert_true(back.has_uid);
    assert_string_equal(back.executable, "app");
    assert_string_equal(back.labels, "region=eu");
    struct guard guard = guard_make(out.bytes);
    for (size_t i = 0; i < out.bytes; i++) {
        (void)span_process_read(&back, guard_place(&guard, out.data, i), i);
        out.data[i] ^= 0xff;
        (void)span_process_read(&back, guard_place(&guard, out.data, out.bytes), out.bytes);
        out.data[i] ^= 0xff;
    }
    /* Longer text of a later version is cut between characters; a record without identity is
     * refused. */
    char host[200];
    memset(host, 'h', sizeof(host));
    memcpy(host + 126, "\xe2\x82\xac", 3);
    out.bytes = 0;
    span_buffer_append(&out,
                       "\x01\x10"
                       "0123456789abcdef\x06\xc8\x01",
                       21);
    span_buffer_append(&out, host, sizeof(host));
    assert_int_equal(span_process_read(&back, out.data, out.bytes), 0);
    assert_int_equal(strlen(back.host), 126);
    assert_int_equal(span_process_read(&back, (const uint8_t *)"\x03\x01\x05", 3), -1);
    guard_free(&guard);
    span_buffer_done(&out);
}

static size_t read_golden(const char *name, uint8_t *to, size_t max)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/golden/span/%s", PPROF_TESTS_DIR, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t bytes = fread(to, 1, max, file);
    fclose(file);
    return bytes;
}

static void write_golden(const char *name, const struct span_buffer *out)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/golden/span/%s", PPROF_TESTS_DIR, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(out->data, 1, out->bytes, file), out->bytes);
    fclose(file);
}

/* With PPROF_BLESS set the golden files are written instead of compared; review the difference. */
static void bless(void)
{
    struct span_buffer payload;
    struct span_buffer out;
    span_buffer_init(&payload, 1 << 20);
    span_buffer_init(&out, 1 << 20);
    const struct span_process process = make_process();
    assert_int_equal(span_process_write(&payload, &process), 0);
    write_frame(&out, SPAN_FRAME_PROCESS, 0, &payload);
    write_spans(&out, GOLDEN_ROWS);
    write_golden("v1.frames", &out);
    /* The future: a process tag, a frame kind, a longer header and a field number that nobody knows
     * yet. */
    out.bytes = 0;
    span_buffer_append(&payload, "\x63\x03new", 5);
    write_frame(&out, SPAN_FRAME_PROCESS, 0, &payload);
    payload.bytes = 0;
    span_buffer_append(&payload, "whatever", 8);
    write_frame(&out, 77, 1, &payload);
    payload.bytes = 0;
    assert_int_equal(span_block_begin(&payload, 2), 0);
    assert_int_equal(span_block_add(&payload, SPAN_F_seq, (const uint8_t *)"\x01\x01\x02", 3), 0);
    assert_int_equal(span_block_add(&payload, 250, (const uint8_t *)"\xff\xff", 2), 0);
    struct span_buffer plain;
    span_buffer_init(&plain, 1 << 20);
    write_frame(&plain, SPAN_FRAME_SPANS, 2, &payload);
    uint8_t longer[SPAN_FRAME_HEADER_BYTES + 16] = {0};
    memcpy(longer, plain.data, SPAN_FRAME_HEADER_BYTES - 8);
    longer[6] = sizeof(longer);
    seal(longer, sizeof(longer));
    span_buffer_append(&out, longer, sizeof(longer));
    span_buffer_append(&out, payload.data, payload.bytes);
    write_golden("future.frames", &out);
    span_buffer_done(&plain);
    span_buffer_done(&out);
    span_buffer_done(&payload);
}

static void test_golden(void **state)
{
    (void)state;
    static uint8_t file[65536];
    if (getenv("PPROF_BLESS") != NULL)
        bless();
    const size_t bytes = read_golden("v1.frames", file, sizeof(file));
    struct span_process process;
    struct span_frame frame;
    const long first = span_frame_read(&frame, file, bytes);
    assert_true(first > 0);
    assert_int_equal(span_process_read(&process, frame.payload, frame.payload_bytes), 0);
    assert_string_equal(process.service, "shop");
    const long second = span_frame_read(&frame, file + first, bytes - (size_t)first);
    assert_int_equal((size_t)(first + second), bytes);
    struct span_block *block = malloc(sizeof(*block));
    assert_non_null(block);
    span_block_init(block);
    assert_int_equal(span_block_decode(block, frame.payload, frame.payload_bytes), 0);
    assert_int_equal(block->n, GOLDEN_ROWS);
    uint64_t seed = 31;
    for (size_t i = 0; i < GOLDEN_ROWS; i++) {
        struct span wanted;
        struct span row;
        make_span(&wanted, i + 1, &seed);
        span_block_row(block, i, &row);
        assert_spans_equal(&row, &wanted);
    }
    span_block_done(block);
    free(block);
}

static void test_future(void **state)
{
    (void)state;
    static uint8_t file[65536];
    const size_t bytes = read_golden("future.frames", file, sizeof(file));
    size_t at = 0;
    unsigned skipped = 0;
    unsigned rows = 0;
    struct span_block *block = malloc(sizeof(*block));
    assert_non_null(block);
    span_block_init(block);
    while (at < bytes) {
        struct span_frame frame;
        struct span_process process;
        const long whole = span_frame_read(&frame, file + at, bytes - at);
        assert_true(whole > 0);
        at += (size_t)whole;
        if (frame.kind == SPAN_FRAME_PROCESS) {
            assert_int_equal(span_process_read(&process, frame.payload, frame.payload_bytes), 0);
            assert_int_equal(process.pid, 4711);
        } else if (frame.kind == SPAN_FRAME_SPANS) {
            struct span_block_view view;
            assert_int_equal(span_block_open(&view, frame.payload, frame.payload_bytes), 0);
            assert_int_equal(view.n_columns, 2);
            assert_int_equal(view.column[1].number, 250);
            assert_int_equal(span_block_decode(block, frame.payload, frame.payload_bytes), 0);
            assert_int_equal(block->column[SPAN_seq].u64[1], 2);
            rows += (unsigned)block->n;
        } else {
            skipped++;
        }
    }
    assert_int_equal(skipped, 1);
    assert_int_equal(rows, 2);
    span_block_done(block);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_flip_and_cut),
        cmocka_unit_test(test_versions_and_flags),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_future),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
