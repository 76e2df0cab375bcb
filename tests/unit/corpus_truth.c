/*
 * What the `truth` of an exchange means for a span: names of the corpus against fields of the span,
 * normalised as both documents say.
 *
 * Used by test_corpus.c alone. A truth that is wrong stands in tests/corpus_wrong_truths.txt with
 * its reason; nothing else is excused.
 */
#include "corpus_truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct context {
    const char *id, *how;
    const cJSON *truth;
    const struct span *span;
    unsigned wrong;
    unsigned long compared;
};

/* True: tests/corpus_wrong_truths.txt says why this truth is wrong. */
static bool excused(const struct context *context, const char *fact)
{
    FILE *const file = fopen(PPROF_SOURCE_DIR "/tests/corpus_wrong_truths.txt", "r");
    char line[400], id[128], name[64];
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
        found = sscanf(line, "%127s %63s", id, name) == 2 && !strcmp(id, context->id) && !strcmp(name, fact);
    if (file != NULL)
        fclose(file);
    return found;
}

static void disagree(struct context *context, const char *fact, const char *expected, const char *got)
{
    context->compared++;
    if (!strcmp(expected, got) || excused(context, fact))
        return;
    context->wrong++;
    fprintf(stderr, "%s (%s): %s: expected %s, got %s\n", context->id, context->how, fact, expected, got);
}

static const cJSON *fact_of(const struct context *context, const char *name)
{
    const cJSON *const fact = cJSON_GetObjectItemCaseSensitive(context->truth, name);
    return fact != NULL && !cJSON_IsNull(fact) ? fact : NULL;
}

static void text(struct context *context, const char *name, enum span_field field, const char *expected)
{
    char got[SPAN_TEXT_MAX + 1] = "absent";
    if (span_has(context->span, field)) {
        const struct span_text value = context->span->value[field].text;
        memcpy(got, value.data, value.bytes);
        got[value.bytes] = '\0';
    }
    disagree(context, name, expected != NULL ? expected : "absent", got);
}

static void number(struct context *context, const char *name, enum span_field field, bool known, double expected)
{
    char want[40] = "absent", got[40] = "absent";
    if (known)
        snprintf(want, sizeof(want), "%.0f", expected);
    if (span_has(context->span, field))
        snprintf(got, sizeof(got), "%.0f", (double)context->span->value[field].u64);
    disagree(context, name, want, got);
}

static double value_of(const struct context *context, const char *name)
{
    const cJSON *const fact = fact_of(context, name);
    return fact != NULL ? fact->valuedouble : 0;
}

/* A count of which none and 0 mean the same in the corpus. */
static void count(struct context *context, const char *name, enum span_field field)
{
    const bool absent = !span_has(context->span, field);
    const double expected = value_of(context, name);
    number(context, name, field, !absent || expected != 0, expected);
}

/* What Gemini's own tools added to the prompt, stated beside it. */
static double tool_input(const struct context *context)
{
    const cJSON *const raw = cJSON_GetObjectItemCaseSensitive(context->truth, "usage_raw");
    const cJSON *const count = cJSON_GetObjectItemCaseSensitive(raw, "toolUsePromptTokenCount");
    return count != NULL ? count->valuedouble : 0;
}

static void tokens(struct context *context, const char *provider, const char *api)
{
    const cJSON *const input = fact_of(context, "input_tokens"), *const output = fact_of(context, "output_tokens");
    double in = input != NULL ? input->valuedouble : 0, out = output != NULL ? output->valuedouble : 0;
    if (!strcmp(api, "messages") || !strcmp(api, "converse") ||
        (!strcmp(api, "invoke") && fact_of(context, "cache_read_tokens") != NULL))
        in += value_of(context, "cache_read_tokens") + value_of(context, "cache_write_tokens");
    const double reasoning = value_of(context, "reasoning_tokens"), total = value_of(context, "total_tokens");
    const bool chat = !strcmp(api, "chat-completions");
    /* Nothing holds more than itself; OpenRouter alone counts reasoning with a tokenizer of its
     * own. */
    const bool beside = (!strcmp(provider, "xai") && chat) || !strcmp(api, "generateContent") ||
                        !strcmp(api, "interactions") || (reasoning > out && strcmp(provider, "openrouter") != 0);
    if (beside)
        out += reasoning;
    /* Google's compatible endpoint names thinking nowhere but in the total. */
    if (!strcmp(provider, "google") && chat && !reasoning && total > in + out)
        out = total - in;
    in += tool_input(context);
    number(context, "input_tokens", SPAN_input_tokens, input, in);
    number(context, "output_tokens", SPAN_output_tokens, output != NULL || (beside && reasoning > 0), out);
    const cJSON *fact = fact_of(context, "cache_read_tokens");
    number(context, "cache_read_tokens", SPAN_cache_read_tokens, fact, fact != NULL ? fact->valuedouble : 0);
    fact = fact_of(context, "cache_write_tokens");
    number(context, "cache_write_tokens", SPAN_cache_creation_tokens, fact, fact != NULL ? fact->valuedouble : 0);
    fact = fact_of(context, "reasoning_tokens");
    number(context, "reasoning_tokens", SPAN_reasoning_tokens, fact, fact != NULL ? fact->valuedouble : 0);
}

