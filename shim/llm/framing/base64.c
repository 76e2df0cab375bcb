/* See base64.h. Called for the chunks of InvokeModel streams. */
#include "base64.h"

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

size_t base64_push(struct base64 *base64, const char *text, size_t bytes, uint8_t *ret_data)
{
    size_t out = 0;
    for (size_t i = 0; i < bytes; i++) {
        const int value = digit(text[i]);
        if (value < 0) {
            const bool harmless = text[i] == '=' || text[i] == '\r' || text[i] == '\n' || text[i] == ' ';
            base64->bad = base64->bad || !harmless;
            continue;
        }
        base64->bits = (base64->bits << 6 | (uint32_t)value) & 0xffff;
        base64->have = (uint8_t)(base64->have + 6);
        if (base64->have >= 8) {
            base64->have = (uint8_t)(base64->have - 8);
            ret_data[out++] = (uint8_t)(base64->bits >> base64->have);
        }
    }
    return out;
}
