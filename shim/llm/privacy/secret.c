/*
 * Shapes of keys and addresses, echoes of the request; see secret.h.
 *
 * Called on the scribe's thread for a few short texts per exchange, and by the constructor for
 * labels. Must never keep a pointer into what it was given.
 */
#include "secret.h"

#include <string.h>
#include <strings.h>

#include "span/span_limits.h"
#include "shim/llm/framing/base64.h"
#include "shim/llm/recognise/url.h"
#include "words.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_alnum(char c)
{
    return is_digit(c) || is_letter(c);
}

static bool is_hex(char c)
{
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

/* ---- keys ---- */

/*
 * How keys begin, from the services' documents and the rules of public secret scanners. Behind a
 * beginning that only keys have, any `any` bytes of the key's alphabet make a key. Most beginnings
 * could begin a name as well ("sk-summary-of-calls-v2", "xai-chat-stream", "key-facts"): there the
 * pieces that no word has (see is_wordy) must reach `random` bytes.
 */
static const struct {
    char text[15];
    unsigned char any, random;
} key_beginnings[] = {
    {"sk-", 0, 16},          {"sk_", 0, 16},      {"pk-", 0, 16},          {"pk_", 0, 16},        {"rk_", 0, 16},
    {"ak-", 0, 16},          {"as-", 0, 16},      {"hf_", 0, 16},          {"gsk_", 0, 16},       {"xai-", 0, 16},
    {"pplx-", 0, 16},        {"nvapi-", 0, 16},   {"csk-", 0, 16},         {"cpk_", 0, 16},       {"r8_", 0, 16},
    {"tgp_", 0, 16},         {"fw_", 0, 16},      {"jina_", 0, 16},        {"pa-", 0, 16},        {"dapi", 0, 20},
    {"AKIA", 0, 16},         {"ASIA", 0, 16},     {"ABIA", 0, 16},         {"ACCA", 0, 16},       {"AIza", 0, 16},
    {"ABSK", 0, 16},         {"LTAI", 0, 12},     {"AKID", 0, 16},         {"ALTAK", 0, 12},      {"AQ.", 0, 16},
    {"npm_", 0, 16},         {"pypi-", 0, 16},    {"vck_", 0, 16},         {"sbp_", 0, 16},       {"up_", 0, 16},
    {"lin_api_", 0, 16},     {"ntn_", 0, 16},     {"figd_", 0, 16},        {"hvs.", 0, 12},       {"SG.", 0, 16},
    {"flp_", 0, 16},         {"rpa_", 0, 16},     {"pcsk_", 0, 16},        {"tvly-", 0, 16},      {"lsv2_", 0, 16},
    {"sess-", 0, 16},        {"secret-", 0, 16},  {"secret_", 0, 16},      {"key-", 0, 16},       {"api-key-", 0, 16},
    {"api_key-", 0, 16},     {"api-key_", 0, 16}, {"whsec_", 0, 16},       {"shpat_", 0, 16},     {"basic ", 0, 12},
    {"sk_live_", 8, 0},      {"rk_live_", 8, 0},  {"pk_live_", 8, 0},      {"ya29.", 8, 0},       {"ghp_", 8, 0},
    {"gho_", 8, 0},          {"ghu_", 8, 0},      {"ghs_", 8, 0},          {"ghr_", 8, 0},        {"github_pat_", 8, 0},
    {"glpat-", 8, 0},        {"xoxb-", 8, 0},     {"xoxp-", 8, 0},         {"xoxa-", 8, 0},       {"xapp-", 8, 0},
    {"dop_v1_", 8, 0},       {"dckr_pat_", 8, 0}, {"sk-helicone-", 12, 0}, {"eyJ", 20, 0},        {"bearer ", 1, 0},
    {"AccountKey=", 1, 0},   {"api_key=", 1, 0},  {"apikey=", 1, 0},       {"api-key=", 1, 0},    {"token=", 1, 0},
    {"secret=", 1, 0},       {"password=", 1, 0}, {"passwd=", 1, 0},       {"sig=", 4, 0},        {"signature=", 4, 0},
    {"access_token=", 1, 0}, {"key=", 1, 0},      {"-----BEGIN", 1, 0},    {"AGE-SECRET-", 1, 0},
};

/* Shorter pieces are names of models and abbreviations, unless digits and letters of both cases
 * alternate in them. */
enum {
    RANDOM_PIECE_MIN = 10,
    RANDOM_MIX_MIN = 5,
    LOWER_WORD_MAX = 20,
    UPPER_WORD_MAX = 15,
    MIXED_WORD_MAX = 16,
    MIXED_UPPERS_MAX = 10,
    DATE_TIME_DIGITS = 14,
    CHANGES_MIN = 7,
    UPPERS_MIN = 3
};

static bool in_key(char c)
{
    return is_alnum(c) || c == '-' || c == '_' || c == '.' || c == '+' || c == '/' || c == '=' || c == '~';
}

/* Could people have written these letters and digits? A word in lower or upper case, with humps,
 * with a number before or after it, a date with its time. */
static bool is_wordy(const char *text, size_t bytes)
{
    size_t digits = 0, uppers = 0, changes = 0;
    for (size_t i = 0; i < bytes; i++) {
        digits += is_digit(text[i]);
        uppers += text[i] >= 'A' && text[i] <= 'Z';
        changes += i && is_digit(text[i]) != is_digit(text[i - 1]);
    }
    if (bytes < RANDOM_PIECE_MIN)
        return bytes < RANDOM_MIX_MIN || changes < 2 || !uppers || uppers + digits == bytes;
    if (digits == bytes)
        return digits <= DATE_TIME_DIGITS;
    if (digits)
        return changes == 1 && bytes <= MIXED_WORD_MAX && digits <= 8 && uppers <= MIXED_UPPERS_MAX;
    return uppers == bytes ? bytes <= UPPER_WORD_MAX : bytes <= LOWER_WORD_MAX && uppers * 3 <= bytes + 2;
}

/* 8-4-4-4-12 hex digits. */
static bool is_uuid(const char *text, size_t bytes)
{
    enum { UUID_BYTES = 36 };
    for (size_t i = 0; i < UUID_BYTES; i++) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (i >= bytes || (dash ? text[i] != '-' : !is_hex(text[i])))
            return false;
    }
    return true;
}

