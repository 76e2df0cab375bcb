/*
 * Spans for benchmarks: arrival times and token counts from two public traces of production traffic
 * where they are found, durations log-normal, 500 prompts (Zipf 0.9), 12 models. SIMULATED traffic;
 * the facts are those that a streamed chat completion fills. One thread.
 */
#include "workload.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "span/sketch.h"

enum { PROMPTS = 500, MODELS = 12, TRACE_MAX = 40000 };

static uint64_t next_random(struct workload *w)
{
    uint64_t z = (w->random += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(struct workload *w)
{
    return ((double)(next_random(w) >> 11) + 0.5) / 9007199254740992.0;
}

static double log_normal(struct workload *w, double median, double sigma)
{
    return median * exp(sigma * sqrt(-2 * log(uniform(w))) * cos(6.283185307179586 * uniform(w)));
}

static unsigned zipf(struct workload *w, unsigned n)
{
    double u = uniform(w); /* inverse of the continuous Zipf with exponent 0.9 */
    double x = pow(u * (pow(n + 1.0, 0.1) - 1) + 1, 10) - 1;
    return x >= n ? n - 1 : (unsigned)x;
}

static void read_trace(struct workload *w, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[256];
    double before = -1;
    if (file == NULL)
        return;
    while (w->n_trace < TRACE_MAX && fgets(line, sizeof(line), file) != NULL) {
        unsigned hour, minute, in, out;
        double second;
        if (sscanf(line, "%*d-%*d-%*d %u:%u:%lf,%u,%u", &hour, &minute, &second, &in, &out) != 5)
            continue;
        double at = hour * 3600.0 + minute * 60.0 + second;
        double gap = before < 0 || at < before ? 0 : at - before;
        before = at;
        w->trace[w->n_trace].gap_ns = (uint64_t)(gap * 1e9);
        w->trace[w->n_trace].input = in;
        w->trace[w->n_trace++].output = out;
    }
    fclose(file);
}

void workload_init(struct workload *w, const char *source_dir)
{
    *w = (struct workload){.random = 20261124, .trace = calloc(TRACE_MAX, sizeof(*w->trace))};
    if (w->trace == NULL)
        exit(1);
    static const char *const files[] = {"AzureLLMInferenceTrace_conv.csv", "AzureLLMInferenceTrace_code.csv"};
    for (size_t i = 0; i < 2; i++) {
        char path[4096];
        const char *directory = getenv("LIBPPROF_TRACES");
        if (directory != NULL)
            snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        else
            snprintf(path, sizeof(path), "%s/../shared/azure-llm-trace/%s", source_dir, files[i]);
        read_trace(w, path);
    }
}

void workload_done(struct workload *w)
{
    free(w->trace);
}

void workload_as_shipped(struct workload *w)
{
    w->response_ids = w->gap_sketches = w->ns_clocks = w->model_per_prompt = true;
}

static uint64_t clock_ns(const struct workload *w, double ns)
{
    return w->ns_clocks ? (uint64_t)ns : (uint64_t)(ns / 1000) * 1000;
}

uint64_t workload_gap_ns(const struct workload *w, size_t i)
{
    if (w->n_trace == 0)
        return 86000000;
    /* The traces' clocks tick ten million times a second. */
    return clock_ns(w, (double)w->trace[i % w->n_trace].gap_ns) + (w->ns_clocks ? i * 7919 % 100 : 0);
}

static void set_text(struct span *span, enum span_field field, const char *text)
{
    span_set_text(span, field, text, strlen(text));
}

static void set_gaps(struct workload *w, struct span *span, uint32_t output)
{
    struct span_sketch gaps;
    struct span_buffer bytes;
    span_sketch_init(&gaps);
    for (uint32_t i = 1; i < output && i < 400; i++)
        span_sketch_add(&gaps, (uint64_t)log_normal(w, 2e7, 0.4), 1);
    span_buffer_init(&bytes, 4096);
    if (span_sketch_write(&bytes, &gaps) == 0)
        span_set_text(span, SPAN_gap_sketch, (const char *)bytes.data, bytes.bytes);
    span_buffer_done(&bytes);
}

static void set_times(struct workload *w, struct span *span, uint64_t start_ns, uint32_t output, bool stream)
{
    double wait = log_normal(w, 3e8, 0.5), itl = log_normal(w, 2e7, 0.3), decode = itl * output;
    bool reused = next_random(w) % 20 != 0;
    span_set_u64(span, SPAN_start_ns, start_ns);
    span_set_u64(span, SPAN_reused, reused);
    span_set_u64(span, SPAN_dns_ns, reused ? 0 : clock_ns(w, log_normal(w, 2e6, 1)));
    span_set_u64(span, SPAN_connect_ns, reused ? 0 : clock_ns(w, log_normal(w, 1.5e7, 0.5)));
    span_set_u64(span, SPAN_tls_ns, reused ? 0 : clock_ns(w, log_normal(w, 2.5e7, 0.5)));
    span_set_u64(span, SPAN_wait_ns, clock_ns(w, wait));
    span_set_u64(span, SPAN_total_ns, clock_ns(w, wait + decode));
    if (!stream)
        return;
    span_set_u64(span, SPAN_ttft_ns, clock_ns(w, wait + log_normal(w, 3e6, 0.5)));
    span_set_u64(span, SPAN_decode_ns, clock_ns(w, decode));
    if (output > 1 && w->gap_sketches)
        set_gaps(w, span, output);
    span_set_u64(span, SPAN_stream_events, output + 3);
    span_set_u64(span, SPAN_content_chunks, output);
}

static void set_model(struct workload *w, struct span *span, bool stream, unsigned prompt)
{
    static const char *const models[MODELS] = {"gpt-4o-mini",
                                               "gpt-4o",
                                               "gpt-4.1",
                                               "gpt-4.1-mini",
                                               "o3",
                                               "o4-mini",
                                               "claude-sonnet-4-5",
                                               "claude-haiku-4-5",
                                               "claude-opus-4-1",
                                               "mistral-large",
                                               "llama-3.3-70b",
                                               "deepseek-chat"};
    unsigned model = w->model_per_prompt ? prompt * 7 % MODELS : zipf(w, MODELS);
    bool anthropic = model >= 6 && model <= 8;
    set_text(span, SPAN_provider, anthropic ? "anthropic" : "openai");
    set_text(span, SPAN_host, anthropic ? "api.anthropic.com" : "api.openai.com");
    set_text(span, SPAN_path, anthropic ? "/v1/messages" : "/v1/chat/completions");
    set_text(span, SPAN_api, anthropic ? "messages" : "chat-completions");
    set_text(span, SPAN_operation, "chat");
    set_text(span, SPAN_method, "POST");
    set_text(span, SPAN_http_version, "2");
    span_set_u64(span, SPAN_port, 443);
    set_text(span, SPAN_request_model, models[model]);
    set_text(span, SPAN_response_model, models[model]);
    set_text(span, SPAN_usage_source, "provider");
    set_text(span, SPAN_completeness, "whole");
    set_text(span, SPAN_key_alias, anthropic ? "a3f5b2c4d6e80912" : "17c0ffee5a5a1234");
    span_set_u64(span, SPAN_request_stream, stream);
    span_set_u64(span, SPAN_response_stream, stream);
    span_list_add(span, SPAN_finish_reasons, anthropic ? "end_turn" : "stop", anthropic ? 8 : 4);
}

void workload_span(struct workload *w, size_t i, uint64_t start_ns, struct span *span)
{
    span_init(span);
    uint32_t input = (uint32_t)log_normal(w, 1000, 1), output = 1 + (uint32_t)log_normal(w, 120, 1);
    if (w->n_trace > 0) {
        input = w->trace[i % w->n_trace].input;
        output = w->trace[i % w->n_trace].output;
    }
    bool stream = next_random(w) % 10 != 0;
    unsigned prompt = zipf(w, PROMPTS);
    span_set_u64(span, SPAN_seq, w->one_call ? 1 : i + 1);
    set_times(w, span, start_ns, output, stream);
    set_model(w, span, stream, prompt);
    bool failed = next_random(w) % 40 == 0;
    span_set_u64(span, SPAN_status, failed ? 429 : 200);
    if (failed)
        set_text(span, SPAN_error_type, "rate_limit_exceeded");
    span_set_u64(span, SPAN_curl_code, 0);
    span_set_u64(span, SPAN_redirects, 0);
    span_set_u64(span, SPAN_request_bytes, input * 4 + 900);
    span_set_u64(span, SPAN_response_bytes, stream ? output * 210 + 1200 : output * 4 + 1500);
    if (!failed) {
        span_set_u64(span, SPAN_input_tokens, input);
        span_set_u64(span, SPAN_output_tokens, output);
        span_set_u64(span, SPAN_cache_read_tokens, input > 1024 && prompt % 3 == 0 ? input / 128 * 128 : 0);
        span_set_u64(span, SPAN_reasoning_tokens, 0);
    }
    span_set_u64(span, SPAN_prompt_id, (prompt + 1) * 0x9e3779b97f4a7c15u);
    if (w->response_ids) {
        char id[40];
        snprintf(id, sizeof(id), "chatcmpl-%08" PRIx32 "%016" PRIx64, (uint32_t)next_random(w), next_random(w));
        set_text(span, SPAN_response_id, id);
    }
}
