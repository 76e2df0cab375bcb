/* Is this a call of a language model? See recognise.h; the tables are apis.def, endpoints.def and providers.def. */
#include "recognise.h"

#include <string.h>
#include <strings.h>

#include "endpoint_flags.h"
#include "recognise_google.h"
#include "recognise_host.h"

enum method { METHOD_UNKNOWN, METHOD_POST, METHOD_GET, METHOD_OTHER };

static const struct {
    char name[24], operation[20];
} apis[] = {
#define API(name, operation) {name, operation},
#include "apis.def"
#undef API
};

struct row {
    uint8_t last_bytes;
    uint8_t flags;
    char last[32], before[32], provider[20], api[24], hint[20]; /* no pointers: nothing to relocate at start */
};

static const struct row rows[] = {
#define ENDPOINT(before, last, provider, api, hint, flags) {sizeof(last) - 1, flags, last, before, provider, api, hint},
#include "endpoints.def"
#undef ENDPOINT
};

static enum method method_of(const char *method, size_t bytes)
{
    if (!bytes)
        return METHOD_UNKNOWN;
    if (bytes == 4 && !strncasecmp(method, "POST", 4))
        return METHOD_POST;
    return bytes == 3 && !strncasecmp(method, "GET", 3) ? METHOD_GET : METHOD_OTHER;
}

static bool method_allowed(enum method method, unsigned flags)
{
    if (method == METHOD_GET)
        return (flags & (GET | ANY)) != 0;
    return method != METHOD_OTHER && !(flags & GET);
}

/* Takes the last segment off a path; empty segments are passed over. */
static struct url_view pop(struct url_view *path)
{
    while (path->bytes && path->data[path->bytes - 1] == '/')
        path->bytes--;
    const char *slash = path->bytes ? memrchr(path->data, '/', path->bytes) : NULL;
    const size_t at = slash ? (size_t)(slash + 1 - path->data) : 0;
    const struct url_view last = {path->bytes ? path->data + at : NULL, path->bytes - at};
    path->bytes = at;
    return last;
}

static bool view_equals(struct url_view view, const char *text, size_t bytes)
{
    return view.bytes == bytes && bytes && !memcmp(view.data, text, bytes);
}

/* Compares a pattern of endpoints.def with what stands before the last segment, from the right. *ret_model: what '@'
 * stands for. */
static bool before_matches(const char *pattern, struct url_view path, struct url_view *ret_model)
{
    struct url_view rest = {pattern, strlen(pattern)};
    const char *model_end = NULL;
    while (rest.bytes) {
        const struct url_view word = pop(&rest);
        if (word.bytes == 1 && word.data[0] == '@') {
            while (path.bytes && path.data[path.bytes - 1] == '/')
                path.bytes--;
            model_end = path.data + path.bytes;
            if (!pop(&path).bytes)
                return false;
            continue;
        }
        struct url_view segment = pop(&path);
        while (model_end && segment.bytes && !view_equals(segment, word.data, word.bytes))
            segment = pop(&path);
        if (!segment.bytes || (word.data[0] != '*' && !view_equals(segment, word.data, word.bytes)))
            return false;
        if (model_end) {
            const char *begin = segment.data + segment.bytes + 1;
            *ret_model = (struct url_view){begin, (size_t)(model_end - begin)};
            model_end = NULL;
        }
    }
    return true;
}

/* "threads/T/runs/R", "batches/B", "batch/jobs/J": asked about or changed after the call. */
static const char *polled(struct url_view path, enum method method)
{
    if (!pop(&path).bytes)
        return NULL;
    struct url_view kind = pop(&path);
    struct url_view owner = pop(&path);
    if (view_equals(kind, "runs", 4))
        return view_equals(pop(&path), "threads", 7) && method != METHOD_OTHER ? "runs" : NULL;
    if (method != METHOD_GET)
        return NULL;
    if (view_equals(kind, "jobs", 4))
        return view_equals(owner, "batch", 5) ? "batch" : NULL; /* Mistral */
    if (!view_equals(kind, "batches", 7))
        return NULL;
    return view_equals(owner, "v1beta", 6) || view_equals(owner, "v1", 2) || view_equals(owner, "messages", 8) ||
                   view_equals(owner, "openai", 6)
               ? "batch"
               : NULL;
}

static bool is_huggingface(const struct url *url)
{
    return url_view_is(url->host, "router.huggingface.co") || url_view_is(url->host, "api-inference.huggingface.co") ||
           url_view_ends(url->host, ".endpoints.huggingface.cloud");
}

static bool model_has(const struct recognised *ret, const char *word)
{
    return memmem(ret->model, ret->model_bytes, word, strlen(word)) != NULL;
}

