/* Is this a call of a language model? See recognise.h; the tables are apis.def, endpoints.def and
 * providers.def. */
#include "recognise.h"

#include <string.h>
#include <strings.h>

#include "apis.h"
#include "endpoint_flags.h"
#include "recognise_google.h"
#include "recognise_host.h"
#include "recognise_root.h"

enum method { METHOD_UNKNOWN, METHOD_POST, METHOD_GET, METHOD_OTHER };

/* Who serves the host; a platform serves other things beside models, under the same paths
 * (classifiers, notebooks, chats about tables, queues). */
struct served {
    const char *provider;
    bool platform;
};

struct row {
    uint8_t last_bytes;
    uint8_t flags;
    char tail; /* what stands after `last`: '*' one segment, '@' at least one, the model; 0: nothing */
    char last[32], before[32], provider[20], api[24], hint[20]; /* no pointers: nothing to relocate at start */
};

static const struct row rows[] = {
#define ENDPOINT(before, last, provider, api, hint, flags)                                                             \
    {sizeof(last) - 1, flags, 0, last, before, provider, api, hint},
#define TAIL(before, last, tail, provider, api, hint, flags)
#include "endpoints.def"
#undef ENDPOINT
#undef TAIL
};

/* What recognise_candidate() looks at of each row, close together; in the same order. */
static const struct {
    uint8_t bytes, flags;
    char last[30];
} lasts[] = {
#define ENDPOINT(before, last, provider, api, hint, flags) {sizeof(last) - 1, flags, last},
#define TAIL(before, last, tail, provider, api, hint, flags)
#include "endpoints.def"
#undef ENDPOINT
#undef TAIL
};

static const struct row tails[] = {
#define ENDPOINT(before, last, provider, api, hint, flags)
#define TAIL(before, last, tail, provider, api, hint, flags)                                                           \
    {sizeof(last) - 1, flags, tail, last, before, provider, api, hint},
#include "endpoints.def"
#undef ENDPOINT
#undef TAIL
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
    const size_t at = slash != NULL ? (size_t)(slash + 1 - path->data) : 0;
    const struct url_view last = {path->bytes ? path->data + at : NULL, path->bytes - at};
    path->bytes = at;
    return last;
}

static bool view_equals(struct url_view view, const char *text, size_t bytes)
{
    return view.bytes == bytes && bytes && !memcmp(view.data, text, bytes);
}

/* Compares a pattern of endpoints.def with what stands before the last segment, from the right.
 * *ret_model: what '@' stands for. */
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
        while (model_end != NULL && segment.bytes && !view_equals(segment, word.data, word.bytes))
            segment = pop(&path);
        if (!segment.bytes || (word.data[0] != '*' && !view_equals(segment, word.data, word.bytes)))
            return false;
        if (model_end != NULL) {
            const char *begin = segment.data + segment.bytes + 1;
            *ret_model = (struct url_view){begin, (size_t)(model_end - begin)};
            model_end = NULL;
        }
    }
    return true;
}

static bool model_has(const struct recognised *ret, const char *word)
{
    return memmem(ret->model, ret->model_bytes, word, strlen(word)) != NULL;
}

/* Takes what stands behind a row's `last` off the path, and `last` itself. False: it does not stand
 * there. */
static bool pop_tail(const struct row *row, struct url_view *path, struct url_view *ret_model)
{
    while (path->bytes && path->data[path->bytes - 1] == '/')
        path->bytes--;
    const char *const end = path->data + path->bytes;
    if (!pop(path).bytes)
        return false;
    struct url_view segment = pop(path);
    while (row->tail == '@' && segment.bytes && !view_equals(segment, row->last, row->last_bytes))
        segment = pop(path);
    if (!view_equals(segment, row->last, row->last_bytes))
        return false;
    const char *const begin = segment.data + segment.bytes + 1;
    if (row->tail == '@')
        *ret_model = (struct url_view){begin, (size_t)(end - begin)};
    return true;
}

static bool row_matches(const struct row *row, struct url_view path, struct url_view *ret_model)
{
    *ret_model = (struct url_view){0};
    if (!row->tail)
        return view_equals(pop(&path), row->last, row->last_bytes) && before_matches(row->before, path, ret_model);
    return pop_tail(row, &path, ret_model) && before_matches(row->before, path, ret_model);
}

static enum verdict_claim claim_of(uint8_t flags, const struct served *served)
{
    if (flags & FIRM)
        return CLAIM_FIRM;
    if (flags & BARE)
        return CLAIM_SHARED_BARE;
    return served->provider != NULL && !served->platform ? CLAIM_FIRM : CLAIM_SHARED;
}