/* From a lower to an upper letter, or between letters and digits. */
static bool is_change(char before, char c)
{
    const bool alnums = is_alnum(before) && is_alnum(c);
    return alnums && (is_digit(before) != is_digit(c) || (before >= 'a' && before <= 'z' && c >= 'A' && c <= 'Z'));
}

/* How many bytes no word has, in what the key's alphabet goes on with: those of the pieces that are
 * not wordy; all at a UUID, and where dashes cut a generated text short but both cases and digits
 * change at every fifth byte. A short hash after words is none. */
static size_t random_bytes(const char *text, size_t bytes)
{
    size_t found = 0, changes = 0, alnums = 0, uppers = 0;
    for (size_t i = 0; i < bytes && in_key(text[i]);) {
        size_t piece = 0;
        for (; i + piece < bytes && is_alnum(text[i + piece]); piece++) {
            changes += piece && is_change(text[i + piece - 1], text[i + piece]);
            uppers += text[i + piece] >= 'A' && text[i + piece] <= 'Z';
        }
        if (is_uuid(text + i, bytes - i))
            return bytes;
        found += is_wordy(text + i, piece) ? 0 : piece;
        alnums += piece;
        i += piece + 1;
    }
    const bool mixed = uppers >= UPPERS_MIN && ((changes >= CHANGES_MIN && changes * 5 >= alnums) ||
                                                (changes >= CHANGES_MIN - 2 && changes * 4 >= alnums));
    return mixed ? alnums : found;
}

