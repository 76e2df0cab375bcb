/*
 * The two searches that a JSON scanner spends its time in: the end of a run within a string, and
 * the next bracket or quote. SSE2 where the compiler has it, byte by byte otherwise; both read only
 * [p, end).
 */
#pragma once

#include <stdbool.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The first quote or backslash, or end. */
static inline const char *json_find_string_end(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
        const int hits =
            _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)));
        if (hits)
            return p + __builtin_ctz((unsigned)hits);
    }
#endif
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

static inline bool json_is_structural(char c)
{
    return c == '"' || c == '{' || c == '}' || c == '[' || c == ']';
}

/* The first quote or bracket of any kind, or end. */
static inline const char *json_find_structural(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    const __m128i fold = _mm_set1_epi8(0x20); /* '[' | 0x20 is '{', ']' | 0x20 is '}', and nothing else becomes them */
    for (; end - p >= 16; p += 16) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)p);
        const __m128i folded = _mm_or_si128(block, fold);
        const __m128i brackets = _mm_or_si128(_mm_cmpeq_epi8(folded, open), _mm_cmpeq_epi8(folded, close));
        const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(block, quote), brackets));
        if (hits)
            return p + __builtin_ctz((unsigned)hits);
    }
#endif
    while (p < end && !json_is_structural(*p))
        p++;
    return p;
}