/* The same on a host that is known to serve models beside other things. */
static enum verdict_claim on_platform(enum verdict_claim claim)
{
    switch (claim) {
    case CLAIM_SHARED:
        return CLAIM_PLATFORM;
    case CLAIM_SHARED_BARE:
        return CLAIM_PLATFORM_BARE;
    default:
        return claim;
    }
}

static void take_row(const struct row *row, const struct url *url, enum method method, struct url_view model,
                     const struct served *served, struct recognised *ret)
{
    struct url_view path = url->path;
    const struct url_view last = pop(&path);
    ret->api = row->api;
    ret->claim = claim_of(row->flags, served);
    ret->poll = (row->flags & POLL) &&
                !(method != METHOD_GET && (view_equals(last, "batches", 7) || view_equals(last, "jobs", 4)));
    ret->tail_id = ret->poll && row->tail == '*';
    ret->stream_known = (row->flags & (STREAM | WHOLE)) != 0;
    ret->stream = (row->flags & STREAM) != 0;
    if (served->provider == NULL && row->hint[0])
        ret->provider = row->hint;
    ret->model_bytes = url_decode(model.data, model.bytes, ret->model, sizeof(ret->model));
}

static bool recognise_row(const struct row *table, size_t count, const struct url *url, enum method method,
                          const struct served *served, struct recognised *ret)
{
    struct url_view model;
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &table[i];
        if (!method_allowed(method, row->flags) || !row_matches(row, url->path, &model) ||
            (row->provider[0] && (served->provider == NULL || strcmp(served->provider, row->provider))))
            continue;
        take_row(row, url, method, model, served, ret);
        return true;
    }
    return false;
}

/* "…/deployments/D/…": Azure. Comes after the model of the path itself. */
static void take_deployment(struct url_view path, struct recognised *ret)
{
    static const char word[] = "/deployments/";
    const char *at = path.bytes ? memmem(path.data, path.bytes, word, sizeof(word) - 1) : NULL;
    if (at == NULL || ret->model_bytes)
        return;
    at += sizeof(word) - 1;
    const char *end = path.data + path.bytes, *slash = memchr(at, '/', (size_t)(end - at));
    ret->model_bytes = url_decode(at, (size_t)((slash != NULL ? slash : end) - at), ret->model, sizeof(ret->model));
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
    static const char chat_families[][24] = {"openai.",  "qwen.",      "deepseek.",       "moonshot",
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

/* By path; the provider is known or NULL. */
static bool recognise_path(const struct url *url, enum method method, const struct served *served, const char *headers,
                           size_t headers_bytes, struct recognised *ret)
{
    if (recognise_row(rows, sizeof(rows) / sizeof(rows[0]), url, method, served, ret) ||
        recognise_row(tails, sizeof(tails) / sizeof(tails[0]), url, method, served, ret))
        return true;
    if (method != METHOD_POST && method != METHOD_UNKNOWN)
        return false;
    return recognise_google(url->path, served->provider, ret) || recognise_root(url, headers, headers_bytes, ret);
}

void recognise_headers(const char *headers, size_t headers_bytes, struct recognised *recognised)
{
    static const char models[][24] = {"ai-language-model-id", "ai-embedding-model-id", "ai-model-id"};
    const struct url_view streaming = recognise_header(headers, headers_bytes, "ai-language-model-streaming");
    if (!strcmp(recognised->api, "tencent-chat"))
        recognise_tencent_action(headers, headers_bytes, recognised);
    if (!strcmp(recognised->api, "messages") && recognise_header(headers, headers_bytes, "anthropic-version").bytes)
        recognised->claim = CLAIM_FIRM;
    const bool by_accept = !strcmp(recognised->api, "dashscope-generation") || !strcmp(recognised->api, "naver-chat");
    if (streaming.bytes || url_view_is(recognise_header(headers, headers_bytes, "x-dashscope-sse"), "enable") ||
        (by_accept && url_view_is(recognise_header(headers, headers_bytes, "accept"), "text/event-stream"))) {
        recognised->stream_known = true;
        recognised->stream = !url_view_is(streaming, "false");
    }
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]) && !recognised->model_bytes; i++) {
        const struct url_view model = recognise_header(headers, headers_bytes, models[i]);
        recognised->model_bytes = model.bytes < sizeof(recognised->model) ? model.bytes : 0;
        memcpy(recognised->model, model.data != NULL ? model.data : "", recognised->model_bytes);
    }
}