static bool begins_key(const char *p, size_t left)
{
    const char first = lower(*p);
    for (size_t i = 0; i < sizeof(key_beginnings) / sizeof(key_beginnings[0]); i++) {
        if (first != lower(key_beginnings[i].text[0])) /* most end here: the table is gone through at every word */
            continue;
        const size_t bytes = strnlen(key_beginnings[i].text, sizeof(key_beginnings[i].text)),
                     any = key_beginnings[i].any;
        size_t more = 0;
        if (left <= bytes || strncasecmp(p, key_beginnings[i].text, bytes) != 0)
            continue;
        while (bytes + more < left && more < any && in_key(p[bytes + more]))
            more++;
        if (any ? more == any : random_bytes(p + bytes, left - bytes) >= key_beginnings[i].random)
            return true;
    }
    return false;
}

/* Known beginnings, wherever a word begins. */
bool secret_key_known(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((i == 0 || !is_alnum(text[i - 1])) && begins_key(text + i, bytes - i))
            return true;
    return false;
}

/* A run of letters and digits as generators make them: 32 hex digits and more, or 20 characters in
 * which letters of both cases and digits mix. */
static bool is_random_run(const char *text, size_t bytes)
{
    size_t hex = 0, digits = 0, uppers = 0, lowers = 0;
    for (size_t i = 0; i < bytes; i++) {
        hex += is_hex(text[i]);
        digits += is_digit(text[i]);
        uppers += text[i] >= 'A' && text[i] <= 'Z';
        lowers += text[i] >= 'a' && text[i] <= 'z';
    }
    return (bytes >= 32 && hex == bytes && digits >= 4) || (bytes >= 20 && digits >= 2 && uppers >= 2 && lowers >= 2);
}

static bool has_random_run(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        size_t run = 0;
        while (i + run < bytes && is_alnum(text[i + run]))
            run++;
        if (is_random_run(text + i, run))
            return true;
        i += run + 1;
    }
    return false;
}

bool secret_key_shaped(const char *text, size_t bytes)
{
    return secret_key_known(text, bytes) || has_random_run(text, bytes);
}

/* ---- addresses ---- */

/* name@domain.tld */
static bool has_mail(const char *text, size_t bytes)
{
    for (size_t at = 1; at + 4 < bytes; at++) {
        size_t end = at + 1, dot = 0;
        if (text[at] != '@' || !in_key(text[at - 1]))
            continue;
        for (; end < bytes && (is_alnum(text[end]) || text[end] == '-' || text[end] == '.'); end++)
            if (text[end] == '.' && end > at + 1)
                dot = end;
        if (dot && dot + 2 < end && is_letter(text[dot + 1]) && is_letter(text[dot + 2]))
            return true;
    }
    return false;
}

static bool is_number_255(const char *text, size_t bytes)
{
    unsigned value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    return bytes >= 1 && bytes <= 3 && value <= 255;
}

/* Four numbers up to 255 with dots between, none beside them. */
static bool begins_ipv4(const char *text, size_t bytes)
{
    size_t at = 0;
    for (unsigned part = 0; part < 4; part++) {
        size_t digits = 0;
        if (part && (at == bytes || text[at++] != '.'))
            return false;
        while (at + digits < bytes && digits < 4 && is_digit(text[at + digits]))
            digits++;
        if (!is_number_255(text + at, digits))
            return false;
        at += digits;
    }
    return at == bytes || (!is_alnum(text[at]) && text[at] != '.');
}

/* IPv6 and hardware addresses: groups of up to four hex digits with at least four colons. */
static bool begins_ipv6(const char *text, size_t bytes)
{
    size_t colons = 0, group = 0, at = 0;
    for (; at < bytes && (is_hex(text[at]) || text[at] == ':') && group <= 4; at++) {
        group = text[at] == ':' ? 0 : group + 1;
        colons += text[at] == ':';
    }
    return colons >= 4 && group <= 4 && (at == bytes || !is_alnum(text[at]));
}

static bool has_ip(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const bool begins = i == 0 || (!is_alnum(text[i - 1]) && text[i - 1] != '.' && text[i - 1] != ':');
        if (begins && (begins_ipv4(text + i, bytes - i) || begins_ipv6(text + i, bytes - i)))
            return true;
    }
    return false;
}

