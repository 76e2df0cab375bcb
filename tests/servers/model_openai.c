/*
 * OpenAI's chat completions and embeddings as the simulated model answers them: plain JSON, or SSE
 * chunks with usage in the last one when stream_options.include_usage asks for it. Format:
 * platform.openai.com API reference, "Chat".
 */
#include "model.h"

#include <stdio.h>

/* Fixed, so that a client prints the same bytes each time. */
enum { CREATED = 1767225600 };

static cJSON *usage_object(const struct model_request *request, size_t output)
{
    cJSON *usage = cJSON_CreateObject();
    cJSON_AddNumberToObject(usage, "prompt_tokens", (double)request->input_tokens);
    cJSON_AddNumberToObject(usage, "completion_tokens", (double)output);
    cJSON_AddNumberToObject(usage, "total_tokens", (double)(request->input_tokens + output));
    cJSON *in = cJSON_AddObjectToObject(usage, "prompt_tokens_details");
    cJSON_AddNumberToObject(in, "cached_tokens", (double)request->cached_tokens);
    cJSON_AddNumberToObject(in, "audio_tokens", 0);
    cJSON *out = cJSON_AddObjectToObject(usage, "completion_tokens_details");
    cJSON_AddNumberToObject(out, "reasoning_tokens", 0);
    return usage;
}

static cJSON *envelope(const char *object, const char *id, const char *model)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "id", id);
    cJSON_AddStringToObject(json, "object", object);
    cJSON_AddNumberToObject(json, "created", CREATED);
    cJSON_AddStringToObject(json, "model", model);
    return json;
}

static cJSON *tool_call(const struct model_request *request, const char *arguments, bool indexed)
{
    cJSON *call = cJSON_CreateObject();
    if (indexed)
        cJSON_AddNumberToObject(call, "index", 0);
    cJSON_AddStringToObject(call, "id", "call_0001");
    cJSON_AddStringToObject(call, "type", "function");
    cJSON *function = cJSON_AddObjectToObject(call, "function");
    cJSON_AddStringToObject(function, "name", request->tool_name);
    cJSON_AddStringToObject(function, "arguments", arguments);
    return call;
}

/* Sends one chunk with this delta (taken over) and finish reason (NULL: none). */
static void say_chunk(struct model_answer *answer, const char *id, const char *model, cJSON *delta, const char *finish)
{
    cJSON *chunk = envelope("chat.completion.chunk", id, model);
    cJSON *choices = cJSON_AddArrayToObject(chunk, "choices");
    cJSON *choice = cJSON_CreateObject();
    cJSON_AddItemToArray(choices, choice);
    cJSON_AddNumberToObject(choice, "index", 0);
    cJSON_AddItemToObject(choice, "delta", delta);
    if (finish != NULL)
        cJSON_AddStringToObject(choice, "finish_reason", finish);
    else
        cJSON_AddNullToObject(choice, "finish_reason");
    model_say_json(answer, "data: ", chunk, "\n\n");
}

static void chat_stream(const struct model_request *request, struct model_answer *answer, const char *id, uint64_t seed,
                        size_t tokens, const char *finish)
{
    struct model_speed speed = model_speed_of(request->model);
    answer->content_type = "text/event-stream";
    answer->clock_s += speed.queue_s;
    cJSON *delta = cJSON_CreateObject();
    cJSON_AddStringToObject(delta, "role", "assistant");
    cJSON_AddStringToObject(delta, "content", "");
    say_chunk(answer, id, request->model, delta, NULL);
    answer->clock_s += (double)(request->input_tokens - request->cached_tokens) / speed.prefill_tokens_per_s;
    if (request->wants_tool) {
        delta = cJSON_CreateObject();
        cJSON_AddItemToArray(cJSON_AddArrayToObject(delta, "tool_calls"),
                             tool_call(request, "{\"city\":\"Paris\"}", true));
        say_chunk(answer, id, request->model, delta, NULL);
    }
    for (size_t i = 0; i < tokens && !request->wants_tool; i++) {
        answer->clock_s += 1 / speed.decode_tokens_per_s;
        delta = cJSON_CreateObject();
        cJSON_AddStringToObject(delta, "content", model_word(seed, i));
        say_chunk(answer, id, request->model, delta, NULL);
    }
    say_chunk(answer, id, request->model, cJSON_CreateObject(), finish);
    const cJSON *options = cJSON_GetObjectItem(request->body, "stream_options");
    if (cJSON_IsTrue(cJSON_GetObjectItem(options, "include_usage"))) {
        cJSON *chunk = envelope("chat.completion.chunk", id, request->model);
        cJSON_AddArrayToObject(chunk, "choices");
        cJSON_AddItemToObject(chunk, "usage", usage_object(request, tokens));
        model_say_json(answer, "data: ", chunk, "\n\n");
    }
    model_say(answer, "data: [DONE]\n\n");
}

