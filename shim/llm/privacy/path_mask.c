/*
 * Path and host as they may be stored, see secret.h: of a path, what is not of the API's known
 * shape becomes "*", because keys stand in paths too (/v1/KEY/chat, /bot12345:KEY/…, proxies that
 * take a tenant's secret as a prefix); of a host, labels that are keys (proxies that take it as a
 * name).
 *
 * Called when an exchange opens, on the scribe's thread.
 */
#include "secret.h"

#include <string.h>

#include "shim/llm/recognise/url.h"
#include "words.h"

enum { SEGMENT_BYTES_MAX = 256 };

/* What stands after these in the APIs' paths is the id or the name of one of them. */
/* No pointers: nothing to relocate at start. */
static const char collections[][24] = {
    "accounts",
    "apps",
    "assistants",
    "async-result",
    "batches",
    "batch_predictions",
    "completions",
    "conversations",
    "deferred-completion",
    "deployment",
    "deployments",
    "endpoint",
    "endpoints",
    "engines",
    "files",
    "indexes",
    "instances",
    "jobs",
    "locations",
    "model",
    "models",
    "predictions",
    "projects",
    "prompts",
    "publishers",
    "requests",
    "responses",
    "runs",
    "serving-endpoints",
    "spaces",
    "sessions",
    "sonar",
    "tasks",
    "threads",
    "agents",
    "vector_stores",
};

/* How ids of these collections begin; after them, generated letters and digits are expected. */
static const char id_beginnings[][12] = {"thread_", "run_",  "batch_", "msgbatch_", "resp_",     "asst_", "msg_",
                                         "file-",   "file_", "step_",  "conv_",     "chatcmpl-", "pred_"};

static bool is_collection(const char *segment, size_t bytes)
{
    for (size_t i = 0; i < sizeof(collections) / sizeof(collections[0]); i++)
        if (collections[i][0] == *segment && bytes < sizeof(collections[i]) &&
            !memcmp(collections[i], segment, bytes) && !collections[i][bytes])
            return true;
    return false;
}

static bool has_id_beginning(const char *segment, size_t bytes)
{
    for (size_t i = 0; i < sizeof(id_beginnings) / sizeof(id_beginnings[0]); i++) {
        const size_t length = strlen(id_beginnings[i]);
        if (bytes > length && !memcmp(id_beginnings[i], segment, length))
            return true;
    }
    return false;
}

/* `whole` is the decoded segment. */
static bool is_model(const char *whole, size_t bytes, const char *model, size_t model_bytes)
{
    const char *const at = bytes && model_bytes ? memmem(model, model_bytes, whole, bytes) : NULL;
    return at != NULL && (at == model || at[-1] == '/') && (at + bytes == model + model_bytes || at[bytes] == '/') &&
           secret_free_name(whole, bytes);
}

/* "NAME:verb" of Google's paths keeps its verb, whatever NAME is. Returns the bytes before it. */
static size_t before_verb(const char *segment, size_t bytes)
{
    const char *const colon = bytes ? memrchr(segment, ':', bytes) : NULL;
    if (colon == NULL || colon + 1 == segment + bytes)
        return bytes;
    const size_t verb = (size_t)(segment + bytes - colon - 1);
    return words_of_path(colon + 1, verb) ? (size_t)(colon - segment) : bytes;
}

struct place {
    const char *model;
    size_t model_bytes;
    bool behind_collection, said;
    const struct secret_echo *echo;
};

static bool may_stay(const struct place *place, const char *segment, size_t bytes)
{
    if (words_of_path(segment, bytes))
        return true;
    if (is_model(segment, bytes, place->model, place->model_bytes))
        return !secret_echoed_name(place->echo, segment, bytes);
    if (place->said)
        return !secret_key_shaped(segment, bytes);
    if (!place->behind_collection || !secret_free_id(segment, bytes) || secret_echoed(place->echo, segment, bytes))
        return false;
    return has_id_beginning(segment, bytes) || !secret_key_shaped(segment, bytes);
}

