/*
 * Kinds of words, see word_look.h. Called by text_features.c on the scribe's thread for each of the
 * first and last words of a text. Must look at nothing but the word itself.
 */
#include "word_look.h"

#include "span/prompt_features.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter(uint8_t c)
{
    return is_upper(c) || (c >= 'a' && c <= 'z');
}

/* Capitals of two bytes: Latin with its accents, Greek, Cyrillic, Armenian. */
static bool is_high_capital(const uint8_t *word, size_t bytes)
{
    const uint8_t first = word[0], next = bytes > 1 ? word[1] : 0;
    switch (first) {
    case 0xc3:
        return next >= 0x80 && next <= 0x9e && next != 0x97;
    case 0xc4:
    case 0xc5:
        return !(next & 1);
    case 0xce:
        return next >= 0x86 && next <= 0xab;
    case 0xd0:
        return next >= 0x80 && next <= 0xaf;
    case 0xd4:
        return next >= 0xb1;
    default:
        return false;
    }
}

/* A name of a month or a day, whole or cut to its first three letters. */
static bool is_calendar(const uint8_t *word, size_t bytes)
{
    static const char names[][12] = {
        "January", "February", "March",    "April",       "May",     "June",      "July",     "August",  "September",
        "October", "November", "December", "Monday",      "Tuesday", "Wednesday", "Thursday", "Friday",  "Saturday",
        "Sunday",  "Januar",   "Februar",  "M\xc3\xa4rz", "Mai",     "Juni",      "Juli",     "Oktober", "Dezember",
        "Montag",  "Dienstag", "Mittwoch", "Donnerstag",  "Freitag", "Samstag",   "Sonntag"};
    if (bytes < 3 || bytes > 10)
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (word[0] == (uint8_t)names[i][0] && memcmp(word, names[i], 3) == 0 &&
            (bytes == 3 || (memcmp(word, names[i], bytes) == 0 && names[i][bytes] == '\0')))
            return true;
    return false;
}

/* Up to four groups that '-' or '_' part. */
struct groups {
    unsigned n, digits[4], letters[4];
    const uint8_t *at[4];
};

static struct groups groups_of(const uint8_t *word, size_t bytes)
{
    struct groups groups = {.n = 1, .at = {word}};
    for (size_t i = 0; i < bytes; i++) {
        const unsigned last = groups.n - 1;
        if (is_digit(word[i]))
            groups.digits[last]++;
        else if (is_letter(word[i]))
            groups.letters[last]++;
        else if (groups.n < 4)
            groups.at[groups.n++] = word + i + 1;
    }
    return groups;
}

static bool is_year(const uint8_t *p)
{
    return (p[0] == '1' && p[1] == '9') || (p[0] == '2' && p[1] == '0');
}

static unsigned two_digits(const uint8_t *p)
{
    return (p[0] - '0') * 10U + (p[1] - '0');
}

/* 20260131 */
static bool is_packed_date(const uint8_t *p)
{
    const unsigned month = two_digits(p + 4), day = two_digits(p + 6);
    return is_year(p) && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* 2026-01-31, 2026-01-31T10 (the time goes on behind it), 2026-01, 31-01-2026, 31-Jan-2026,
 * 20260131, 20260131T10. */
static bool is_date(const struct groups *groups)
{
    const unsigned *const digits = groups->digits, *const letters = groups->letters;
    if (groups->n == 1)
        return digits[0] >= 8 && letters[0] <= 1 && (letters[0] == 1 || digits[0] == 8) && is_digit(groups->at[0][7]) &&
               is_packed_date(groups->at[0]);
    if (letters[0] || digits[0] > 4)
        return false;
    if (digits[0] == 4 && is_year(groups->at[0]) && letters[1] == 0 && digits[1] >= 1 && digits[1] <= 2)
        return groups->n == 2 || (groups->n == 3 && digits[2] >= 1 && digits[2] <= 14 && letters[2] <= 2);
    if (groups->n != 3 || digits[0] > 2 || letters[2] || (digits[2] != 2 && digits[2] != 4))
        return false;
    return letters[1] == 0 ? digits[1] >= 1 && digits[1] <= 2 : digits[1] == 0 && letters[1] == 3;
}

/* Of a run that holds a digit. */
static unsigned kind_of_digits(const uint8_t *word, size_t bytes)
{
    enum { LONG_NUMBER = 9 };
    const struct groups groups = groups_of(word, bytes);
    if (is_date(&groups))
        return PROMPT_WORD_DATE;
    return groups.n == 1 && !groups.letters[0] && bytes < LONG_NUMBER ? PROMPT_WORD_NUMBER : PROMPT_WORD_ID;
}

static unsigned kind_of_mark(uint8_t mark)
{
    switch (mark) {
    case '.':
    case ',':
    case '-':
    case '+':
    case '\'':
        return PROMPT_WORD_JOINT;
    case ':':
    case '/':
        return PROMPT_WORD_SLASH;
    case '@':
        return PROMPT_WORD_AT;
    default:
        return PROMPT_WORD_MARK;
    }
}

/* A bit of a keyed hash of the word. */
static unsigned bit_of(const uint8_t *word, size_t bytes, const struct text_seed *seed)
{
    uint64_t hash = bytes;
    for (; bytes > 8; word += 8, bytes -= 8)
        hash = text_mix(seed, hash, text_load(word));
    return (unsigned)(text_mix(seed, hash, text_load_some(word, bytes)) >> 63);
}

uint8_t text_word_look(const struct text_words *words, const uint8_t *before, const struct text_seed *seed)
{
    const uint8_t *const word = words->from;
    const size_t bytes = (size_t)(words->at - word), whole = (size_t)(words->at - before);
    unsigned kind;
    if (words->digits)
        kind = kind_of_digits(word, bytes) | bit_of(word, bytes, seed);
    else if (*word == '\n')
        kind = PROMPT_WORD_LINE;
    else if (*word >= 0xe2)
        kind = PROMPT_WORD_WIDE;
    else if (is_upper(*word))
        kind = is_calendar(word, bytes) ? PROMPT_WORD_CALENDAR : PROMPT_WORD_CAPITAL;
    else if (*word >= 0x80)
        kind = is_high_capital(word, bytes) ? PROMPT_WORD_CAPITAL : PROMPT_WORD_LETTERS;
    else
        kind = is_letter(*word) ? PROMPT_WORD_LETTERS : kind_of_mark(*word);
    return prompt_word_look(kind, whole);
}