/* Numbers of telephones: "+" and seven digits or more, or nine to fifteen digits in groups and
 * nothing else. */
static bool is_phone(const char *text, size_t bytes)
{
    size_t digits = 0, signs = 0;
    for (size_t i = 0; i < bytes; i++) {
        digits += is_digit(text[i]);
        signs += memchr("+-. ()/", text[i], 7) != NULL;
    }
    if (digits + signs != bytes || digits > 15)
        return false;
    return (*text == '+' && digits >= 7) || (digits >= 9 && (signs >= 1 || *text == '0'));
}

bool secret_address_shaped(const char *text, size_t bytes)
{
    return bytes && (memmem(text, bytes, "://", 3) != NULL || has_mail(text, bytes) || has_ip(text, bytes) ||
                     is_phone(text, bytes));
}

/* ---- names and ids ---- */

bool secret_free_name(const char *text, size_t bytes)
{
    if (!bytes || bytes > SECRET_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return !secret_key_shaped(text, bytes) && !secret_address_shaped(text, bytes);
}

/* More digits in a row than any id or name has: bytes of something, said as a number. */
static bool has_long_number(const char *text, size_t bytes)
{
    size_t digits = 0;
    for (size_t i = 0; i < bytes && digits <= SECRET_NUMBER_DIGITS_MAX; i++)
        digits = is_digit(text[i]) ? digits + 1 : 0;
    return digits > SECRET_NUMBER_DIGITS_MAX;
}

bool secret_free_answered_name(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (!is_alnum(text[i]) && (unsigned char)text[i] < 0x80 && memchr("-_.:/@+,() ", text[i], 11) == NULL)
            return false;
    return secret_free_name(text, bytes) && !has_long_number(text, bytes) &&
           random_bytes(text, bytes) < SECRET_NAME_RANDOM_MAX;
}

bool secret_free_id(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (!is_alnum(text[i]) && memchr("-_.:=+/~", text[i], 8) == NULL)
            return false;
    return bytes && !secret_key_known(text, bytes) && !has_long_number(text, bytes) &&
           !secret_address_shaped(text, bytes);
}

/* ---- echoes ---- */

void secret_echo_init(struct secret_echo *echo)
{
    echo->bytes = 0;
}

void secret_echo_wipe(struct secret_echo *echo)
{
    explicit_bzero(echo->text, echo->bytes);
    echo->bytes = 0;
}

static bool separates(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f || memchr(",;\"'&?:|<>()[]{}/=#*@", c, 21) != NULL;
}

/* "2024-06-01", "1.2", "300": versions and counts, not secrets. */
static bool is_plain_number(const char *text, size_t bytes)
{
    size_t digits = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (!is_digit(text[i]) && text[i] != '-' && text[i] != '.')
            return false;
        digits += is_digit(text[i]);
    }
    return digits <= 8;
}

/* `mark`: see struct secret_echo. */
static void take_piece(struct secret_echo *echo, const char *text, size_t bytes, char mark)
{
    while (bytes && text[bytes - 1] == '.')
        bytes--;
    if (bytes < SECRET_ECHO_WHOLE_MIN || is_plain_number(text, bytes) || words_of_path(text, bytes))
        return;
    const size_t room = sizeof(echo->text) - echo->bytes;
    if (bytes + 2 > room) {
        if (room < SECRET_ECHO_RUN + 2)
            return;
        bytes = room - 2;
    }
    char *to = echo->text + echo->bytes;
    if (mark != '#' && secret_key_shaped(text, bytes))
        mark = '!';
    else if (mark == '!' && bytes <= SECRET_ECHO_WORD_MAX && !random_bytes(text, bytes))
        mark = '~';
    *to++ = mark;
    for (size_t i = 0; i < bytes; i++)
        to[i] = lower(text[i]);
    to[bytes] = '\n';
    echo->bytes = (uint16_t)(echo->bytes + bytes + 2);
}