/* At "models/M" the model's name alone tells what it does. */
static bool names_embedder(const struct recognised *ret)
{
    static const char *const words[] = {"sentence-transformers/", "embed", "/bge-", "/e5-", "/gte-"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (model_has(ret, words[i]))
            return true;
    return false;
}

/* Text generation inference at the root, "models/M[/pipeline/feature-extraction]" and "pipeline/feature-extraction/M".
 */
static bool recognise_huggingface(struct url_view path, struct recognised *ret)
{
    while (path.bytes && path.data[path.bytes - 1] == '/')
        path.bytes--;
    const struct url_view whole = path;
    const char pipeline[] = "pipeline/feature-extraction";
    const char *extract = whole.bytes ? memmem(whole.data, whole.bytes, pipeline, sizeof(pipeline) - 1) : NULL;
    const char *models = whole.bytes ? memmem(whole.data, whole.bytes, "models/", 7) : NULL;
    const char *end = whole.data + whole.bytes, *model = NULL;
    if (models) {
        model = models + 7;
        if (extract > model)
            end = extract - 1;
    } else if (extract && end > extract + sizeof(pipeline)) {
        model = extract + sizeof(pipeline);
    } else if (whole.bytes) {
        return false;
    }
    if (model && !extract && memmem(model, (size_t)(end - model), "/pipeline/", 10))
        return false; /* other pipelines are no language models */
    if (model)
        ret->model_bytes = url_decode(model, (size_t)(end - model), ret->model, sizeof(ret->model));
    ret->api = extract || names_embedder(ret) ? "embeddings" : "tgi-generate";
    ret->unproven = !extract; /* models of other kinds stand at such paths, too: classifiers, pictures, speech */
    return true;
}

/* The value of a header in "Name: value\n" lines is there. */
static bool has_header(const char *headers, size_t bytes, const char *name)
{
    const size_t name_bytes = strlen(name);
    const char *end = headers + bytes;
    for (const char *line = headers; line && (size_t)(end - line) > name_bytes;) {
        if (line[name_bytes] == ':' && !strncasecmp(line, name, name_bytes))
            return true;
        line = memchr(line, '\n', (size_t)(end - line));
        line = line ? line + 1 : NULL;
    }
    return false;
}

/* Hosts of these serve other models and much else under the same paths (classifiers, notebooks, chats about tables). */
static bool is_platform(const char *provider)
{
    static const char *const platforms[] = {"databricks", "snowflake", "huggingface", "aws.sagemaker"};
    for (size_t i = 0; provider && i < sizeof(platforms) / sizeof(platforms[0]); i++)
        if (!strcmp(provider, platforms[i]))
            return true;
    return false;
}

static bool recognise_row(const struct url *url, enum method method, const char *provider, struct recognised *ret)
{
    struct url_view before = url->path;
    const struct url_view last = pop(&before);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct url_view model = {0};
        if (row->last_bytes != last.bytes || memcmp(row->last, last.data, last.bytes) ||
            !method_allowed(method, row->flags))
            continue;
        if ((row->provider[0] && (!provider || strcmp(provider, row->provider))) ||
            !before_matches(row->before, before, &model))
            continue;
        ret->api = row->api;
        ret->tentative = !(row->flags & FIRM) && (!provider || (row->flags & WEAK) || is_platform(provider));
        ret->weak = (row->flags & WEAK) != 0;
        ret->poll = (row->flags & POLL) &&
                    !(method != METHOD_GET && (view_equals(last, "batches", 7) || view_equals(last, "jobs", 4)));
        ret->stream_known = (row->flags & (STREAM | WHOLE)) != 0;
        ret->stream = (row->flags & STREAM) != 0;
        if (!provider && row->hint[0])
            ret->provider = row->hint;
        ret->model_bytes = url_decode(model.data, model.bytes, ret->model, sizeof(ret->model));
        return true;
    }
    return false;
}

/* "…/deployments/D/…": Azure. Comes after the model of the path itself. */
static void take_deployment(struct url_view path, struct recognised *ret)
{
    static const char word[] = "/deployments/";
    const char *at = path.bytes ? memmem(path.data, path.bytes, word, sizeof(word) - 1) : NULL;
    if (!at || ret->model_bytes)
        return;
    at += sizeof(word) - 1;
    const char *end = path.data + path.bytes, *slash = memchr(at, '/', (size_t)(end - at));
    ret->model_bytes = url_decode(at, (size_t)((slash ? slash : end) - at), ret->model, sizeof(ret->model));
}

/* What an InvokeModel call does depends on the model's family. */
static const char *invoke_operation(const struct recognised *ret)
{
    static const char *const text_families[] = {
        "titan-t",    "meta.llama", "cohere.command-light", "cohere.command-text",
        "mistral.mi", "ai21.j2",    "claude-instant",       "claude-v2"};
    if (model_has(ret, "embed"))
        return "embeddings";
    if (model_has(ret, "rerank"))
        return "rerank";
    if (model_has(ret, "stability.") || model_has(ret, "-image-") || model_has(ret, "canvas"))
        return "generate_content";
    for (size_t i = 0; i < sizeof(text_families) / sizeof(text_families[0]); i++)
        if (model_has(ret, text_families[i]))
            return "text_completion";
    return "chat";
}

