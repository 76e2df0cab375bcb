/*
 * Numbers as people read them, see display.h. Called by all that says something; pure.
 */
#include "display.h"

#include <stdio.h>
#include <time.h>

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
