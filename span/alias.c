/* Keyed hashes, see alias.h. Called by the scribe inside the application and by pprofctl
 * key-alias. */
#include "alias.h"

#include <sodium/crypto_generichash.h>
#include <sodium/crypto_generichash_blake2b.h>
#include <string.h>
#include <strings.h>

enum { HASH_BYTES = 8, DIGEST_BYTES = 16 };

void span_key_from_text(uint8_t ret_key[SPAN_KEY_BYTES], const char *text)
{
    (void)crypto_generichash_blake2b(ret_key, SPAN_KEY_BYTES, (const unsigned char *)text, strlen(text), NULL, 0);
}

uint64_t span_keyed_hash(const uint8_t key[SPAN_KEY_BYTES], const void *data, size_t bytes)
{
    uint8_t digest[DIGEST_BYTES];
    uint64_t hash = 0;

    if (crypto_generichash(digest, sizeof(digest), data, bytes, key, SPAN_KEY_BYTES) != 0)
        return 0;
    for (unsigned i = 0; i < HASH_BYTES; i++)
        hash = hash << 8 | digest[i];
    return hash;
}

void span_key_alias(const uint8_t key[SPAN_KEY_BYTES], const char *value, size_t bytes,
                    char ret_alias[SPAN_ALIAS_BYTES])
{
    memset(ret_alias, 0, SPAN_ALIAS_BYTES);
    while (bytes > 0 && (*value == ' ' || *value == '\t'))
        value++, bytes--;
    if (bytes > 7 && strncasecmp(value, "bearer ", 7) == 0)
        value += 7, bytes -= 7;
    while (bytes > 0 && *value == ' ')
        value++, bytes--;
    while (bytes > 0 && strchr(" \t\r\n", value[bytes - 1]) != NULL)
        bytes--;
    if (bytes == 0)
        return;
    uint64_t hash = span_keyed_hash(key, value, bytes);
    for (unsigned i = 0; i + 1 < SPAN_ALIAS_BYTES; i++)
        ret_alias[i] = "0123456789abcdef"[(hash >> (60 - 4 * i)) & 15];
}
