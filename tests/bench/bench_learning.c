/*
 * What prompts cost a collector as texts become many: TEXTS distinct texts of instructions, each a
 * call of its own, of TEMPLATES templates that are known, as a hash decides (seed 1), 2,000 a
 * second of their clock; taken in, learned from and merged as pprofd does it. Then calls with the
 * texts that came last are taken in and read. One JSON object a line; CPU of one thread, memory as
 * the kernel counts it. Usage: bench_learning DIRECTORY TEXTS TEMPLATES [HOURS [without]]
 *
 * HOURS: so long ago was the last text (0 where it is left out); with 2 all is merged as hours that
 * are over, where ids of texts are forgotten. without: no features are sent, so nothing is
 * learned and forgotten. "bytes" is what a call takes in the store before the texts come again.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "collector/store/store.h"
#include "span/prompt_features.h"
#include "span/varint.h"

enum {
    BEGIN_WORDS = 40, /* of a template, then two of a name and its other words */
    NAME = BEGIN_WORDS,
    HEAD_END = 62,
    LINE_WORDS = 9,
    FOUND_LINES = 8, /* retrieved: of each text its own */
    ROWS = 256,
    A_SECOND = 2000,
    LEARN_EVERY = 60 * A_SECOND, /* as pprofd: each minute */
    RECENT = 1000000,
    TIMES = 6, /* that the texts which came last come again */
};

static uint64_t begin_ns; /* so that the last text is of now */

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a * UINT64_C(0x9e3779b97f4a7c15) + b + 1;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint32_t hash24(uint64_t a, uint64_t b)
{
    return (uint32_t)(mix(a, b) & 0xffffff) | 1;
}

static int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static size_t make_features(uint64_t number, uint64_t templates, uint8_t data[SPAN_TEXT_MAX])
{
    const uint64_t template = mix(1, number) % templates, own = number + (UINT64_C(1) << 40);
    struct prompt_features features = {.bytes = 2000, .has_between = true};
    for (unsigned i = 0; i < PROMPT_FEATURES_HEAD; i++)
        features.head[features.heads++] =
            i < NAME || (i > NAME + 1 && i < HEAD_END) ? hash24(template, i) : hash24(own, i);
    for (unsigned i = 0; i < PROMPT_FEATURES_TAIL; i++)
        features.tail[features.tails++] = hash24(own, 100 + i);
    for (unsigned i = 0; i < BEGIN_WORDS / LINE_WORDS; i++)
        features.line[features.lines++] = hash24(template, 1000 + i);
    for (unsigned i = 0; i < FOUND_LINES; i++)
        features.line[features.lines++] = hash24(own, 1000 + i);
    qsort(features.line, features.lines, sizeof(features.line[0]), by_value);
    return prompt_features_write(&features, data);
}

static void fail(const char *what);

/* All templates, as if learned an hour ago: what all of their texts have. */
static void know_all(const char *path, uint64_t templates, uint64_t ns)
{
    sqlite3 *db;
    sqlite3_stmt *put;
    struct span_buffer data;
    span_buffer_init(&data, 65536);
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db,
                           "INSERT INTO prompt_template(prompt,version,scope,setup,texts,data,first_ns,last_ns,alias,"
                           "settled) VALUES(?1,1,0,0,20,?2,?3,?3,0,1)",
                           -1, &put, NULL) != SQLITE_OK)
        fail("templates");
    for (uint64_t t = 0; t < templates; t++) {
        data.bytes = 0;
        span_put_varint(&data, 3 + HEAD_END - 1);
        span_put_varint(&data, BEGIN_WORDS / LINE_WORDS);
        for (unsigned i = 0; i < 3; i++)
            span_put_varint(&data, 1 << PROMPT_FEATURES_BITS); /* where a text begins */
        for (unsigned i = 0; i < HEAD_END; i++)
            if (i != NAME + 1)
                span_put_varint(&data, i == NAME ? 0 : hash24(t, i));
        for (unsigned i = 0; i < BEGIN_WORDS / LINE_WORDS; i++)
            span_put_varint(&data, hash24(t, 1000 + i));
        (void)sqlite3_bind_int64(put, 1, (int64_t)mix(5, t));
        (void)sqlite3_bind_blob(put, 2, data.data, (int)data.bytes, SQLITE_STATIC);
        (void)sqlite3_bind_int64(put, 3, (int64_t)ns);
        if (sqlite3_step(put) != SQLITE_DONE || sqlite3_reset(put) != SQLITE_OK)
            fail("templates");
    }
    (void)sqlite3_finalize(put);
    if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK || sqlite3_close(db) != SQLITE_OK)
        fail("templates");
    span_buffer_done(&data);
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_learning: %s: %s\n", what, store_why());
    exit(1);
}

