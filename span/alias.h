/*
 * Keyed hashes of what must not be stored itself: ids of prompts, aliases of API keys, hashed ids
 * of users. The shim makes them, `pprofctl key-alias` makes the same again.
 *
 * Pure; any thread. BLAKE2b is libsodium's, used without sodium_init (which opens files; the
 * reference code needs no initialising). The key: install_key.h, or what LIBPPROF_HASH_KEY says.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SPAN_KEY_BYTES = 32, SPAN_ALIAS_BYTES = 17 };

/* Any text is a key: it is hashed to the length that the hashes want. */
void span_key_from_text(uint8_t ret_key[SPAN_KEY_BYTES], const char *text);
/* The first 64 bits of the keyed hash, big-endian. */
uint64_t span_keyed_hash(const uint8_t key[SPAN_KEY_BYTES], const void *data, size_t bytes);
/* Hash of an API key as 16 hex digits, "" for an empty one. Blanks around it and "Bearer " before
 * it do not count. */
void span_key_alias(const uint8_t key[SPAN_KEY_BYTES], const char *value, size_t bytes,
                    char ret_alias[SPAN_ALIAS_BYTES]);