/* Choices that all stated none are a fact that is absent. */
static void finish_reasons(struct context *context)
{
    const cJSON *const reasons = fact_of(context, "finish_reasons"), *reason;
    char expected[SPAN_TEXT_MAX] = "";
    bool any = false;
    cJSON_ArrayForEach(reason, reasons)
    {
        if (reason != reasons->child)
            strcat(expected, "\x1f");
        if (cJSON_IsString(reason)) {
            strncat(expected, reason->valuestring, 64);
            any = true;
        }
    }
    text(context, "finish_reasons", SPAN_finish_reasons, any ? expected : NULL);
}

static void errors(struct context *context, double status)
{
    const cJSON *const type = fact_of(context, "error_type"), *const code = fact_of(context, "error_code");
    char expected[64] = "";
    if (cJSON_IsString(type)) {
        text(context, "error_type", SPAN_error_type, type->valuestring);
        return;
    }
    if (cJSON_IsString(code))
        snprintf(expected, sizeof(expected), "%s", code->valuestring);
    else if (cJSON_IsNumber(code))
        snprintf(expected, sizeof(expected), "%.0f", code->valuedouble);
    else if (status >= 400)
        snprintf(expected, sizeof(expected), "%.0f", status);
    if (expected[0] || fact_of(context, "error_message") == NULL)
        text(context, "error_type", SPAN_error_type, expected[0] ? expected : NULL);
}

static void stream(struct context *context, const cJSON *record)
{
    const bool streamed = fact_of(context, "framing") != NULL;
    const cJSON *const asked = fact_of(context, "stream_requested");
    if (streamed) {
        count(context, "n_stream_events", SPAN_stream_events);
        count(context, "n_content_events", SPAN_content_chunks);
        number(context, "n_stream_events known", SPAN_response_stream, true, 1);
    }
    const cJSON *flag;
    bool unseen = false;
    cJSON_ArrayForEach(flag, cJSON_GetObjectItem(record, "flags")) unseen =
        unseen || !strcmp(flag->valuestring, "request_not_recorded");
    if (!unseen && asked != NULL && span_has(context->span, SPAN_request_stream))
        number(context, "stream_requested", SPAN_request_stream, true, cJSON_IsTrue(asked));
    else if (!unseen && cJSON_IsTrue(asked))
        number(context, "stream_requested", SPAN_request_stream, true, 1);
}

unsigned corpus_compare(const cJSON *record, const struct span *span, const char *how, unsigned long *compared)
{
    struct context context = {.how = how, .span = span, .truth = cJSON_GetObjectItem(record, "truth")};
    context.id = cJSON_GetObjectItem(record, "id")->valuestring;
    const char *const provider = cJSON_GetObjectItem(record, "provider")->valuestring;
    const char *const api = cJSON_GetObjectItem(record, "api")->valuestring;
    static const struct {
        const char *name;
        enum span_field field;
    } texts[] = {{"model_requested", SPAN_request_model},
                 {"model_returned", SPAN_response_model},
                 {"response_id", SPAN_response_id}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const cJSON *const fact = fact_of(&context, texts[i].name);
        text(&context, texts[i].name, texts[i].field,
             cJSON_IsString(fact) && *fact->valuestring ? fact->valuestring : NULL);
    }
    text(&context, "api", SPAN_api, api);
    tokens(&context, provider, api);
    finish_reasons(&context);
    errors(&context, cJSON_GetObjectItem(cJSON_GetObjectItem(record, "response"), "status")->valuedouble);
    stream(&context, record);
    count(&context, "tool_calls", SPAN_tool_calls);
    count(&context, "server_tool_calls", SPAN_server_tool_calls);
    *compared += context.compared;
    return context.wrong;
}
