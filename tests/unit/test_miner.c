/* Templates and versions learned from texts (collector/prompts/): each kind of variation, any
 * order, any cut into runs, no memory. Texts are words of a vocabulary of numbers, made with stated
 * seeds. */
#include "miner_texts.h"

#include "collector/prompts/miner_inner.h"
#include "failing.h"

static void test_a_name_varies(void **state)
{
    (void)state;
    struct draft draft;
    forget(1);
    add_names(&draft, 5, 12);
    struct miner *const miner = run_all();
    expect_truth(miner);
    miner_free(miner);
}

/* Found text stands at the end, in the middle or at the very front, short and long. */
static void test_found_text_varies(void **state)
{
    (void)state;
    for (unsigned place = 0; place < 3; place++) {
        struct draft draft;
        forget(2 + place);
        for (unsigned i = 0; i < 60; i++) {
            begin(&draft);
            if (place > 0)
                add_text(&draft, i % 3, 60);
            for (unsigned found = 0; found <= i % 4; found++)
                add_text(&draft, random_text(), 40 + (unsigned)(random_next(&seed) % 60));
            if (place < 2)
                add_text(&draft, 10 + i % 3, 60);
            add(&draft, i % 3, 1);
        }
        struct miner *const miner = run_all();
        expect_truth(miner);
        miner_free(miner);
    }
}

/* A paragraph that several have found is not what makes a prompt. */
static void test_found_text_recurs(void **state)
{
    (void)state;
    struct draft draft;
    forget(6);
    for (unsigned i = 0; i < 60; i++) {
        begin(&draft);
        add_text(&draft, 500 + (unsigned)(random_next(&seed) % 25), 90);
        add_text(&draft, i % 4, 50);
        add(&draft, i % 4, 1);
    }
    struct miner *const miner = run_all();
    expect_truth(miner);
    miner_free(miner);
}

/* Sections that are there or not, examples that are picked: one template. */
static void test_sections_combine(void **state)
{
    (void)state;
    struct draft draft;
    forget(7);
    for (unsigned i = 0; i < 64; i++) {
        begin(&draft);
        add_text(&draft, 1, 50);
        for (unsigned section = 0; section < 4; section++)
            if (random_next(&seed) >> 60 & 1)
                add_text(&draft, 20 + section, 20);
        add_name(&draft);
        add(&draft, 0, 1);
    }
    struct miner *const miner = run_all();
    expect_truth(miner);
    miner_free(miner);
}

/* A long beginning in common, each with its own task: they are told apart. */
static void test_a_family(void **state)
{
    (void)state;
    struct draft draft;
    forget(8);
    for (unsigned i = 0; i < 4; i++) {
        begin(&draft);
        add_text(&draft, 1, 120);
        add_text(&draft, 30 + i, 30);
        add(&draft, i, 9);
    }
    struct miner *const miner = run_all();
    expect_truth(miner);
    miner_free(miner);
}

static void test_chance_is_no_template(void **state)
{
    (void)state;
    struct draft draft;
    forget(9);
    for (unsigned i = 0; i < 40; i++) {
        begin(&draft);
        add_text(&draft, 1, 6); /* "I want you to act as" */
        add_text(&draft, random_text(), 80);
        add(&draft, i, i % 2 ? 1 : 5);
    }
    struct miner *const miner = run_all();
    for (unsigned i = 0; i < all.count; i++)
        assert_null(template_of(miner, i));
    miner_free(miner);
}

/* ---- versions ---- */

enum edit { INSERTED, REPLACED, APPENDED, EDITS };

static void add_edited(struct draft *draft, enum edit edit, bool is_new, bool with_name, unsigned before,
                       unsigned after)
{
    begin(draft);
    if (with_name) {
        add_text(draft, 77, 4);
        add_name(draft);
    }
    add_text(draft, 1, before);
    if (is_new && edit != REPLACED)
        add_text(draft, 51, 9);
    if (edit == REPLACED)
        add_text(draft, is_new ? 52 : 53, 9);
    if (edit != APPENDED)
        add_text(draft, 2, after);
}

