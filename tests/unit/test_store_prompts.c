/*
 * Prompts in the store: texts that vary are one prompt to every reader, before and after the merge;
 * what varies is forgotten; whoever is killed in between leaves a sound store in which the same is
 * learned.
 */
#include "prompt_calls.h"
#include "store_tests.h"

#include <signal.h>

#include <sqlite3.h>

#include "collector/store/rollup.h"

static void change(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* ---- what readers see ---- */

enum { SEEN_MAX = 4096 };

struct seen {
    struct {
        uint64_t id;
        char version[16], name[32];
        uint64_t calls, tokens;
    } at[SEEN_MAX];
    size_t n;
    uint64_t rows, learned, features, text_ids;
};

static void text_of(const struct store_rows *rows, enum span_field field, size_t i, char *to, size_t room)
{
    const struct span_column *column = rows->column[field];
    to[0] = '\0';
    if (rows->has[field] && span_bit(column->present, i))
        snprintf(to, room, "%.*s", (int)column->dict[column->code[i]].bytes, column->dict[column->code[i]].data);
}

static int see(void *context, const struct store_rows *rows)
{
    struct seen *seen = context;
    for (size_t i = 0; i < rows->n; i++) {
        char version[16], name[32];
        const uint64_t id = rows->column[SPAN_prompt_id]->u64[i];
        size_t at = 0;
        text_of(rows, SPAN_prompt_version, i, version, sizeof(version));
        text_of(rows, SPAN_prompt_name, i, name, sizeof(name));
        while (at < seen->n && (seen->at[at].id != id || strcmp(seen->at[at].version, version) != 0 ||
                                strcmp(seen->at[at].name, name) != 0))
            at++;
        assert_true(at < SEEN_MAX);
        if (at == seen->n) {
            seen->n++;
            seen->at[at].id = id;
            strcpy(seen->at[at].version, version);
            strcpy(seen->at[at].name, name);
        }
        seen->at[at].calls++;
        seen->at[at].tokens += rows->column[SPAN_input_tokens]->u64[i];
        seen->rows++;
        seen->learned += rows->learned != NULL && span_bit(rows->learned, i);
        seen->features += rows->has[SPAN_prompt_features] && span_bit(rows->column[SPAN_prompt_features]->present, i);
        seen->text_ids += rows->has[SPAN_prompt_text_id] && span_bit(rows->column[SPAN_prompt_text_id]->present, i);
    }
    return 0;
}

static struct seen *look(struct store *store)
{
    static const enum span_field fields[] = {SPAN_prompt_id,       SPAN_prompt_version, SPAN_prompt_name,
                                             SPAN_prompt_features, SPAN_prompt_text_id, SPAN_input_tokens};
    const struct store_query all = {
        .until_ns = UINT64_MAX, .fields = fields, .n_fields = sizeof(fields) / sizeof(fields[0])};
    static struct seen seen;
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(store_scan(store, &all, see, &seen, NULL), 0);
    assert_int_equal(seen.features, 0);
    return &seen;
}

static int add_group(void *context, uint64_t hour, const struct rollup_group *group)
{
    struct seen *seen = context;
    (void)hour;
    for (size_t i = 0; i < seen->n; i++) {
        char id[32];
        snprintf(id, sizeof(id), "%016llx", (unsigned long long)seen->at[i].id);
        const struct span_text *prompt = &group->key[ROLLUP_prompt], *version = &group->key[ROLLUP_version];
        if (prompt->bytes == 16 && memcmp(prompt->data, id, 16) == 0 && version->bytes == strlen(seen->at[i].version) &&
            memcmp(version->data, seen->at[i].version, version->bytes) == 0) {
            seen->at[i].calls -= group->calls;
            seen->at[i].tokens -= group->sum[ROLLUP_SUM_input];
            return 0;
        }
    }
    fail_msg("the rollups have a prompt that no call has: %.*s@%.*s", (int)group->key[ROLLUP_prompt].bytes,
             group->key[ROLLUP_prompt].data, (int)group->key[ROLLUP_version].bytes, group->key[ROLLUP_version].data);
    return 0;
}

/* Rows, rollups and the check agree, for this handle and for one that only reads. */
static void expect_prompts(size_t prompts, uint64_t calls_of_each)
{
    for (int mode = STORE_READ; mode <= STORE_WRITE; mode++) {
        struct store *store = open_store((enum store_mode)mode);
        struct seen *seen = look(store);
        assert_int_equal(seen->n, prompts);
        for (size_t i = 0; i < seen->n && calls_of_each > 0; i++)
            assert_int_equal(seen->at[i].calls, calls_of_each);
        assert_int_equal(store_rollups(store, 0, UINT64_MAX, add_group, seen), 0);
        for (size_t i = 0; i < seen->n; i++) {
            assert_int_equal(seen->at[i].calls, 0);
            assert_int_equal(seen->at[i].tokens, 0);
        }
        assert_int_equal(store_check(store, test_fault, NULL), 0);
        store_close(store);
    }
}

struct variants {
    char text[8][16];
    unsigned calls[8];
    size_t n;
};

static int see_variant(void *context, const struct store_rows *rows)
{
    struct variants *variants = context;
    for (size_t i = 0; i < rows->n; i++) {
        char text[16];
        size_t at = 0;
        text_of(rows, SPAN_prompt_variant, i, text, sizeof(text));
        if (text[0] == '\0')
            continue;
        while (at < variants->n && strcmp(variants->text[at], text) != 0)
            at++;
        assert_true(at < 8);
        if (at == variants->n)
            strcpy(variants->text[variants->n++], text);
        variants->calls[at]++;
    }
    return 0;
}

/* ---- tests ---- */

enum { TEMPLATES = 3, VALUES = 40 };

static void test_one_prompt(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    uint64_t unassigned = 0;
    (void)state;
    take_templates(store, 0, TEMPLATES, 0, VALUES);
    assert_int_equal(look(store)->n, TEMPLATES * VALUES);
    assert_int_equal(look(store)->learned, 0);
    assert_int_equal(store_texts_unassigned(store, &unassigned), STORE_OK);
    assert_int_equal(unassigned, TEMPLATES * VALUES);
    assert_int_equal(query("SELECT count(*) FROM prompt_text"), TEMPLATES * VALUES);
    learn(store);
    assert_int_equal(look(store)->n, TEMPLATES);
    assert_int_equal(look(store)->learned, TEMPLATES * VALUES);
    for (size_t i = 0; i < TEMPLATES; i++)
        assert_string_equal(look(store)->at[i].version, "1");
    assert_int_equal(store_texts_unassigned(store, &unassigned), STORE_OK);
    assert_int_equal(unassigned, 0);
    store_close(store);
    expect_prompts(TEMPLATES, VALUES);
}

/* What comes later joins what is known, by whatever handle; nothing shown is renamed. */
static void test_joins_later(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    static struct seen before;
    (void)state;
    take_templates(store, 0, TEMPLATES, 0, VALUES);
    learn(store);
    before = *look(store);
    store_close(store);
    store = open_store(STORE_WRITE);
    take_templates(store, 1, TEMPLATES, VALUES, VALUES);
    learn(store);
    const struct seen *now = look(store);
    assert_int_equal(now->n, before.n);
    for (size_t i = 0; i < before.n; i++) {
        bool there = false;
        for (size_t k = 0; k < now->n; k++)
            there |= now->at[k].id == before.at[i].id && strcmp(now->at[k].version, before.at[i].version) == 0;
        assert_true(there);
    }
    store_close(store);
    expect_prompts(TEMPLATES, 2 * VALUES);
}

/* The merge of the hour writes what was learned; what varied is nowhere any more. */
static void test_merged(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    (void)state;
    take_templates(store, 0, TEMPLATES, 0, VALUES);
    merge(store); /* and learns before */
    store_close(store);
    expect_prompts(TEMPLATES, VALUES);
    assert_int_equal(query("SELECT count(*) FROM block"), 1);
    assert_int_equal(query("SELECT settled FROM block"), 1);
    assert_int_equal(query("SELECT count(*) FROM prompt_text"), 0);
    assert_int_equal(query("SELECT count(*) FROM rollup_key"), TEMPLATES);
    assert_int_equal(query("SELECT count(*) FROM rollup_packed"), 1);
    assert_int_equal(query("SELECT count(*) FROM col WHERE field=106"), 0); /* exact ids, each of one call */
    assert_int_equal(query("SELECT count(*) FROM col WHERE field=108"), 0);
    store = open_store(STORE_READ);
    assert_int_equal(look(store)->learned, TEMPLATES * VALUES);
    assert_int_equal(look(store)->text_ids, 0);
    store_close(store);
    store = open_store(STORE_WRITE);
    take_templates(store, 1, TEMPLATES, VALUES, VALUES); /* late arrivals of the same hour */
    store_close(store);
    store = open_store(STORE_WRITE);
    merge(store);
    store_close(store);
    expect_prompts(TEMPLATES, 2 * VALUES);
    assert_int_equal(query("SELECT count(*) FROM prompt_text"), 0);
    assert_int_equal(query("SELECT count(*) FROM rollup_key"), 2 * TEMPLATES); /* of two services */
}

/* No id of a text that varied is in any byte of the file, once it is merged. */
static void test_nothing_of_it(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    static char bytes[4 << 20];
    (void)state;
    take_templates(store, 0, TEMPLATES, 0, VALUES);
    learn(store);
    merge(store);
    store_close(store);
    change("VACUUM");
    FILE *in = fopen(file, "rb");
    const size_t n = fread(bytes, 1, sizeof(bytes), in);
    fclose(in);
    store = open_store(STORE_READ);
    const struct seen *seen = look(store);
    for (unsigned v = 0; v < VALUES; v++)
        for (unsigned t = 0; t < TEMPLATES; t++) {
            const struct text text = {.template = t, .value = v};
            const uint64_t id = text_id(&text), big = __builtin_bswap64(id);
            char digits[17];
            bool shown = false;
            for (size_t i = 0; i < seen->n; i++)
                shown |= seen->at[i].id == id; /* a prompt goes by the id of its first text */
            snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)id);
            assert_true(shown || memmem(bytes, n, digits, 16) == NULL);
            assert_true(shown || memmem(bytes, n, &id, 8) == NULL);
            assert_true(shown || memmem(bytes, n, &big, 8) == NULL);
            for (unsigned slot = 5; slot < 22; slot += 16) {
                const uint32_t word = word_of(&text, slot);
                uint8_t varint[4] = {(uint8_t)(word | 0x80), (uint8_t)(word >> 7 | 0x80), (uint8_t)(word >> 14 | 0x80),
                                     (uint8_t)(word >> 21)};
                assert_true(memmem(bytes, n, varint, word >> 21 ? 4 : 3) == NULL || word >> 21 == 0);
            }
        }
    store_close(store);
}

