/*
 * Writes a store with a fixed set of spans, for the golden tests of pprofctl: make_store FILE [many
 * N]. Also a spool file (make_store --frames FILE). Every number is made from the call's position,
 * so that each run writes the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../collector/store/store.h"
#include "../../../span/sketch.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define START (UINT64_C(1795496400) * SECOND) /* 2026-11-24 05:00 UTC */

enum { ROWS = 256, PROCESSES = 2 };

static const struct span_process processes[PROCESSES] = {
    {.identity = {1},
     .start_ns = START,
     .pid = 4711,
     .uid = 1000,
     .has_uid = true,
     .executable = "php8.2",
     .host = "web1",
     .service = "shop",
     .team = "support",
     .version = "0.1.0"},
    {.identity = {2},
     .start_ns = START,
     .pid = 4712,
     .executable = "python3.11",
     .host = "batch1",
     .service = "nightly",
     .version = "0.1.0"},
};

static void text(struct span *span, enum span_field field, const char *value)
{
    span_set_text(span, field, value, strlen(value));
}

static void add_gaps(struct span *span, uint64_t i, uint64_t n)
{
    struct span_sketch gaps;
    struct span_buffer bytes;
    span_sketch_init(&gaps);
    for (uint64_t gap = 0; gap < n; gap++)
        span_sketch_add(&gaps, (10 + (i * 7 + gap * 3) % 40) * MS, 1);
    span_buffer_init(&bytes, SPAN_TEXT_MAX);
    if (span_sketch_write(&bytes, &gaps) == 0)
        span_set_text(span, SPAN_gap_sketch, (const char *)bytes.data, bytes.bytes);
    span_buffer_done(&bytes);
}

static void add_stream(struct span *span, uint64_t i)
{
    uint64_t ttft = (120 + i % 11 * 17) * MS, decode = (900 + i % 13 * 90) * MS;
    span_set_u64(span, SPAN_request_stream, 1);
    span_set_u64(span, SPAN_response_stream, 1);
    span_set_u64(span, SPAN_ttft_ns, ttft);
    span_set_u64(span, SPAN_first_text_ns, ttft + i % 3 * 200 * MS);
    span_set_u64(span, SPAN_decode_ns, decode);
    span_set_u64(span, SPAN_total_ns, ttft + decode + 3 * MS);
    span_set_u64(span, SPAN_stream_events, 45);
    add_gaps(span, i, 43);
}

static void add_error(struct span *span, uint64_t i)
{
    span_set_u64(span, SPAN_status, 429);
    text(span, SPAN_error_type, "rate_limit_exceeded");
    span_set_u64(span, SPAN_total_ns, (30 + i % 5) * MS);
    span_set_u64(span, SPAN_retry_after_ns, 2 * SECOND);
}

static void add_usage(struct span *span, uint64_t i, bool reasons)
{
    span_set_u64(span, SPAN_input_tokens, 1500 + i % 7 * 100);
    span_set_u64(span, SPAN_output_tokens, 80 + i % 9 * 10);
    span_set_u64(span, SPAN_cache_read_tokens, i % 2 * 1024);
    if (reasons)
        span_set_u64(span, SPAN_reasoning_tokens, 64);
    text(span, SPAN_usage_source, "provider");
}

/* Four prompts: a named one with two versions, one with a preview, one with a text that means
 * mischief, one unknown. */
static void add_prompt(struct span *span, uint64_t i)
{
    switch (i % 5) {
    case 0:
    case 1:
        text(span, SPAN_prompt_name, "support-triage");
        text(span, SPAN_prompt_version, i % 5 == 0 ? "7" : "8");
        break;
    case 2:
        span_set_u64(span, SPAN_prompt_id, 0x1122334455667788);
        text(span, SPAN_prompt_preview, "You are a helpful clerk in a shop for garden tools. Answer");
        break;
    case 3:
        span_set_u64(span, SPAN_prompt_id, 0x0badcafe0badcafe);
        text(span, SPAN_prompt_preview, "\033[31mred | \"quoted\", größer\n");
        break;
    default:
        break;
    }
}