/* What paths alone get wrong. */
static void correct(const struct url *url, const char *headers, size_t headers_bytes, struct recognised *ret)
{
    const bool known = ret->provider != NULL;
    if (known && !strcmp(ret->provider, "azure.ai.inference") && url->path.bytes &&
        memmem(url->path.data, url->path.bytes, "/openai/", 8) != NULL)
        ret->provider = "azure.ai.openai";
    if (!known || strcmp(ret->provider, "sap") != 0) /* whose deployments have numbers, no names */
        take_deployment(url->path, ret);
    recognise_headers(headers, headers_bytes, ret);
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
    struct served served;
    served.provider = recognise_host_provider(&url, &served.platform);
    if (said != NULL && said->provider != NULL)
        served.provider = said->provider;
    ret->provider = served.provider;
    const bool forced = said != NULL && said->path.bytes && how != METHOD_GET;
    if (forced || !recognise_path(&url, how, &served, headers, headers_bytes, ret)) {
        if (said == NULL || how == METHOD_GET)
            return false;
        *ret = (struct recognised){.api = said->api, .provider = served.provider};
    }
    correct(&url, headers, headers_bytes, ret);
    if (said != NULL) {
        ret->claim = ret->claim == CLAIM_KIND_OPEN ? CLAIM_KIND_OPEN : CLAIM_FIRM;
        ret->said_path_bytes = said->path.bytes;
    }
    if (how == METHOD_UNKNOWN && (ret->claim == CLAIM_FIRM || ret->claim == CLAIM_KIND_OPEN))
        ret->claim = CLAIM_SHARED;
    if (served.platform)
        ret->claim = on_platform(ret->claim);
    ret->operation = !strcmp(ret->api, "invoke") ? invoke_operation(ret) : recognise_operation(ret->api);
    if (!strcmp(ret->api, "invoke"))
        ret->shape = invoke_shape(ret);
    return true;
}

/* Does a row with a tail match? `path`: what stands before the last segment. */
static bool has_tail(const struct url *url, struct url_view path, enum method how)
{
    struct url_view model;
    for (struct url_view segment; (segment = pop(&path)).bytes;)
        for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
            if (view_equals(segment, tails[i].last, tails[i].last_bytes) && method_allowed(how, tails[i].flags) &&
                row_matches(&tails[i], url->path, &model))
                return true;
    return false;
}

bool recognise_candidate(const char *method, size_t method_bytes, const char *url_text, size_t url_bytes)
{
    struct url url;
    const enum method how = method_of(method, method_bytes);
    if (how == METHOD_OTHER || !url_split(url_text, url_bytes, &url))
        return false;
    struct url_view path = url.path, model;
    const struct url_view last = pop(&path);
    for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++)
        if (view_equals(last, lasts[i].last, lasts[i].bytes) && method_allowed(how, lasts[i].flags) &&
            row_matches(&rows[i], url.path, &model))
            return true;
    if (has_tail(&url, path, how))
        return true;
    if (how == METHOD_GET)
        return false;
    return (last.bytes && recognise_google_verb(last)) || recognise_root_host(&url) ||
           recognise_endpoint_find(&url) != NULL;
}

/* How realtime APIs' paths end: OpenAI's, Azure's, xAI's, Qwen's ("realtime", alone or before what
 * prepares it), Gemini Live's, DashScope's. *ret_sure: nobody else's end so. */
static bool marks_session(struct url_view path, bool *ret_sure)
{
    static const char prepares[][24] = {"sessions", "client_secrets", "calls", "transcription_sessions"};
    const struct url_view last = pop(&path), kind = pop(&path);
    const bool realtime = view_equals(last, "realtime", 8), live = url_view_ends(last, "BidiGenerateContent");
    *ret_sure = live || (realtime && (view_equals(kind, "v1", 2) || view_equals(kind, "openai", 6)));
    bool marked = realtime || live || view_equals(kind, "api-ws", 6) || view_equals(pop(&path), "api-ws", 6);
    for (size_t i = 0; i < sizeof(prepares) / sizeof(prepares[0]); i++)
        marked = marked || (view_equals(kind, "realtime", 8) && url_view_is(last, prepares[i]));
    return marked;
}

bool recognise_session(const char *url_text, size_t url_bytes, bool socket)
{
    struct url url;
    bool sure, platform;
    if (!url_split(url_text, url_bytes, &url))
        return false;
    const bool marked = marks_session(url.path, &sure);
    if (sure || (socket && recognise_candidate("POST", 4, url_text, url_bytes)))
        return true;
    return (marked || socket) && recognise_host_provider(&url, &platform) != NULL;
}
