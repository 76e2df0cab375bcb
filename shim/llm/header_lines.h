/*
 * The header lines of a request on their way from the application's list to the exchange.
 *
 * The application's thread copies lines as they are, each with its NUL, where all fit; which of
 * them matter, and how much of the others, is told here, by the scribe. Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    HEADER_LINES_BYTES_MAX = 6 * 1024, /* with method and URL; a token can be 2 KiB */
    HEADER_OTHER_BYTES_MAX = 256,      /* of a header that makes no fact */
};

/* True for a line of the list whose header a fact may come from. `line`: NUL-terminated. */
bool header_line_matters(const char *line);

/*
 * From raw lines, each ended by NUL, to "Name: value\n" lines as exchange.h has them: those that
 * matter first, then the beginnings of the others. What libcurl does not send ("Name:", which takes
 * a header away) is left out, and what does not fit. `out` may not overlap; as much room as there
 * are raw bytes is enough. Returns its bytes.
 */
size_t header_lines_write(const char *raw, size_t bytes, char *out, size_t room);
