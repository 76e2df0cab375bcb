/* Incremental base64 decoding (RFC 4648, both alphabets). Pure; scribe's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base64 { /* all zero bytes are a fresh one */
    uint32_t bits;
    uint8_t have; /* bits not yet given out */
    bool bad;     /* a byte that is neither of the alphabet, padding nor white space was passed over */
};

/* Decodes `bytes` characters into `ret_data`, which has room for bytes * 3 / 4 + 1. Returns the
 * bytes written. */
size_t base64_push(struct base64 *base64, const char *text, size_t bytes, uint8_t *ret_data);
