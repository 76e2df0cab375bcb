/* The worked example of span/FORMAT.md is decoded from the page itself, and the encoder still
 * writes exactly these bytes. */
#include "span_tests.h"

enum { PAGE_MAX = 256 * 1024 };

/* The bytes of the first ```hex block of the page; what follows a # is a remark. */
static size_t read_example(uint8_t *to, size_t max)
{
    char *page = calloc(1, PAGE_MAX);
    FILE *file = fopen(PPROF_SOURCE_DIR "/span/FORMAT.md", "r");
    assert_non_null(page);
    assert_non_null(file);
    assert_true(fread(page, 1, PAGE_MAX - 1, file) < PAGE_MAX - 1);
    fclose(file);
    const char *at = strstr(page, "```hex\n");
    assert_non_null(at);
    at += strlen("```hex\n");
    size_t bytes = 0;
    while (strncmp(at, "```", 3) != 0) {
        assert_int_not_equal(*at, '\0');
        if (*at == '#') {
            at += strcspn(at, "\n");
        } else if (*at == ' ' || *at == '\n') {
            at++;
        } else {
            unsigned value;
            assert_int_equal(sscanf(at, "%2x", &value), 1);
            assert_true(bytes < max);
            to[bytes++] = (uint8_t)value;
            at += 2;
        }
    }
    free(page);
    return bytes;
}

static void make_example(struct span spans[3])
{
    for (unsigned i = 0; i < 3; i++) {
        span_init(&spans[i]);
        span_set_u64(&spans[i], SPAN_seq, i + 1);
        span_set_u64(&spans[i], SPAN_start_ns, UINT64_C(1767225600000000000) + i * UINT64_C(250000000));
        span_set_u64(&spans[i], SPAN_status, i == 2 ? 429 : 200);
        set_text(&spans[i], SPAN_request_model, i == 1 ? "gpt-4o-mini" : "gpt-4o");
    }
    span_set_u64(&spans[0], SPAN_total_ns, 812345000);
    span_set_u64(&spans[1], SPAN_total_ns, 640120000);
    set_text(&spans[2], SPAN_error_type, "rate_limit_exceeded");
}

static void encode_example(struct span_buffer *out, const struct span spans[3])
{
    const struct span *const order[] = {&spans[0], &spans[1], &spans[2]};
    struct span_buffer block;
    span_buffer_init(&block, 4096);
    assert_int_equal(span_block_encode(&block, order, 3, SPAN_ZSTD_LEVEL_SHIM), 0);
    struct span_frame frame = {.kind = SPAN_FRAME_SPANS,
                               .sequence = 1,
                               .payload = block.data,
                               .payload_bytes = block.bytes,
                               .loss = {.spans = 2}};
    for (size_t i = 0; i < sizeof(frame.identity); i++)
        frame.identity[i] = (uint8_t)(0xa0 + i);
    assert_int_equal(span_frame_write(out, &frame), 0);
    span_buffer_done(&block);
}

static void test_example(void **state)
{
    (void)state;
    uint8_t example[1024];
    struct span spans[3];
    struct span_buffer out;
    make_example(spans);
    span_buffer_init(&out, 4096);
    encode_example(&out, spans);
    if (getenv("PPROF_BLESS") != NULL) {
        for (size_t i = 0; i < out.bytes; i++)
            printf("%02x%c", out.data[i], i % 16 == 15 ? '\n' : ' ');
        printf("\n");
    }
    const size_t bytes = read_example(example, sizeof(example));
    struct span_frame frame;
    assert_int_equal(span_frame_read(&frame, example, bytes), bytes);
    assert_int_equal(frame.kind, SPAN_FRAME_SPANS);
    assert_int_equal(frame.sequence, 1);
    assert_int_equal(frame.loss.spans, 2);
    struct span_block *block = malloc(sizeof(*block));
    assert_non_null(block);
    span_block_init(block);
    assert_int_equal(span_block_decode(block, frame.payload, frame.payload_bytes), 0);
    assert_int_equal(block->n, 3);
    for (size_t i = 0; i < 3; i++) {
        struct span row;
        span_block_row(block, i, &row);
        assert_spans_equal(&row, &spans[i]);
    }
    assert_int_equal(out.bytes, bytes);
    assert_memory_equal(out.data, example, bytes);
    span_block_done(block);
    free(block);
    span_buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_example)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
