/*
 * Numbers and texts as people read them. Called by report, record's summary, dump and doctor; pure apart from the two
 * questions about the terminal.
 */
#include "display.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../../span/json.h"

void display_duration(char out[DISPLAY_BYTES], uint64_t ns)
{
    double s = (double)ns / 1e9;
    uint64_t whole = ns / 1000000000 + (ns % 1000000000 >= 500000000);
    if (ns == 0)
        (void)snprintf(out, DISPLAY_BYTES, "0");
    else if (ns < 9995)
        (void)snprintf(out, DISPLAY_BYTES, "%.2fus", s * 1e6);
    else if (ns < 999500)
        (void)snprintf(out, DISPLAY_BYTES, "%.0fus", s * 1e6);
    else if (ns < 9995000)
        (void)snprintf(out, DISPLAY_BYTES, "%.2fms", s * 1e3);
    else if (ns < 99950000)
        (void)snprintf(out, DISPLAY_BYTES, "%.1fms", s * 1e3);
    else if (ns < 999500000)
        (void)snprintf(out, DISPLAY_BYTES, "%.0fms", s * 1e3);
    else if (ns < 9995000000)
        (void)snprintf(out, DISPLAY_BYTES, "%.2fs", s);
    else if (ns < 99950000000)
        (void)snprintf(out, DISPLAY_BYTES, "%.1fs", s);
    else if (whole < 3600)
        (void)snprintf(out, DISPLAY_BYTES, "%um%02us", (unsigned)(whole / 60), (unsigned)(whole % 60));
    else if (whole < 86400)
        (void)snprintf(out, DISPLAY_BYTES, "%uh%02um", (unsigned)(whole / 3600), (unsigned)(whole / 60 % 60));
    else
        (void)snprintf(out, DISPLAY_BYTES, "%llud%02uh", (unsigned long long)(whole / 86400),
                       (unsigned)(whole / 3600 % 24));
}

static void three_digits(char out[DISPLAY_BYTES], double value, const char *unit)
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    (void)snprintf(out, DISPLAY_BYTES, "%.*f%s", decimals, value, unit);
}

void display_count(char out[DISPLAY_BYTES], uint64_t count)
{
    static const char *const units[] = {"M", "G", "T", "P", "E"};
    if (count >= 10000000) {
        double value = (double)count / 1e6;
        size_t i = 0;
        for (; value >= 999.5 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
            value /= 1e3;
        three_digits(out, value, units[i]);
        return;
    }
    unsigned millions = (unsigned)(count / 1000000), thousands = (unsigned)(count / 1000 % 1000);
    unsigned ones = (unsigned)(count % 1000);
    if (millions > 0)
        (void)snprintf(out, DISPLAY_BYTES, "%u,%03u,%03u", millions, thousands, ones);
    else if (thousands > 0)
        (void)snprintf(out, DISPLAY_BYTES, "%u,%03u", thousands, ones);
    else
        (void)snprintf(out, DISPLAY_BYTES, "%u", ones);
}

void display_size(char out[DISPLAY_BYTES], uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 1024) {
        (void)snprintf(out, DISPLAY_BYTES, "%u B", (unsigned)bytes);
        return;
    }
    double value = (double)bytes / 1024;
    size_t i = 0;
    for (; value >= 1023.95 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
        value /= 1024;
    (void)snprintf(out, DISPLAY_BYTES, "%.1f %s", value, units[i]);
}

void display_share(char out[DISPLAY_BYTES], double share)
{
    double percent = share * 100;
    if (percent > 0 && percent < 0.5)
        (void)snprintf(out, DISPLAY_BYTES, "<1%%");
    else
        (void)snprintf(out, DISPLAY_BYTES, "%.0f%%", percent);
}

void display_rate(char out[DISPLAY_BYTES], double rate)
{
    three_digits(out, rate, "");
}

void display_time(char out[DISPLAY_BYTES], uint64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm parts;
    if (localtime_r(&seconds, &parts) == NULL || strftime(out, DISPLAY_BYTES, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        (void)snprintf(out, DISPLAY_BYTES, "?");
}

void display_id(char out[DISPLAY_BYTES], uint64_t id)
{
    (void)snprintf(out, DISPLAY_BYTES, "%016llx", (unsigned long long)id);
}

size_t display_cut(const char *text, size_t columns, size_t *ret_columns)
{
    size_t bytes = strlen(text), at = 0, used = 0;
    while (at < bytes) {
        size_t width;
        size_t length = display_character(text + at, bytes - at, &width);
        if (length == DISPLAY_CHARACTER_BAD)
            length = 1;
        if (used + width > columns)
            break;
        used += width;
        at += length;
    }
    if (ret_columns != NULL)
        *ret_columns = used;
    return at;
}

size_t display_width(const char *text)
{
    size_t columns;
    (void)display_cut(text, SIZE_MAX, &columns);
    return columns;
}

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

void display_csv(FILE *out, const char *text)
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

/* Signs that mean something anywhere in a line, those that open a block at its beginning, and what becomes a link by
 * itself: "://", "www.", "name@host". */
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

void display_md(FILE *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\n' || *at == '\r')
            (void)fputc(' ', out);
        else if (means_something(text, at))
            (void)fprintf(out, "\\%c", *at);
        else
            (void)fputc(*at, out);
    }
}

void display_json(FILE *out, const char *text)
{
    struct span_buffer buffer;
    span_buffer_init(&buffer, SIZE_MAX);
    span_json_string(&buffer, text, strlen(text));
    if (!buffer.failed)
        (void)fwrite(buffer.data, 1, buffer.bytes, out);
    span_buffer_done(&buffer);
}

size_t display_terminal_width(int fd)
{
    struct winsize size;
    if (isatty(fd) == 0)
        return 0;
    const char *columns = getenv("COLUMNS");
    long said = columns != NULL ? strtol(columns, NULL, 10) : 0;
    if (said > 0 && said < 10000)
        return (size_t)said;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

bool display_wants_colour(int fd)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(fd) != 0 && (no_colour == NULL || no_colour[0] == '\0') && terminal != NULL &&
           strcmp(terminal, "dumb") != 0;
}
