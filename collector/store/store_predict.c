/*
 * What of a merged block is told by its other columns: which field from which, and whether that is
 * smaller.
 *
 * Called by the merge for each field that it writes. Must never change what a column says, only how
 * it is written.
 */
#include "store_inner.h"

#include "../../span/predicted.h"

/* What is known of a field from others of the block; each must come after those it is predicted
 * from. */
static const struct prediction {
    uint8_t field; /* enum span_field */
    bool scaled;   /* else as it is: times of parts and of the whole */
    uint8_t n_sources;
    uint8_t source[SPAN_SOURCES_MAX];
} predictions[] = {
    {SPAN_decode_ns, true, 1, {SPAN_output_tokens}},
    {SPAN_ttft_ns, false, 6, {SPAN_queue_ns, SPAN_dns_ns, SPAN_connect_ns, SPAN_tls_ns, SPAN_send_ns, SPAN_wait_ns}},
    {SPAN_first_text_ns, false, 1, {SPAN_ttft_ns}},
    {SPAN_total_ns, false, 2, {SPAN_ttft_ns, SPAN_decode_ns}},
    {SPAN_total_ns,
     false,
     7,
     {SPAN_queue_ns, SPAN_dns_ns, SPAN_connect_ns, SPAN_tls_ns, SPAN_send_ns, SPAN_wait_ns, SPAN_decode_ns}},
    {SPAN_total_ns, false, 2, {SPAN_wait_ns, SPAN_decode_ns}},
    {SPAN_content_chunks, true, 1, {SPAN_output_tokens}},
    {SPAN_stream_events, true, 1, {SPAN_output_tokens}},
    {SPAN_stream_events, true, 1, {SPAN_content_chunks}},
    {SPAN_request_bytes, true, 1, {SPAN_input_tokens}},
    {SPAN_response_bytes, true, 1, {SPAN_output_tokens}},
    {SPAN_response_bytes, true, 1, {SPAN_content_chunks}},
    {SPAN_response_stream, false, 1, {SPAN_request_stream}},
    {SPAN_request_model, false, 1, {SPAN_prompt_id}},
    {SPAN_response_model, false, 1, {SPAN_request_model}},
    {SPAN_provider, false, 1, {SPAN_request_model}},
    {SPAN_host, false, 1, {SPAN_request_model}},
    {SPAN_path, false, 1, {SPAN_request_model}},
    {SPAN_api, false, 1, {SPAN_request_model}},
    {SPAN_operation, false, 1, {SPAN_request_model}},
    {SPAN_key_alias, false, 1, {SPAN_request_model}},
    {SPAN_finish_reasons, false, 1, {SPAN_request_model}},
};

enum { N_PREDICTIONS = sizeof(predictions) / sizeof(predictions[0]) };

bool store_is_predicted(enum span_field field)
{
    for (size_t i = 0; i < N_PREDICTIONS; i++)
        if (predictions[i].field == field)
            return true;
    return false;
}

enum span_field store_predicted(size_t i)
{
    for (size_t at = 0; at < N_PREDICTIONS; at++)
        if ((at == 0 || predictions[at].field != predictions[at - 1].field) && i-- == 0)
            return (enum span_field)predictions[at].field;
    return SPAN_FIELD_COUNT;
}

static int encode(const struct prediction *prediction, const struct store_gathered *gathered,
                  const struct span_column *const *sources, struct span_buffer *to)
{
    const enum span_field field = (enum span_field)prediction->field;
    uint8_t numbers[SPAN_SOURCES_MAX] = {0};

    for (size_t i = 0; i < prediction->n_sources; i++)
        numbers[i] = span_fields[prediction->source[i]].number;
    to->bytes = 0;
    if (store_is_text(field))
        return span_column_predict_text(to, gathered->texts, gathered->present, gathered->rows, sources[0], numbers[0],
                                        store_is_text((enum span_field)prediction->source[0]), SPAN_ZSTD_LEVEL_STORE);
    return span_column_predict_u64(to, gathered->values, gathered->present, gathered->rows, sources, numbers,
                                   prediction->n_sources, prediction->scaled, SPAN_ZSTD_LEVEL_STORE);
}

/* Into `out` where that is smaller. The sources are read from the block that is being written, so
 * they are what its readers will have. */
static int try_one(struct store *store, int64_t block, const struct prediction *prediction,
                   const struct store_gathered *gathered, struct span_buffer *out, struct span_buffer *other)
{
    const struct span_column *sources[SPAN_SOURCES_MAX];
    bool any = false;
    int status;

    for (size_t i = 0; i < prediction->n_sources; i++) {
        const enum span_field source = (enum span_field)prediction->source[i];
        int found = store_merged_column(store, block, source, &store->column[source], gathered->rows);

        if (found < 0)
            return found;
        sources[i] = found == 1 ? &store->column[source] : NULL;
        any |= found == 1;
    }
    if (!any)
        return 0;
    status = encode(prediction, gathered, sources, other);
    if (status < 0)
        return store_because(STORE_FAILED, "a merged column does not fit in memory");
    if (status == 0 && other->bytes < out->bytes) {
        out->bytes = 0;
        span_buffer_append(out, other->data, other->bytes);
    }
    return out->failed ? store_because(STORE_FAILED, "no memory") : 0;
}

int store_predict(struct store *store, int64_t block, enum span_field field, const struct store_gathered *gathered,
                  struct span_buffer *out, struct span_buffer *other)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < N_PREDICTIONS; i++)
        if (predictions[i].field == field)
            status = try_one(store, block, &predictions[i], gathered, out, other);
    return status;
}