static void take_pieces(struct secret_echo *echo, const char *text, size_t bytes, char mark)
{
    for (size_t at = 0; at < bytes;) {
        size_t piece = 0;
        while (at + piece < bytes && !separates(text[at + piece]))
            piece++;
        take_piece(echo, text + at, piece, mark);
        at += piece + 1;
    }
}

void secret_echo_take(struct secret_echo *echo, const char *text, size_t bytes, char mark)
{
    char decoded[1024];
    take_pieces(echo, text, bytes, mark);
    if (bytes && memchr(text, '%', bytes) != NULL)
        take_pieces(echo, decoded, url_decode(text, bytes, decoded, sizeof(decoded)), mark);
    if (bytes > 6 && !strncasecmp(text, "basic ", 6)) {
        struct base64 base64 = {0};
        const size_t in = bytes - 6 < sizeof(decoded) ? bytes - 6 : sizeof(decoded);
        take_pieces(echo, decoded, base64_push(&base64, text + 6, in, (uint8_t *)decoded), mark);
    }
}

static bool name_has(const char *name, size_t bytes, const char *word)
{
    const size_t length = strlen(word);
    for (size_t i = 0; i + length <= bytes; i++)
        if (lower(name[i]) == *word && !strncasecmp(name + i, word, length))
            return true;
    return false;
}

static bool name_has_any(const char *name, size_t bytes, const char *const *words)
{
    for (; *words; words++)
        if (name_has(name, bytes, *words))
            return true;
    return false;
}

bool secret_free_label(const char *name, size_t name_bytes, const char *value, size_t bytes)
{
    static const char *const secrets[] = {"password", "passwd",  "secret", "token",      "api_key", "apikey",
                                          "api-key",  "api.key", "auth",   "credential", "cookie",  NULL};
    return !name_has_any(name, name_bytes, secrets) && !secret_key_known(value, bytes) && !has_mail(value, bytes) &&
           !(bytes && is_phone(value, bytes));
}

static bool names_credential(const char *name, size_t bytes)
{
    static const char *const credentials[] = {"auth",   "key",      "token",     "secret",
                                              "cookie", "password", "signature", NULL};
    return name_has_any(name, bytes, credentials);
}

void secret_echo_header(struct secret_echo *echo, const char *name, size_t name_bytes, const char *value, size_t bytes)
{
    static const char *const harmless[] = {"content-", "accept",  "anthropic-", "-beta", "model",
                                           "provider", "-prompt", "traceloop-", NULL};
    if (!name_has_any(name, name_bytes, harmless))
        secret_echo_take(echo, value, bytes, names_credential(name, name_bytes) ? '!' : ' ');
}

/* Is it by its name an id of an answer, a task, a conversation: "id", "task_id", "requestId"? */
static bool names_id(const char *name, size_t bytes)
{
    static const char *const others[] = {"auth",   "key",    "token",   "secret",  "cookie", "password", "signature",
                                         "client", "user",   "account", "session", "tenant", "customer", "device",
                                         "access", "member", "person",  "visitor", "email",  "phone",    NULL};
    const size_t before = bytes - 2; /* of "id" */
    if (bytes < 2 || strncasecmp(name + before, "id", 2) != 0 || name_has_any(name, bytes, others))
        return false;
    return !before || !is_letter(name[before - 1]) || (name[before] == 'I' && name[before - 1] >= 'a');
}

/* One "name=value" of a query. */
static void take_parameter(struct secret_echo *echo, const char *text, size_t bytes)
{
    static const char *const harmless[] = {"alt", "api-version", "model", "stream", "beta", "version", NULL};
    const char *const equals = memchr(text, '=', bytes);
    const size_t name_bytes = equals != NULL ? (size_t)(equals - text) : 0;
    for (size_t i = 0; harmless[i] != NULL && equals != NULL; i++)
        if (strlen(harmless[i]) == name_bytes && !strncasecmp(text, harmless[i], name_bytes))
            return;
    const char *const value = text + name_bytes + (equals != NULL);
    const size_t value_bytes = bytes - (size_t)(value - text);
    char id[SPAN_TEXT_MAX];
    const size_t id_bytes =
        equals != NULL && names_id(text, name_bytes) ? url_decode(value, value_bytes, id, sizeof(id)) : 0;
    if (id_bytes && secret_free_id(id, id_bytes))
        take_piece(echo, id, id_bytes, '#');
    else
        secret_echo_take(echo, value, value_bytes, names_credential(text, name_bytes) ? '!' : '~');
}