/* A text that recurs keeps its row, so that later calls of a process that said it once are
 * known. */
static void test_recurs(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct call call[8];
    (void)state;
    take_templates(store, 0, 1, 0, VALUES);
    for (unsigned i = 0; i < 8; i++)
        call[i] = (struct call){.process = 1,
                                .seq = i + 1,
                                .start_ns = BEGIN_NS + i * MINUTE_NS,
                                .text = {.template = 0, .value = 1000},
                                .first = i == 0};
    take(store, 1, call, 8);
    merge(store);
    assert_int_equal(query("SELECT count(*) FROM prompt_text"), 1);
    assert_int_equal(query("SELECT calls FROM prompt_text"), 8);
    assert_int_equal(look(store)->text_ids, 8);
    call[0].seq = 9;
    call[0].first = false;
    call[0].start_ns = BEGIN_NS + 3 * 60 * MINUTE_NS;
    take(store, 2, call, 1);
    assert_int_equal(look(store)->n, 1);
    merge(store);
    store_close(store);
    expect_prompts(1, VALUES + 9);
}

/* One text, other tools later: calls belong to the version of their time. */
static void test_tools_edited(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct call call[20];
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        call[i] = (struct call){.process = 0,
                                .seq = i + 1,
                                .start_ns = BEGIN_NS + i * MINUTE_NS,
                                .text = {.template = 0, .setup = i < 12 ? 7 : 8},
                                .first = i == 0 || i == 12};
    take(store, 1, call, 20);
    learn(store);
    const struct seen *seen = look(store);
    if (seen->n == 2) { /* whether they are versions is the miner's to say; it is by time if they are */
        assert_int_equal(seen->at[0].id, seen->at[1].id);
        assert_int_equal(seen->at[0].calls, 12);
        assert_int_equal(seen->at[1].calls, 8);
    }
    assert_int_equal(seen->learned, 20);
    merge(store);
    assert_int_equal(look(store)->learned, 20);
    store_close(store);
    expect_prompts(look(store = open_store(STORE_READ))->n, 0);
    store_close(store);
}

