/*
 * Echoes of the request that a server says in another form: see secret.h.
 *
 * A text is turned in every way known here, and what comes out of that again: cut by signs, in
 * another case, backwards, letters turned by thirteen; in base64, base32, hexadecimal and percent
 * signs, forwards and backwards, and those in each other twice. In what comes out, letters and
 * digits alone are compared with those of the request's pieces, whole or each second one.
 *
 * Called on the scribe's thread for a few short texts per exchange. Must never keep a decoded byte.
 */
#include "secret.h"

#include <string.h>

#include "shim/llm/framing/base64.h"
#include "shim/llm/recognise/url.h"
#include "words.h"

enum {
    TEXT_MAX = 1024, /* of a text; what is stored is half as long at most */
    RUN_MIN = 8,     /* shorter runs decode to less than a piece */
    ROUNDS = 3,      /* encodings in each other */
    LOOKS_MAX = 500, /* at what came out; a text that gives more was made for that */
    REVERSED = 1,
    ROTATED = 2,
    CLOSED = 4, /* without the signs that cut it */
    VARIANTS = 8,
};

/* One search. */
struct search {
    const struct secret_echo *echo;
    unsigned looks;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- comparing ---- */

/* Letters, in lower case, and digits of each `step`th byte. */
static size_t strip(const char *text, size_t bytes, size_t step, char *ret_text)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i += step)
        if (is_letter(text[i]) || is_digit(text[i]))
            ret_text[n++] = lower(text[i]);
    return n;
}

/* SECRET_ECHO_RUN bytes in common; digits alone may be a date. */
static bool shares_run(const char *text, size_t bytes, const char *piece, size_t piece_bytes)
{
    for (size_t i = 0; i + SECRET_ECHO_RUN <= bytes && piece_bytes >= SECRET_ECHO_RUN; i++) {
        bool letter = false;
        for (size_t j = 0; j < SECRET_ECHO_RUN; j++)
            letter = letter || is_letter(text[i + j]);
        if (letter && memmem(piece, piece_bytes, text + i, SECRET_ECHO_RUN) != NULL &&
            !words_of_path(text + i, SECRET_ECHO_RUN))
            return true;
    }
    return false;
}

/* `text` is stripped, the piece is not; `mark`: see struct secret_echo. */
static bool repeats(const char *text, size_t bytes, const char *piece, size_t piece_bytes, char mark)
{
    const bool credential = mark == '!' || mark == '~';
    char stripped[SECRET_ECHO_BYTES];
    size_t n = strip(piece, piece_bytes, 1, stripped);
    const bool asked = mark == '#' && n == bytes; /* the id that the query asks for */
    bool found = !asked && n >= SECRET_ECHO_INSIDE_MIN && memmem(text, bytes, stripped, n) != NULL;
    found = found || (credential && shares_run(text, bytes, stripped, n));
    for (size_t skip = 0; skip < 2 && credential && !found && piece_bytes >= 2 * (size_t)SECRET_ECHO_RUN; skip++) {
        n = strip(piece + skip, piece_bytes - skip, 2, stripped);
        found = shares_run(text, bytes, stripped, n);
    }
    explicit_bzero(stripped, sizeof(stripped));
    return found;
}

static bool repeated(const struct secret_echo *echo, const char *text, size_t bytes)
{
    const char *const end = echo->text + echo->bytes;
    char stripped[TEXT_MAX];
    const size_t n = strip(text, bytes, 1, stripped);
    bool found = false;
    for (const char *p = echo->text; p < end && n >= SECRET_ECHO_INSIDE_MIN && !found;) {
        const char *const piece = p + 1, *const stop = memchr(piece, '\n', (size_t)(end - piece));
        found = repeats(stripped, n, piece, (size_t)(stop - piece), *p);
        p = stop + 1;
    }
    explicit_bzero(stripped, sizeof(stripped));
    return found;
}

/* ---- decoding ---- */

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool in_base64(char c)
{
    return is_digit(c) || is_letter(c) || c == '+' || c == '/' || c == '-' || c == '_';
}

static bool in_base32(char c)
{
    return is_letter(c) || (c >= '2' && c <= '7');
}

static bool in_hex(char c)
{
    return hex_value(c) >= 0;
}

static bool in_printed(char c)
{
    return c >= ' ' && c < 0x7f;
}

static size_t decode_hex(const char *text, size_t bytes, char *ret_text)
{
    size_t n = 0;
    for (size_t i = 0; i + 1 < bytes; i += 2)
        ret_text[n++] = (char)(hex_value(text[i]) * 16 + hex_value(text[i + 1]));
    return n;
}