static size_t append(char *to, size_t room, const char *text, size_t bytes)
{
    const size_t taken = bytes < room ? bytes : room;
    memcpy(to, text, taken);
    return taken;
}

/* Writes one segment; *ret_echo says whether it was masked. */
static size_t put_segment(const struct place *place, const char *segment, size_t bytes, char *to, size_t room,
                          bool *ret_masked)
{
    char decoded[SEGMENT_BYTES_MAX + 1];
    const size_t whole = url_decode(segment, bytes, decoded, sizeof(decoded));
    const size_t named = before_verb(segment, bytes), named_whole = before_verb(decoded, whole);
    *ret_masked = false;
    if (whole <= SEGMENT_BYTES_MAX &&
        (may_stay(place, decoded, whole) || (named_whole != whole && may_stay(place, decoded, named_whole))))
        return append(to, room, segment, bytes);
    *ret_masked = true;
    const size_t star = append(to, room, "*", 1);
    return star + append(to + star, room - star, segment + named, bytes - named);
}

/* The bytes of the segment at `at`; a slash is one of its own. */
static size_t segment_bytes(const char *path, size_t bytes, size_t at)
{
    size_t segment = 1;
    while (path[at] != '/' && at + segment < bytes && path[at + segment] != '/')
        segment++;
    return segment;
}

size_t secret_mask_path(const struct secret_path *path, const struct secret_echo *echo, char *ret_path, size_t room)
{
    struct place place = {.model = path->model, .model_bytes = path->model_bytes, .echo = echo};
    size_t used = 0;
    for (size_t at = 0; at < path->bytes && used < room;) {
        const size_t segment = segment_bytes(path->path, path->bytes, at);
        bool masked;
        place.said = at + segment <= path->said_bytes;
        if (path->path[at] == '/') {
            ret_path[used++] = '/';
        } else {
            used += put_segment(&place, path->path + at, segment, ret_path + used, room - used, &masked);
            place.behind_collection = is_collection(path->path + at, segment);
        }
        at += segment;
    }
    return used;
}

void secret_echo_path(struct secret_echo *echo, const struct secret_path *path)
{
    struct place place = {.model = path->model, .model_bytes = path->model_bytes, .echo = echo};
    char unused[SEGMENT_BYTES_MAX];
    for (size_t at = 0; at < path->bytes;) {
        const size_t segment = segment_bytes(path->path, path->bytes, at);
        bool masked = false;
        place.said = at + segment <= path->said_bytes;
        if (path->path[at] != '/') {
            (void)put_segment(&place, path->path + at, segment, unused, sizeof(unused), &masked);
            place.behind_collection = is_collection(path->path + at, segment);
        }
        if (masked)
            secret_echo_take(echo, path->path + at, segment, '~');
        at += segment;
    }
}

/* Short credentials may be plain words, as most labels are. */
static bool is_plain_word(const char *label, size_t bytes)
{
    size_t letters = 0;
    while (letters < bytes && (unsigned char)((label[letters] | 0x20) - 'a') < 26)
        letters++;
    return letters == bytes && bytes <= SECRET_ECHO_WORD_MAX;
}

static bool label_may_stay(const char *label, size_t bytes, const struct secret_echo *echo)
{
    return is_plain_word(label, bytes) || (!secret_key_known(label, bytes) && !secret_echoed_name(echo, label, bytes));
}

size_t secret_mask_host(const char *host, size_t bytes, const struct secret_echo *echo, char *ret_host, size_t room)
{
    size_t used = 0;
    for (size_t at = 0; at < bytes && used < room;) {
        const char *const dot = memchr(host + at, '.', bytes - at);
        const size_t label = dot != NULL ? (size_t)(dot - host) - at : bytes - at;
        if (label_may_stay(host + at, label, echo))
            used += append(ret_host + used, room - used, host + at, label);
        else
            used += append(ret_host + used, room - used, "*", 1);
        if (dot != NULL)
            used += append(ret_host + used, room - used, ".", 1);
        at += label + 1;
    }
    return used;
}
