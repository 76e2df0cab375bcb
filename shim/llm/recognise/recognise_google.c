/* "…/models/M:generateContent" and its kin, see recognise_google.h. */
#include "recognise_google.h"

#include <string.h>

enum { VERB_RAW = 1, VERB_PREDICT = 2, VERB_STREAM = 4, VERB_WHOLE = 8, VERB_SNOWFLAKE = 16 };

static const struct verb {
    const char *name, *api;
    unsigned flags;
} verbs[] = {
    {"generateContent", "generateContent", VERB_WHOLE},
    {"streamGenerateContent", "generateContent", VERB_STREAM},
    {"countTokens", "count-tokens", VERB_WHOLE},
    {"computeTokens", "count-tokens", VERB_WHOLE},
    {"embedContent", "embeddings", VERB_WHOLE},
    {"batchEmbedContents", "embeddings", VERB_WHOLE},
    {"batchGenerateContent", "batch", VERB_WHOLE},
    {"asyncBatchEmbedContent", "batch", VERB_WHOLE},
    {"embedText", "embeddings", VERB_WHOLE}, /* of PaLM's API, as the two below */
    {"batchEmbedText", "embeddings", VERB_WHOLE},
    {"predict", "predict", VERB_PREDICT | VERB_WHOLE},
    {"rawPredict", "messages", VERB_RAW | VERB_WHOLE},
    {"streamRawPredict", "messages", VERB_RAW | VERB_STREAM},
    {"complete", "chat-completions", VERB_SNOWFLAKE},
    {"embed", "embeddings", VERB_SNOWFLAKE | VERB_WHOLE},
};

static const struct verb *find_verb(struct url_view last)
{
    const char *colon = memrchr(last.data, ':', last.bytes);
    if (colon == NULL)
        return NULL;
    const struct url_view name = {colon + 1, (size_t)(last.data + last.bytes - colon - 1)};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strlen(verbs[i].name) == name.bytes && !memcmp(verbs[i].name, name.data, name.bytes))
            return &verbs[i];
    return NULL;
}

bool recognise_google_verb(struct url_view last)
{
    return find_verb(last) != NULL;
}

/* What stands right of the rightmost `word` ("/models/"), or an empty view. */
static struct url_view after(struct url_view path, const char *word)
{
    const size_t bytes = strlen(word);
    for (size_t at = path.bytes; at >= bytes; at--)
        if (!memcmp(path.data + at - bytes, word, bytes))
            return (struct url_view){path.data + at, path.bytes - at};
    return (struct url_view){0};
}

static bool contains(struct url_view path, const char *word)
{
    return after(path, word).bytes != 0;
}

static void take_model(struct url_view path, struct recognised *ret)
{
    static const char *const words[] = {"/models/", "/tunedModels/", "/endpoints/"};
    struct url_view model = {0};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !model.bytes; i++)
        model = after(path, words[i]);
    const char *colon = model.bytes ? memrchr(model.data, ':', model.bytes) : NULL;
    ret->model_bytes =
        colon != NULL ? url_decode(model.data, (size_t)(colon - model.data), ret->model, sizeof(ret->model)) : 0;
}

static bool model_has(const struct recognised *ret, const char *word)
{
    return memmem(ret->model, ret->model_bytes, word, strlen(word)) != NULL;
}

bool recognise_google(struct url_view path, const char *provider, struct recognised *ret)
{
    const char *slash = memrchr(path.data, '/', path.bytes);
    const struct verb *verb =
        slash != NULL ? find_verb((struct url_view){slash, (size_t)(path.data + path.bytes - slash)}) : NULL;
    if (verb == NULL)
        return false;
    const bool publisher = contains(path, "/publishers/");
    const bool google = provider != NULL && (!strcmp(provider, "gcp.vertex_ai") || !strcmp(provider, "gcp.gemini"));
    take_model(path, ret);
    ret->api = verb->api;
    ret->stream_known = (verb->flags & (VERB_STREAM | VERB_WHOLE)) != 0;
    ret->stream = (verb->flags & VERB_STREAM) != 0;
    if (verb->flags & VERB_SNOWFLAKE)
        return provider != NULL && !strcmp(provider, "snowflake");
    if (!ret->model_bytes) {
        static const char code_assist[] = "/v1internal:"; /* the body names the model */
        ret->claim = provider != NULL ? CLAIM_FIRM : CLAIM_SHARED;
        ret->provider = provider != NULL ? provider : "gcp.gen_ai";
        return !strncmp(slash, code_assist, sizeof(code_assist) - 1);
    }
    if (verb->flags & VERB_PREDICT) {
        if (!google && !publisher)
            return false;                                /* other servers of models have ":predict" as well */
        if (!publisher && contains(path, "/endpoints/")) /* where models of any kind are deployed */
            ret->claim = CLAIM_SHARED;
        if (model_has(ret, "embed") || model_has(ret, "gecko"))
            ret->api = "embeddings";
    }
    if (verb->flags & VERB_RAW) {
        if (!contains(path, "/publishers/anthropic/")) {
            ret->api = "chat-completions";
            ret->claim = publisher ? CLAIM_FIRM : CLAIM_SHARED;
        } else if (ret->model_bytes == 12 && model_has(ret, "count-tokens")) {
            ret->api = "count-tokens";
            ret->model_bytes = 0; /* the body names it */
        }
    }
    if (provider == NULL)
        ret->provider = publisher ? "gcp.vertex_ai" : "gcp.gemini";
    return true;
}
