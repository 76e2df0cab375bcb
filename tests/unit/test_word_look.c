/* What the words of instructions look like: kinds and lengths, by which the collector tells what
 * stands in a slot, and pairs of lines with their places. */
#include "shim/llm/identity/text_features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct text_seed seed = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543211)};

static struct prompt_features features_of(const char *text)
{
    static struct text_features features;
    struct prompt_features ret;
    text_features_init(&features, &seed);
    text_features_part_begin(&features);
    text_features_push(&features, text, strlen(text));
    text_features_part_end(&features);
    text_features_get(&features, &ret);
    return ret;
}

/* What a word looks like: its kind, also where it counts as "0", and its length. */
static void test_looks(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        unsigned kind, words;
    } cases[] = {
        {"2026-01-31", PROMPT_WORD_DATE, 1},
        {"2026-01-31T10", PROMPT_WORD_DATE, 1},
        {"31-01-2026", PROMPT_WORD_DATE, 1},
        {"31-Jan-2026", PROMPT_WORD_DATE, 1},
        {"20260131", PROMPT_WORD_DATE, 1},
        {"20260131T101112Z", PROMPT_WORD_ID, 1},
        {"2026-01", PROMPT_WORD_DATE, 1},
        {"7", PROMPT_WORD_NUMBER, 1},
        {"2026", PROMPT_WORD_NUMBER, 1},
        {"20269931", PROMPT_WORD_NUMBER, 1},
        {"123456789", PROMPT_WORD_ID, 1},
        {"user_91x", PROMPT_WORD_ID, 1},
        {"10-20", PROMPT_WORD_ID, 1},
        {"550e8400-e29b-41d4-a716-446655440000", PROMPT_WORD_ID, 1},
        {"a1b2", PROMPT_WORD_ID, 1},
        {"Monday", PROMPT_WORD_CALENDAR, 1},
        {"Mon", PROMPT_WORD_CALENDAR, 1},
        {"M\xc3\xa4rz", PROMPT_WORD_CALENDAR, 1},
        {"Money", PROMPT_WORD_CAPITAL, 1},
        {"Anna", PROMPT_WORD_CAPITAL, 1},
        {"\xc3\x96lg\xc3\xa4", PROMPT_WORD_CAPITAL, 1},
        {"\xd0\x90\xd0\xbd", PROMPT_WORD_CAPITAL, 1},
        {"\xd0\xb0\xd0\xbd", PROMPT_WORD_LETTERS, 1},
        {"monday", PROMPT_WORD_LETTERS, 1},
        {"\xe4\xb8\xad", PROMPT_WORD_WIDE, 1},
        {"/", PROMPT_WORD_SLASH, 1},
        {"-", PROMPT_WORD_JOINT, 1},
        {"@", PROMPT_WORD_AT, 1},
        {"(", PROMPT_WORD_MARK, 1},
        {"a\n\n  ", PROMPT_WORD_LINE, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct prompt_features features = features_of(cases[i].text);
        const unsigned last = cases[i].words - 1;
        const bool digits = cases[i].kind >= PROMPT_WORD_DATE;
        assert_int_equal(features.heads, cases[i].words);
        if ((prompt_word_kind(features.head_look[last]) & (digits ? 14U : 15U)) != cases[i].kind)
            fail_msg("%s is of kind %u", cases[i].text, prompt_word_kind(features.head_look[last]));
    }
    const struct prompt_features lengths =
        features_of("Be a bit   careful, internationalization\n\n  is donaudampfschifffahrtsgesellschaftskapitaen");
    static const unsigned bytes[] = {2, 2, 4, 10, 1, 23, 1, 5, 40};
    for (unsigned i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
        assert_int_equal(prompt_word_bytes(lengths.head_look[i]), bytes[i]);
}

/* A few values of a number, date or id differ in the bit that tells so; equal ones never do. */
static void test_looks_tell_values_apart(void **unused)
{
    (void)unused;
    static const char *const formats[] = {"2026-01-%02u", "%u", "user_%ux"};
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        unsigned seen[2] = {0};
        for (unsigned i = 10; i < 26; i++) {
            char text[64];
            snprintf(text, sizeof(text), formats[f], i);
            const uint8_t look = features_of(text).head_look[0];
            assert_int_equal(look, features_of(text).head_look[0]);
            seen[prompt_word_kind(look) & 1]++;
        }
        assert_true(seen[0] > 0 && seen[1] > 0);
    }
}

/* A place is told to a sixteenth, in order, and read back as it was. */
static void test_places(void **unused)
{
    (void)unused;
    for (uint64_t at = 0, before = 0; at < 8 << 20; at += 1 + at / 50) {
        const uint8_t place = prompt_place(at);
        const uint32_t first = prompt_place_byte(place);
        assert_true(place >= before && first <= at && prompt_place(first) == place);
        if (place > 0 && place < UINT8_MAX)
            assert_true(at - first <= at / 16);
        before = place;
    }
    static char text[20000];
    size_t used = 0;
    for (unsigned i = 0; i < 60; i++) /* no line is equal to another, none is left out */
        used +=
            (size_t)snprintf(text + used, sizeof(text) - used, "Rule %c%c is as long as any other of these rules is\n",
                             'a' + (char)(i % 26), 'a' + (char)(i / 26));
    const struct prompt_features features = features_of(text);
    unsigned at_place[256] = {0};
    for (unsigned i = 0; i < features.lines; i++)
        at_place[features.line_place[i]]++;
    assert_int_equal(features.lines, 61);
    for (size_t i = 0; i < 60; i++)
        assert_true(at_place[prompt_place(i * (used / 60))]-- > 0);
    assert_int_equal(at_place[prompt_place(used)], 1); /* where it ends */
}

static uint32_t state;

static unsigned below(unsigned n)
{
    state = state * 1664525U + 1013904223U;
    return (unsigned)(((uint64_t)(state >> 8) * n) >> 24);
}

static int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The lowest, each once, whatever their number, how often they come and how they are spread. */
static void test_pairs(void **unused)
{
    (void)unused;
    enum { MOST = 4000 };
    static uint32_t all[MOST];
    static struct text_pairs pairs;
    state = 11;
    for (unsigned round = 0; round < 400; round++) {
        const unsigned n = round < 310 ? round : below(MOST), bits = 4 + below(21);
        memset(&pairs, 0, sizeof(pairs));
        for (unsigned i = 0; i < n; i++) {
            all[i] = 1 + below((1U << 12) - 1) % ((1U << bits) - 1);
            if (bits > 12)
                all[i] = (all[i] << (bits - 12)) - below(1U << (bits - 12));
            text_pairs_add(&pairs, all[i], i);
        }
        text_pairs_narrow(&pairs);
        qsort(all, n, sizeof(all[0]), by_value);
        unsigned kept = 0;
        for (unsigned i = 0; i < n; i++)
            if (kept < PROMPT_FEATURES_LINES && (!i || all[i] != all[i - 1]))
                assert_int_equal(text_pair_hash(pairs.pair[kept++]), all[i]);
        assert_int_equal(pairs.count, kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_looks), cmocka_unit_test(test_looks_tell_values_apart),
                                       cmocka_unit_test(test_places), cmocka_unit_test(test_pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