/* Aliases and what people said are followed to their end, round in circles, too. */
static void test_aliases(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    char sql[256];
    uint64_t id[TEMPLATES];
    (void)state;
    take_templates(store, 0, TEMPLATES, 0, VALUES);
    learn(store);
    for (size_t i = 0; i < TEMPLATES; i++)
        id[i] = look(store)->at[i].id;
    store_close(store);
    snprintf(sql, sizeof(sql), "UPDATE prompt_template SET alias=%lld WHERE prompt=%lld", (long long)id[1],
             (long long)id[0]);
    change(sql);
    snprintf(sql, sizeof(sql), "INSERT INTO prompt_rule(prompt,part,into_prompt,said_ns) VALUES(%lld,'',%lld,0)",
             (long long)id[1], (long long)id[2]);
    change(sql);
    snprintf(sql, sizeof(sql), "INSERT INTO prompt_rule(prompt,part,name,said_ns) VALUES(%lld,'','triage',0)",
             (long long)id[2]);
    change(sql);
    store = open_store(STORE_READ);
    assert_int_equal(look(store)->n, 1);
    assert_int_equal(look(store)->at[0].id, id[2]);
    assert_int_equal(look(store)->at[0].calls, TEMPLATES * VALUES);
    assert_string_equal(look(store)->at[0].name, "triage");
    store_close(store);
    store = open_store(STORE_WRITE);
    merge(store);
    assert_int_equal(look(store)->n, 1);
    assert_string_equal(look(store)->at[0].name, "triage");
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
    snprintf(sql, sizeof(sql), "UPDATE prompt_rule SET into_prompt=%lld", (long long)id[1]);
    change(sql);
    store = open_store(STORE_READ);
    assert_int_equal(look(store)->rows, TEMPLATES * VALUES);
    store_close(store);
}

