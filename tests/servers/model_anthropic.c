/*
 * Anthropic's messages as the simulated model answers them: one JSON object, or named SSE events
 * with cumulative usage in message_delta. Input tokens exclude what the prompt cache served.
 * Format: docs.anthropic.com, "Streaming Messages".
 */
#include "model.h"

#include <stdio.h>

static void usage_into(cJSON *parent, const struct model_request *request, size_t output)
{
    cJSON *usage = cJSON_AddObjectToObject(parent, "usage");
    cJSON_AddNumberToObject(usage, "input_tokens", (double)(request->input_tokens - request->cached_tokens));
    cJSON_AddNumberToObject(usage, "cache_creation_input_tokens", 0);
    cJSON_AddNumberToObject(usage, "cache_read_input_tokens", (double)request->cached_tokens);
    cJSON_AddNumberToObject(usage, "output_tokens", (double)output);
    cJSON_AddStringToObject(usage, "service_tier", "standard");
}

static cJSON *message(const struct model_request *request, const char *id)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "id", id);
    cJSON_AddStringToObject(json, "type", "message");
    cJSON_AddStringToObject(json, "role", "assistant");
    cJSON_AddStringToObject(json, "model", request->model);
    return json;
}

static void stream(const struct model_request *request, struct model_answer *answer, const char *id, uint64_t seed,
                   size_t tokens, const char *stop)
{
    struct model_speed speed = model_speed_of(request->model);
    answer->content_type = "text/event-stream; charset=utf-8";
    answer->clock_s +=
        speed.queue_s + (double)(request->input_tokens - request->cached_tokens) / speed.prefill_tokens_per_s;
    cJSON *start = cJSON_CreateObject();
    cJSON_AddStringToObject(start, "type", "message_start");
    cJSON *inner = message(request, id);
    cJSON_AddArrayToObject(inner, "content");
    cJSON_AddNullToObject(inner, "stop_reason");
    usage_into(inner, request, 1);
    cJSON_AddItemToObject(start, "message", inner);
    model_say_json(answer, "event: message_start\ndata: ", start, "\n\n");
    model_say(answer,
              "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
              "{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n");
    for (size_t i = 0; i < tokens; i++) {
        answer->clock_s += 1 / speed.decode_tokens_per_s;
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "type", "content_block_delta");
        cJSON_AddNumberToObject(event, "index", 0);
        cJSON *delta = cJSON_AddObjectToObject(event, "delta");
        cJSON_AddStringToObject(delta, "type", "text_delta");
        cJSON_AddStringToObject(delta, "text", model_word(seed, i));
        model_say_json(answer, "event: content_block_delta\ndata: ", event, "\n\n");
    }
    model_say(answer, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
    model_say(answer,
              "event: message_delta\ndata: "
              "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null},"
              "\"usage\":{\"output_tokens\":%zu}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
              stop, tokens);
}

static void plain(const struct model_request *request, struct model_answer *answer, const char *id, uint64_t seed,
                  size_t tokens, const char *stop)
{
    struct model_speed speed = model_speed_of(request->model);
    answer->clock_s += speed.queue_s +
                       (double)(request->input_tokens - request->cached_tokens) / speed.prefill_tokens_per_s +
                       (double)tokens / speed.decode_tokens_per_s;
    char text[4096] = "";
    size_t used = 0;
    for (size_t i = 0; i < tokens && used < sizeof(text) - 32; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", model_word(seed, i));
    cJSON *json = message(request, id);
    cJSON *block = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(json, "content"), block);
    cJSON_AddStringToObject(block, "type", "text");
    cJSON_AddStringToObject(block, "text", text);
    cJSON_AddStringToObject(json, "stop_reason", stop);
    cJSON_AddNullToObject(json, "stop_sequence");
    usage_into(json, request, tokens);
    model_say_json(answer, "", json, "");
}

void model_anthropic_messages(const struct model_request *request, struct model_answer *answer)
{
    char *text = cJSON_PrintUnformatted(request->body);
    uint64_t seed = model_seed(text);
    cJSON_free(text);
    bool cut = false;
    size_t tokens = model_answer_tokens(request, seed, &cut);
    char id[40];
    snprintf(id, sizeof(id), "msg_%016llx", (unsigned long long)seed);
    model_header(answer, "request-id", "req_%08x", (unsigned)seed);
    (request->stream ? stream : plain)(request, answer, id, seed, tokens, cut ? "max_tokens" : "end_turn");
}
