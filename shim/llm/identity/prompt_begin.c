/*
 * Where does a template end and the data begin? Signs of data: a line end, ": ", quotes, brackets,
 * a word with a digit, an address or path, a capitalised word that does not begin a sentence. At
 * most PROMPT_BEGIN_WORDS words of PROMPT_BEGIN_BYTES bytes.
 *
 * Called by prompt.c on the scribe's thread, once per request without instructions. Pure; ASCII
 * rules alone, so that the locale plays no part.
 */
#include "prompt_begin.h"

#include "json_canon.h"

#include <stdbool.h>

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* Quotes and brackets, typographic ones (U+2018 to U+201F, guillemets) included. */
static bool opens_data(const char *p, size_t left)
{
    const unsigned char *const u = (const unsigned char *)p;
    if (memchr("\"`{}[]()<>=|#*", *p, 14) != NULL)
        return true;
    if (left >= 3 && u[0] == 0xe2 && u[1] == 0x80 && u[2] >= 0x98 && u[2] <= 0x9f)
        return u[2] != 0x99; /* the apostrophe */
    return left >= 2 && u[0] == 0xc2 && (u[1] == 0xab || u[1] == 0xbb);
}

struct word {
    size_t bytes;
    bool data; /* a sign of data lies in it: it does not belong to the beginning */
    bool stop; /* nothing after it belongs to the beginning */
    bool sentence_end;
};

static struct word read_word(const char *p, size_t left, bool sentence_start)
{
    struct word word = {0};
    while (word.bytes < left && !is_blank(p[word.bytes]) && p[word.bytes] != '\n' && p[word.bytes] != '\r') {
        const char c = p[word.bytes];
        word.data = word.data || opens_data(p + word.bytes, left - word.bytes) || (c >= '0' && c <= '9') || c == '/' ||
                    c == '\\' || c == '@' || c == '_' || (c == '\'' && !word.bytes);
        word.bytes++;
    }
    const char last = word.bytes ? p[word.bytes - 1] : ' ';
    word.stop = last == ':';
    word.sentence_end = last == '.' || last == '!' || last == '?';
    const bool first_person = word.bytes && *p == 'I' && (word.bytes == 1 || p[1] == '\'');
    word.data = word.data || (word.bytes && is_upper(*p) && !sentence_start && !first_person);
    return word;
}

size_t prompt_begin(const char *text, size_t bytes, char ret_begin[PROMPT_BEGIN_BYTES])
{
    const char *p = text;
    const char *const end = text + bytes;
    size_t used = 0;
    bool sentence_start = true;
    while (p < end && (is_blank(*p) || *p == '\n' || *p == '\r'))
        p++;
    for (unsigned words = 0; words < PROMPT_BEGIN_WORDS; words++) {
        while (p < end && is_blank(*p))
            p++;
        const struct word word = read_word(p, (size_t)(end - p), sentence_start);
        if (!word.bytes || word.data || used + word.bytes + 1 > PROMPT_BEGIN_BYTES)
            break;
        if (used)
            ret_begin[used++] = ' ';
        for (size_t i = 0; i < word.bytes; i++)
            ret_begin[used++] = is_upper(p[i]) ? (char)(p[i] + 32) : p[i];
        if (word.stop)
            break;
        sentence_start = word.sentence_end;
        p += word.bytes;
    }
    return used;
}
