/*
 * What fits a terminal, see terminal.h. Called by tables and reports; looks at the environment and
 * the terminal, writes nothing.
 */
#include "terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../base/display_safe.h"

size_t terminal_cut(const char *text, size_t columns, size_t *ret_columns)
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

size_t terminal_columns(const char *text)
{
    size_t columns;
    (void)terminal_cut(text, SIZE_MAX, &columns);
    return columns;
}

size_t terminal_width(int fd)
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

bool terminal_wants_colour(int fd)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(fd) != 0 && (no_colour == NULL || no_colour[0] == '\0') && terminal != NULL &&
           strcmp(terminal, "dumb") != 0;
}
