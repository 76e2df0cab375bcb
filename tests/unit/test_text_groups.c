/* Bytes of instructions in groups: both ways give the same, and what a plain reader finds. */
#include "shim/llm/identity/text_groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct text_seed seed = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543211)};

static uint32_t state;

static unsigned below(unsigned n)
{
    state = state * 1664525U + 1013904223U;
    return (unsigned)(((uint64_t)(state >> 8) * n) >> 24);
}

/* Both ways to hash and to find line ends, at every length and from every place. */
static void test_ways(void **unused)
{
    (void)unused;
    enum { MOST = 700 };
    static const uint8_t some[] = {'0', '9', '/', ':', ' ', '.', '\n', 'x', 0x80, 0x82, 0xe3, 0xff, 0};
    static uint8_t bytes[TEXT_SLACK + MOST + TEXT_SLACK];
    if (text_groups_way() != TEXT_WAY_WIDE)
        print_message("this processor knows one way alone\n");
    state = 5;
    for (unsigned round = 0; round < 4 * MOST; round++) {
        uint8_t *const from = bytes + TEXT_SLACK + below(32);
        const size_t length = 1 + round % (MOST - 32);
        const bool digits = below(2);
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = below(3) ? (uint8_t)('a' + below(26)) : some[below(sizeof(some))];
        for (size_t i = 0; i < length && !digits; i++)
            from[i] = from[i] >= '0' && from[i] <= '9' ? 'n' : from[i];
        const struct text_hash_pair plain = text_groups_hash_plain(from, length, &seed);
        assert_int_equal(text_group_ends(from), text_group_ends_plain(from));
        for (unsigned i = 0; i < 2; i++) { /* what lies behind the end counts for nothing */
            const struct text_hash_pair either = text_groups_hash(from, length, &seed);
            assert_true(either.exact == plain.exact && either.alike == plain.alike && either.digits == plain.digits);
            memset(from + length, '7', TEXT_SLACK);
        }
        bool any = false;
        for (size_t i = 0; i < length; i++) {
            any = any || (from[i] >= '0' && from[i] <= '9');
            from[i] = from[i] >= '0' && from[i] <= '9' ? '0' : from[i];
        }
        assert_int_equal(plain.digits, any);
        assert_true(text_groups_hash_plain(from, length, &seed).exact == plain.alike);
        for (unsigned bit = 0; bit < 64; bit++) {
            const uint8_t *const p = from + bit;
            const bool full_stop = *p == 0x82 && p[-1] == 0x80 && p[-2] == 0xe3;
            const bool ends = *p == '\n' || *p == '.' || *p == '!' || *p == '?' || full_stop;
            assert_int_equal(text_group_ends_plain(from) >> bit & 1, ends);
            assert_int_equal(text_group_digits(from) >> bit & 1, *p >= '0' && *p <= '9');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ways)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