/* Calls from, from + 1 … in a frame; `again`: their texts were sent before. */
static void take(struct store *store, uint64_t sequence, uint64_t from, unsigned rows, uint64_t templates, bool again)
{
    static struct span span[ROWS];
    const struct span *row[ROWS];
    struct span_process process = {.identity = {7}, .start_ns = begin_ns, .pid = 7, .executable = "bench"};
    struct span_buffer block, bytes;
    struct span_frame frame = {.kind = SPAN_FRAME_SPANS, .sequence = sequence}, read;
    bool repeat = false;
    for (unsigned i = 0; i < rows; i++) {
        const uint64_t number = from + i;
        uint8_t data[SPAN_TEXT_MAX];
        row[i] = &span[i];
        span_init(&span[i]);
        span_set_u64(&span[i], SPAN_seq, sequence * ROWS + i);
        span_set_u64(&span[i], SPAN_start_ns, begin_ns + number * (1000000000 / A_SECOND));
        span_set_u64(&span[i], SPAN_total_ns, 1000000000);
        span_set_u64(&span[i], SPAN_prompt_id, mix(3, number));
        span_set_u64(&span[i], SPAN_prompt_text_id, mix(4, number));
        span_set_text(&span[i], SPAN_request_model, "gpt-4o", 6);
        if (!again)
            span_set_text(&span[i], SPAN_prompt_features, (const char *)data, make_features(number, templates, data));
    }
    memcpy(frame.identity, process.identity, sizeof(frame.identity));
    span_buffer_init(&block, SPAN_FRAME_PAYLOAD_MAX);
    span_buffer_init(&bytes, SPAN_FRAME_PAYLOAD_MAX);
    if (span_block_encode(&block, row, rows, 1) != 0)
        fail("encoding");
    frame.payload = block.data;
    frame.payload_bytes = block.bytes;
    if (span_frame_write(&bytes, &frame) != 0 || span_frame_read(&read, bytes.data, bytes.bytes) <= 0)
        fail("a frame");
    const double begun = cpu_us();
    if (store_begin(store) != 0 || store_take_process(store, &process) != 0 ||
        store_take_frame(store, &read, &repeat) != 0 || store_commit(store) != 0)
        fail("taking in");
    extern double taken_us;
    taken_us += cpu_us() - begun;
    span_buffer_done(&block);
    span_buffer_done(&bytes);
}

double taken_us;

static double steps(struct store *store, int (*step)(struct store *store, bool *ret_more), double *most_us)
{
    const double begun = cpu_us();
    for (bool more = true; more;) {
        const double step_begun = cpu_us();
        if (step(store, &more) != 0)
            fail("a step");
        if (cpu_us() - step_begun > *most_us)
            *most_us = cpu_us() - step_begun;
    }
    return cpu_us() - begun;
}

static double kilobytes(const char *what)
{
    FILE *const in = fopen("/proc/self/status", "r");
    char line[256];
    double value = 0;
    while (in != NULL && fgets(line, sizeof(line), in) != NULL)
        if (strncmp(line, what, strlen(what)) == 0)
            value = strtod(line + strlen(what), NULL);
    if (in != NULL)
        fclose(in);
    return value;
}

/* The most that was in memory since the last call. */
static double peak_mb(double idle_kb)
{
    const double peak = kilobytes("VmHWM:") - idle_kb;
    FILE *const out = fopen("/proc/self/clear_refs", "w");
    if (out != NULL) {
        fputs("5", out);
        fclose(out);
    }
    return peak / 1e3;
}

static void most(double *to, double value)
{
    if (value > *to)
        *to = value;
}

