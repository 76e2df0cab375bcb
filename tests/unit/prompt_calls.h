/* Calls with texts of instructions that were made up: templates with values in slots, edits,
 * tools; and frames of them. */
#pragma once

#include "collector_tests.h"

#include "span/prompt_features.h"

#define BEGIN_NS UINT64_C(1767225600000000000) /* 2026-01-01, long over */
#define MINUTE_NS UINT64_C(60000000000)

enum { WORDS = 48, LINE = 8, ROWS_MAX = 64 };

/* ---- texts ---- */

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t state = a * UINT64_C(0x9e3779b97f4a7c15) + b;
    return random_next(&state);
}

/* A text of a template with its own values in two slots; `edit` other words are an edit. */
struct text {
    unsigned template, value, edit;
    uint32_t setup;
};

static inline uint32_t word_of(const struct text *text, unsigned i)
{
    const bool slot = i == 5 || i == 21;
    const bool edited = text->edit > 0 && i >= 30 && i < 40;
    const uint64_t of = mix(text->template, i + (edited ? 1000 * text->edit : 0));
    return (uint32_t)(mix(of, slot ? text->value + 1 : 0) % ((1 << PROMPT_FEATURES_BITS) - 1)) + 1;
}

static inline int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static inline uint64_t text_id(const struct text *text)
{
    uint64_t id = 1;
    for (unsigned i = 0; i < WORDS; i++)
        id = mix(id, word_of(text, i));
    return id;
}

static inline size_t features_of(const struct text *text, uint8_t data[SPAN_TEXT_MAX])
{
    struct prompt_features features = {.scope = 1, .setup = text->setup, .bytes = WORDS * 6, .heads = WORDS};
    for (unsigned i = 0; i < WORDS; i++)
        features.head[i] = word_of(text, i);
    for (unsigned l = 0; (l + 2) * LINE <= WORDS; l++) {
        uint64_t hash = l;
        for (unsigned i = 0; i < 2 * LINE; i++)
            hash = mix(hash, word_of(text, l * LINE + i));
        features.line[features.lines++] = (uint32_t)(hash % ((1 << PROMPT_FEATURES_BITS) - 1)) + 1;
    }
    qsort(features.line, features.lines, sizeof(features.line[0]), by_value);
    return prompt_features_write(&features, data);
}

/* ---- calls ---- */

struct call {
    unsigned process;
    uint64_t seq; /* within the process */
    uint64_t start_ns;
    struct text text;
    bool first;          /* of this text in its process: it brings features */
    const char *name;    /* that the program said, or NULL */
    const char *version; /* likewise */
    const char *preview; /* likewise */
    bool no_id;          /* the name alone is known */
};

static inline void make_call(struct span *span, const struct call *call)
{
    uint8_t data[SPAN_TEXT_MAX];
    span_init(span);
    span_set_u64(span, SPAN_seq, call->seq);
    span_set_u64(span, SPAN_start_ns, call->start_ns);
    span_set_u64(span, SPAN_total_ns, 1000000 + call->seq * 1000);
    span_set_u64(span, SPAN_input_tokens, 100 + call->text.template);
    set_text(span, SPAN_request_model, call->text.template % 2 ? "gpt-4o" : "gpt-4o-mini");
    if (!call->no_id) {
        span_set_u64(span, SPAN_prompt_id, text_id(&call->text));
        span_set_u64(span, SPAN_prompt_text_id, mix(text_id(&call->text), call->text.setup));
    }
    if (call->name != NULL)
        set_text(span, SPAN_prompt_name, call->name);
    if (call->version != NULL)
        set_text(span, SPAN_prompt_version, call->version);
    if (call->preview != NULL)
        set_text(span, SPAN_prompt_preview, call->preview);
    if (call->first)
        span_set_text(span, SPAN_prompt_features, (const char *)data, features_of(&call->text, data));
}

/* Calls of one process in a frame of their own. */
static inline void write_frame(struct span_buffer *out, uint64_t sequence, const struct call *call, size_t n)
{
    static struct span spans[ROWS_MAX];
    const struct span *rows[ROWS_MAX];
    struct span_process process;
    struct span_buffer block;
    struct span_frame frame = {.kind = SPAN_FRAME_SPANS, .sequence = sequence};
    assert_true(n <= ROWS_MAX);
    for (size_t i = 0; i < n; i++) {
        make_call(&spans[i], &call[i]);
        rows[i] = &spans[i];
    }
    test_process(&process, call->process);
    memcpy(frame.identity, process.identity, sizeof(frame.identity));
    span_buffer_init(&block, SPAN_FRAME_PAYLOAD_MAX);
    assert_int_equal(span_block_encode(&block, rows, n, 1), 0);
    frame.payload = block.data;
    frame.payload_bytes = block.bytes;
    assert_int_equal(span_frame_write(out, &frame), 0);
    span_buffer_done(&block);
}

static inline void take(struct store *store, uint64_t sequence, const struct call *call, size_t n)
{
    struct span_process process;
    struct span_buffer bytes;
    struct span_frame frame;
    bool repeat = true;
    span_buffer_init(&bytes, SPAN_FRAME_PAYLOAD_MAX);
    write_frame(&bytes, sequence, call, n);
    assert_true(span_frame_read(&frame, bytes.data, bytes.bytes) > 0);
    test_process(&process, call->process);
    assert_int_equal(store_begin(store), STORE_OK);
    assert_int_equal(store_take_process(store, &process), STORE_OK);
    assert_int_equal(store_take_frame(store, &frame, &repeat), STORE_OK);
    assert_false(repeat);
    assert_int_equal(store_commit(store), STORE_OK);
    span_buffer_done(&bytes);
}

/* `values` calls of each of the first `templates`, each with a value of its own; every call in a
 * block of its own. `from` is where the numbers of the process begin. */
static inline void take_templates(struct store *store, unsigned process, unsigned templates, unsigned from,
                                  unsigned values)
{
    for (unsigned v = from; v < from + values; v++)
        for (unsigned t = 0; t < templates; t++) {
            const uint64_t number = (uint64_t)v * templates + t + 1;
            const struct call call = {.process = process,
                                      .seq = number,
                                      .start_ns = BEGIN_NS + number * 1000000000,
                                      .text = {.template = t, .value = v},
                                      .first = true};
            take(store, number, &call, 1);
        }
}

static inline void learn(struct store *store)
{
    bool more = true;
    while (more)
        assert_int_equal(store_learn(store, &more), STORE_OK);
}

static inline void merge(struct store *store)
{
    bool more = true;
    while (more)
        assert_int_equal(store_merge_step(store, &more), STORE_OK);
}

/* Calls of each prompt that was learned, and of none such; for store_scan of SPAN_prompt_id. */
struct prompts_seen {
    uint64_t id[16], calls[16];
    size_t n;
    uint64_t others;
};

static inline int see_prompts(void *context, const struct store_rows *rows)
{
    struct prompts_seen *seen = context;
    for (size_t i = 0; i < rows->n; i++) {
        const uint64_t id = rows->column[SPAN_prompt_id]->u64[i];
        size_t at = 0;
        if (rows->learned == NULL || !span_bit(rows->learned, i)) {
            seen->others++;
            continue;
        }
        while (at < seen->n && seen->id[at] != id)
            at++;
        assert_true(at < 16);
        if (at == seen->n)
            seen->id[seen->n++] = id;
        seen->calls[at]++;
    }
    return 0;
}
