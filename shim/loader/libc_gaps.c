/*
 * What the static archives inside libpprof.so expect of the C library they were built against, and
 * every C library cannot give, or not for nothing. A program of another C library (musl) would not
 * start with libpprof.so preloaded if such a symbol were left to it.
 */
#include <stddef.h>
#include <string.h>

/* glibc's fortified functions end the process on overflow; the length is right by the caller's own
 * checks. */
void __explicit_bzero_chk(void *memory, size_t bytes, size_t memory_bytes);

void __explicit_bzero_chk(void *memory, size_t bytes, size_t memory_bytes)
{
    (void)memory_bytes;
    explicit_bzero(memory, bytes);
}

#define HIDDEN_WEAK(name)                                                                                              \
    __asm__(".weak " #name "\n.hidden " #name "\n.pushsection .pprof.unused,\"e\"\n.quad " #name "\n.popsection\n")

/*
 * Of libsodium only hashes are used. These three stand for its members that bring in ciphers,
 * locked memory and a source of random numbers, with a dozen functions of the C library that the
 * loader would look up in every process that starts. Misuse would be lengths that are constants of
 * ours, and no key is made here.
 */
void sodium_memzero(void *memory, size_t bytes);
_Noreturn void sodium_misuse(void);
void randombytes_buf(void *memory, size_t bytes);

void sodium_memzero(void *memory, size_t bytes)
{
    explicit_bzero(memory, bytes);
}

_Noreturn void sodium_misuse(void)
{
    __builtin_trap();
}

void randombytes_buf(void *memory, size_t bytes)
{
    (void)memory, (void)bytes;
    __builtin_trap();
}

/* It would ask these for a faster way when it is initialised, which it is not. */
HIDDEN_WEAK(sodium_runtime_has_avx2);
HIDDEN_WEAK(sodium_runtime_has_sse41);
HIDDEN_WEAK(sodium_runtime_has_ssse3);

/* libzstd calls these where a program defines them: the application's tracing is none of our
 * business, nor ours of it.
 */
HIDDEN_WEAK(ZSTD_trace_compress_begin);
HIDDEN_WEAK(ZSTD_trace_compress_end);
HIDDEN_WEAK(ZSTD_trace_decompress_begin);
HIDDEN_WEAK(ZSTD_trace_decompress_end);