/* Every edit, near the beginning and where lines alone tell of it, with and without a slot
 * beside. */
static void test_edits_are_versions(void **state)
{
    (void)state;
    struct draft draft;
    for (unsigned edit = 0; edit < EDITS; edit++)
        for (unsigned before = 27; before <= 270; before += 243)
            for (unsigned with_name = 0; with_name < 2; with_name++) {
                forget(10 + edit);
                for (unsigned i = 0; i < (with_name ? 40U : 2U); i++) {
                    add_edited(&draft, edit, i % 2, with_name, before, 63);
                    add(&draft, i % 2, with_name ? 1 : 8);
                }
                struct miner *const miner = run_all();
                expect_truth(miner);
                assert_int_equal(template_of(miner, 0)->prompt, template_of(miner, 1)->prompt);
                assert_int_equal(template_of(miner, 0)->version, 1);
                assert_int_equal(template_of(miner, 1)->version, 2);
                miner_free(miner);
            }
}

/* The old version was settled in an earlier run: the new one gets the next number and the same
 * id. */
static void test_a_later_version(void **state)
{
    (void)state;
    struct draft draft;
    struct miner_template known;
    for (unsigned edit = 0; edit < EDITS; edit++) {
        forget(20 + edit);
        for (unsigned i = 0; i < 30; i++) {
            add_edited(&draft, edit, false, true, 60, 40);
            add(&draft, 0, 1);
        }
        struct miner *first = run_all();
        assert_true(template_of(first, 0)->settled);
        known = *template_of(first, 0);
        miner_free(first);
        forget(30 + edit);
        for (unsigned i = 0; i < 30; i++) {
            add_edited(&draft, edit, i % 2, true, 60, 40);
            add(&draft, i % 2, 1);
        }
        struct miner *const miner = miner_new();
        assert_int_equal(miner_know(miner, &known), 0);
        for (unsigned i = 0; i < all.count; i++)
            assert_int_equal(miner_add(miner, &all.text[i]), 0);
        assert_int_equal(miner_run(miner), 0);
        expect_truth(miner);
        assert_int_equal(template_of(miner, 0)->version, known.version);
        assert_int_equal(template_of(miner, 0)->prompt, known.prompt);
        assert_int_equal(template_of(miner, 1)->prompt, known.prompt);
        assert_int_equal(template_of(miner, 1)->version, known.version + 1);
        miner_free(miner);
    }
}

/* A word of a few is a value, not an edit. */
static void test_values_are_no_versions(void **state)
{
    (void)state;
    struct draft draft;
    forget(40);
    for (unsigned i = 0; i < 6; i++) {
        begin(&draft);
        add_text(&draft, 3, 5);
        add_word(&draft, 8000 + i);
        add_text(&draft, 4, 60);
        add(&draft, 0, 12);
    }
    struct miner *const miner = run_all();
    expect_truth(miner);
    miner_free(miner);
}

/* A third value, called last, shows that the second, called after the first, made no version: what
 * was learned after it has another number then. */
