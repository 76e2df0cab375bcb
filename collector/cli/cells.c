/*
 * Cells of csv, Markdown and JSON, see cells.h. Called by report and help; pure apart from what it
 * prints.
 */
#include "cells.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "../../span/json.h"

/* Signs with which spreadsheets begin a formula, full-width ones too. */
static bool begins_formula(const char *text)
{
    static const char *const signs[] = {
        "=",           "+", "-", "@", "\t", "\r", "\n", "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0",
        "\xe2\x88\x92"};
    while (*text == ' ' || *text == '"' || *text == '\'')
        text++;
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (strncmp(text, signs[i], strlen(signs[i])) == 0)
            return true;
    return false;
}

/* "-12", "+0.5", "-1e9": what a program reads as a number, and a spreadsheet does not calculate. */
static bool is_number(const char *text)
{
    size_t sign = (size_t)(*text == '-' || *text == '+'), digits = strspn(text + sign, "0123456789");
    const char *rest = text + sign + digits;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (digits > 0 && (*rest == 'e' || *rest == 'E')) {
        const char *exponent = rest + 1 + (size_t)(rest[1] == '-' || rest[1] == '+');
        size_t more = strspn(exponent, "0123456789");
        rest = more > 0 ? exponent + more : rest;
    }
    return digits > 0 && *rest == '\0';
}

void cell_csv(FILE *out, const char *text)
{
    bool formula = begins_formula(text) && !is_number(text);
    if (!formula && strpbrk(text, ",;\"\r\n\t") == NULL) {
        (void)fputs(text, out);
        return;
    }
    (void)fputs(formula ? "\"'" : "\"", out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            (void)fputc('"', out);
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

/* Signs that mean something anywhere in a line, those that open a block at its beginning, and what
 * becomes a link by itself: "://", "www.", "name@host". */
static bool means_something(const char *text, const char *at)
{
    if (strchr("|\\`*_<>[]!&~$^{}", *at) != NULL || (*at == '@' && strchr(at, '.') != NULL))
        return true;
    if (at == text && at[1] != '\0' && strchr("#-+=", *at) != NULL)
        return true;
    if (*at == ':')
        return at[1] == '/' || strncasecmp(at - (at - text >= 6 ? 6 : at - text), "mailto", 6) == 0;
    return *at == '.' && at - text >= 3 && strncasecmp(at - 3, "www", 3) == 0;
}

void cell_md(FILE *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (*at == '\n' || *at == '\r')
            (void)fputc(' ', out);
        else if (means_something(text, at))
            (void)fprintf(out, "\\%c", *at);
        else
            (void)fputc(*at, out);
}

void cell_json(FILE *out, const char *text)
{
    struct span_buffer buffer;
    span_buffer_init(&buffer, SIZE_MAX);
    span_json_string(&buffer, text, strlen(text));
    if (!buffer.failed)
        (void)fwrite(buffer.data, 1, buffer.bytes, out);
    span_buffer_done(&buffer);
}
