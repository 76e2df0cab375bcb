/*
 * The words of the services, see words.h: a table of the hashes of what words.def lists, made at
 * the first question.
 *
 * Called on the scribe's thread. A forked child may find the table half made: then it is made
 * again, which adds nothing twice.
 */
#include "words.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { SLOTS = 8192, PART_DIGITS_MAX = 3, PATH_DIGITS_MAX = 4 /* years in versions */ };

/* Which list a hash is of; the lists have hashes of their own. */
enum list { WHOLE, PART, PATH_PART };

static const char whole_words[] =
#define WORDS(text) text " "
/* clang-format off */
#define PARTS(text)
/* clang-format on */
#define PATHS(text)
#include "words.def"
#undef WORDS
#undef PARTS
    ;
static const char part_words[] =
#define WORDS(text)
#define PARTS(text) text " "
#include "words.def"
#undef PARTS
#undef PATHS
    ;
static const char path_words[] =
/* clang-format off */
#define PARTS(text)
/* clang-format on */
#define PATHS(text) text " "
#include "words.def"
#undef WORDS
#undef PARTS
#undef PATHS
    ;

static uint64_t table[SLOTS]; /* 0: free */
static bool table_made;

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* FNV-1a of the lower-case text; 64 bits, so that no other text stands for a word by chance. */
static uint64_t hash_of(enum list list, const char *text, size_t bytes)
{
    uint64_t hash = 14695981039346656037u + (uint64_t)list * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)lower(text[i])) * 1099511628211u;
    return hash ? hash : 1;
}

/* The slot that holds the hash, or the free one where it belongs. */
static uint64_t *slot_of(uint64_t hash)
{
    size_t at = (size_t)(hash ^ hash >> 32) % SLOTS;
    while (table[at] && table[at] != hash)
        at = (at + 1) % SLOTS;
    return &table[at];
}

static void add(enum list list, const char *text, size_t bytes)
{
    const uint64_t hash = hash_of(list, text, bytes);
    *slot_of(hash) = hash;
}

static bool has(enum list list, const char *text, size_t bytes)
{
    const uint64_t hash = hash_of(list, text, bytes);
    return *slot_of(hash) == hash;
}

struct part {
    const char *text;
    size_t bytes;
    bool number;
};

static bool is_separator(char c)
{
    return c == '_' || c == '-' || c == '.' || c == ':' || c == ' ';
}

/* How long the run of letters at `p` is up to the next hump: "invalid|Api", "API|Key", "MODEL". */
static size_t letters(const char *p, const char *end)
{
    const char *at = p + 1;
    if (is_upper(*p) && at < end && is_upper(*at)) {
        while (at < end && is_upper(*at))
            at++;
        return (size_t)(at - p) - (at < end && is_lower(*at));
    }
    while (at < end && is_lower(*at))
        at++;
    return (size_t)(at - p);
}

/* 1: *ret_part is the next one, 0: there is none, -1: something else than words. */
static int next_part(const char **at, const char *end, struct part *ret_part)
{
    const char *p = *at;
    while (p < end && is_separator(*p))
        p++;
    if (p == end)
        return 0;
    size_t bytes = 0;
    const bool number = is_digit(*p);
    while (number && p + bytes < end && is_digit(p[bytes]))
        bytes++;
    if (is_lower(*p) || is_upper(*p))
        bytes = letters(p, end);
    *ret_part = (struct part){p, bytes, number};
    *at = p + bytes;
    return bytes ? 1 : -1;
}

/* Parts of whole values that people make passwords of. */
static bool is_no_part(const struct part *part)
{
    static const char words[][9] = {"secret", "password", "passwd", "admin", "root"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == part->bytes && !strncasecmp(words[i], part->text, part->bytes))
            return true;
    return false;
}

static void add_parts(enum list list, const char *word, size_t bytes)
{
    const char *at = word;
    struct part part;
    while (next_part(&at, word + bytes, &part) > 0)
        if (!part.number && !is_no_part(&part))
            add(list, part.text, part.bytes);
}

/* Every word of a list separated by blanks. */
static void add_list(const char *list, bool whole, enum list parts)
{
    for (const char *p = list; *p;) {
        const size_t bytes = strcspn(p, " ");
        if (whole)
            add(WHOLE, p, bytes);
        add_parts(parts, p, bytes);
        p += bytes + (p[bytes] == ' ');
    }
}

static void make_table(void)
{
    if (table_made)
        return;
    add_list(whole_words, true, PART);
    add_list(part_words, false, PART);
    add_list(path_words, false, PATH_PART);
    table_made = true;
}

static bool part_known(const struct part *part, bool path)
{
    if (part->number)
        return part->bytes <= (path ? PATH_DIGITS_MAX : PART_DIGITS_MAX);
    return has(PART, part->text, part->bytes) || (path && has(PATH_PART, part->text, part->bytes));
}

/* All parts are known. *ret_words counts those that are no numbers. */
static bool parts_known(const char *text, size_t bytes, bool path, unsigned *ret_words)
{
    const char *at = text;
    struct part part;
    int more;
    *ret_words = 0;
    for (unsigned parts = 0; (more = next_part(&at, text + bytes, &part)) > 0; parts++) {
        if (parts == WORDS_PARTS_MAX || !part_known(&part, path))
            return false;
        *ret_words += !part.number;
    }
    return more == 0;
}

static bool is_number(const char *text, size_t bytes)
{
    const size_t sign = bytes && *text == '-';
    if (bytes == sign || bytes - sign > WORDS_NUMBER_DIGITS_MAX)
        return false;
    for (size_t i = sign; i < bytes; i++)
        if (!is_digit(text[i]))
            return false;
    return true;
}

bool words_known(const char *text, size_t bytes)
{
    unsigned words;
    if (!bytes || bytes > WORDS_BYTES_MAX)
        return false;
    make_table();
    return is_number(text, bytes) || has(WHOLE, text, bytes) || (parts_known(text, bytes, false, &words) && words >= 2);
}

bool words_of_path(const char *segment, size_t bytes)
{
    unsigned words;
    if (!bytes || bytes > WORDS_BYTES_MAX)
        return false;
    make_table();
    return parts_known(segment, bytes, true, &words) && words >= 1;
}
