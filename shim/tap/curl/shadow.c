/*
 * The shadow of a handle's options (shadow.h). Called by the hooks on the application's thread
 * after libcurl accepted an option; must never call libcurl, nor read memory that libcurl itself
 * would not read at that moment.
 *
 * The rules are those of libcurl's lib/setopt.c: which option sets the request, when a copied body
 * becomes invalid.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* old options are still in use */
#include "shadow.h"

#include <string.h>
#include <strings.h>

static enum shadow_scheme scheme_of(const char *name, size_t bytes)
{
    if (bytes == 4 && strncasecmp(name, "http", 4) == 0)
        return SHADOW_SCHEME_HTTP;
    if (bytes == 5 && strncasecmp(name, "https", 5) == 0)
        return SHADOW_SCHEME_HTTPS;
    if ((bytes == 2 && strncasecmp(name, "ws", 2) == 0) || (bytes == 3 && strncasecmp(name, "wss", 3) == 0))
        return SHADOW_SCHEME_SOCKET;
    return SHADOW_SCHEME_OTHER;
}

/* Without a scheme libcurl guesses from the host's name (lib/urlapi.c). */
static bool host_names_other_protocol(const char *host)
{
    static const char prefixes[][6] = {"ftp.", "dict.", "ldap.", "imap.", "smtp.", "pop3."};
    for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncasecmp(host, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

const struct shadow_texts *shadow_texts(const struct shadow *shadow)
{
    return (const struct shadow_texts *)(const void *)shadow->texts.data;
}

/* Where a text is to be put; NULL when there is none to put and none was, or no memory. */
static struct shadow_texts *texts_for(struct shadow *shadow, size_t bytes)
{
    static const struct shadow_texts none;
    if (shadow->texts.data == NULL && bytes != 0)
        (void)keep_set(&shadow->texts, &none, sizeof(none));
    return (struct shadow_texts *)(void *)shadow->texts.data;
}

/* As much as fits: what is cut off is not looked for. */
static void set_beside(struct shadow *shadow, const char *user, size_t user_bytes, const char *query)
{
    const size_t room = SHADOW_BESIDE_BYTES_MAX - 1;
    const size_t used = user_bytes < room / 2 ? user_bytes : room / 2;
    const size_t rest = strnlen(query, room - used);
    struct shadow_texts *texts = texts_for(shadow, used + rest);
    if (texts == NULL)
        return;
    memcpy(texts->beside, user, used);
    memcpy(texts->beside + used, query, rest);
    texts->beside[used + rest] = '\0';
}

/* The same URL again, as programs set it that use a handle again; one with user info or query never
 * is. */
static bool is_same_url(const struct shadow *shadow, const char *text)
{
    if (text == NULL || shadow->url_bytes == 0 || shadow->url_cut)
        return false;
    const char *prefix = shadow->scheme == SHADOW_SCHEME_HTTPS ? "https://" : "http://";
    const size_t prefix_bytes = shadow->scheme == SHADOW_SCHEME_HTTPS ? 8 : 7;
    if ((shadow->scheme != SHADOW_SCHEME_HTTPS && shadow->scheme != SHADOW_SCHEME_HTTP) ||
        strncmp(text, prefix, prefix_bytes) != 0 ||
        strncmp(text + prefix_bytes, shadow->url.data, shadow->url_bytes) != 0 ||
        text[prefix_bytes + shadow->url_bytes] != '\0')
        return false;
    const struct shadow_texts *texts = shadow_texts(shadow);
    return texts == NULL || texts->beside[0] == '\0';
}

void shadow_set_url(struct shadow *shadow, const char *text)
{
    if (is_same_url(shadow, text))
        return;
    shadow->judged = SHADOW_UNJUDGED;
    shadow->url_bytes = shadow->host_bytes = 0;
    shadow->url_unseen = shadow->url_cut = false;
    set_beside(shadow, "", 0, "");
    shadow->scheme = SHADOW_SCHEME_OTHER;
    if (text == NULL)
        return;
    const char *colon = strstr(text, "://");
    size_t scheme_bytes = strcspn(text, ":/?#@");
    if (colon != NULL && scheme_bytes == (size_t)(colon - text)) {
        shadow->scheme = scheme_of(text, scheme_bytes);
        text = colon + 3;
        text += *text == '/'; /* libcurl takes three slashes for two */
    } else {
        shadow->scheme = host_names_other_protocol(text) ? SHADOW_SCHEME_OTHER : SHADOW_SCHEME_MISSING;
    }
    size_t authority_bytes = strcspn(text, "/?#");
    const char *at = memrchr(text, '@', authority_bytes);
    const char *host = at == NULL ? text : at + 1;
    const char *path = text + authority_bytes;
    size_t host_bytes = (size_t)(path - host);
    size_t path_bytes = *path == '/' ? strcspn(path, "?#") : 0;
    bool no_path = path_bytes == 0;
    set_beside(shadow, text, (size_t)(host - text), path + path_bytes);

    char url[SHADOW_URL_BYTES_MAX];
    if (host_bytes == 0 || host_bytes + 1 > sizeof(url))
        return;
    shadow->url_cut = host_bytes + path_bytes > sizeof(url);
    if (shadow->url_cut) { /* the path's end is what tells a call */
        path += host_bytes + path_bytes - sizeof(url);
        path_bytes = sizeof(url) - host_bytes;
    }
    memcpy(url, host, host_bytes);
    memcpy(url + host_bytes, no_path ? "/" : path, no_path ? 1 : path_bytes);
    url[host_bytes] = '/';
    for (size_t i = 0; i < host_bytes + path_bytes; i++)
        if ((unsigned char)url[i] < 0x20)
            return;
    shadow->url_unseen = keep_set(&shadow->url, url, host_bytes + path_bytes + no_path) < 0;
    if (shadow->url_unseen)
        return;
    shadow->host_bytes = (unsigned short)host_bytes;
    shadow->url_bytes = (unsigned short)(host_bytes + path_bytes + no_path);
}

static void set_method(struct shadow *shadow, const char *method)
{
    shadow->judged = SHADOW_UNJUDGED;
    size_t bytes = method == NULL ? 0 : strnlen(method, SHADOW_METHOD_BYTES_MAX);
    if (bytes != 0)
        memcpy(shadow->method, method, bytes);
    shadow->method[bytes] = '\0';
}

/* CURLOPT_COPYPOSTFIELDS: with a size set before, that many bytes; otherwise up to the NUL. */
static __attribute__((noinline)) void set_copied_fields(struct shadow *shadow, const char *fields)
{
    shadow->fields = NULL;
    shadow->request = SHADOW_POST;
    keep_drop(&shadow->copied);
    if (fields == NULL) {
        shadow->fields_kind = SHADOW_FIELDS_NONE;
        return;
    }
    size_t bytes = shadow->fields_bytes < 0 ? strlen(fields) : (size_t)shadow->fields_bytes;
    shadow->fields_kind = keep_set(&shadow->copied, fields, bytes) < 0 ? SHADOW_FIELDS_UNSEEN : SHADOW_FIELDS_COPY;
}

void shadow_forget_large_copy(struct shadow *shadow)
{
    if (shadow->copied.bytes <= SHADOW_COPY_SMALL_BYTES_MAX)
        return;
    keep_drop(&shadow->copied);
    shadow->fields_kind = SHADOW_FIELDS_UNSEEN;
}

/* A size that grows makes an earlier copy invalid: libcurl forgets it. */
static void set_fields_bytes(struct shadow *shadow, curl_off_t bytes)
{
    bool copied = shadow->fields_kind == SHADOW_FIELDS_COPY || shadow->fields_kind == SHADOW_FIELDS_UNSEEN;
    if (copied && shadow->fields_bytes < bytes) {
        keep_drop(&shadow->copied);
        shadow->fields_kind = SHADOW_FIELDS_NONE;
    }
    shadow->fields_bytes = bytes;
}

static bool set_callback(struct shadow_callbacks *callbacks, CURLoption option, uintptr_t argument)
{
    void *data = (void *)argument;
    switch ((int)option) {
    case CURLOPT_WRITEFUNCTION:
        callbacks->write_function = (curl_write_callback)argument;
        return true;
    case CURLOPT_WRITEDATA:
        callbacks->write_data = data;
        return true;
    case CURLOPT_HEADERFUNCTION:
        callbacks->header_function = (curl_write_callback)argument;
        return true;
    case CURLOPT_HEADERDATA:
        callbacks->header_data = data;
        return true;
    case CURLOPT_READFUNCTION:
        callbacks->read_function = (curl_read_callback)argument;
        return true;
    case CURLOPT_READDATA:
        callbacks->read_data = data;
        return true;
    case CURLOPT_SEEKFUNCTION:
        callbacks->seek_function = (curl_seek_callback)argument;
        return true;
    case CURLOPT_SEEKDATA:
        callbacks->seek_data = data;
        return true;
    case CURLOPT_IOCTLFUNCTION:
        callbacks->ioctl_function = (curl_ioctl_callback)argument;
        return true;
    case CURLOPT_IOCTLDATA:
        callbacks->ioctl_data = data;
        return true;
    case CURLOPT_PREREQFUNCTION:
        callbacks->prereq_function = (curl_prereq_callback)argument;
        return true;
    case CURLOPT_PREREQDATA:
        callbacks->prereq_data = data;
        return true;
    default:
        return false;
    }
}

static bool set_request(struct shadow *shadow, CURLoption option, uintptr_t argument)
{
    bool on = (long)argument != 0;
    switch ((int)option) {
    case CURLOPT_HTTPGET:
        if (on)
            shadow->request = SHADOW_GET;
        return true;
    case CURLOPT_POST:
        shadow->request = on ? SHADOW_POST : SHADOW_GET;
        return true;
    case CURLOPT_UPLOAD:
    case CURLOPT_PUT:
        shadow->request = on ? SHADOW_PUT : SHADOW_GET;
        return true;
    case CURLOPT_NOBODY:
        if (on)
            shadow->request = SHADOW_HEAD;
        else if (shadow->request == SHADOW_HEAD)
            shadow->request = SHADOW_GET;
        return true;
    case CURLOPT_MIMEPOST:
    case CURLOPT_HTTPPOST:
        shadow->request = SHADOW_MULTIPART;
        shadow->mime = option == CURLOPT_MIMEPOST ? (const curl_mime *)argument : NULL;
        return true;
    case CURLOPT_CUSTOMREQUEST:
        set_method(shadow, (const char *)argument);
        return true;
    default:
        return false;
    }
}

static bool set_body(struct shadow *shadow, CURLoption option, uintptr_t argument)
{
    switch ((int)option) {
    case CURLOPT_POSTFIELDS:
        keep_drop(&shadow->copied);
        shadow->fields = (const void *)argument;
        shadow->fields_kind = argument == 0 ? SHADOW_FIELDS_NONE : SHADOW_FIELDS_POINTER;
        shadow->request = SHADOW_POST;
        return true;
    case CURLOPT_COPYPOSTFIELDS:
        set_copied_fields(shadow, (const char *)argument);
        return true;
    case CURLOPT_POSTFIELDSIZE:
    case CURLOPT_POSTFIELDSIZE_LARGE:
        set_fields_bytes(shadow, (curl_off_t)argument);
        return true;
    case CURLOPT_INFILESIZE:
    case CURLOPT_INFILESIZE_LARGE:
        shadow->infile_bytes = (curl_off_t)argument;
        return true;
    default:
        return false;
    }
}

static __attribute__((noinline)) void set_string(struct keep *keep, const char *text)
{
    if (text == NULL)
        keep_drop(keep);
    else
        (void)keep_set(keep, text, strlen(text));
}

static __attribute__((noinline)) void set_told(struct shadow *shadow, CURLoption option, uintptr_t argument)
{
    static const CURLoption options[SHADOW_TOLD_N] = {
        [SHADOW_TOLD_USERPWD] = CURLOPT_USERPWD,   [SHADOW_TOLD_USERNAME] = CURLOPT_USERNAME,
        [SHADOW_TOLD_PASSWORD] = CURLOPT_PASSWORD, [SHADOW_TOLD_PROXYUSERPWD] = CURLOPT_PROXYUSERPWD,
        [SHADOW_TOLD_COOKIE] = CURLOPT_COOKIE,     [SHADOW_TOLD_USERAGENT] = CURLOPT_USERAGENT,
        [SHADOW_TOLD_REFERER] = CURLOPT_REFERER};
    for (unsigned i = 0; i < SHADOW_TOLD_N; i++) {
        if (options[i] != option)
            continue;
        const char *text = (const char *)argument;
        size_t bytes = text == NULL ? 0 : strnlen(text, SHADOW_TOLD_BYTES_MAX - 1);
        struct shadow_texts *texts = texts_for(shadow, bytes);
        if (texts != NULL && bytes > 0)
            memcpy(texts->told[i], text, bytes);
        if (texts != NULL)
            texts->told[i][bytes] = '\0';
    }
}

void shadow_init(struct shadow *shadow)
{
    *shadow = (struct shadow){
        .callbacks = {.write_data = stdout, .read_data = stdin},
        .fields_bytes = -1,
        .infile_bytes = -1,
        .default_scheme = SHADOW_SCHEME_HTTP,
    };
}

void shadow_drop(struct shadow *shadow)
{
    keep_drop(&shadow->copied);
    keep_drop(&shadow->bearer);
    keep_drop(&shadow->url);
    keep_drop(&shadow->texts);
}

void shadow_reset(struct shadow *shadow)
{
    shadow_drop(shadow);
    shadow_init(shadow);
}

void shadow_copy(struct shadow *to, const struct shadow *from)
{
    *to = *from;
    to->copied = to->bearer = to->url = to->texts = (struct keep){0};
    to->mime = NULL; /* libcurl makes a form of its own */
    if (from->copied.data != NULL && keep_set(&to->copied, from->copied.data, from->copied.bytes) < 0)
        to->fields_kind = SHADOW_FIELDS_UNSEEN;
    if (from->bearer.data != NULL)
        (void)keep_set(&to->bearer, from->bearer.data, from->bearer.bytes);
    if (from->url.data != NULL && keep_set(&to->url, from->url.data, from->url.bytes) < 0) {
        to->url_bytes = to->host_bytes = 0;
        to->url_unseen = true;
    }
    if (from->texts.data != NULL)
        (void)keep_set(&to->texts, from->texts.data, from->texts.bytes);
}

void shadow_set(struct shadow *shadow, CURLoption option, uintptr_t argument)
{
    if (set_callback(&shadow->callbacks, option, argument) || set_body(shadow, option, argument) ||
        set_request(shadow, option, argument))
        return;
    const char *text = (const char *)argument;
    switch ((int)option) {
    case CURLOPT_URL:
        shadow_set_url(shadow, text);
        break;
    case CURLOPT_CURLU:
        shadow->url_handle = (const CURLU *)argument;
        break;
    case CURLOPT_PORT:
        shadow->judged = SHADOW_UNJUDGED;
        shadow->port = (long)argument;
        break;
    case CURLOPT_DEFAULT_PROTOCOL:
        shadow->judged = SHADOW_UNJUDGED;
        shadow->default_scheme = text == NULL ? SHADOW_SCHEME_HTTP : scheme_of(text, strlen(text));
        break;
    case CURLOPT_HTTPHEADER:
        shadow->headers = (const struct curl_slist *)argument;
        break;
    case CURLOPT_HEADER:
        shadow->include_header = (long)argument != 0;
        break;
    case CURLOPT_CONNECT_ONLY:
        shadow->connect_only = (long)argument != 0;
        break;
    case CURLOPT_ACCEPT_ENCODING:
        shadow->accepts_encoding = text != NULL;
        break;
    case CURLOPT_HTTP_CONTENT_DECODING:
        shadow->keeps_encoding = (long)argument == 0;
        break;
    case CURLOPT_XOAUTH2_BEARER:
        set_string(&shadow->bearer, text);
        break;
    default:
        set_told(shadow, option, argument);
        break;
    }
}

/* Host and path where CURLOPT_PORT replaces the URL's port. */
static __attribute__((noinline)) size_t write_with_port(const struct shadow *shadow, char *out, size_t room)
{
    size_t host_bytes = shadow->host_bytes;
    char port[16];
    const char *last = memrchr(shadow->url.data, ':', host_bytes);
    if (last != NULL && memchr(last, ']', (size_t)(shadow->url.data + host_bytes - last)) == NULL)
        host_bytes = (size_t)(last - shadow->url.data);
    size_t port_bytes = (size_t)snprintf(port, sizeof(port), ":%ld", shadow->port & 0xffff);
    size_t path_bytes = (size_t)shadow->url_bytes - shadow->host_bytes;
    if (host_bytes + port_bytes + path_bytes > room)
        return 0;
    memcpy(out, shadow->url.data, host_bytes);
    memcpy(out + host_bytes, port, port_bytes);
    memcpy(out + host_bytes + port_bytes, shadow->url.data + shadow->host_bytes, path_bytes);
    return host_bytes + port_bytes + path_bytes;
}

size_t shadow_url(const struct shadow *shadow, char *out, size_t room)
{
    static const char prefix[] = "https://", plain[] = "http://";
    enum shadow_scheme scheme = shadow->scheme == SHADOW_SCHEME_MISSING ? shadow->default_scheme : shadow->scheme;
    if (shadow->url_bytes == 0 || scheme == SHADOW_SCHEME_OTHER || scheme == SHADOW_SCHEME_SOCKET ||
        room < sizeof(prefix))
        return 0;
    size_t prefix_bytes = scheme == SHADOW_SCHEME_HTTPS ? sizeof(prefix) - 1 : sizeof(plain) - 1;
    memcpy(out, scheme == SHADOW_SCHEME_HTTPS ? prefix : plain, sizeof(plain)); /* 8 bytes of both */
    if (shadow->port != 0) {
        size_t bytes = write_with_port(shadow, out + prefix_bytes, room - prefix_bytes);
        return bytes == 0 ? 0 : prefix_bytes + bytes;
    }
    if (shadow->url_bytes > room - prefix_bytes)
        return 0;
    memcpy(out + prefix_bytes, shadow->url.data, shadow->url_bytes);
    return prefix_bytes + shadow->url_bytes;
}

const char *shadow_method(const struct shadow *shadow)
{
    static const char *const names[] = {
        [SHADOW_GET] = "GET",        [SHADOW_HEAD] = "HEAD", [SHADOW_POST] = "POST",
        [SHADOW_MULTIPART] = "POST", [SHADOW_PUT] = "PUT",
    };
    return shadow->method[0] != '\0' ? shadow->method : names[shadow->request];
}

bool shadow_body_is_read(const struct shadow *shadow)
{
    return shadow->request == SHADOW_PUT ||
           (shadow->request == SHADOW_POST && shadow->fields_kind == SHADOW_FIELDS_NONE);
}
