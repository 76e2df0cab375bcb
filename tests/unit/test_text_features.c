/* Features of instructions: the same however the text is cut, blind to dates, numbers and ids,
 * exact at both ends, bounded in between; and nothing of the text stays. */
#include "shim/llm/identity/text_features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shim/llm/identity/sent_texts.h"

enum { WORDS_MAX = 30000, TEXT_MAX = 300000, H = PROMPT_FEATURES_HEAD, T = PROMPT_FEATURES_TAIL };

static const struct text_seed seed = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543211)};

struct result {
    struct prompt_features features;
    uint64_t whole[2], exact;
};

static struct result result_of(const struct text_features *features)
{
    struct result result;
    memset(&result, 0, sizeof(result));
    text_features_get(features, &result.features);
    memcpy(result.whole, features->now.whole, sizeof(result.whole));
    result.exact = features->now.exact;
    return result;
}

/* No byte of a part is left when it has ended. */
static void holds_no_text(const struct text_features *features)
{
    for (size_t i = 0; i < sizeof(features->buffer); i++)
        assert_int_equal(features->buffer[i], 0);
}

static void push_cut(struct text_features *features, const char *text, size_t bytes, size_t cut, size_t step)
{
    text_features_part_begin(features);
    text_features_push(features, text, cut);
    for (size_t at = cut; at < bytes; at += step) {
        text_features_tidy(features);
        text_features_push(features, text + at, step < bytes - at ? step : bytes - at);
    }
    text_features_part_end(features);
    holds_no_text(features);
}

static struct result cut_result(const char *text, size_t bytes, size_t cut, size_t step)
{
    static struct text_features features;
    text_features_init(&features, &seed);
    push_cut(&features, text, bytes, cut, step);
    return result_of(&features);
}

static struct result whole_result(const char *text)
{
    return cut_result(text, strlen(text), strlen(text), 1);
}

/* ---- a second, plain reader of words: those of the whole text, one by one ---- */

static char word_text[WORDS_MAX][TEXT_LINE_BYTES + 8];
static size_t n_words;

static bool alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void put_word(const char *text, size_t bytes)
{
    assert_true(n_words < WORDS_MAX && bytes < sizeof(word_text[0]));
    memcpy(word_text[n_words], text, bytes);
    word_text[n_words++][bytes] = '\0';
}

static size_t run_bytes(const char *p, bool *ret_digit)
{
    size_t n = 0;
    *ret_digit = false;
    for (; alnum((unsigned char)p[n]) || ((p[n] == '-' || p[n] == '_') && n && alnum((unsigned char)p[n + 1])); n++)
        *ret_digit = *ret_digit || (p[n] >= '0' && p[n] <= '9');
    return n;
}

static void read_words(const char *p)
{
    n_words = 0;
    while (*p) {
        const unsigned char c = (unsigned char)*p;
        bool digit = false;
        size_t n = run_bytes(p, &digit);
        if (c == ' ' || c == '\t' || c == '\r') {
            p++;
            continue;
        }
        if (digit) {
            put_word("0", 1);
        } else if (c == '\n') {
            put_word("\n", 1);
            n = strspn(p, " \t\r\n");
        } else if (c >= 0xe2) {
            n = c >= 0xf0 ? 4 : 3;
            put_word(p, n);
        } else if (alnum(c) || c >= 0x80) {
            for (n = 0; (unsigned char)p[n] < 0xe2 &&
                        ((unsigned char)p[n] >= 0x80 || (alnum((unsigned char)p[n]) && !(p[n] >= '0' && p[n] <= '9')));
                 n++)
                ;
            put_word(p, n);
        } else {
            n = 1;
            put_word(p, 1);
        }
        p += n;
    }
}

/* The feature of one word that stands alone. */
static uint32_t alone(const char *word)
{
    return whole_result(word).features.head[0];
}