void secret_echo_beside(struct secret_echo *echo, const char *text, size_t bytes)
{
    const char *const mark = bytes ? memchr(text, '?', bytes) : NULL;
    const size_t before = mark != NULL ? (size_t)(mark - text) : bytes;
    secret_echo_take(echo, text, before, '!');
    for (size_t at = before + 1; at < bytes;) {
        size_t piece = 0;
        while (at + piece < bytes && text[at + piece] != '&' && text[at + piece] != '#')
            piece++;
        take_parameter(echo, text + at, piece);
        at += piece + 1;
    }
}

/* `piece` is in lower case. */
static bool contains(const char *text, size_t bytes, const char *piece, size_t piece_bytes, bool as_word)
{
    for (size_t i = 0; i + piece_bytes <= bytes; i++) {
        const size_t end = i + piece_bytes;
        if (strncasecmp(text + i, piece, piece_bytes) != 0)
            continue;
        if (!as_word || ((i == 0 || !is_alnum(text[i - 1])) && (end == bytes || !is_alnum(text[end]))))
            return true;
    }
    return false;
}

static bool has_letter(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (is_letter(text[i]))
            return true;
    return false;
}

/* SECRET_ECHO_RUN bytes of the text that stand in the piece; digits alone may be a date. */
static bool shares_run(const char *text, size_t bytes, const char *piece, size_t piece_bytes)
{
    for (size_t i = 0; i + SECRET_ECHO_RUN <= bytes; i++) {
        char run[SECRET_ECHO_RUN];
        for (size_t j = 0; j < sizeof(run); j++)
            run[j] = lower(text[i + j]);
        if (has_letter(run, sizeof(run)) && !words_of_path(run, sizeof(run)) &&
            memmem(piece, piece_bytes, run, sizeof(run)) != NULL)
            return true;
    }
    return false;
}

static bool echoed(const struct secret_echo *echo, const char *text, size_t bytes, bool as_id)
{
    const char *const end = echo->text + echo->bytes;
    for (const char *p = echo->text; p < end;) {
        const char *const piece = p + 1, *const stop = memchr(piece, '\n', (size_t)(end - piece));
        const size_t piece_bytes = (size_t)(stop - piece);
        const bool asked = as_id && *p == '#' && piece_bytes == bytes;
        if ((!asked && contains(text, bytes, piece, piece_bytes, piece_bytes < SECRET_ECHO_INSIDE_MIN)) ||
            ((*p == '!' || *p == '~') && shares_run(text, bytes, piece, piece_bytes)))
            return true;
        p = stop + 1;
    }
    return false;
}

bool secret_echoed(const struct secret_echo *echo, const char *text, size_t bytes)
{
    return echoed(echo, text, bytes, false) || secret_echoed_encoded(echo, text, bytes);
}

bool secret_echoed_name(const struct secret_echo *echo, const char *text, size_t bytes)
{
    struct secret_echo credentials;
    const char *const end = echo->text + echo->bytes;
    secret_echo_init(&credentials);
    for (const char *p = echo->text; p < end;) {
        const size_t piece = (size_t)((const char *)memchr(p, '\n', (size_t)(end - p)) - p) + 1;
        if (*p == '!') {
            memcpy(credentials.text + credentials.bytes, p, piece);
            credentials.bytes = (uint16_t)(credentials.bytes + piece);
        }
        p += piece;
    }
    const bool found = secret_echoed(&credentials, text, bytes);
    secret_echo_wipe(&credentials);
    return found;
}

bool secret_echoed_id(const struct secret_echo *echo, const char *text, size_t bytes)
{
    return echoed(echo, text, bytes, true) || secret_echoed_encoded(echo, text, bytes);
}
