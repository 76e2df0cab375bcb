/*
 * Hosts whose paths do not tell what is called, see recognise_root.h.
 *
 * recognise_root_host() also runs on the application's thread; the rest on the scribe's. Nothing
 * here allocates, locks or changes errno.
 *
 * Sources: https://huggingface.co/docs/inference-providers,
 * https://cloud.tencent.com/document/api/1729/101835,
 * https://developers.cloudflare.com/ai-gateway/usage/universal/.
 */
#include "recognise_root.h"

#include "apis.h"

#include <string.h>
#include <strings.h>

struct url_view recognise_header(const char *headers, size_t bytes, const char *name)
{
    const size_t name_bytes = strlen(name);
    const char *const end = headers + bytes;
    for (const char *line = headers; line != NULL && (size_t)(end - line) > name_bytes;) {
        const char *const lf = memchr(line, '\n', (size_t)(end - line));
        if (line[name_bytes] == ':' && !strncasecmp(line, name, name_bytes)) {
            const char *from = line + name_bytes + 1, *to = lf != NULL ? lf : end;
            while (from < to && (*from == ' ' || *from == '\t'))
                from++;
            while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
                to--;
            return (struct url_view){from, (size_t)(to - from)};
        }
        line = lf != NULL ? lf + 1 : NULL;
    }
    return (struct url_view){0};
}

static bool is_huggingface(struct url_view host)
{
    return url_view_is(host, "router.huggingface.co") || url_view_is(host, "api-inference.huggingface.co") ||
           url_view_ends(host, ".endpoints.huggingface.cloud");
}

static bool is_tencent(struct url_view host)
{
    return url_view_ends(host, ".tencentcloudapi.com") &&
           (!strncasecmp(host.data, "hunyuan.", 8) || !strncasecmp(host.data, "lkeap.", 6));
}

bool recognise_root_host(const struct url *url)
{
    return is_huggingface(url->host) || url_view_is(url->host, "gateway.ai.cloudflare.com") || is_tencent(url->host);
}

static struct url_view without_slashes(struct url_view path)
{
    while (path.bytes && path.data[path.bytes - 1] == '/')
        path.bytes--;
    return path;
}

static bool model_has(const struct recognised *ret, const char *word)
{
    return memmem(ret->model, ret->model_bytes, word, strlen(word)) != NULL;
}

/* At "models/M" the model's name alone tells what it does. */
static bool names_embedder(const struct recognised *ret)
{
    static const char words[][24] = {"sentence-transformers/", "embed", "/bge-", "/e5-", "/gte-"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (model_has(ret, words[i]))
            return true;
    return false;
}

/* Text generation inference at the root, "models/M[/pipeline/feature-extraction]" and
 * "pipeline/feature-extraction/M".
 */
static bool huggingface(struct url_view path, struct recognised *ret)
{
    const struct url_view whole = without_slashes(path);
    const char pipeline[] = "pipeline/feature-extraction";
    const char *extract = whole.bytes ? memmem(whole.data, whole.bytes, pipeline, sizeof(pipeline) - 1) : NULL;
    const char *models = whole.bytes ? memmem(whole.data, whole.bytes, "models/", 7) : NULL;
    const char *end = whole.data + whole.bytes, *model = NULL;
    if (models != NULL) {
        model = models + 7;
        if (extract > model)
            end = extract - 1;
    } else if (extract != NULL && end > extract + sizeof(pipeline)) {
        model = extract + sizeof(pipeline);
    } else if (whole.bytes) {
        return false;
    }
    if (model != NULL && extract == NULL && memmem(model, (size_t)(end - model), "/pipeline/", 10) != NULL)
        return false; /* other pipelines are no language models */
    if (model != NULL)
        ret->model_bytes = url_decode(model, (size_t)(end - model), ret->model, sizeof(ret->model));
    ret->api = extract != NULL || names_embedder(ret) ? "embeddings" : "tgi-generate";
    if (extract == NULL)
        ret->claim = CLAIM_KIND_OPEN; /* classifiers, pictures, speech */
    return true;
}

void recognise_tencent_action(const char *headers, size_t headers_bytes, struct recognised *ret)
{
    static const struct {
        char action[24], api[16];
    } actions[] = {{"ChatCompletions", "tencent-chat"}, {"ChatPro", "tencent-chat"},
                   {"ChatStd", "tencent-chat"},         {"ChatTranslations", "tencent-chat"},
                   {"GetEmbedding", "embeddings"},      {"GetTokenCount", "count-tokens"}};
    const struct url_view action = recognise_header(headers, headers_bytes, "x-tc-action");
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (url_view_is(action, actions[i].action)) {
            ret->api = recognise_api_name(actions[i].api, strlen(actions[i].api));
            ret->operation = recognise_operation(ret->api);
            ret->claim = CLAIM_FIRM;
        }
}

/* Everything is a POST to the root. What it is, a header says, which may be known later: until then
 * the answer must show it. */
static bool tencent(struct url_view path, const char *headers, size_t headers_bytes, struct recognised *ret)
{
    if (without_slashes(path).bytes)
        return false;
    ret->api = recognise_api_name("tencent-chat", 12);
    ret->claim = CLAIM_SHARED_BARE;
    recognise_tencent_action(headers, headers_bytes, ret);
    return true;
}

/* "/v1/ACCOUNT/GATEWAY" alone: the body lists the calls to try. */
static bool universal(struct url_view path, struct recognised *ret)
{
    unsigned slashes = 0;
    path = without_slashes(path);
    for (size_t i = 0; i < path.bytes; i++)
        slashes += path.data[i] == '/' && path.data[i + 1] != '/';
    ret->api = "cloudflare-universal";
    return slashes == 3 && !memcmp(path.data, "/v1/", 4);
}

bool recognise_root(const struct url *url, const char *headers, size_t headers_bytes, struct recognised *ret)
{
    if (is_huggingface(url->host))
        return huggingface(url->path, ret);
    if (is_tencent(url->host))
        return tencent(url->path, headers, headers_bytes, ret);
    return url_view_is(url->host, "gateway.ai.cloudflare.com") && universal(url->path, ret);
}