/* Head and tail are those of the plain reader; `all`: as many of the tail as there can be. */
static void compare_words(const char *text, bool all)
{
    const struct prompt_features features = whole_result(text).features;
    read_words(text);
    const size_t heads = n_words < PROMPT_FEATURES_HEAD ? n_words : PROMPT_FEATURES_HEAD, rest = n_words - heads;
    const size_t tails = rest < PROMPT_FEATURES_TAIL ? rest : PROMPT_FEATURES_TAIL;
    assert_int_equal(features.heads, heads);
    assert_true(features.tails <= tails);
    if (all)
        assert_int_equal(features.tails, tails);
    assert_int_equal(features.has_between, rest > features.tails);
    assert_int_equal(features.bytes, strlen(text));
    for (size_t i = 0; i < heads; i++)
        assert_int_equal(features.head[i], alone(word_text[i]));
    for (size_t i = 0; i < features.tails; i++)
        assert_int_equal(features.tail[i], alone(word_text[n_words - features.tails + i]));
}

/* ---- texts ---- */

static uint32_t state;

static unsigned below(unsigned n)
{
    state = state * 1664525U + 1013904223U;
    return (unsigned)(((uint64_t)(state >> 8) * n) >> 24);
}

static char made[TEXT_MAX];

/* `n` words of all kinds, never two that become one. */
static const char *make_text(uint32_t seeded, unsigned n)
{
    static const char *const words[] = {"You",
                                        "are",
                                        "a",
                                        "clerk",
                                        "caf\xc3\xa9",
                                        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
                                        "2026-01-31",
                                        "a91f-33_x",
                                        "re-read",
                                        "x_y",
                                        "7",
                                        "\xe4\xbd\xa0\xe5\xa5\xbd",
                                        "\xf0\x9f\x98\x80",
                                        "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7",
                                        "{",
                                        "\"why\"",
                                        "-",
                                        "well-known",
                                        "\xe0\xa4\xa8",
                                        "no."};
    static const char *const between[] = {" ",  " ",       " ",   " ", "  ", ". ", "\n", "\n\n  ", "! ", "\xe3\x80\x82",
                                          ", ", " \r\n\t", "? \n"};
    size_t used = 0;
    state = seeded;
    for (unsigned i = 0; i < n; i++)
        used += (size_t)snprintf(made + used, sizeof(made) - used, "%s%s", words[below(sizeof(words) / sizeof(*words))],
                                 between[below(sizeof(between) / sizeof(*between))]);
    return made;
}

/* As much of a text as there is room for. */
static void keep_text(char *to, size_t room, const char *text)
{
    const size_t bytes = strlen(text) < room ? strlen(text) : room - 1;
    memcpy(to, text, bytes);
    to[bytes] = '\0';
}

/* ---- tests ---- */

