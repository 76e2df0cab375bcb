/* What is told of a prompt that was learned: which words stay, what kinds of values stand between
 * them and how long these are, in bytes that are known here, as the texts are made here. Texts
 * become features by the scribe's own means, templates by the miner. */
#include "collector/prompts/miner.h"
#include "collector/prompts/shape.h"
#include "shim/llm/identity/text_features.h"
#include "span/buffer.h"
#include "span_tests.h"

enum { TEXTS = 24, ROOM = 60000 };

static const struct text_seed key = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543211)};

static struct prompt_features features_of(const char *text)
{
    static struct text_features features;
    struct prompt_features ret;
    text_features_init(&features, &key);
    text_features_part_begin(&features);
    text_features_push(&features, text, strlen(text));
    text_features_part_end(&features);
    text_features_get(&features, &ret);
    return ret;
}

static struct {
    struct prompt_features text[TEXTS];
    const struct prompt_features *list[TEXTS];
    unsigned count;
} all;

static void forget(void)
{
    all.count = 0;
}

static void add(const char *text)
{
    assert_true(all.count < TEXTS);
    all.text[all.count] = features_of(text);
    all.list[all.count] = &all.text[all.count];
    all.count++;
}

/* The one template of all texts. */
static struct miner_template learn(void)
{
    struct miner *const miner = miner_new();
    size_t templates;
    for (unsigned i = 0; i < all.count; i++) {
        const struct miner_text text = {
            .id = 1000 + i, .calls = 1, .first_ns = i + 1, .last_ns = i + 1, .features = all.text[i]};
        assert_int_equal(miner_add(miner, &text), 0);
    }
    assert_int_equal(miner_run(miner), 0);
    const struct miner_template *const found = miner_templates(miner, &templates);
    assert_int_equal(templates, 1);
    const struct miner_template one = *found;
    miner_free(miner);
    return one;
}

/* Written and read it is the same. */
static void expect_same_bytes(const struct prompt_shape *shape)
{
    static struct prompt_shape read;
    struct span_buffer out, again;
    span_buffer_init(&out, SHAPE_BYTES_MAX);
    span_buffer_init(&again, SHAPE_BYTES_MAX);
    shape_write(shape, &out);
    assert_false(out.failed);
    assert_int_equal(shape_read(&read, out.data, out.bytes), 0);
    shape_write(&read, &again);
    assert_int_equal(out.bytes, again.bytes);
    assert_memory_equal(out.data, again.data, out.bytes);
    for (size_t cut = 0; cut < out.bytes; cut++)
        assert_int_equal(shape_read(&read, out.data, cut), -1);
    span_buffer_done(&out);
    span_buffer_done(&again);
}

/* Texts after the first `first` join one by one. */
static const struct shape_told *told_of(unsigned first)
{
    static struct prompt_shape shape;
    static struct shape_told told;
    const struct miner_template learned = learn();
    shape_make(&shape, &learned, all.list, first);
    for (unsigned i = first; i < all.count; i++)
        shape_join(&shape, all.list[i]);
    expect_same_bytes(&shape);
    shape_tell(&shape, &told);
    assert_int_equal(told.texts, all.count);
    return &told;
}

static void print_slots(const struct shape_told *told)
{
    for (unsigned i = 0; i < told->slots; i++)
        print_message("slot %u: %s after %u, %u to %u, typically %u%s\n", i, shape_kind_name(told->slot[i].kind),
                      told->slot[i].after_bytes, told->slot[i].least, told->slot[i].most, told->slot[i].typical,
                      told->slot[i].is_optional ? ", optional" : "");
}

static void expect_slots(const struct shape_told *told, const enum shape_kind *kind, unsigned count)
{
    if (told->slots != count)
        print_slots(told);
    assert_int_equal(told->slots, count);
    for (unsigned i = 0; i < count; i++) {
        if (told->slot[i].kind != kind[i])
            print_slots(told);
        assert_int_equal(told->slot[i].kind, kind[i]);
    }
}

static void expect_near(uint32_t value, uint32_t wanted, uint32_t most)
{
    if (value + most < wanted || value > wanted + most)
        fail_msg("%u is not near %u", value, wanted);
}

static const char *const first_names[] = {"Anna",  "Bob",   "Carla", "Dmitri", "Eva",  "Farid",  "Gina", "Hiro",
                                          "Ines",  "Jonas", "Kaya",  "Lars",   "Mina", "Nils",   "Olga", "Pedro",
                                          "Quinn", "Rosa",  "Sven",  "Tara",   "Uma",  "Viktor", "Wen",  "Xenia"};
static const char *const last_names[] = {"Adler",  "Baum", "Costa", "Dietz", "Ebert", "Fuchs", "Gomez",  "Hahn",
                                         "Ivanov", "Jung", "Kim",   "Lang",  "Meyer", "Novak", "Okafor", "Park",
                                         "Roth",   "Sato", "Thiel", "Ueda",  "Vogel", "Weber", "Xu",     "Young"};
