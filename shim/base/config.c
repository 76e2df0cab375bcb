/*
 * Reads span/env.def once, in the constructor, into static memory: later the application may change
 * or free its environment (PHP frees it before our destructor runs). Never allocates; a value that
 * makes no sense is ignored and said once.
 */
#include "config.h"
#include "say.h"

#include "span/paths.h"
#include "shim/llm/privacy/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

struct shim_config shim_config = {.follow = true};
bool shim_active;

/* The raw values, by the identifiers of the list. */
struct raw {
#define ENV(identifier, name, default_text, meaning) const char *identifier;
#include "span/env.def"
#undef ENV
};

/* Where the values live; written by config_read alone. */
static struct {
    size_t used;
    char bytes[CONFIG_TEXT_BYTES_MAX];
    char spool[CONFIG_PATH_BYTES_MAX];
    char labels[CONFIG_LABELS_BYTES_MAX];
    char resource_service[256];
} text;

/* A copy that stays, or NULL for an unset or empty value and for one that does not fit. */
static const char *keep(const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return NULL;
    size_t bytes = strlen(value) + 1;
    if (bytes > sizeof(text.bytes) - text.used) {
        shim_say_once_about("an environment variable is too long and was ignored", name);
        return NULL;
    }
    char *copy = text.bytes + text.used;
    memcpy(copy, value, bytes);
    text.used += bytes;
    return copy;
}