static void test_what_is_united_is_not_found(void **state)
{
    (void)state;
    struct draft draft;
    struct miner *miner = NULL;
    struct miner_template known = {0};
    for (unsigned run = 0; run < 2; run++) {
        for (unsigned value = run; value < 1 + 2 * run; value++)
            for (unsigned i = 0; i < 40; i++) {
                if (value == run && i == 0)
                    forget(42 + run);
                begin(&draft);
                add_text(&draft, 3, 5);
                add_word(&draft, 8000 + value);
                add_text(&draft, 4, 60);
                add_name(&draft);
                struct miner_text *const text = add(&draft, 0, 1);
                text->first_ns = text->last_ns = 1000 * value + i + 1;
            }
        if (run == 0) {
            miner = run_all();
            known = *template_of(miner, 0);
            miner_free(miner);
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        begin(&draft);
        add_text(&draft, 9, 50);
        add_name(&draft);
        add(&draft, 1, 1);
    }
    miner = miner_new();
    assert_int_equal(miner_know(miner, &known), 0);
    for (unsigned i = 0; i < all.count; i++)
        assert_int_equal(miner_add(miner, &all.text[i]), 0);
    assert_int_equal(miner_run(miner), 0);
    size_t templates;
    (void)miner_templates(miner, &templates);
    for (unsigned i = 0; i < all.count; i++) {
        uint32_t anchor[FEATURE_ANCHORS_MAX], found[MINER_LOOKED_AT];
        const unsigned count = miner_candidates(miner, anchor, feature_anchors(&all.text[i].features, anchor), found);
        assert_in_range(count, 1, MINER_LOOKED_AT);
        for (unsigned k = 0; k < count; k++)
            assert_true(found[k] < templates);
    }
    expect_truth(miner);
    miner_free(miner);
}

/* ---- tools, names ---- */

static void test_tools_edited_and_varying(void **state)
{
    (void)state;
    struct draft draft;
    forget(41);
    for (unsigned i = 0; i < 24; i++) { /* an edit of the schemas */
        begin(&draft);
        add_text(&draft, 5, 50);
        add_name(&draft);
        add(&draft, i % 2, 1)->features.setup = 11 + i % 2;
    }
    for (unsigned i = 0; i < 24; i++) { /* a choice of tools per call */
        begin(&draft);
        add_text(&draft, 6, 50);
        add_name(&draft);
        add(&draft, 2, 1)->features.setup = 100 + i;
    }
    struct miner *const miner = run_all();
    expect_truth(miner);
    assert_int_equal(template_of(miner, 0)->prompt, template_of(miner, 1)->prompt);
    miner_free(miner);
}

static void test_said_names_never_meet(void **state)
{
    (void)state;
    struct draft draft;
    forget(42);
    for (unsigned i = 0; i < 24; i++) {
        begin(&draft);
        add_text(&draft, 5, 50);
        add_name(&draft);
        add(&draft, i % 2, 1)->features.scope = 1 + i % 2;
    }
    struct miner *const miner = run_all();
    expect_truth(miner);
    assert_int_not_equal(template_of(miner, 0)->prompt, template_of(miner, 1)->prompt);
    miner_free(miner);
}

/* ---- order, runs, memory ---- */

static void shuffle(uint64_t with)
{
    for (unsigned i = all.count; i > 1; i--) {
        const unsigned k = (unsigned)(random_next(&with) % i);
        const struct miner_text text = all.text[i - 1];
        const uint32_t truth = all.truth[i - 1];
        all.text[i - 1] = all.text[k];
        all.truth[i - 1] = all.truth[k];
        all.text[k] = text;
        all.truth[k] = truth;
    }
}

static void add_many_kinds(void)
{
    struct draft draft;
    add_names(&draft, 4, 20);
    for (unsigned i = 0; i < 60; i++) {
        begin(&draft);
        add_text(&draft, 40 + i % 3, 60);
        add_text(&draft, random_text(), 80);
        add(&draft, 10 + i % 3, 1);
    }
    for (unsigned i = 0; i < 40; i++) {
        add_edited(&draft, INSERTED, i % 2, true, 60, 40);
        add(&draft, 20 + i % 2, 1);
    }
}

/* The same prompt ids and versions for the same texts, whatever the order. */
static void test_any_order(void **state)
{
    (void)state;
    forget(43);
    add_many_kinds();
    struct miner *const first = run_all();
    expect_truth(first);
    for (unsigned turn = 0; turn < 5; turn++) {
        struct miner_text before[TEXTS];
        memcpy(before, all.text, sizeof(before));
        struct miner *const straight = run_all();
        shuffle(44 + turn);
        struct miner *const again = run_all();
        for (unsigned i = 0; i < all.count; i++)
            for (unsigned k = 0; k < all.count; k++)
                if (before[i].id == all.text[k].id) {
                    assert_int_equal(template_of(straight, i)->prompt, template_of(again, k)->prompt);
                    assert_int_equal(template_of(straight, i)->version, template_of(again, k)->version);
                }
        miner_free(straight);
        miner_free(again);
    }
    miner_free(first);
}

/* In runs of `each` texts, of which a next run knows what is settled, and sees the others again. */
static void test_any_runs(void **state)
{
    (void)state;
    for (unsigned each = 30; each <= 90; each += 30) {
        forget(50 + each);
        add_many_kinds();
        shuffle(51);
        static struct miner_template known[TEXTS];
        static bool is_done[TEXTS];
        size_t count = 0;
        memset(is_done, 0, sizeof(is_done));
        for (unsigned to = each; to - each < all.count; to += each) {
            struct miner *const miner = miner_new();
            unsigned added[TEXTS], n = 0;
            for (size_t i = 0; i < count; i++)
                assert_int_equal(miner_know(miner, &known[i]), 0);
            for (unsigned i = 0; i < to && i < all.count; i++)
                if (!is_done[i]) {
                    assert_int_equal(miner_add(miner, &all.text[i]), 0);
                    added[n++] = i;
                }
            assert_int_equal(miner_run(miner), 0);
            size_t templates;
            const struct miner_template *const template = miner_templates(miner, &templates);
            const bool last = to >= all.count;
            int number[TEXTS] = {0};
            count = 0;
            for (size_t i = 0; i < templates; i++)
                if (template[i].settled || last) {
                    number[i] = (int)count;
                    known[count++] = template[i];
                }
            for (unsigned i = 0; i < n; i++) {
                const struct miner_template *const found = template_of(miner, i);
                size_t texts;
                is_done[added[i]] =
                    found != NULL && ((found->settled && miner_texts(miner, &texts)[i].is_sure) || last);
                if (is_done[added[i]])
                    all.text[added[i]].found = number[found - template];
            }
            miner_free(miner);
        }
        for (unsigned i = 0; i < all.count; i++)
            for (unsigned k = 0; k < i; k++)
                assert_int_equal(all.truth[i] == all.truth[k], all.text[i].found == all.text[k].found);
    }
}

static void run_with_failures(void *context, long at, bool more)
{
    (void)context;
    struct miner *const miner = miner_new();
    for (unsigned i = 0; i < all.count; i++)
        assert_int_equal(miner_add(miner, &all.text[i]), 0);
    failing_begin(at, more);
    const int status = miner_run(miner);
    failing_end();
    assert_int_equal(status, failing.failed ? -1 : 0);
    if (status == 0)
        expect_truth(miner);
    miner_free(miner);
}

/* Without memory a run says so, and leaks nothing. */
static void test_no_memory(void **state)
{
    (void)state;
    forget(60);
    add_many_kinds();
    assert_true(each_allocation(run_with_failures, NULL, 1) > 10);
    nothing_leaked();
}

static void test_features_as_bytes(void **state)
{
    (void)state;
    struct draft draft;
    struct prompt_features features, back;
    uint8_t data[SPAN_TEXT_MAX];
    for (unsigned words = 0; words < 400; words += 7) {
        begin(&draft);
        add_text(&draft, words, words);
        features_of(&draft, &features);
        features.scope = words;
        features.setup = words ? UINT32_MAX : 0;
        features.bytes = words * 6;
        const size_t bytes = prompt_features_write(&features, data);
        assert_true(bytes <= SPAN_TEXT_MAX);
        assert_int_equal(prompt_features_read(&back, data, bytes), 0);
        assert_memory_equal(&features, &back, sizeof(back));
        assert_int_equal(prompt_features_read(&back, data, bytes - 1), -1);
    }
    data[0]++;
    assert_int_equal(prompt_features_read(&back, data, sizeof(data)), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_varies),
        cmocka_unit_test(test_found_text_varies),
        cmocka_unit_test(test_found_text_recurs),
        cmocka_unit_test(test_sections_combine),
        cmocka_unit_test(test_a_family),
        cmocka_unit_test(test_chance_is_no_template),
        cmocka_unit_test(test_edits_are_versions),
        cmocka_unit_test(test_a_later_version),
        cmocka_unit_test(test_values_are_no_versions),
        cmocka_unit_test(test_what_is_united_is_not_found),
        cmocka_unit_test(test_tools_edited_and_varying),
        cmocka_unit_test(test_said_names_never_meet),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_any_runs),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_features_as_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