static const char *const cities[] = {"Berlin", "Paris", "Rome", "Oslo", "Madrid", "Kyoto", "Lima", "Quito"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

/* One slot of each kind, each where it is and as long as it is. */
static void test_kinds(void **unused)
{
    (void)unused;
    static const char *const formats[] = {
        "You help people of the housing office. Today is 2026-%02u-%02u, and that matters. %s",
        "You help people of the housing office. The room is %u%u right now, behind the door. %s",
        "You help people of the housing office. Their request is a%uf3-%uc9, as they call it. %s",
        "You help people of the housing office. Today it is %2$u %4$s %1$u1, and that matters. %3$s",
        "You help people of the housing office. It is %u/%u/2026 as of this very moment now. %s",
        "You help people of the housing office. The clock says %u:%u0 in the office by now. %s",
    };
    static const enum shape_kind kinds[] = {SHAPE_DATE, SHAPE_NUMBER, SHAPE_ID, SHAPE_DATE, SHAPE_DATE, SHAPE_DATE};
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        forget();
        for (unsigned i = 0; i < TEXTS; i++) {
            char text[512], name[64];
            snprintf(name, sizeof(name), "They are called %s %s, so say that name at once.", first_names[i],
                     last_names[i]);
            snprintf(text, sizeof(text), formats[f], 1 + i % 12, 10 + i % 17, name, months[i % 12]);
            add(text);
        }
        const struct shape_told *const told = told_of(TEXTS);
        const enum shape_kind want[] = {kinds[f], SHAPE_NAME};
        expect_slots(told, want, 2);
        expect_near(told->begin_bytes, (uint32_t)strcspn(strchr(formats[f], '.') + 1, "%") + 38, 12);
        expect_near(told->slot[0].after_bytes, told->begin_bytes, 0);
        expect_near(told->slot[1].least, 7, 2); /* " Wen Xu" */
        expect_near(told->slot[1].most, 14, 2);
        assert_false(told->slot[0].is_optional || told->slot[1].is_optional);
    }
}

/* Names, e-mail addresses and text, several in a row with few words between. */
static void test_slots_close_together(void **unused)
{
    (void)unused;
    forget();
    for (unsigned i = 0; i < TEXTS; i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "You are the assistant of the shop. Customer: %s %s (%s@example.org), from %s since %u. "
                 "Be kind to them and never promise anything that the shop cannot keep.",
                 first_names[i], last_names[i], i % 2 ? "someone" : "anyone", cities[i % 8], 1990 + i);
        add(text);
    }
    const struct shape_told *const told = told_of(TEXTS);
    static const enum shape_kind want[] = {SHAPE_NAME, SHAPE_TEXT, SHAPE_NAME, SHAPE_NUMBER};
    expect_slots(told, want, 4);
    assert_true(told->constant_bytes * 10 > told->bytes * 7 && told->constant_bytes < told->bytes);
    /* Also where the later half came later. */
    expect_slots(told_of(TEXTS / 2), want, 4);
}

/* A number that is always the same is no slot, nor is a date that was so in many texts. */
static void test_constant_digits(void **unused)
{
    (void)unused;
    forget();
    for (unsigned i = 0; i < TEXTS; i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "Answer in at most 3 sentences, as agreed on 2024-06-01 with all of us here. "
                 "The user is %s and has asked %u questions before this one was asked.",
                 first_names[i], 10 + i);
        add(text);
    }
    const struct shape_told *const told = told_of(TEXTS);
    static const enum shape_kind want[] = {SHAPE_NAME, SHAPE_NUMBER};
    expect_slots(told, want, 2);
}

/* What is there in some texts alone is optional. */
static void test_optional(void **unused)
{
    (void)unused;
    forget();
    for (unsigned i = 0; i < TEXTS; i++) {
        char text[512], note[64] = "";
        if (i % 3 == 0)
            snprintf(note, sizeof(note), " %s %s", first_names[i], last_names[i]);
        snprintf(text, sizeof(text),
                 "You are the clerk on duty for today%s and you answer in the order of the list. "
                 "Ticket number %u is the one that comes next.",
                 note, 100 + i);
        add(text);
    }
    const struct shape_told *const told = told_of(TEXTS);
    static const enum shape_kind want[] = {SHAPE_NAME, SHAPE_NUMBER};
    expect_slots(told, want, 2);
    assert_true(told->slot[0].is_optional && told->slot[0].least == 0);
}

static size_t add_rules(char *text, size_t used, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        used +=
            (size_t)snprintf(text + used, ROOM - used,
                             "- Rule %c%c says that %s %s is asked before %s of it is done.\n", 'a' + (char)(i % 26),
                             'a' + (char)(i / 26 % 26), first_names[i % 24], last_names[i / 24 % 24], cities[i % 8]);
    return used;
}

/* Found text behind rules, at their front, and within them: the beginning that stays, the share
 * that does, and where the slot is are told to a few percent, however long all is. */