static void chat_plain(const struct model_request *request, struct model_answer *answer, const char *id, uint64_t seed,
                       size_t tokens, const char *finish)
{
    struct model_speed speed = model_speed_of(request->model);
    char text[4096] = "";
    size_t used = 0;
    for (size_t i = 0; i < tokens && used < sizeof(text) - 32 && !request->wants_json; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", model_word(seed, i));
    if (request->wants_json)
        snprintf(text, sizeof(text), "{\"category\":\"billing\",\"urgent\":%s}", seed & 1 ? "true" : "false");
    double seconds = speed.queue_s +
                     (double)(request->input_tokens - request->cached_tokens) / speed.prefill_tokens_per_s +
                     (double)tokens / speed.decode_tokens_per_s;
    answer->clock_s += seconds;
    model_header(answer, "openai-processing-ms", "%.0f", seconds * 1000);
    cJSON *json = envelope("chat.completion", id, request->model);
    cJSON *choice = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(json, "choices"), choice);
    cJSON_AddNumberToObject(choice, "index", 0);
    cJSON *message = cJSON_AddObjectToObject(choice, "message");
    cJSON_AddStringToObject(message, "role", "assistant");
    if (request->wants_tool) {
        cJSON_AddNullToObject(message, "content");
        cJSON_AddItemToArray(cJSON_AddArrayToObject(message, "tool_calls"),
                             tool_call(request, "{\"city\":\"Paris\"}", false));
    } else {
        cJSON_AddStringToObject(message, "content", text);
    }
    cJSON_AddStringToObject(choice, "finish_reason", finish);
    cJSON_AddItemToObject(json, "usage", usage_object(request, tokens));
    cJSON_AddStringToObject(json, "service_tier", "default");
    model_say_json(answer, "", json, "\n");
}

void model_openai_chat(const struct model_request *request, struct model_answer *answer)
{
    char *text = cJSON_PrintUnformatted(request->body);
    uint64_t seed = model_seed(text);
    cJSON_free(text);
    bool cut = false;
    size_t tokens = model_answer_tokens(request, seed, &cut);
    const char *finish = request->wants_tool ? "tool_calls" : cut ? "length" : "stop";
    char id[40];
    snprintf(id, sizeof(id), "chatcmpl-%016llx", (unsigned long long)seed);
    model_header(answer, "x-ratelimit-limit-requests", "10000");
    model_header(answer, "x-ratelimit-remaining-requests", "9999");
    if (request->stream)
        chat_stream(request, answer, id, seed, tokens, finish);
    else
        chat_plain(request, answer, id, seed, tokens, finish);
}

void model_openai_embeddings(const struct model_request *request, struct model_answer *answer)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "object", "list");
    cJSON *item = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(json, "data"), item);
    cJSON_AddStringToObject(item, "object", "embedding");
    cJSON_AddNumberToObject(item, "index", 0);
    cJSON *vector = cJSON_AddArrayToObject(item, "embedding");
    for (int i = 0; i < 8; i++)
        cJSON_AddItemToArray(vector, cJSON_CreateNumber((double)(i + 1) / 64));
    cJSON_AddStringToObject(json, "model", request->model);
    cJSON *usage = cJSON_AddObjectToObject(json, "usage");
    cJSON_AddNumberToObject(usage, "prompt_tokens", (double)request->input_tokens);
    cJSON_AddNumberToObject(usage, "total_tokens", (double)request->input_tokens);
    answer->clock_s += 0.008;
    model_say_json(answer, "", json, "\n");
}
