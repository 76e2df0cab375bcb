/*
 * What the static archives inside libpprof.so expect of the C library they were built against, and every C library
 * cannot give. A program of another C library (musl) would not start with libpprof.so preloaded if such a symbol were
 * left to it.
 */
#include <stddef.h>
#include <string.h>

/* glibc's fortified functions end the process on overflow; the length is right by the caller's own checks. */
void __explicit_bzero_chk(void *memory, size_t bytes, size_t memory_bytes);

void __explicit_bzero_chk(void *memory, size_t bytes, size_t memory_bytes)
{
    (void)memory_bytes;
    explicit_bzero(memory, bytes);
}

/* libzstd calls these where a program defines them: the application's tracing is none of our business, nor ours of it.
 */
#define HIDDEN_WEAK(name)                                                                                              \
    __asm__(".weak " #name "\n.hidden " #name "\n.pushsection .pprof.unused,\"e\"\n.quad " #name "\n.popsection\n")
HIDDEN_WEAK(ZSTD_trace_compress_begin);
HIDDEN_WEAK(ZSTD_trace_compress_end);
HIDDEN_WEAK(ZSTD_trace_decompress_begin);
HIDDEN_WEAK(ZSTD_trace_decompress_end);
