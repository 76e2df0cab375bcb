/* A program with functions of its own under the names of what libpprof carries inside: nobody may
 * call them but itself.
 */
#include "client.h"

#define OWN(name)                                                                                                      \
    __attribute__((visibility("default"))) void name(void);                                                            \
    void name(void)                                                                                                    \
    {                                                                                                                  \
        fprintf(stderr, "%s was called\n", #name);                                                                     \
        abort();                                                                                                       \
    }
OWN(ZSTD_compress)
OWN(ZSTD_compress2)
OWN(ZSTD_compressCCtx)
OWN(ZSTD_createCCtx)
OWN(ZSTD_freeCCtx)
OWN(ZSTD_compressBound)
OWN(ZSTD_isError)
OWN(ZSTD_createDCtx)
OWN(ZSTD_decompressStream)
OWN(XXH64)
OWN(XXH3_64bits)
OWN(XXH3_64bits_withSeed)
OWN(XXH3_64bits_update)
OWN(XXH3_64bits_digest)
OWN(crypto_generichash_blake2b)
OWN(crypto_generichash_blake2b_init)
OWN(crypto_generichash_blake2b_update)
OWN(crypto_generichash_blake2b_final)
OWN(sodium_memzero)
OWN(cJSON_Parse)
OWN(tape_write)
OWN(hook_curl_easy_setopt)
OWN(shim_config)

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