static void test_words(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *words; /* parted by blanks; N: a line end */
    } cases[] = {
        {"It is 2026-01-31, 9:05 am.", "It is 0 , 0 : 0 am ."},
        {"id 7f3a_x-91 and well-known re_do-it", "id 0 and well - known re _ do - it"},
        {"a-b-c-d5 a-b-c-d", "0 a - b - c - d"},
        {"-5 x- _y 4-", "- 0 x - _ y 0 -"},
        {"caf\xc3\xa9 \xc3\xa9t\xc3\xa9"
         "1",
         "caf\xc3\xa9 \xc3\xa9t\xc3\xa9 0"},
        {"\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82\xf0\x9f\x98\x80x",
         "\xe4\xbd\xa0 \xe5\xa5\xbd \xe3\x80\x82 \xf0\x9f\x98\x80 x"},
        {"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xd9\x85\xd8\xb1.", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xd9\x85\xd8\xb1 ."},
        {" a \n\n \t b\r\n\nc ", "a N b N c"},
        {"<a b=\"1\">", "< a b = \" 0 \" >"},
        {"1.5 v2.0.1", "0 . 0 0 . 0 . 0"},
        {"averyveryverylongwordindeedthatgoeson", "averyveryverylongwordindeedthatgoeson"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct prompt_features features = whole_result(cases[i].text).features;
        char words[256];
        unsigned n = 0;
        (void)snprintf(words, sizeof(words), "%s", cases[i].words);
        for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "), n++)
            assert_int_equal(features.head[n], alone(strcmp(word, "N") == 0 ? "\n" : word));
        assert_int_equal(features.heads, n);
    }
    assert_int_not_equal(alone("abcdefgh"), alone("abcdefghi"));
    assert_int_not_equal(alone("abcdefghijk"), alone("abXdefghijk"));
    assert_int_not_equal(alone("You"), alone("you"));
}

/* Every place to cut in two, and pieces of every small size. */
static void each_cut(const char *text)
{
    const size_t bytes = strlen(text);
    const struct result whole = whole_result(text);
    for (size_t cut = 0; cut < bytes; cut++) {
        const struct result result = cut_result(text, bytes, cut, bytes);
        assert_memory_equal(&result, &whole, sizeof(whole));
    }
    for (size_t step = 1; step < 40; step++) {
        const struct result result = cut_result(text, bytes, 0, step);
        assert_memory_equal(&result, &whole, sizeof(whole));
    }
}

static void repeat(const char *piece, size_t bytes)
{
    made[0] = '\0';
    for (size_t used = 0; used < bytes; used += strlen(piece))
        (void)snprintf(made + used, sizeof(made) - used, "%s", piece);
}

static void test_cuts(void **unused)
{
    (void)unused;
    for (uint32_t i = 1; i <= 3; i++)
        each_cut(make_text(i, 200 * i));
    repeat("\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82", 2500); /* lines of characters */
    each_cut(made);
    repeat("\xe4\xbd\xa0", 2300); /* no line at all */
    each_cut(made);
    repeat("x", 2600); /* no word even */
    each_cut(made);
    repeat("ab-1 ", 2100);
    each_cut(made);
    repeat("\xff\x80 \xe3\x80", 2200); /* no UTF-8 */
    each_cut(made);
    repeat(" \n", 3000); /* no text */
    each_cut(made);
    repeat("One more. ", 2048); /* ends where the buffer does */
    each_cut(made);
}

/* Head and tail against the plain reader, at every number of words around the edges. */
static void test_ends(void **unused)
{
    (void)unused;
    for (unsigned n = 0; n < H + T + 30; n++) {
        char text[2000];
        size_t used = 0;
        text[0] = '\0';
        for (unsigned i = 0; i < n; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%c%c%s", 'a' + (char)(i / 26),
                                     'a' + (char)(i % 26), i % 10 == 9 ? "\n" : " ");
        read_words(text);
        compare_words(text, true);
    }
    for (uint32_t i = 1; i <= 60; i++)
        compare_words(make_text(i, i * 7), true);
    compare_words(make_text(61, 5000), true);
}

/* n different words and nothing else. */
static struct prompt_features of_count(unsigned n)
{
    size_t used = 0;
    made[0] = '\0';
    for (unsigned i = 0; i < n; i++)
        used += (size_t)snprintf(made + used, sizeof(made) - used, "w%c%c%c ", 'a' + (char)(i % 26),
                                 'a' + (char)(i / 26 % 26), 'a' + (char)(i / 676 % 26));
    return whole_result(made).features;
}

static void test_counts(void **unused)
{
    (void)unused;
    static const struct {
        unsigned words, heads, tails;
        bool between;
    } cases[] = {{1, 1, 0, false},     {H - 1, H - 1, 0, false}, {H, H, 0, false},  {H + 1, H, 1, false},
                 {H + T, H, T, false}, {H + T + 1, H, T, true},  {200, H, T, true}, {20000, H, T, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct prompt_features features = of_count(cases[i].words);
        uint8_t data[SPAN_TEXT_MAX];
        struct prompt_features read;
        assert_int_equal(features.heads, cases[i].heads);
        assert_int_equal(features.tails, cases[i].tails);
        assert_int_equal(features.has_between, cases[i].between);
        assert_int_equal(prompt_features_read(&read, data, prompt_features_write(&features, data)), 0);
        assert_memory_equal(&read, &features, sizeof(read));
    }
    (void)of_count(20000);
    compare_words(made, true);
}

/* Leaves what texts are told apart by. */
static void forget_looks(struct result *result)
{
    struct prompt_features *const features = &result->features;
    features->bytes = 0;
    result->exact = 0;
    memset(features->head_look, 0, sizeof(features->head_look));
    memset(features->tail_look, 0, sizeof(features->tail_look));
    memset(features->line_place, 0, sizeof(features->line_place));
}

/* What varies and holds a digit makes no other text, wherever it stands. */
static void test_masks(void **unused)
{
    (void)unused;
    static const char *const values[] = {
        "7", "2026-01-31", "31/12/1999", "550e8400-e29b-41d4-a716-446655440000", "user_91x", "12345678901234567890"};
    static char text[9000];
    static char filler[8000];
    size_t used = 0;
    for (unsigned i = 0; used < 7000; i++)
        used += (size_t)snprintf(filler + used, sizeof(filler) - used, "Rule %c says so and no more. ",
                                 'a' + (char)(i % 26));
    for (unsigned place = 0; place < 3; place++) {
        struct result first = {0};
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            const size_t before = place == 0 ? 0 : place == 1 ? 3000 / 28 * 28 : used / 28 * 28;
            if (strchr(values[i], '/') != NULL)
                continue; /* marks stay, see below */
            (void)snprintf(text, sizeof(text), "%.*sThe number is %s today.\n%s", (int)before, filler, values[i],
                           place == 2 ? "" : filler + before);
            struct result result = whole_result(text);
            forget_looks(&result);
            if (i == 0)
                first = result;
            assert_memory_equal(&result, &first, sizeof(first));
        }
    }
    struct result slashes[2] = {whole_result("On 31/12/1999 at 10:00"), whole_result("On 1/2/2000 at 9:30")};
    forget_looks(&slashes[0]);
    forget_looks(&slashes[1]);
    assert_memory_equal(&slashes[0], &slashes[1], sizeof(slashes[0]));
    assert_true(whole_result("On Monday at noon").whole[0] != whole_result("On Tuesday at noon").whole[0]);
}

/* The digest of the bytes forgives nothing: a byte changed, added or taken away anywhere, a part
 * cut elsewhere. */
static void test_exact(void **unused)
{
    (void)unused;
    static char text[6000];
    keep_text(text, sizeof(text), make_text(3, 700));
    const size_t bytes = strlen(text);
    const uint64_t exact = whole_result(text).exact;
    assert_true(bytes > 2 * TEXT_BUFFER_BYTES);
    for (size_t at = 0; at < bytes; at += 7) {
        text[at] ^= 1;
        assert_true(cut_result(text, bytes, 100, 1000).exact != exact);
        text[at] ^= 1;
    }
    assert_true(cut_result(text, bytes, 100, 1000).exact == exact);
    for (size_t less = 1; less < 20; less++)
        assert_true(cut_result(text, bytes - less, 100, 1000).exact != exact);
    static struct text_features features;
    uint64_t seen[3] = {exact};
    for (unsigned i = 1; i < 3; i++) {
        text_features_init(&features, &seed);
        push_cut(&features, text, 1000 * i, 0, 500);
        push_cut(&features, text + 1000 * i, bytes - 1000 * i, 0, 500);
        seen[i] = features.now.exact;
    }
    assert_true(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);
}

static unsigned shared_lines(const struct prompt_features *a, const struct prompt_features *b)
{
    unsigned n = 0;
    for (unsigned i = 0; i < a->lines; i++)
        for (unsigned j = 0; j < b->lines; j++)
            n += a->line[i] == b->line[j];
    return n;
}

/* Lines after the head: one that changes takes few along, others share none. */
static void test_lines(void **unused)
{
    (void)unused;
    static char text[3][20000];
    for (unsigned k = 0; k < 3; k++) {
        size_t used = 0;
        for (unsigned i = 0; i < 200; i++)
            used += (size_t)snprintf(text[k] + used, sizeof(text[k]) - used,
                                     "%s %c%c of the book says this and that to all%s",
                                     k == 2               ? "Verse"
                                     : k == 1 && i == 100 ? "Other line"
                                                          : "Line",
                                     'a' + (char)(i / 26), 'a' + (char)(i % 26),
                                     i % 3 == 0   ? "? "
                                     : i % 3 == 1 ? ".\n"
                                                  : "\n");
    }
    const struct prompt_features a = whole_result(text[0]).features, b = whole_result(text[1]).features,
                                 c = whole_result(text[2]).features;
    assert_int_equal(a.lines, PROMPT_FEATURES_LINES);
    for (unsigned i = 1; i < a.lines; i++)
        assert_true(a.line[i] > a.line[i - 1]);
    assert_in_range(shared_lines(&a, &b), PROMPT_FEATURES_LINES - 4, PROMPT_FEATURES_LINES);
    assert_true(whole_result(text[0]).whole[0] != whole_result(text[1]).whole[0]);
    assert_int_equal(shared_lines(&a, &c), 0);
    repeat("Say the same again. ", 4000); /* the same pair of lines counts once */
    assert_in_range(whole_result(made).features.lines, 1, 3);
    const struct prompt_features one = of_count(60), more = of_count(61);
    assert_int_equal(one.lines, 2); /* that of the text, and its being the last */
    assert_int_equal(shared_lines(&one, &more), 0);
    const struct prompt_features ended = whole_result("One. Two.").features,
                                 appended = whole_result("One. Two. Three.").features;
    assert_int_equal(ended.lines, 3);
    assert_int_equal(shared_lines(&ended, &appended), 2); /* what is appended takes the end along */
}

/* Where a line stands, in the head, behind it or far away, is nothing to it. */
static void test_lines_anywhere(void **unused)
{
    (void)unused;
    static const unsigned before[] = {0, 3, 30, 61, 64, 200, 1000};
    static char text[20000];
    struct prompt_features features[7];
    for (unsigned k = 0; k < 7; k++) {
        size_t used = 0;
        for (unsigned i = 0; i < before[k]; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "", "front");
        used += (size_t)snprintf(text + used, sizeof(text) - used, ".\n");
        for (unsigned i = 0; i < 15; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "Rule %c, of %u-%u, says so. And it is! \n",
                                     'a' + (char)i, 7 + i, i * i * i * k);
        features[k] = whole_result(text).features;
        assert_in_range(features[k].lines, 18, PROMPT_FEATURES_LINES);
        assert_in_range(shared_lines(&features[0], &features[k]), features[0].lines - 3U, features[0].lines);
    }
}

/* A text without one of its lines has a pair that the text with it lacks, also where lines end in
 * a full stop, or blank lines part them. */
static void test_a_line_taken_out(void **unused)
{
    (void)unused;
    static const char *const end[] = {"\n", ".\n", ".\r\n", ". \n", ".\n\n", " "};
    static char text[2][20000];
    for (unsigned e = 0; e < 6; e++) {
        struct prompt_features features[2];
        for (unsigned k = 0; k < 2; k++) {
            size_t used = 0;
            for (unsigned i = 0; i < 30; i++)
                if (k == 0 || i != 15)
                    used += (size_t)snprintf(text[k] + used, sizeof(text[k]) - used, "- Line %c%c says so%s%s",
                                             'a' + (char)(i / 8), 'a' + (char)(i % 8), e == 5 ? "." : "", end[e]);
            features[k] = whole_result(text[k]).features;
        }
        assert_int_equal(features[1].lines, shared_lines(&features[0], &features[1]) + 1);
        /* Line ends that stand by themselves are one more, with the line that follows. */
        assert_int_equal(features[0].lines, shared_lines(&features[0], &features[1]) + (e == 0 || e == 5 ? 2 : 3));
    }
}

static void part(struct text_features *features, const char *text, bool keep)
{
    text_features_part_begin(features);
    text_features_push(features, text, strlen(text));
    if (keep)
        text_features_part_end(features);
    else
        text_features_part_drop(features);
    holds_no_text(features);
}

/* Several messages are one text; one that was none leaves nothing, however long it was. */
static void test_parts(void **unused)
{
    (void)unused;
    static struct text_features with, without;
    static char longer[9000];
    keep_text(longer, sizeof(longer), make_text(5, 1200));
    for (unsigned at = 0; at < 3; at++) {
        text_features_init(&with, &seed);
        text_features_init(&without, &seed);
        for (unsigned i = 0; i < 3; i++) {
            static const char *const texts[] = {"You are a clerk. Be kind.", "Answer in German.\n", "Today is Monday"};
            if (i == at) {
                part(&with, longer, false);
                part(&with, "A question?", false);
            }
            part(&with, texts[i], true);
            part(&without, texts[i], true);
        }
        const struct result a = result_of(&with), b = result_of(&without);
        assert_memory_equal(&a, &b, sizeof(a));
        assert_int_equal(a.features.heads, 8 + 1 + 5 + 1 + 3);
    }
    const struct result order[] = {result_of(&without),
                                   whole_result("You are a clerk. Be kind.Answer in German.\nToday is Monday")};
    assert_true(order[0].whole[0] != order[1].whole[0]);
    /* The tail goes on over a short part, and begins anew in a long one. */
    text_features_init(&with, &seed);
    (void)of_count(H + 14);
    part(&with, made, true);
    part(&with, "short one", true);
    assert_int_equal(result_of(&with).features.tails, 14 + 1 + 2);
    assert_false(result_of(&with).features.has_between);
    part(&with, longer, true);
    assert_int_equal(result_of(&with).features.tails, PROMPT_FEATURES_TAIL);
    assert_true(result_of(&with).features.has_between);
}

/* Another key, other hashes: no word's is the same. */
static void test_seeds(void **unused)
{
    (void)unused;
    static struct text_features features;
    static const uint8_t keys[2][32] = {{1}, {2}};
    struct result result[2];
    for (unsigned i = 0; i < 2; i++) {
        const struct text_seed of_key = sent_texts_seed(keys[i]);
        text_features_init(&features, &of_key);
        push_cut(&features, make_text(9, 3000), strlen(made), 0, 1000);
        result[i] = result_of(&features);
    }
    for (unsigned i = 0; i < PROMPT_FEATURES_HEAD; i++)
        assert_int_not_equal(result[0].features.head[i], result[1].features.head[i]);
    assert_int_equal(shared_lines(&result[0].features, &result[1].features), 0);
    assert_true(result[0].whole[0] != result[1].whole[0] && result[0].whole[1] != result[1].whole[1]);
}

/* The same on every machine: ids and features of this text are part of the format. */
static void test_constant(void **unused)
{
    (void)unused;
    const struct result result = whole_result(make_text(77, 900));
    uint64_t sum = result.whole[0] ^ result.whole[1] ^ result.exact;
    for (unsigned i = 0; i < result.features.heads; i++)
        sum = sum * 31 + result.features.head[i];
    for (unsigned i = 0; i < result.features.tails; i++)
        sum = sum * 31 + result.features.tail[i];
    for (unsigned i = 0; i < result.features.lines; i++)
        sum = sum * 31 + result.features.line[i];
    assert_int_equal(sum, UINT64_C(0xdbec3c66477f074b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),          cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_ends),           cmocka_unit_test(test_counts),
        cmocka_unit_test(test_masks),          cmocka_unit_test(test_lines),
        cmocka_unit_test(test_exact),          cmocka_unit_test(test_parts),
        cmocka_unit_test(test_lines_anywhere), cmocka_unit_test(test_a_line_taken_out),
        cmocka_unit_test(test_seeds),          cmocka_unit_test(test_constant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
