/* What is harmless in a terminal, see display_safe.h. */
#include "display_safe.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

#include "../../span/hidden.h"

void display_begin(void)
{
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        (void)setlocale(LC_CTYPE, "");
}

size_t display_character(const char *text, size_t bytes, size_t *ret_columns)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t length = mbrtowc(&wide, text, bytes, &state);
    *ret_columns = 1;
    if (length == 0 || length == (size_t)-1 || length == (size_t)-2)
        return DISPLAY_CHARACTER_BAD;
    int width = wcwidth(wide);
    if (width < 0 || span_hidden_character((uint32_t)wide))
        return DISPLAY_CHARACTER_BAD;
    *ret_columns = (size_t)width;
    return length;
}

/* How many bytes one '?' stands for: a whole character where it is well-formed. */
static size_t bad_bytes(const char *text, size_t bytes)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t length = mbrtowc(&wide, text, bytes, &state);
    return length == 0 || length == (size_t)-1 || length == (size_t)-2 ? 1 : length;
}

void display_safe(char *out, size_t out_bytes, struct span_text text)
{
    size_t used = 0;
    for (size_t at = 0; at < text.bytes;) {
        size_t width;
        size_t length = display_character(text.data + at, text.bytes - at, &width);
        size_t taken = length == DISPLAY_CHARACTER_BAD ? bad_bytes(text.data + at, text.bytes - at) : length;
        size_t kept = length == DISPLAY_CHARACTER_BAD ? 1 : length;
        if (used + kept + 1 > out_bytes)
            break;
        if (length == DISPLAY_CHARACTER_BAD)
            out[used] = text.data[at] == '\n' || text.data[at] == '\t' ? ' ' : '?';
        else
            memcpy(out + used, text.data + at, length);
        used += kept;
        at += taken;
    }
    out[used] = '\0';
}

const char *display_name(const char *name)
{
    enum { NAMES = 8, NAME_BYTES = 5 * 1024 }; /* longer than any path */
    static char names[NAMES][NAME_BYTES];
    static unsigned next;
    char *out = names[next++ % NAMES];
    display_safe(out, NAME_BYTES, (struct span_text){name, (uint32_t)strlen(name)});
    return out;
}
