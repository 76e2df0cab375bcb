/*
 * Numbers and texts as people read them. Called by report, record's summary, dump and doctor; pure apart from the two
 * questions about the terminal.
 */
#include "display.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

enum { CHARACTER_BAD = 0 };

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

/* The character at `text` (at most `bytes` long): its length, or CHARACTER_BAD; *ret_columns is its width. */
static size_t next_character(const char *text, size_t bytes, size_t *ret_columns)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t length = mbrtowc(&wide, text, bytes, &state);
    *ret_columns = 1;
    if (length == 0 || length == (size_t)-1 || length == (size_t)-2)
        return CHARACTER_BAD;
    int width = wcwidth(wide);
    if (width < 0)
        return CHARACTER_BAD;
    *ret_columns = (size_t)width;
    return length;
}

size_t display_cut(const char *text, size_t columns, size_t *ret_columns)
{
    size_t bytes = strlen(text), at = 0, used = 0;
    while (at < bytes) {
        size_t width;
        size_t length = next_character(text + at, bytes - at, &width);
        if (length == CHARACTER_BAD)
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

void display_safe(char *out, size_t out_bytes, struct span_text text)
{
    size_t used = 0;
    for (size_t at = 0; at < text.bytes;) {
        size_t width;
        size_t length = next_character(text.data + at, text.bytes - at, &width);
        size_t kept = length == CHARACTER_BAD ? 1 : length;
        if (used + kept + 1 > out_bytes)
            break;
        if (length == CHARACTER_BAD)
            out[used] = text.data[at] == '\n' || text.data[at] == '\t' ? ' ' : '?';
        else
            memcpy(out + used, text.data + at, length);
        used += kept;
        at += kept;
    }
    out[used] = '\0';
}

void display_csv(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        (void)fputs(text, out);
        return;
    }
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            (void)fputc('"', out);
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

void display_md(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("|\\`*_<", *text) != NULL)
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
}

void display_json(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            (void)fprintf(out, "\\%c", byte);
        else if (byte < 0x20)
            (void)fprintf(out, "\\u%04x", byte);
        else
            (void)fputc(byte, out);
    }
    (void)fputc('"', out);
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
