/*
 * Name and text of marks, see mark.h. Called on the application's thread that makes a process'
 * first call, and by the collector. Must never allocate, or call anything that could.
 */
#include "mark.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

/* Returns what is after it. */
static char *write_hex(char *to, uint64_t value)
{
    unsigned shift = 60;

    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (;; shift -= 4) {
        *to++ = digits[value >> shift & 15];
        if (shift == 0)
            return to;
    }
}

/* At least one digit and a space after it; returns what is after that, or NULL. */
static const char *read_hex(const char *text, uint64_t *ret_value)
{
    const char *at = text;

    *ret_value = 0;
    for (const char *digit; *at != '\0' && (digit = strchr(digits, *at)) != NULL; at++) {
        if (*ret_value >> 60 != 0)
            return NULL;
        *ret_value = *ret_value << 4 | (uint64_t)(digit - digits);
    }
    return at != text && *at == ' ' ? at + 1 : NULL;
}

/* 32 digits or "-", and a space; returns what is after that, or NULL. */
static const char *read_identity(const char *text, struct span_mark *ret_mark)
{
    const size_t bytes = strspn(text, digits);

    memset(ret_mark->identity, 0, sizeof(ret_mark->identity));
    ret_mark->has_identity = bytes == 2 * sizeof(ret_mark->identity);
    for (size_t i = 0; i < bytes && ret_mark->has_identity; i++)
        ret_mark->identity[i / 2] = (uint8_t)(ret_mark->identity[i / 2] << 4 | (strchr(digits, text[i]) - digits));
    text += bytes;
    if (bytes == 0 && *text == '-')
        text++;
    else if (!ret_mark->has_identity)
        return NULL;
    return *text == ' ' ? text + 1 : NULL;
}

void span_mark_name(char out[SPAN_MARK_NAME_BYTES], const struct span_mark *mark, unsigned attempt)
{
    /* Processes of one namespace that begin together have numbers one after the other, and so slots
     * of their own. */
    uint64_t slot = mark->pid + mark->pid_namespace * 2654435761U;

    if (attempt > 0)
        slot += 1 + slot / SPAN_MARK_SLOTS % (SPAN_MARK_SLOTS - 1);
    slot %= SPAN_MARK_SLOTS;
    for (unsigned i = 0; i < 3; i++)
        out[i] = digits[slot >> (4 * (2 - i)) & 15];
    memcpy(out + 3, ".mark", sizeof(".mark"));
}

bool span_mark_write(char out[SPAN_MARK_TEXT_BYTES], const struct span_mark *mark)
{
    const size_t bytes = strlen(mark->spool) + 1;
    char *at = write_hex(out, mark->pid);

    if (bytes > SPAN_MARK_SPOOL_BYTES)
        return false;
    *at++ = ' ';
    at = write_hex(at, mark->pid_namespace);
    *at++ = ' ';
    *at++ = mark->spool_said ? '1' : '0';
    *at++ = ' ';
    for (size_t i = 0; i < sizeof(mark->identity) && mark->has_identity; i++) {
        *at++ = digits[mark->identity[i] >> 4];
        *at++ = digits[mark->identity[i] & 15];
    }
    if (!mark->has_identity)
        *at++ = '-';
    *at++ = ' ';
    memcpy(at, mark->spool, bytes);
    return true;
}

bool span_mark_read(struct span_mark *ret_mark, const char *text)
{
    const char *at = read_hex(text, &ret_mark->pid);

    at = at == NULL ? NULL : read_hex(at, &ret_mark->pid_namespace);
    if (at == NULL || (at[0] != '0' && at[0] != '1') || at[1] != ' ')
        return false;
    ret_mark->spool_said = at[0] == '1';
    at = read_identity(at + 2, ret_mark);
    if (at == NULL || strlen(at) >= SPAN_MARK_SPOOL_BYTES)
        return false;
    ret_mark->spool = at;
    return true;
}