struct seen {
    uint64_t rows, learned;
};

static int see(void *context, const struct store_rows *rows)
{
    struct seen *const seen = context;
    for (size_t i = 0; i < rows->n; i++)
        seen->learned += rows->learned != NULL && span_bit(rows->learned, i);
    seen->rows += rows->n;
    return 0;
}

int main(int argc, char **argv)
{
    static const enum span_field fields[] = {SPAN_prompt_id};
    char path[4096];
    struct store *store = NULL;
    double learn_us = 0, merge_us = 0, learn_most_us = 0, merge_most_us = 0;
    double take_mb = 0, learn_mb = 0, merge_mb = 0;
    struct seen seen = {0};
    struct store_totals totals;
    if (argc < 4 || argc > 6) {
        fprintf(stderr, "usage: bench_learning DIRECTORY TEXTS TEMPLATES [HOURS [without]]\n");
        return 2;
    }
    const uint64_t texts = strtoull(argv[2], NULL, 10), templates = strtoull(argv[3], NULL, 10);
    const uint64_t learn_every = texts / 10 < LEARN_EVERY ? texts / 10 + 1 : LEARN_EVERY;
    uint64_t sequence = 0;
    store_memory();
    const uint64_t ago = argc > 4 ? strtoull(argv[4], NULL, 10) * 3600 : 0;
    const bool without = argc > 5;
    begin_ns = ((uint64_t)time(NULL) - ago - texts / A_SECOND) * UINT64_C(1000000000);
    snprintf(path, sizeof(path), "%s/learning.db", argv[1]);
    if (store_open(path, STORE_WRITE, &store) != 0)
        fail("opening");
    store_close(store);
    know_all(path, templates, begin_ns);
    if (store_open(path, STORE_WRITE, &store) != 0)
        fail("opening");
    const double idle_kb = kilobytes("VmRSS:");
    for (uint64_t from = 0, learned = 0; from < texts; from += ROWS) {
        take(store, ++sequence, from, texts - from < ROWS ? (unsigned)(texts - from) : ROWS, templates, without);
        if (from + ROWS - learned < learn_every && from + ROWS < texts)
            continue;
        most(&take_mb, peak_mb(idle_kb));
        learn_us += steps(store, store_learn, &learn_most_us);
        learned = from + ROWS;
        most(&learn_mb, peak_mb(idle_kb));
        merge_us += steps(store, store_merge_step, &merge_most_us);
        most(&merge_mb, peak_mb(idle_kb));
    }
    const double take_us = taken_us;
    if (store_totals(store, &totals) != 0)
        fail("counting");
    const uint64_t recent = texts < RECENT ? texts : RECENT;
    for (int time = 0; time < TIMES; time++) { /* the last of them counts */
        taken_us = 0;
        for (uint64_t from = texts - recent; from < texts; from += ROWS)
            take(store, ++sequence, from, texts - from < ROWS ? (unsigned)(texts - from) : ROWS, templates, true);
    }
    const struct store_query all = {.until_ns = UINT64_MAX, .fields = fields, .n_fields = 1};
    const double read_begun = cpu_us();
    if (store_scan(store, &all, see, &seen, NULL) != 0)
        fail("reading");
    const double read_us = cpu_us() - read_begun;
    printf("{\"texts\": %llu, \"templates\": %llu, \"take_us\": %.2f, \"learn_us\": %.2f, "
           "\"merge_us\": %.2f, "
           "\"learn_step_ms\": %.0f, \"merge_step_ms\": %.0f, \"recent_us\": %.2f, \"read_us\": %.2f, \"take_mb\": "
           "%.1f, \"learn_mb\": "
           "%.1f, \"merge_mb\": %.1f, \"bytes\": %.1f, \"learned\": %.4f}\n",
           (unsigned long long)texts, (unsigned long long)templates, take_us / (double)texts, learn_us / (double)texts,
           merge_us / (double)texts, learn_most_us / 1e3, merge_most_us / 1e3, taken_us / (double)recent,
           read_us / (double)seen.rows, take_mb, learn_mb, merge_mb, (double)totals.bytes / (double)texts,
           (double)seen.learned / (double)seen.rows);
    store_close(store);
    return 0;
}
