/*
 * Paragraphs for a screen, see wrap.h. Called by all that explains something; touches nothing but
 * what it prints to.
 */
#include "wrap.h"

#include <string.h>

/* Prints words up to an empty line; returns what follows. */
static const char *wrap_paragraph(FILE *out, const char *text, size_t indent, size_t width)
{
    size_t used = 0;
    while (*text != '\0' && *text != '\n') {
        size_t bytes = strcspn(text, " \n");
        if (used > 0 && indent + used + 1 + bytes > width) {
            (void)fputc('\n', out);
            used = 0;
        }
        (void)fprintf(out, "%*s%.*s", used == 0 ? (int)indent : 1, "", (int)bytes, text);
        used += bytes + (used > 0);
        text += bytes;
        while (*text == ' ')
            text++;
    }
    (void)fputc('\n', out);
    return text;
}

void wrap_text(FILE *out, const char *text, size_t indent, size_t width)
{
    while (*text != '\0') {
        text = wrap_paragraph(out, text, indent, width);
        if (*text == '\0')
            break;
        text += strspn(text, "\n");
        (void)fputc('\n', out);
    }
}
