/*
 * Feeds arbitrary bytes to everything that reads the span format. The first byte picks the reader,
 * so that each is reached without its checksums. What a block decodes to must encode and decode to
 * the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "span/block.h"
#include "span/frame.h"
#include "span/json.h"
#include "span/predicted.h"
#include "span/sketch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void same_again(const struct span_block *block)
{
    enum { ROWS = 8 };
    static struct span spans[ROWS];
    static struct span_block again;
    const struct span *order[ROWS];
    const struct span_process process = {.pid = 1};
    const size_t n = block->n < ROWS ? block->n : ROWS;
    struct span_buffer out;
    struct span_buffer json[2];
    struct span row;
    span_buffer_init(&out, SPAN_FRAME_PAYLOAD_MAX);
    span_buffer_init(&json[0], 1 << 20);
    span_buffer_init(&json[1], 1 << 20);
    for (size_t i = 0; i < n; i++) {
        span_block_row(block, i, &spans[i]);
        for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
            if (span_fields[f].unit == SPAN_NS)
                spans[i].value[f].u64 = span_whole_microseconds(spans[i].value[f].u64);
        order[i] = &spans[i];
    }
    if (span_block_encode(&out, order, n, 1) != 0 || span_block_decode(&again, out.data, out.bytes) != 0)
        abort();
    for (size_t i = 0; i < n; i++) {
        json[0].bytes = json[1].bytes = 0;
        span_block_row(&again, i, &row);
        (void)span_json_write(&json[0], &process, &spans[i]);
        (void)span_json_write(&json[1], &process, &row);
        if (json[0].bytes != json[1].bytes || memcmp(json[0].data, json[1].data, json[0].bytes) != 0)
            abort();
    }
    span_buffer_done(&out);
    span_buffer_done(&json[0]);
    span_buffer_done(&json[1]);
}

/* With sources of as many rows, one of them missing. */
static void decode_predicted(bool is_text, const uint8_t *data, size_t bytes, size_t rows)
{
    static struct span_column column, numbers;
    static uint64_t values[SPAN_BLOCK_ROWS_MAX];
    uint8_t needs[SPAN_SOURCES_MAX];
    struct span_buffer out;
    const struct span_column *sources[SPAN_SOURCES_MAX] = {&numbers, NULL, &numbers, &numbers};
    const int n = span_column_needs(is_text, data, bytes, needs);
    if (n <= 0 || rows == 0)
        return;
    span_buffer_init(&out, SPAN_FRAME_PAYLOAD_MAX);
    for (size_t i = 0; i < rows; i++)
        values[i] = i % 5 * 1000;
    if (span_column_encode_u64(&out, values, NULL, rows, 0) != 0 ||
        span_column_decode_u64(&numbers, out.data, out.bytes, rows) != 0)
        abort();
    span_buffer_done(&out);
    if (is_text)
        (void)span_column_decode_predicted_text(&column, data, bytes, rows, needs[0] % 2 ? NULL : &numbers, false);
    else
        (void)span_column_decode_predicted_u64(&column, data, bytes, rows, sources);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct span_block block;
    static struct span_column column;
    static struct span_sketch sketch;
    static const struct span_sketch none;
    struct span_process process;
    struct span_frame frame;
    if (bytes < 3)
        return 0;
    const unsigned reader = data[0] % 8;
    const size_t rows = data[1] | (size_t)data[2] << 8;
    data += 3;
    bytes -= 3;
    switch (reader) {
    case 0:
        if (span_block_decode(&block, data, bytes) == 0)
            same_again(&block);
        break;
    case 1:
        (void)span_column_decode_u64(&column, data, bytes, rows);
        break;
    case 2:
        (void)span_column_decode_text(&column, data, bytes, rows);
        break;
    case 3:
        (void)span_frame_read(&frame, data, bytes);
        break;
    case 4:
        (void)span_process_read(&process, data, bytes);
        break;
    case 5:
    case 6:
        decode_predicted(reader == 5, data, bytes, rows);
        break;
    default:
        /* Damaged ones leave nothing after. */
        if (span_sketch_merge_bytes(&sketch, data, bytes) != 0 && memcmp(&sketch, &none, sizeof(sketch)) != 0)
            abort();
        span_sketch_init(&sketch);
        break;
    }
    return 0;
}
