/*
 * The hooks of libcurl's MIME functions (library.h). `curl -F model=whisper-1 -F file=@speech.mp3`
 * names its model in a form that libcurl puts together itself and does not give back, so the short
 * text parts are noted as they are set. Called by entry.c on the application's thread; errno stays
 * as the real function left it.
 *
 * A form's record stands in the table of handles under its address plus one, which is no handle's:
 * libcurl frees the forms within a form without telling us, and a handle that comes to lie at such
 * an address must not be taken for one that we saw being made. A part belongs to the form that this
 * thread added a part to last; parts that are set later, or by another thread, are not seen.
 */
#include "form.h"

#include "handles.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { PARTS_MAX = 24, NAME_BYTES_MAX = 40, VALUE_BYTES_MAX = 255 };

struct part {
    const curl_mimepart *part;
    uint8_t name_bytes, value_bytes; /* 0: not set, or too long to be of interest */
    char name[NAME_BYTES_MAX];
    char value[VALUE_BYTES_MAX];
};
struct parts {
    unsigned n;
    struct part part[PARTS_MAX];
};
_Static_assert(sizeof(struct parts) <= KEEP_BLOCK_BYTES, "a form fits a recycled block");

static _Thread_local struct {
    const void *mime;
    struct handle *record;
} last;

static const void *key_of(const void *mime)
{
    return (const char *)mime + 1;
}

static struct handle *record_of(const void *mime)
{
    return mime != NULL ? handles_find(key_of(mime), HANDLE_FORM) : NULL;
}

static struct parts *parts_of(const struct handle *record)
{
    return (struct parts *)(void *)record->form.parts.data; /* a page begins there */
}

static struct library *library_for(const struct handle *record, struct origin origin)
{
    return record != NULL ? record->library : library_of(origin);
}

/* curl_formadd's lists become such forms inside libcurl, which calls its own exported functions. */
static bool from_inside(struct origin origin, const struct library *library)
{
    const uintptr_t caller = (uintptr_t)origin.caller;
    return origin.library == NULL && caller >= library->begin && caller < library->end;
}

static void add_part(struct handle *record, const void *mime, const curl_mimepart *part)
{
    static const struct parts empty;
    last.mime = mime;
    last.record = record;
    if (parts_of(record) == NULL && keep_set(&record->form.parts, &empty, sizeof(empty)) < 0)
        return;
    struct parts *parts = parts_of(record);
    if (parts->n < PARTS_MAX)
        parts->part[parts->n++].part = part;
}

/* NULL: not one that we saw being added. */
static struct part *find_part(const curl_mimepart *part)
{
    if (part == NULL || last.record == NULL || atomic_load(&last.record->key) != key_of(last.mime) ||
        parts_of(last.record) == NULL)
        return NULL;
    struct parts *parts = parts_of(last.record);
    for (unsigned i = parts->n; i > 0; i--)
        if (parts->part[i - 1].part == part)
            return &parts->part[i - 1];
    return NULL;
}

static uint8_t take(char *to, size_t room, const char *text, size_t bytes)
{
    if (text == NULL || bytes > room)
        return 0;
    memcpy(to, text, bytes);
    return (uint8_t)bytes;
}

curl_mime *hook_curl_mime_init(struct origin origin, CURL *easy)
{
    struct library *library = library_for(handles_find(easy, HANDLE_EASY), origin);
    if (library == NULL || library->real.curl_mime_init == NULL)
        return NULL;
    curl_mime *mime = library->real.curl_mime_init(easy);
    int saved_errno = errno;
    if (mime != NULL && !from_inside(origin, library))
        (void)handles_insert(key_of(mime), HANDLE_FORM, library);
    errno = saved_errno;
    return mime;
}

curl_mimepart *hook_curl_mime_addpart(struct origin origin, curl_mime *mime)
{
    struct handle *record = record_of(mime);
    struct library *library = library_for(record, origin);
    if (library == NULL || library->real.curl_mime_addpart == NULL)
        return NULL;
    curl_mimepart *part = library->real.curl_mime_addpart(mime);
    int saved_errno = errno;
    if (part != NULL && record != NULL)
        add_part(record, mime, part);
    errno = saved_errno;
    return part;
}

