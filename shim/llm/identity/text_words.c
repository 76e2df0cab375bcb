/*
 * Words one by one, see text_words.h. Called by text_features.c on the scribe's thread. Must never
 * depend on the machine: bytes are loaded as little-endian numbers.
 */
#include "text_words.h"

/* What a byte is: blank, Line end, Digit, Letter (ASCII), Higher letter (two bytes of UTF-8, and
 * what continues any), Wide (begins a character of three or four bytes), Joint, Mark. */
enum { B, L, D, A, H, W, J, M };

#define SIXTEEN(x) x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x
static const uint8_t class_of[256] = {
    M,          M,          M,          M,          M,          M,          M, M, M, B, L, M, M, B, M, M, /* tab, line feed, carriage return */
    SIXTEEN(M),                                                                                           /* controls */
    B,          M,          M,          M,          M,          M,          M, M, M, M, M, M, M, J, M, M, /* blank to '/' */
    D,          D,          D,          D,          D,          D,          D, D, D, D, M, M, M, M, M, M, /* digits */
    M,          A,          A,          A,          A,          A,          A, A, A, A, A, A, A, A, A, A, /* @A to O */
    A,          A,          A,          A,          A,          A,          A, A, A, A, A, M, M, M, M, J, /* P to Z, _ */
    M,          A,          A,          A,          A,          A,          A, A, A, A, A, A, A, A, A, A, /* `a to o */
    A,          A,          A,          A,          A,          A,          A, A, A, A, A, M, M, M, M, M, /* p to z */
    SIXTEEN(H), SIXTEEN(H), SIXTEEN(H), SIXTEEN(H), SIXTEEN(H), SIXTEEN(H), H, H, W, W, W, W, W, W, W, W, W,
    W,          W,          W,          W,          W, /* U+2000 and higher */
    SIXTEEN(W),
};

static uint64_t letters_hash(const struct text_seed *seed, const uint8_t *p, size_t bytes)
{
    uint64_t hash = seed->a;
    const uint64_t last = seed->b ^ bytes * TEXT_ODD;
    for (; bytes > 8; p += 8, bytes -= 8)
        hash = text_multiply(hash ^ text_load(p), seed->b);
    return text_multiply(hash ^ text_load_some(p, bytes), last);
}

static uint64_t mark_hash(const struct text_seed *seed, uint8_t mark)
{
    return text_multiply(seed->b ^ mark, seed->a ^ TEXT_ODD);
}

static bool is_alnum(uint8_t class)
{
    return class == A || class == D;
}

/* The end of the run of ASCII letters and digits at `p`, parts joined. */
static const uint8_t *run_end(const uint8_t *p, const uint8_t *end, bool *ret_digit)
{
    *ret_digit = false;
    for (; p < end; p++) {
        const uint8_t class = class_of[*p];
        *ret_digit = *ret_digit || class == D;
        if (!is_alnum(class) && !(class == J && p + 1 < end && is_alnum(class_of[p[1]])))
            break;
    }
    return p;
}

struct text_run text_run_around(const uint8_t *at, const uint8_t *from, const uint8_t *end)
{
    bool digit;
    const uint8_t *const last = run_end(at, end, &digit);
    while (at > from &&
           (is_alnum(class_of[at[-1]]) || (class_of[at[-1]] == J && at - 1 > from && is_alnum(class_of[at[-2]]))))
        at--;
    return (struct text_run){at, last};
}

static const uint8_t *wide_end(const uint8_t *p, const uint8_t *end)
{
    const size_t most = *p >= 0xf0 ? 4 : 3;
    size_t bytes = 1;
    while (bytes < most && p + bytes < end && (p[bytes] & 0xc0) == 0x80)
        bytes++;
    return p + bytes;
}

const uint8_t *text_blank_end(const uint8_t *at, const uint8_t *end, bool lines)
{
    while (at < end && (class_of[*at] == B || (lines && class_of[*at] == L)))
        at++;
    return at;
}

bool text_words_next(struct text_words *words, const struct text_seed *seed, uint64_t *ret_hash)
{
    const uint8_t *const p = text_blank_end(words->at, words->end, false), *const end = words->end;
    bool digit = false;
    words->at = words->from = p;
    words->digits = false;
    if (p == end)
        return false;
    switch (class_of[*p]) {
    case L:
        words->at = text_blank_end(p, end, true);
        *ret_hash = mark_hash(seed, '\n');
        return true;
    case W:
        words->at = wide_end(p, end);
        *ret_hash = letters_hash(seed, p, (size_t)(words->at - p));
        return true;
    case A:
    case D:
        if (words->clean == NULL || p >= words->clean)
            words->clean = run_end(p, end, &digit);
        if (digit) {
            words->digits = true;
            words->at = words->clean;
            *ret_hash = mark_hash(seed, '0');
            return true;
        }
        break;
    case H:
        break;
    default:
        words->at = p + 1;
        *ret_hash = mark_hash(seed, *p);
        return true;
    }
    const uint8_t *q = p + 1;
    while (q < end && (class_of[*q] == A || class_of[*q] == H))
        q++;
    words->at = q;
    *ret_hash = letters_hash(seed, p, (size_t)(q - p));
    return true;
}

const uint8_t *text_words_start(const uint8_t *at, const uint8_t *end)
{
    bool blank = false;
    for (; at < end; at++) {
        const uint8_t class = class_of[*at];
        if (class == W || (blank && class != B && class != L))
            return at;
        blank = class == B || class == L;
    }
    return end;
}
