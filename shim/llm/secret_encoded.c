/*
 * Echoes of the request that a server says in another form: see secret.h.
 *
 * Called on the scribe's thread for a few short texts per exchange. Must never keep a decoded byte.
 */
#include "secret.h"

#include <string.h>

#include "base64.h"
#include "url.h"

enum {
    TEXT_MAX = 1024, /* of a text; what is stored is half as long at most */
    RUN_MIN = 8,     /* shorter runs decode to less than a piece */
    ALIGNMENTS = 4,  /* of base64: a text may stand before it that looks like its beginning */
    HEX_ALIGNMENTS = 2,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool in_base64(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '+' || c == '/' || c == '-' ||
           c == '_';
}

static bool in_hex(char c)
{
    return hex_value(c) >= 0;
}

static size_t decode_hex(const char *text, size_t bytes, char *ret_text)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < bytes; i += 2)
        ret_text[n++] = (char)(hex_value(text[i]) * 16 + hex_value(text[i + 1]));
    return n;
}

static size_t decode_base64(const char *text, size_t bytes, char *ret_text)
{
    struct base64 base64 = {0};
    return base64_push(&base64, text, bytes, (uint8_t *)ret_text);
}

/* Runs of one alphabet, decoded from each of its first characters. */
static bool in_runs(const struct secret_echo *echo, const char *text, size_t bytes, bool (*in)(char c),
                    unsigned alignments, size_t (*decode)(const char *text, size_t bytes, char *ret_text))
{
    char decoded[TEXT_MAX];
    bool found = false;
    for (size_t at = 0; at < bytes && !found;) {
        size_t run = 0;
        while (at + run < bytes && in(text[at + run]))
            run++;
        for (size_t skip = 0; skip < alignments && run >= RUN_MIN + skip && !found; skip++)
            found = secret_echoed_in(echo, decoded, decode(text + at + skip, run - skip, decoded));
        at += run + 1;
    }
    explicit_bzero(decoded, sizeof(decoded));
    return found;
}

static bool backwards(const struct secret_echo *echo, const char *text, size_t bytes)
{
    char turned[TEXT_MAX];
    for (size_t i = 0; i < bytes; i++)
        turned[i] = text[bytes - 1 - i];
    const bool found = secret_echoed_in(echo, turned, bytes);
    explicit_bzero(turned, sizeof(turned));
    return found;
}

static bool in_form(const struct secret_echo *echo, const char *text, size_t bytes)
{
    return backwards(echo, text, bytes) || in_runs(echo, text, bytes, in_hex, HEX_ALIGNMENTS, decode_hex) ||
           in_runs(echo, text, bytes, in_base64, ALIGNMENTS, decode_base64);
}

bool secret_echoed_encoded(const struct secret_echo *echo, const char *text, size_t bytes)
{
    char plain[TEXT_MAX];
    if (echo->bytes == 0 || bytes < RUN_MIN || bytes > sizeof(plain))
        return false;
    if (in_form(echo, text, bytes))
        return true;
    if (!memchr(text, '%', bytes))
        return false;
    const size_t n = url_decode(text, bytes, plain, sizeof(plain));
    const bool found = secret_echoed_in(echo, plain, n) || in_form(echo, plain, n);
    explicit_bzero(plain, sizeof(plain));
    return found;
}
