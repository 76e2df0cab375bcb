/*
 * Ollama's native API as the simulated model answers it: one JSON object, or a line of JSON per
 * token with the counts and times (nanoseconds) on the last one. It streams unless "stream":false.
 * Format: ollama docs/api.md.
 */
#include "model.h"

#include <stdio.h>

/* Ollama's own clock format; the profiler does not read it. */
static const char created_at[] = "2026-01-01T00:00:00.000000Z";

static cJSON *line(const struct model_request *request, bool chat, const char *text, bool done)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "model", request->model);
    cJSON_AddStringToObject(json, "created_at", created_at);
    if (chat) {
        cJSON *message = cJSON_AddObjectToObject(json, "message");
        cJSON_AddStringToObject(message, "role", "assistant");
        cJSON_AddStringToObject(message, "content", text);
    } else {
        cJSON_AddStringToObject(json, "response", text);
    }
    cJSON_AddBoolToObject(json, "done", done);
    return json;
}

static void add_counts(cJSON *json, const struct model_request *request, size_t tokens, const char *reason)
{
    struct model_speed speed = model_speed_of(request->model);
    double prefill_s = (double)request->input_tokens / speed.prefill_tokens_per_s;
    double decode_s = (double)tokens / speed.decode_tokens_per_s;
    cJSON_AddStringToObject(json, "done_reason", reason);
    cJSON_AddNumberToObject(json, "total_duration", (double)(long long)((speed.load_s + prefill_s + decode_s) * 1e9));
    cJSON_AddNumberToObject(json, "load_duration", (double)(long long)(speed.load_s * 1e9));
    cJSON_AddNumberToObject(json, "prompt_eval_count", (double)request->input_tokens);
    cJSON_AddNumberToObject(json, "prompt_eval_duration", (double)(long long)(prefill_s * 1e9));
    cJSON_AddNumberToObject(json, "eval_count", (double)tokens);
    cJSON_AddNumberToObject(json, "eval_duration", (double)(long long)(decode_s * 1e9));
}

static void answer_as(const struct model_request *request, struct model_answer *answer, bool chat)
{
    struct model_speed speed = model_speed_of(request->model);
    char *body = cJSON_PrintUnformatted(request->body);
    uint64_t seed = model_seed(body);
    cJSON_free(body);
    bool cut = false;
    size_t tokens = model_answer_tokens(request, seed, &cut);
    const char *reason = cut ? "length" : "stop";
    answer->clock_s += speed.load_s + (double)request->input_tokens / speed.prefill_tokens_per_s;
    if (request->stream) {
        answer->content_type = "application/x-ndjson";
        for (size_t i = 0; i < tokens; i++) {
            answer->clock_s += 1 / speed.decode_tokens_per_s;
            model_say_json(answer, "", line(request, chat, model_word(seed, i), false), "\n");
        }
        cJSON *last = line(request, chat, "", true);
        add_counts(last, request, tokens, reason);
        model_say_json(answer, "", last, "\n");
        return;
    }
    char text[4096] = "";
    size_t used = 0;
    for (size_t i = 0; i < tokens && used < sizeof(text) - 32; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", model_word(seed, i));
    answer->clock_s += (double)tokens / speed.decode_tokens_per_s;
    cJSON *json = line(request, chat, text, true);
    add_counts(json, request, tokens, reason);
    model_say_json(answer, "", json, "");
}

void model_ollama_chat(const struct model_request *request, struct model_answer *answer)
{
    answer_as(request, answer, true);
}

void model_ollama_generate(const struct model_request *request, struct model_answer *answer)
{
    answer_as(request, answer, false);
}