static size_t decode_base32(const char *text, size_t bytes, char *ret_text)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        bits = bits << 5 | (uint32_t)(is_digit(text[i]) ? text[i] - '2' + 26 : lower(text[i]) - 'a');
        have += 5;
        if (have >= 8) {
            have -= 8;
            ret_text[n++] = (char)(bits >> have & 0xff);
        }
    }
    return n;
}

static size_t decode_base64(const char *text, size_t bytes, char *ret_text)
{
    struct base64 base64 = {0};
    return base64_push(&base64, text, bytes, (uint8_t *)ret_text);
}

/* Alignments: something may stand before it that looks like its beginning. */
static const struct {
    bool (*in)(char c);
    unsigned alignments;
    size_t (*decode)(const char *text, size_t bytes, char *ret_text);
} codes[] = {
    {in_hex, 2, decode_hex},
    {in_base32, 8, decode_base32},
    {in_base64, 4, decode_base64},
};

static size_t run_of(const char *text, size_t bytes, bool (*in)(char c))
{
    size_t run = 0;
    while (run < bytes && in(text[run]))
        run++;
    return run;
}

static bool look(struct search *search, const char *text, size_t bytes, unsigned rounds);

/* What was encoded was printed. */
static bool look_at_printed(struct search *search, const char *text, size_t bytes, unsigned rounds)
{
    for (size_t at = 0; at < bytes;) {
        const size_t run = run_of(text + at, bytes - at, in_printed);
        if (run >= SECRET_ECHO_INSIDE_MIN && look(search, text + at, run, rounds))
            return true;
        at += run + 1;
    }
    return false;
}

/* Runs of the code's alphabet, decoded from each of their first characters. */
static bool look_into(struct search *search, const char *text, size_t bytes, size_t code, unsigned rounds)
{
    char decoded[TEXT_MAX];
    bool found = false;
    for (size_t at = 0; at < bytes && !found;) {
        const size_t run = run_of(text + at, bytes - at, codes[code].in);
        for (size_t skip = 0; skip < codes[code].alignments && run >= RUN_MIN + skip && !found; skip++) {
            const size_t n = codes[code].decode(text + at + skip, run - skip, decoded);
            found = look_at_printed(search, decoded, n, rounds);
        }
        at += run + 1;
    }
    explicit_bzero(decoded, sizeof(decoded));
    return found;
}

/* Returns the bytes written, 0 when it is the text of another variant. */
static size_t turn(const char *text, size_t bytes, unsigned variant, char *ret_text)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[variant & REVERSED ? bytes - 1 - i : i];
        if (variant & CLOSED && memchr("-._: ", c, 5) != NULL)
            continue;
        if (variant & ROTATED && is_letter(c))
            c = (char)(lower(c) < 'n' ? c + 13 : c - 13);
        ret_text[n++] = c;
    }
    return variant & CLOSED && n == bytes ? 0 : n;
}

/* What the text encodes. */
static bool look_inside(struct search *search, const char *text, size_t bytes, unsigned rounds)
{
    char plain[TEXT_MAX];
    bool found = false;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]) && !found; i++)
        found = look_into(search, text, bytes, i, rounds);
    if (!found && memchr(text, '%', bytes) != NULL) {
        found = look_at_printed(search, plain, url_decode(text, bytes, plain, sizeof(plain)), rounds);
        explicit_bzero(plain, sizeof(plain));
    }
    return found;
}

static bool look(struct search *search, const char *text, size_t bytes, unsigned rounds)
{
    char turned[TEXT_MAX];
    bool found = false;
    if (search->looks++ >= LOOKS_MAX)
        return true;
    for (unsigned variant = 0; variant < VARIANTS && !found; variant++) {
        const size_t n = turn(text, bytes, variant, turned);
        const bool decodes = rounds > 0 && !(variant & ROTATED); /* the price of the search is here */
        found = n > 0 && (repeated(search->echo, turned, n) || (decodes && look_inside(search, turned, n, rounds - 1)));
    }
    explicit_bzero(turned, bytes);
    return found;
}

bool secret_echoed_encoded(const struct secret_echo *echo, const char *text, size_t bytes)
{
    struct search search = {.echo = echo};
    return echo->bytes != 0 && bytes >= SECRET_ECHO_INSIDE_MIN && bytes <= TEXT_MAX &&
           look(&search, text, bytes, ROUNDS);
}
