/*
 * Paragraphs for a screen, see wrap.h. Called by all that explains something; touches nothing but
 * what it prints to.
 */
#include "wrap.h"

#include <string.h>

/* Prints words up to an empty line, the first one after `before` spaces; returns what follows. */
static const char *wrap_paragraph(FILE *out, const char *text, size_t before, size_t indent, size_t width)
{
    size_t used = indent;
    while (*text != '\0' && *text != '\n') {
        size_t bytes = strcspn(text, " \n");
        if (used > indent && used + 1 + bytes > width) {
            (void)fputc('\n', out);
            before = used = indent;
        }
        (void)fprintf(out, "%*s%.*s", (int)before, "", (int)bytes, text);
        used += bytes + (used > indent);
        before = 1;
        text += bytes;
        text += strspn(text, " ");
    }
    (void)fputc('\n', out);
    return text;
}

void wrap_text(FILE *out, const char *text, size_t indent, size_t width)
{
    while (*text != '\0') {
        text = wrap_paragraph(out, text, indent, indent, width);
        if (*text == '\0')
            break;
        text += strspn(text, "\n");
        (void)fputc('\n', out);
    }
}

void wrap_rest(FILE *out, const char *text, size_t indent, size_t width)
{
    (void)wrap_paragraph(out, text, 0, indent, width);
}