static void test_long_texts(void **unused)
{
    (void)unused;
    static char text[ROOM];
    static const struct {
        unsigned before, found, after;
    } cases[] = {{40, 20, 0}, {0, 20, 40}, {20, 10, 20}, {300, 100, 0}, {150, 100, 150}, {12, 60, 12}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        size_t begin = 0, whole = 0, found = 0;
        forget();
        for (unsigned i = 0; i < TEXTS; i++) {
            uint64_t random = i * 77 + 5;
            begin = add_rules(text, 0, 0, cases[c].before);
            size_t used = begin;
            for (unsigned k = 0; k < 11 * cases[c].found; k++) {
                char word[8] = "";
                for (unsigned l = 0; l < 3 + k % 4; l++)
                    word[l] = 'a' + (char)(random_next(&random) % 26);
                used += (size_t)snprintf(text + used, ROOM - used, "%s%s", word, k % 11 == 10 ? ".\n" : " ");
            }
            found = used - begin;
            whole = add_rules(text, used, cases[c].before, cases[c].after);
            add(text);
        }
        const struct shape_told *const told = told_of(TEXTS / 2);
        expect_near(told->bytes, (uint32_t)whole, 1);
        /* Lines behind the 256th are 384 bytes or more, and 76 pairs are kept: to a sixth. */
        expect_near(told->constant_bytes, (uint32_t)(whole - found), (uint32_t)whole / 6);
        expect_near(told->begin_bytes, (uint32_t)begin, (uint32_t)whole / 6);
        if (told->slots != 1)
            print_slots(told);
        assert_int_equal(told->slots, 1);
        assert_int_equal(told->slot[0].kind, SHAPE_TEXT);
        expect_near(told->slot[0].typical, (uint32_t)found, (uint32_t)whole / 6);
        expect_near(told->slot[0].after_bytes, (uint32_t)begin, (uint32_t)whole / 6);
        /* English has some four bytes a token. */
        assert_true(told->tokens * 3 < told->bytes && told->tokens * 6 > told->bytes);
    }
}

/* Of Chinese, each character is about a token. */
static void test_tokens(void **unused)
{
    (void)unused;
    forget();
    for (unsigned i = 0; i < TEXTS; i++) {
        char text[512];
        size_t used = 0;
        for (unsigned k = 0; k < 36; k++) /* U+4E00 and on, a name among them */
            used += (size_t)snprintf(text + used, sizeof(text) - used, "\xe4\xb8%c%s", 0x80 + (char)k,
                                     k == 17 ? first_names[i] : "");
        add(text);
    }
    const struct shape_told *const told = told_of(TEXTS);
    static const enum shape_kind want[] = {SHAPE_NAME};
    expect_slots(told, want, 1);
    expect_near(told->tokens, 37, 2);
}

/* Of a version that lost words these are a slot from then on; no hash of them is kept. */
static void test_cut(void **unused)
{
    (void)unused;
    static struct prompt_shape shape;
    static struct shape_told told;
    forget();
    for (unsigned i = 0; i < TEXTS; i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "You are the clerk of %s and %s, who come in the order of the list. "
                 "One after the other they are asked what they want of us.",
                 first_names[i], i < TEXTS / 2 ? "nobody else in the whole town" : last_names[i]);
        add(text);
    }
    const unsigned n = all.count;
    all.count = n / 2;
    const struct miner_template narrow = learn();
    shape_make(&shape, &narrow, all.list, n / 2);
    all.count = n;
    const struct miner_template wide = learn();
    shape_cut(&shape, &wide);
    for (unsigned i = n / 2; i < n; i++)
        shape_join(&shape, all.list[i]);
    shape_tell(&shape, &told);
    const uint32_t gone[] = {features_of("nobody").head[0], features_of("town").head[0]};
    for (unsigned i = 0; i < shape.words; i++)
        assert_true(shape.word[i].hash != gone[0] && shape.word[i].hash != gone[1]);
    assert_true(told.slots >= 1 && told.slots <= 2);
    assert_true(told.slot[told.slots - 1].most >= 28);
}

/* No hash of a value is in a shape, whichever texts it was made of: three or more, at once or one
 * after the other. */
static void test_no_values(void **unused)
{
    (void)unused;
    static struct prompt_shape shape;
    forget();
    for (unsigned i = 0; i < TEXTS; i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "Customer %s %s from %s is on the line, and you help them as well as you can. "
                 "Be quick, as others wait in the queue behind them; be kind, as nobody likes to wait at all.",
                 first_names[i], last_names[i], cities[i % 8]);
        add(text);
    }
    const struct miner_template learned = learn();
    for (unsigned first = 8; first <= TEXTS; first += 8) {
        shape_make(&shape, &learned, all.list, first);
        for (unsigned i = first; i < TEXTS; i++)
            shape_join(&shape, all.list[i]);
        for (unsigned w = 0; w < shape.words; w++)
            for (unsigned i = 0; i < TEXTS; i++) {
                assert_int_not_equal(shape.word[w].hash, features_of(first_names[i]).head[0]);
                assert_int_not_equal(shape.word[w].hash, features_of(last_names[i]).head[0]);
                assert_int_not_equal(shape.word[w].hash, features_of(cities[i % 8]).head[0]);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_slots_close_together),
        cmocka_unit_test(test_constant_digits),
        cmocka_unit_test(test_optional),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_no_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