/* What a program said of its prompt stays. */
static void test_said(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    (void)state;
    for (unsigned v = 0; v < VALUES; v++) {
        const struct call call = {.process = 0,
                                  .seq = v + 1,
                                  .start_ns = BEGIN_NS + v * 1000000,
                                  .text = {.template = 0, .value = v},
                                  .first = true,
                                  .name = "summary"};
        take(store, v + 1, &call, 1);
    }
    learn(store);
    assert_int_equal(look(store)->n, 1);
    assert_string_equal(look(store)->at[0].name, "summary");
    assert_string_equal(look(store)->at[0].version, "1");
    merge(store);
    assert_int_equal(look(store)->n, 1);
    assert_string_equal(look(store)->at[0].name, "summary");
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
}

/* A prompt of few texts that recur has variants, one of which is a key; of many it has none. */
static void test_variants(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    static struct call call[ROWS_MAX];
    static const enum span_field fields[] = {SPAN_prompt_id, SPAN_prompt_variant};
    const struct store_query all = {.until_ns = UINT64_MAX, .fields = fields, .n_fields = 2};
    (void)state;
    for (unsigned i = 0; i < 40; i++)
        call[i] = (struct call){.process = 0,
                                .seq = i + 1,
                                .start_ns = BEGIN_NS + i * 1000000,
                                .text = {.template = 0, .value = i % 4},
                                .first = i < 4};
    take(store, 1, call, 40);
    take_templates(store, 1, 2, 100, VALUES); /* the first template's among them, later */
    for (int merged = 0; merged < 2; merged++) {
        struct variants variants = {0};
        if (merged == 0)
            learn(store);
        else
            merge(store);
        assert_int_equal(store_scan(store, &all, see_variant, &variants, NULL), 0);
        assert_int_equal(variants.n, 0); /* many texts by now */
    }
    store_close(store);
    assert_int_equal(unlink(file), 0);
    store = open_store(STORE_WRITE);
    take(store, 1, call, 40);
    learn(store);
    store_close(store);
    /* Whether four texts are variants or versions is the miner's to say. */
    change("UPDATE prompt_text SET version=1, prompt=(SELECT min(prompt) FROM prompt_template);"
           "DELETE FROM prompt_template WHERE version>1 OR prompt>(SELECT min(prompt) FROM prompt_template);"
           "UPDATE prompt_template SET texts=4");
    store = open_store(STORE_WRITE);
    for (int merged = 0; merged < 2; merged++) {
        struct variants variants = {0};
        if (merged == 1)
            merge(store);
        assert_int_equal(look(store)->n, 1);
        assert_int_equal(store_scan(store, &all, see_variant, &variants, NULL), 0);
        assert_int_equal(variants.n, 4);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(variants.calls[i], 10);
    }
    store_close(store);
    expect_prompts(1, 40);
}