CURLcode hook_curl_mime_name(struct origin origin, curl_mimepart *part, const char *name)
{
    struct part *seen = find_part(part);
    struct library *library = library_for(seen != NULL ? last.record : NULL, origin);
    if (library == NULL || library->real.curl_mime_name == NULL)
        return CURLE_FAILED_INIT;
    CURLcode code = library->real.curl_mime_name(part, name);
    if (code == CURLE_OK && seen != NULL)
        seen->name_bytes = take(seen->name, sizeof(seen->name), name, name != NULL ? strlen(name) : 0);
    return code;
}

CURLcode hook_curl_mime_data(struct origin origin, curl_mimepart *part, const char *data, size_t bytes)
{
    struct part *seen = find_part(part);
    struct library *library = library_for(seen != NULL ? last.record : NULL, origin);
    if (library == NULL || library->real.curl_mime_data == NULL)
        return CURLE_FAILED_INIT;
    CURLcode code = library->real.curl_mime_data(part, data, bytes);
    if (code == CURLE_OK && seen != NULL) {
        if (bytes == CURL_ZERO_TERMINATED)
            bytes = data != NULL ? strlen(data) : 0;
        seen->value_bytes = take(seen->value, sizeof(seen->value), data, bytes);
    }
    return code;
}

void hook_curl_mime_free(struct origin origin, curl_mime *mime)
{
    struct handle *record = record_of(mime);
    const struct library *library = library_for(record, origin);
    if (library == NULL || library->real.curl_mime_free == NULL)
        return;
    int saved_errno = errno;
    if (record != NULL)
        handles_release(record);
    errno = saved_errno;
    library->real.curl_mime_free(mime);
}

static size_t append(char *out, size_t at, size_t room, const char *text, size_t bytes)
{
    if (at == 0 || bytes > room - at)
        return 0;
    memcpy(out + at, text, bytes);
    return at + bytes;
}

/* A name that would end its quotes, or a value that looks like the boundary, is left out. */
static bool is_plain(const struct part *part, const char *boundary)
{
    return part->name_bytes != 0 && part->value_bytes != 0 && memchr(part->name, '"', part->name_bytes) == NULL &&
           memchr(part->name, '\n', part->name_bytes) == NULL &&
           memmem(part->value, part->value_bytes, boundary, strlen(boundary)) == NULL;
}

size_t form_write(const void *mime, char *out, size_t room)
{
    static const char boundary[] = "--libpprof-form", before[] = "\r\nContent-Disposition: form-data; name=\"";
    const struct handle *record = record_of(mime);
    const struct parts *parts = record != NULL ? parts_of(record) : NULL;
    const size_t end_bytes = sizeof(boundary) - 1 + 4; /* "--" CR LF */
    size_t used = sizeof(boundary) - 1;
    unsigned written = 0;

    if (parts == NULL || room < used + end_bytes)
        return 0;
    memcpy(out, boundary, used);
    for (unsigned i = 0; i < parts->n; i++) {
        const struct part *part = &parts->part[i];
        if (!is_plain(part, boundary))
            continue;
        size_t at = append(out, used, room - end_bytes, before, sizeof(before) - 1);
        at = append(out, at, room - end_bytes, part->name, part->name_bytes);
        at = append(out, at, room - end_bytes, "\"\r\n\r\n", 5);
        at = append(out, at, room - end_bytes, part->value, part->value_bytes);
        at = append(out, at, room - end_bytes, "\r\n", 2);
        at = append(out, at, room - end_bytes, boundary, sizeof(boundary) - 1);
        if (at == 0)
            break;
        used = at;
        written++;
    }
    if (written == 0)
        return 0;
    memcpy(out + used, "--\r\n", 4);
    return used + 4;
}