/* Whose bodies an InvokeModel call has; NULL: Bedrock's own dialect knows. */
static const char *invoke_shape(const struct recognised *ret)
{
    static const char *const chat_families[] = {"openai.",  "qwen.",      "deepseek.",       "moonshot",
                                                "minimax.", "zai.",       "nvidia.",         "google.",
                                                "writer.",  "ai21.jamba", "mistral.pixtral", "mistral.mistral-large-3"};
    if (model_has(ret, "anthropic."))
        return "messages";
    if (model_has(ret, "embed"))
        return "embeddings";
    for (size_t i = 0; i < sizeof(chat_families) / sizeof(chat_families[0]); i++)
        if (model_has(ret, chat_families[i]))
            return "chat-completions";
    return NULL;
}

const char *recognise_operation(const char *api)
{
    for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++)
        if (!strcmp(apis[i].name, api))
            return apis[i].operation;
    return NULL;
}

/* By path; the provider is known or NULL. */
static bool recognise_path(const struct url *url, enum method method, const char *provider, struct recognised *ret)
{
    if (recognise_row(url, method, provider, ret))
        return true;
    const char *poll = polled(url->path, method);
    if (poll) {
        ret->api = poll;
        ret->poll = true;
        ret->tentative = !provider;
        return true;
    }
    if (method != METHOD_POST && method != METHOD_UNKNOWN)
        return false;
    return recognise_google(url->path, provider, ret) || (is_huggingface(url) && recognise_huggingface(url->path, ret));
}

void recognise_headers(const char *headers, size_t headers_bytes, struct recognised *recognised)
{
    if (!strcmp(recognised->api, "messages") && has_header(headers, headers_bytes, "anthropic-version"))
        recognised->tentative = recognised->request_proves = false;
}

/* What paths alone get wrong. */
static void correct(const struct url *url, const char *headers, size_t headers_bytes, struct recognised *ret)
{
    recognise_headers(headers, headers_bytes, ret);
    if (ret->provider && !strcmp(ret->provider, "azure.ai.inference") && url->path.bytes &&
        memmem(url->path.data, url->path.bytes, "/openai/", 8))
        ret->provider = "azure.ai.openai";
    take_deployment(url->path, ret);
}

static bool is_thread_message(struct url_view path)
{
    if (!view_equals(pop(&path), "messages", 8))
        return false;
    pop(&path);
    return view_equals(pop(&path), "threads", 7);
}

bool recognise(const char *method, size_t method_bytes, const char *url_text, size_t url_bytes, const char *headers,
               size_t headers_bytes, struct recognised *ret)
{
    struct url url;
    const enum method how = method_of(method, method_bytes);
    *ret = (struct recognised){0};
    if (how == METHOD_OTHER || !url_split(url_text, url_bytes, &url) || is_thread_message(url.path))
        return false;
    const struct recognise_endpoint *said = recognise_endpoint_find(&url);
    const char *provider = said && said->provider ? said->provider : recognise_host_provider(&url);
    ret->provider = provider;
    const bool forced = said && said->path.bytes && how != METHOD_GET;
    if (forced || !recognise_path(&url, how, provider, ret)) {
        if (!said || how == METHOD_GET)
            return false;
        *ret = (struct recognised){.api = said->api, .provider = provider};
    }
    correct(&url, headers, headers_bytes, ret);
    if (said)
        ret->tentative = false;
    if (how == METHOD_UNKNOWN)
        ret->tentative = true;
    ret->request_proves = ret->tentative && is_platform(provider);
    ret->operation = !strcmp(ret->api, "invoke") ? invoke_operation(ret) : recognise_operation(ret->api);
    if (!strcmp(ret->api, "invoke"))
        ret->shape = invoke_shape(ret);
    return true;
}

bool recognise_candidate(const char *method, size_t method_bytes, const char *url_text, size_t url_bytes)
{
    struct url url;
    const enum method how = method_of(method, method_bytes);
    if (how == METHOD_OTHER || !url_split(url_text, url_bytes, &url))
        return false;
    struct url_view path = url.path;
    const struct url_view last = pop(&path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (view_equals(last, rows[i].last, rows[i].last_bytes) && method_allowed(how, rows[i].flags))
            return true;
    const struct url_view kind = pop(&path);
    if (view_equals(kind, "runs", 4) || view_equals(kind, "batches", 7) || view_equals(kind, "jobs", 4))
        return true;
    if (how == METHOD_GET)
        return false;
    return (last.bytes && recognise_google_verb(last)) || is_huggingface(&url) || recognise_endpoint_find(&url) != NULL;
}

const char *recognise_api_name(const char *api, size_t bytes)
{
    for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++)
        if (strlen(apis[i].name) == bytes && !memcmp(apis[i].name, api, bytes))
            return apis[i].name;
    return NULL;
}