/* Features of any bytes: dropped and counted, the call is kept. */
static void test_bad_features(void **state)
{
    static struct span span;
    const struct span *rows[] = {&span};
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        struct store *store = open_store(STORE_WRITE);
        struct call call = {
            .process = 0, .seq = round + 1, .start_ns = BEGIN_NS, .text = {.value = round}, .first = true};
        struct span_process process;
        struct span_buffer block;
        struct span_frame frame = {.kind = SPAN_FRAME_SPANS, .sequence = round + 1};
        bool repeat = true;
        uint8_t data[SPAN_TEXT_MAX];
        size_t bytes = features_of(&call.text, data);
        make_call(&span, &call);
        if (round % 4 == 0)
            bytes -= round % 8 + 1;
        else if (round % 4 == 1)
            data[round % 5] ^= 0xff;
        else if (round % 4 == 2)
            memset(data + 17, 0, 3); /* the first hash */
        else
            span_clear(&span, SPAN_prompt_id);
        span_set_text(&span, SPAN_prompt_features, (const char *)data, bytes);
        test_process(&process, 0);
        memcpy(frame.identity, process.identity, sizeof(frame.identity));
        span_buffer_init(&block, SPAN_FRAME_PAYLOAD_MAX);
        assert_int_equal(span_block_encode(&block, rows, 1, 1), 0);
        frame.payload = block.data;
        frame.payload_bytes = block.bytes;
        assert_int_equal(store_begin(store), STORE_OK);
        assert_int_equal(store_take_process(store, &process), STORE_OK);
        assert_int_equal(store_take_frame(store, &frame, &repeat), STORE_OK);
        assert_int_equal(store_commit(store), STORE_OK);
        span_buffer_done(&block);
        learn(store);
        store_close(store);
    }
    assert_int_equal(query("SELECT count(*) FROM prompt_text"), 0);
    assert_int_equal(query("SELECT events FROM loss WHERE kind='features_damaged'"), 40);
    assert_int_equal(query("SELECT sum(n) FROM block"), 40);
    struct store *store = open_store(STORE_READ);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
}

/* A writer that takes in, learns and merges is killed at moments that walk through all of it;
 * then the same comes of it as without. */
static void test_killed(void **state)
{
    static struct seen want;
    (void)state;
    struct store *store = open_store(STORE_WRITE);
    take_templates(store, 0, TEMPLATES, 0, 4 * VALUES);
    learn(store);
    want = *look(store);
    store_close(store);
    assert_int_equal(unlink(file), 0);
    for (unsigned round = 0; round < 8; round++) {
        store = open_store(STORE_WRITE);
        take_templates(store, round % 2, TEMPLATES, round * (VALUES / 2), VALUES / 2);
        store_close(store);
        const pid_t child = fork();
        if (child == 0) {
            bool more = true;
            store = open_store(STORE_WRITE);
            while (more && store_learn(store, &more) == STORE_OK)
                ;
            more = true;
            while (more && store_merge_step(store, &more) == STORE_OK)
                ;
            _exit(0);
        }
        usleep((useconds_t)(round * 3000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        store = open_store(STORE_READ);
        assert_int_equal(look(store)->rows, (round + 1) * (VALUES / 2) * TEMPLATES);
        assert_int_equal(store_check(store, test_fault, NULL), 0);
        store_close(store);
    }
    store = open_store(STORE_WRITE);
    merge(store);
    const struct seen *have = look(store);
    assert_int_equal(have->n, want.n);
    for (size_t i = 0; i < want.n; i++) {
        size_t at = 0;
        while (at < have->n && have->at[at].id != want.at[i].id)
            at++;
        assert_true(at < have->n);
        assert_string_equal(have->at[at].version, want.at[i].version);
        assert_int_equal(have->at[at].calls, want.at[i].calls);
    }
    store_close(store);
    expect_prompts(TEMPLATES, 4 * VALUES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_prompt, setup, teardown),
        cmocka_unit_test_setup_teardown(test_joins_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_of_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recurs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tools_edited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_aliases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_variants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_features, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