static void make_span(struct span *span, uint64_t i)
{
    bool anthropic = i % 3 == 0;
    span_init(span);
    span_set_u64(span, SPAN_seq, i + 1);
    span_set_u64(span, SPAN_start_ns, START + i * 30 * SECOND);
    text(span, SPAN_provider, anthropic ? "anthropic" : "openai");
    text(span, SPAN_operation, "chat");
    text(span, SPAN_api, anthropic ? "anthropic.messages" : "openai.chat");
    text(span, SPAN_request_model, anthropic ? "claude-sonnet-4" : "gpt-4o-mini");
    text(span, SPAN_host, anthropic ? "api.anthropic.com" : "api.openai.com");
    text(span, SPAN_key_alias, "k-5f3a");
    add_prompt(span, i);
    if (i % 17 == 16) {
        add_error(span, i);
        return;
    }
    span_set_u64(span, SPAN_status, 200);
    span_set_u64(span, SPAN_curl_code, 0);
    text(span, SPAN_response_model, anthropic ? "claude-sonnet-4-20250514" : "gpt-4o-mini-2024-07-18");
    span_list_add(span, SPAN_finish_reasons, anthropic ? "end_turn" : "stop", anthropic ? 8 : 4);
    text(span, SPAN_completeness, "whole");
    if (i % 4 == 0)
        span_set_u64(span, SPAN_total_ns, (700 + i % 19 * 40) * MS);
    else
        add_stream(span, i);
    span_set_u64(span, SPAN_dns_ns, i % 8 == 0 ? 2 * MS : 0);
    span_set_u64(span, SPAN_connect_ns, i % 8 == 0 ? 11 * MS : 0);
    span_set_u64(span, SPAN_tls_ns, i % 8 == 0 ? 25 * MS : 0);
    span_set_u64(span, SPAN_wait_ns, (100 + i % 11 * 17) * MS);
    if (i % 6 != 5)
        add_usage(span, i, anthropic);
}

static int encode(struct span_buffer *out, uint64_t first, size_t n)
{
    static struct span spans[ROWS];
    const struct span *pointers[ROWS];
    for (size_t i = 0; i < n; i++) {
        make_span(&spans[i], first + i);
        pointers[i] = &spans[i];
    }
    return span_block_encode(out, pointers, n, SPAN_ZSTD_LEVEL_SHIM);
}

static struct span_frame frame_of(const struct span_process *process, unsigned kind, uint64_t sequence,
                                  const struct span_buffer *payload)
{
    struct span_frame frame = {.kind = (uint16_t)kind,
                               .sequence = sequence,
                               .loss = {.tape_records = 2, .tape_bytes = 4096, .exchanges = 1},
                               .payload = payload->data,
                               .payload_bytes = payload->bytes};
    memcpy(frame.identity, process->identity, sizeof(frame.identity));
    return frame;
}

/* The nth frame of all; the processes take turns. */
static int take(struct store *store, uint64_t first, size_t n, uint64_t turn, bool final)
{
    const struct span_process *process = &processes[turn % PROCESSES];
    struct span_buffer payload;
    bool repeat;
    span_buffer_init(&payload, SPAN_FRAME_PAYLOAD_MAX);
    int status = encode(&payload, first, n);
    struct span_frame frame = frame_of(process, SPAN_FRAME_SPANS, (turn + PROCESSES - 1) / PROCESSES, &payload);
    frame.flags = final ? SPAN_FRAME_FINAL : 0;
    if (status == 0)
        status = store_take_process(store, process);
    if (status == 0)
        status = store_take_frame(store, &frame, &repeat);
    span_buffer_done(&payload);
    return status;
}

static int write_store(const char *path, uint64_t n)
{
    struct store *store;
    uint64_t rows = n < 2 * ROWS ? 25 : ROWS, turn = 0;
    int status = store_open(path, STORE_WRITE, &store);
    if (status != STORE_OK)
        return status;
    status = store_begin(store);
    for (uint64_t first = 0; first < n && status == STORE_OK; first += rows)
        status =
            take(store, first, (size_t)(n - first < rows ? n - first : rows), ++turn, first + PROCESSES * rows >= n);
    if (status == STORE_OK)
        status = store_commit(store);
    store_close(store);
    return status;
}

static int write_frames(const char *path)
{
    struct span_buffer out, payload;
    span_buffer_init(&out, SPAN_FRAME_PAYLOAD_MAX);
    span_buffer_init(&payload, SPAN_FRAME_PAYLOAD_MAX);
    int status = span_process_write(&payload, &processes[0]);
    struct span_frame frame = frame_of(&processes[0], SPAN_FRAME_PROCESS, 0, &payload);
    status |= span_frame_write(&out, &frame);
    payload.bytes = 0;
    status |= encode(&payload, 0, 3);
    frame = frame_of(&processes[0], SPAN_FRAME_SPANS, 1, &payload);
    status |= span_frame_write(&out, &frame);
    FILE *file = fopen(path, "wbe");
    if (file == NULL || fwrite(out.data, 1, out.bytes, file) != out.bytes)
        status = -1;
    if (file != NULL && fclose(file) != 0)
        status = -1;
    span_buffer_done(&payload);
    span_buffer_done(&out);
    return status;
}

int main(int argc, char **argv)
{
    int status = -1;
    if (argc == 3 && strcmp(argv[1], "--frames") == 0)
        status = write_frames(argv[2]);
    else if (argc == 2)
        status = write_store(argv[1], 60);
    else if (argc == 4 && strcmp(argv[2], "many") == 0)
        status = write_store(argv[1], strtoull(argv[3], NULL, 10));
    if (status != 0)
        (void)fprintf(stderr, "make_store: nothing written (%d: %s)\n", status, store_why());
    return status == 0 ? 0 : 1;
}
