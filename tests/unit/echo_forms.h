/* The forms in which a sloppy or hostile server may say a token back, for test_secret.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char of_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static inline void in_base64(char *to, const char *text, size_t bytes, const char *digits, bool padded)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i += 3) {
        const uint32_t three = (uint32_t)(uint8_t)text[i] << 16 |
                               (uint32_t)(i + 1 < bytes ? (uint8_t)text[i + 1] : 0) << 8 |
                               (i + 2 < bytes ? (uint8_t)text[i + 2] : 0);
        for (unsigned j = 0; j < 4; j++)
            if (i + j <= bytes)
                to[n++] = digits[three >> (18 - 6 * j) & 63];
            else if (padded)
                to[n++] = '=';
    }
    to[n] = '\0';
}

static inline void in_base32(char *to, const char *text, size_t bytes, const char *digits)
{
    size_t n = 0;
    for (size_t bit = 0; bit < bytes * 8; bit += 5) {
        unsigned value = 0;
        for (size_t i = bit; i < bit + 5; i++)
            value = value << 1 | (i < bytes * 8 ? (unsigned)(uint8_t)text[i / 8] >> (7 - i % 8) & 1U : 0U);
        to[n++] = digits[value];
    }
    to[n] = '\0';
}

static inline void cut(char *to, const char *text, size_t every, char sign)
{
    for (size_t i = 0; i < strlen(text); i++) {
        if (i && i % every == 0)
            *to++ = sign;
        *to++ = text[i];
    }
    *to = '\0';
}

static inline void turn_back(char *to, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = text[bytes - 1 - i];
    to[bytes] = '\0';
}

static inline void in_hex(char *to, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to += sprintf(to, "%02x", (uint8_t)text[i]);
}

enum { ENCODINGS = 21 };

/* Those of them that are told in each other, or cut. */
static inline void encode_more(char to[512], const char *token, unsigned encoding)
{
    const size_t bytes = strlen(token);
    char header[512];
    switch (encoding) {
    case 9:
    case 10:
        in_base32(to, token, bytes,
                  encoding == 9 ? "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" : "abcdefghijklmnopqrstuvwxyz234567");
        break;
    case 11:
    case 12:
    case 13:
        cut(to, token, encoding == 11 ? 4 : encoding == 12 ? 1 : 6, "-._"[encoding - 11]);
        break;
    case 14:
        in_base64(header, token, bytes, standard, true);
        in_base64(to, header, strlen(header), standard, true);
        break;
    case 15:
        turn_back(header, token, bytes);
        in_base64(to, header, bytes, of_urls, false);
        break;
    case 16:
        turn_back(header, token, bytes);
        in_hex(to, header, bytes);
        break;
    case 17:
        in_hex(header, token, bytes);
        in_base64(to, header, strlen(header), standard, true);
        break;
    case 18: /* and of which nothing is left in a row */
        in_base64(header, token, bytes, of_urls, false);
        cut(to, header, 4, '-');
        break;
    case 19:
        for (size_t i = 0; i <= bytes; i++) {
            const char small = (char)(token[i] | 0x20);
            const bool letter = small >= 'a' && small <= 'z';
            to[i] = (char)(letter ? token[i] + (small < 'n' ? 13 : -13) : token[i]);
        }
        break;
    default: /* three times */
        in_base64(header, token, bytes, of_urls, false);
        in_base64(to, header, strlen(header), of_urls, false);
        snprintf(header, sizeof(header), "%s", to);
        in_base64(to, header, strlen(header), of_urls, false);
        break;
    }
}

/* The token as a sloppy or hostile server may say it back. */
static inline void encode(char to[512], const char *token, unsigned encoding)
{
    const size_t bytes = strlen(token);
    char header[256], *at = to;
    snprintf(header, sizeof(header), "Bearer %s", token);
    switch (encoding) {
    case 0:
        in_base64(to, token, bytes, standard, true);
        break;
    case 1:
        in_base64(to, token, bytes, of_urls, false);
        break;
    case 2:
        in_base64(to, header, strlen(header), standard, false);
        break;
    case 3: /* after something of the same alphabet */
        memcpy(to, "resp_", 5);
        in_base64(to + 5, token, bytes, of_urls, false);
        break;
    case 4:
    case 5:
    case 6:
        for (size_t i = 0; i < bytes; i++)
            at += sprintf(at, encoding == 4 ? "%02x" : encoding == 5 ? "%02X" : "%%%02x", (uint8_t)token[i]);
        break;
    case 7:
        turn_back(to, token, bytes);
        break;
    case 8:
        for (size_t i = 0; i <= bytes; i++)
            to[i] = (char)(token[i] >= 'a' && token[i] <= 'z' ? token[i] & ~0x20 : token[i]);
        break;
    default:
        encode_more(to, token, encoding);
        break;
    }
}
