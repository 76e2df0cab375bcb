/*
 * See transfer_headers.h. Reads the application's list of headers when libcurl is about to, never
 * later, and keeps nothing of it.
 */
#include "transfer_headers.h"

#include "shim/llm/exchange_ends.h"
#include "shim/llm/header_lines.h"
#include "shim/tape/tape.h"

#include <errno.h>
#include <string.h>

/* Appends a line with its NUL; leaves one out that does not fit. */
static size_t append_line(char *out, size_t room, const char *prefix, const char *line, size_t line_bytes)
{
    size_t prefix_bytes = strlen(prefix);
    if (prefix_bytes + line_bytes + 1 > room)
        return 0;
    memcpy(out, prefix, prefix_bytes);
    memcpy(out + prefix_bytes, line, line_bytes);
    out[prefix_bytes + line_bytes] = '\0';
    return prefix_bytes + line_bytes + 1;
}

/* What stands in the URL and in options. */
static size_t write_beside(const struct shadow *shadow, char *out, size_t room)
{
    static const char beside[] = {EXCHANGE_BESIDE, '\0'};
    static const char prefixes[SHADOW_TOLD_N][16] = {
        [SHADOW_TOLD_USERPWD] = {EXCHANGE_BESIDE},  [SHADOW_TOLD_USERNAME] = {EXCHANGE_BESIDE},
        [SHADOW_TOLD_PASSWORD] = {EXCHANGE_BESIDE}, [SHADOW_TOLD_PROXYUSERPWD] = {EXCHANGE_BESIDE},
        [SHADOW_TOLD_COOKIE] = "Cookie: ",          [SHADOW_TOLD_USERAGENT] = "User-Agent: ",
        [SHADOW_TOLD_REFERER] = "Referer: "};
    size_t used = 0;
    const struct shadow_texts *texts = shadow_texts(shadow);
    if (texts == NULL)
        return 0;
    if (texts->beside[0] != '\0')
        used += append_line(out, room, beside, texts->beside, strlen(texts->beside));
    for (unsigned i = 0; i < SHADOW_TOLD_N; i++)
        if (texts->told[i][0] != '\0')
            used += append_line(out + used, room - used, prefixes[i], texts->told[i], strlen(texts->told[i]));
    return used;
}

static size_t write_bearer(const struct shadow *shadow, char *out, size_t room)
{
    if (shadow->bearer.data == NULL)
        return 0;
    return append_line(out, room, "Authorization: Bearer ", shadow->bearer.data, shadow->bearer.bytes);
}

/* Some lines of the application's list, whole or their beginnings. */
static size_t write_some(const struct shadow *shadow, bool matter, char *out, size_t room)
{
    size_t used = 0;
    for (const struct curl_slist *item = shadow->headers; item != NULL; item = item->next)
        if (item->data != NULL && header_line_matters(item->data) == matter)
            used += append_line(out + used, room - used, "", item->data,
                                matter ? strlen(item->data) : strnlen(item->data, HEADER_OTHER_BYTES_MAX));
    return used;
}

/* Where not all fits: what matters comes first, the others are what is left out. */
static __attribute__((noinline)) size_t write_what_fits(const struct shadow *shadow, char *out, size_t room)
{
    size_t used = write_some(shadow, true, out, room);
    used += write_bearer(shadow, out + used, room - used);
    used += write_beside(shadow, out + used, room - used);
    return used + write_some(shadow, false, out + used, room - used);
}

size_t transfer_headers_write(const struct shadow *shadow, char *out, size_t room)
{
    size_t used = write_beside(shadow, out, room);
    for (const struct curl_slist *item = shadow->headers; item != NULL; item = item->next) {
        const size_t bytes = item->data == NULL ? 0 : strlen(item->data) + 1;
        if (bytes > room - used)
            return write_what_fits(shadow, out, room);
        if (bytes != 0)
            memcpy(out + used, item->data, bytes);
        used += bytes;
    }
    if (shadow->bearer.data == NULL)
        return used;
    const size_t bearer_bytes = write_bearer(shadow, out + used, room - used);
    return bearer_bytes == 0 ? write_what_fits(shadow, out, room) : used + bearer_bytes;
}

__attribute__((noinline)) void transfer_note_headers(struct handle *handle)
{
    int saved_errno = errno;
    char text[HEADER_LINES_BYTES_MAX];
    size_t bytes = transfer_headers_write(&handle->easy.shadow, text, sizeof(text));
    handle->easy.headers_noted = true;
    if (bytes != 0)
        tape_piece(TAPE_REQUEST_HEADERS, handle->easy.transfer, tape_now_ns(), text, bytes, &handle->easy.lost);
    errno = saved_errno;
}