/* "N" or "N,user". What is anything else asks for nothing. */
static void take_preview(struct shim_config *config, const char *value)
{
    const char *p = value == NULL ? "" : value;
    unsigned chars = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (chars <= CONFIG_PREVIEW_CHARS_MAX)
            chars = chars * 10 + (unsigned)(*p - '0');
    bool user = strcmp(p, ",user") == 0;
    if (*p != '\0' && (p == value || !user)) {
        shim_say_once_about("LIBPPROF_PREVIEW is neither a number of characters nor N,user; no preview is kept", value);
        return;
    }
    config->preview_chars = chars < CONFIG_PREVIEW_CHARS_MAX ? chars : CONFIG_PREVIEW_CHARS_MAX;
    config->preview_user = user && chars > 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes %41 in place; a broken escape stays as it is. Returns the new length. */
static size_t percent_decode(char *value, size_t bytes)
{
    size_t out = 0;
    for (size_t in = 0; in < bytes; in++) {
        if (value[in] == '%' && in + 2 < bytes && hex_digit(value[in + 1]) >= 0 && hex_digit(value[in + 2]) >= 0) {
            value[out++] = (char)(hex_digit(value[in + 1]) * 16 + hex_digit(value[in + 2]));
            in += 2;
        } else {
            value[out++] = value[in];
        }
    }
    return out;
}

/* One "key=value" of OTEL_RESOURCE_ATTRIBUTES; false when it is none or does not fit. */
static bool take_attribute(const char *pair, size_t bytes, size_t *labels_used)
{
    const char *equals = memchr(pair, '=', bytes);
    char value[CONFIG_LABELS_BYTES_MAX];
    if (equals == NULL || equals == pair || bytes >= sizeof(value))
        return false;
    size_t key_bytes = (size_t)(equals - pair);
    size_t value_bytes = bytes - key_bytes - 1;
    memcpy(value, equals + 1, value_bytes);
    value_bytes = percent_decode(value, value_bytes);
    if (memchr(value, '\0', value_bytes) != NULL || memchr(value, ',', value_bytes) != NULL)
        return false; /* cannot be told apart in "k=v,k=v" */
    if (!secret_free_label(pair, key_bytes, value, value_bytes))
        return false;
    if (key_bytes == strlen("service.name") && memcmp(pair, "service.name", key_bytes) == 0) {
        if (value_bytes >= sizeof(text.resource_service))
            return false;
        memcpy(text.resource_service, value, value_bytes);
        text.resource_service[value_bytes] = '\0';
        return true;
    }
    size_t need = key_bytes + 1 + value_bytes + (*labels_used > 0 ? 1 : 0);
    if (need >= sizeof(text.labels) - *labels_used)
        return false;
    char *p = text.labels + *labels_used;
    if (*labels_used > 0)
        *p++ = ',';
    memcpy(p, pair, key_bytes + 1);
    memcpy(p + key_bytes + 1, value, value_bytes);
    *labels_used += need;
    text.labels[*labels_used] = '\0';
    return true;
}

static void take_attributes(const char *value)
{
    size_t labels_used = 0;
    while (value != NULL && *value != '\0') {
        value += strspn(value, " \t,");
        size_t bytes = strcspn(value, ",");
        size_t trimmed = bytes;
        while (trimmed > 0 && (value[trimmed - 1] == ' ' || value[trimmed - 1] == '\t'))
            trimmed--;
        if (trimmed > 0 && !take_attribute(value, trimmed, &labels_used))
            shim_say_once(
                "a part of OTEL_RESOURCE_ATTRIBUTES was ignored: it is too long, no name=value, or looks like a "
                "secret"); /* which is why it is not shown */
        value += bytes;
    }
}

/* NULL: where the default lies is looked up when the process first records, which takes system
 * calls. */
static const char *socket_path(const char *said)
{
    if (said == NULL || (said[0] == '/' && strlen(said) < CONFIG_SOCKET_BYTES_MAX))
        return said;
    shim_say_once_about("LIBPPROF_SOCKET is no absolute path of at most 107 bytes and was ignored", said);
    return NULL;
}

static const char *spool_dir(const char *said, config_reader *reader)
{
    if (said != NULL && strcmp(said, "off") == 0)
        return NULL;
    if (said != NULL && said[0] == '/' && strlen(said) < sizeof(text.spool))
        return said;
    if (said != NULL)
        shim_say_once_about("LIBPPROF_SPOOL is neither \"off\" nor an absolute path and was ignored", said);
    bool found = span_path_spool(text.spool, sizeof(text.spool), reader("XDG_STATE_HOME"), reader("HOME")) == 0;
    return found ? text.spool : NULL;
}

static const char *log_target(const char *said)
{
    bool understood = said != NULL && (said[0] == '/' || strcmp(said, "stderr") == 0);
    return understood ? said : NULL;
}

void config_read(struct shim_config *ret_config, config_reader *reader)
{
    struct shim_config config = {.follow = true};
    struct raw raw;
    memset(&text, 0, offsetof(typeof(text), bytes));
    text.labels[0] = text.resource_service[0] = '\0';
    config.log = log_target(keep("LIBPPROF_LOG", reader("LIBPPROF_LOG")));
    shim_say_to(config.log); /* the rest can be said then */
#define ENV(identifier, name, default_text, meaning) raw.identifier = keep(name, reader(name));
#include "span/env.def"
#undef ENV
    config.disabled = raw.disable != NULL && strcmp(raw.disable, "0") != 0;
    config.follow = raw.follow == NULL || strcmp(raw.follow, "0") != 0;
    config.socket = socket_path(raw.socket);
    config.base.runtime_dir = keep("XDG_RUNTIME_DIR", reader("XDG_RUNTIME_DIR"));
    config.base.state_home = keep("XDG_STATE_HOME", reader("XDG_STATE_HOME"));
    config.base.home = keep("HOME", reader("HOME"));
    config.spool_said = raw.spool != NULL;
    config.spool = spool_dir(raw.spool, reader);
    take_attributes(raw.otel_attributes);
    config.labels = text.labels[0] != '\0' ? text.labels : NULL;
    config.service = raw.service != NULL ? raw.service : raw.otel_service;
    if (config.service == NULL && text.resource_service[0] != '\0')
        config.service = text.resource_service;
    config.team = raw.team;
    config.prompt = raw.prompt;
    config.endpoints = raw.endpoints;
    take_preview(&config, raw.preview);
    config.hash_key_said = raw.hash_key != NULL;
    if (raw.hash_key != NULL)
        span_key_from_text(config.hash_key, raw.hash_key);
    *ret_config = config;
}

/* glibc-only; absent in musl. */
#pragma weak secure_getenv

const char *config_environment(const char *name)
{
    if (&secure_getenv != NULL)
        return secure_getenv(name);
    return getauxval(AT_SECURE) != 0 ? NULL : getenv(name);
}

static const char *base_name(const char *path, size_t bytes)
{
    const char *slash = memrchr(path, '/', bytes);
    return slash == NULL ? path : slash + 1;
}

/* The value without our own entries; the others keep their separators. Writes in place. */
static void remove_entries(char *value, const char *own_base)
{
    char *out = value;
    const char *in = value;
    while (*in != '\0') {
        size_t separators = strspn(in, ": ");
        const char *entry = in + separators;
        size_t bytes = strcspn(entry, ": ");
        const char *base = base_name(entry, bytes);
        size_t base_bytes = bytes - (size_t)(base - entry);
        bool own = base_bytes == strlen(own_base) && memcmp(base, own_base, base_bytes) == 0;
        if (!own && bytes > 0) {
            size_t from = out == value ? separators : 0; /* no separator in front of the first */
            memmove(out, in + from, separators - from + bytes);
            out += separators - from + bytes;
        }
        in = entry + bytes;
    }
    *out = '\0';
}

void config_unfollow(char **environment, const char *own_path)
{
    static const char name[] = "LD_PRELOAD=";
    if (environment == NULL)
        return;
    char **out = environment;
    for (char **in = environment; *in != NULL; in++) {
        if (strncmp(*in, name, sizeof(name) - 1) == 0) {
            char *value = *in + sizeof(name) - 1;
            remove_entries(value, base_name(own_path, strlen(own_path)));
            if (*value == '\0')
                continue;
        }
        *out++ = *in;
    }
    *out = NULL;
}
