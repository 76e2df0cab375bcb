/* `pprofctl merge`: stores become one. Every call once, whatever was there, however often it is
 * said, wherever it was killed; losses, names and what was learned with them. */
#include "prompt_calls.h"

#include <signal.h>

#include <sqlite3.h>

#include "collector/prompts/feature_set.h"
#include "collector/store/unite/unite.h"

static char directory[64];
static char file[4][96]; /* a.db, b.db, out.db, copy.db */
enum { A, B, OUT, COPY };

static int setup(void **state)
{
    static const char *const names[] = {"a", "b", "out", "copy"};
    (void)state;
    test_directory(directory);
    for (int i = 0; i < 4; i++)
        snprintf(file[i], sizeof(file[i]), "%s/%s.db", directory, names[i]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_remove(directory);
    return 0;
}

static struct store *open_file(int which, enum store_mode mode)
{
    struct store *store = NULL;
    assert_int_equal(store_open(file[which], mode, &store), STORE_OK);
    return store;
}

/* Runs a command of the shell in the directory; what it says, until the next call. */
static char *shell(int expected, const char *format, ...)
{
    static char out[1 << 22];
    char command[1024], whole[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof(command), format, list);
    va_end(list);
    snprintf(whole, sizeof(whole),
             "cd %s && unset LD_PRELOAD && export LC_ALL=C XDG_STATE_HOME=%s HOME=%s && p() { " PPROFCTL
             " \"$@\"; } && { %s; } 2>&1",
             directory, directory, directory, command);
    FILE *in = popen(whole, "r");
    out[fread(out, 1, sizeof(out) - 1, in)] = '\0';
    const int status = pclose(in);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
        fail_msg("%s: %d, not %d: %s", command, status, expected, out);
    return out;
}

static int64_t ask(int which, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(file[which], &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    int64_t value = -1;
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static unsigned lines_with(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

enum { HOURS = 3, CALLS = 20 };

/* What a host has: calls of templates, of which the first two are on both; then, in several hours,
 * of processes with a name for their prompt, or none. Of one hour, or all, the blocks are merged.
 * */
static void make_host(int host, bool all_merged)
{
    struct store *store = open_file(host, STORE_WRITE);
    take_templates(store, (unsigned)host, 2 + (unsigned)host, 100 * (unsigned)host, 40);
    learn(store);
    if (host == B)
        merge(store);
    for (unsigned i = 0; i < HOURS; i++) {
        struct call call[CALLS];
        for (unsigned c = 0; c < CALLS; c++)
            call[c] = (struct call){.process = 10u * (unsigned)(host + 1) + i,
                                    .seq = c + 1,
                                    .start_ns = BEGIN_NS + (i * 90 + c) * MINUTE_NS,
                                    .text = {.template = 50 + i, .value = c},
                                    .first = true,
                                    .name = i == 2 ? "said" : NULL};
        take(store, 1, call, CALLS);
    }
    if (all_merged)
        merge(store);
    store_close(store);
}

static void make_hosts(void)
{
    make_host(A, false);
    make_host(B, true);
}

/* Ids and versions of prompts may be others where prompts of both are one, and what did not recur
 * is forgotten at the merge of an hour. */
#define WITHOUT_PROMPTS "sed -E 's/,?\"pprof.prompt.(id|version|variant|text_id)\":\"[^\"]*\"//g'"

/* The third store has each call of the first two once, as it was, and is sound. */
static void expect_union(void)
{
    shell(0, "for i in a b; do p export $i.db; done | " WITHOUT_PROMPTS
             " | sort -u > both; p export out.db | " WITHOUT_PROMPTS
             " | sort > one; test -s one; cmp both one && p check out.db");
}

static void test_union(void **state)
{
    (void)state;
    make_hosts();
    const char *said = shell(0, "p merge a.db b.db -o out.db");
    assert_non_null(strstr(said, "a.db: 140 calls of 4 processes."));
    assert_non_null(strstr(said, "b.db: 180 calls of 4 processes."));
    expect_union();
    assert_non_null(strstr(shell(0, "p report --by host out.db"), "320 calls"));
    assert_null(strstr(shell(0, "p report out.db"), "Lost since"));
    /* Again, and the other way round: nothing new. */
    char *before = strdup(shell(0, "p export out.db | sort"));
    said = shell(0, "p merge b.db a.db -o out.db");
    assert_non_null(strstr(said, "b.db: 0 calls of 4 processes; 180 more were there already."));
    assert_string_equal(shell(0, "p export out.db | sort"), before);
    free(before);
    expect_union();
    /* What came since, to one of them. */
    struct store *store = open_file(A, STORE_WRITE);
    const struct call late = {
        .process = 10, .seq = CALLS + 1, .start_ns = BEGIN_NS, .text = {.template = 50, .value = 77}};
    take(store, 2, &late, 1);
    store_close(store);
    assert_non_null(strstr(shell(0, "p merge a.db -o out.db"), "a.db: 1 call of 4 processes; 140 more were there"));
    expect_union();
}

/* Copies of one store that went on apart, one of which was merged since: what they share counts
 * once, also within one block. */
static void test_copies(void **state)
{
    struct store *store;
    (void)state;
    make_host(A, false);
    shell(0, "cp a.db b.db");
    store = open_file(B, STORE_WRITE);
    const struct call late = {
        .process = 10, .seq = CALLS + 1, .start_ns = BEGIN_NS + MINUTE_NS, .text = {.template = 50}};
    take(store, 2, &late, 1);
    merge(store);
    store_close(store);
    shell(0, "p merge a.db b.db -o out.db");
    expect_union();
    assert_int_equal(ask(OUT, "SELECT sum(n) FROM block"), 141);
    shell(0, "rm out.db; p merge b.db a.db -o out.db");
    expect_union();
    shell(0, "p merge a.db -o b.db; p check b.db");
    assert_int_equal(ask(B, "SELECT sum(n) FROM block"), 141);
}

/* Files that are the same one, that are not there, that nobody named. */
static void test_files(void **state)
{
    (void)state;
    make_host(A, false);
    make_host(B, false);
    assert_non_null(strstr(shell(0, "p merge a.db a.db -o out.db"), "the same file again"));
    assert_int_equal(ask(OUT, "SELECT sum(n) FROM block"), 140);
    assert_non_null(strstr(shell(0, "p merge a.db -o a.db"), "the same file again"));
    shell(0, "ln -s a.db link.db; p merge link.db a.db b.db -o b.db");
    assert_int_equal(ask(B, "SELECT sum(n) FROM block"), 320);
    shell(0, "p merge a.db b.db; test -f merged.db");
    assert_non_null(strstr(shell(2, "p merge a.db b.db"), "is there already"));
    assert_non_null(strstr(shell(2, "p merge"), "needs the stores"));
    shell(1, "p merge a.db none.db -o new.db");
    shell(0, "test ! -e new.db; test ! -e none.db");
    assert_non_null(strstr(shell(1, "echo no store > text; p merge a.db text -o new.db"), "is not a store"));
    assert_non_null(strstr(shell(1, "p merge a.db -o text"), "is not a store"));
    shell(0, "test \"$(cat text)\" = 'no store'; test ! -e new.db");
}

/* What a store, and its processes, lost is counted once, and as what it was. */
static void test_losses(void **state)
{
    struct store *store;
    (void)state;
    make_hosts();
    for (int host = A; host <= B; host++) {
        const struct call late = {
            .process = 90u + (unsigned)host, .seq = 7, .start_ns = BEGIN_NS, .text = {.template = 1}};
        store = open_file(host, STORE_WRITE);
        take(store, 4, &late, 1); /* three frames never came, to A as they went to another store before */
        assert_int_equal(store_note_loss(store, STORE_LOSS_spool_damaged, 1 + (unsigned)host, 3), STORE_OK);
        store_close(store);
    }
    (void)ask(B, "UPDATE meta SET value=1 WHERE key='begun_ns'");
    for (int i = 0; i < 3; i++) {
        shell(0, "p merge a.db b.db -o out.db; p merge out.db -o copy.db; p merge copy.db a.db -o out.db");
        for (int which = OUT; which <= COPY; which++) {
            struct store_loss loss;
            store = open_file(which, STORE_READ);
            assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
            assert_int_equal(loss.events[STORE_LOSS_spool_damaged], 3);
            assert_int_equal(loss.spans[STORE_LOSS_spool_damaged], 6);
            assert_int_equal(loss.events[STORE_LOSS_merge_unfinished], 0);
            assert_int_equal(loss.older, 1);
            assert_int_equal(loss.frames, 3 + 300); /* calls of templates in B begin with the 301st */
            store_close(store);
        }
    }
}

/* A block that cannot be read stays out, and is counted. */
static void test_damaged(void **state)
{
    (void)state;
    make_hosts();
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file[B], &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "UPDATE col SET data=x'ff00' WHERE field=(SELECT min(field) FROM col WHERE field>0) AND "
                     "block=(SELECT min(block) FROM col)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    for (int i = 0; i < 2; i++)
        assert_non_null(strstr(shell(1, "p merge a.db b.db -o out.db"), "1 damaged block was left out"));
    assert_non_null(strstr(shell(0, "p report out.db"), "1 damaged block of a store that was merged"));
    shell(0, "p check out.db");
}

/* What both hosts learned is one prompt, whichever comes first; the ids of the older store stay. */
static void test_same_templates(void **state)
{
    char *one;
    (void)state;
    make_hosts();
    (void)ask(A, "UPDATE meta SET value=value-1000000000 WHERE key='begun_ns'");
    const char *merged = shell(0, "p merge a.db b.db -o out.db; p prompts --format csv out.db; p prompts --format csv "
                                  "a.db; p prompts --format csv b.db");
    if (strstr(merged, "2 prompts turned out to be ones") == NULL)
        fail_msg("%s", merged);
    one = strdup(shell(0, "p prompts --format csv out.db 2>/dev/null | cut -d, -f1-4"));
    assert_int_equal(lines_with(one, ",1,80"), 2);     /* of both */
    assert_int_equal(lines_with(one, ",1,40"), 1 + 3); /* of B alone; of small ones */
    assert_int_equal(
        lines_with(shell(0, "p prompts --format csv a.db 2>/dev/null | cut -d, -f1 > of_a; p prompts --format csv "
                            "out.db 2>/dev/null | grep -c -f of_a"),
                   "6"),
        1);
    shell(0, "rm out.db; p merge b.db a.db -o out.db; p check out.db");
    assert_string_equal(shell(0, "p prompts --format csv out.db 2>/dev/null | cut -d, -f1-4"), one);
    /* Again, and what comes then: they stay one. */
    assert_null(strstr(shell(0, "p merge a.db b.db -o out.db"), "turned out"));
    assert_string_equal(shell(0, "p prompts --format csv out.db 2>/dev/null | cut -d, -f1-4"), one);
    struct store *store = open_file(OUT, STORE_WRITE);
    take_templates(store, 70, 2, 500, 12);
    learn(store);
    merge(store);
    store_close(store);
    assert_int_equal(lines_with(shell(0, "p prompts --format csv out.db 2>/dev/null; p check out.db"), ",1,92"), 2);
    free(one);
}

/* Words of two hosts' templates as letters; '.' is a slot. */
static bool differ(const char *a, const char *b)
{
    struct miner_template of_a = {.words = (uint16_t)strlen(a)}, of_b = {.words = (uint16_t)strlen(b)};
    for (unsigned i = 0; i < of_a.words; i++)
        of_a.word[i] = a[i] == '.' ? 0 : (uint8_t)a[i];
    for (unsigned i = 0; i < of_b.words; i++)
        of_b.word[i] = b[i] == '.' ? 0 : (uint8_t)b[i];
    assert_int_equal(feature_template_words_differ(&of_a, &of_b), feature_template_words_differ(&of_b, &of_a));
    return feature_template_words_differ(&of_a, &of_b);
}

/* What varied on one host alone is a slot there; anything else is an edit, so two prompts. */
static void test_edits_and_slots(void **state)
{
    static const char *const ones[][2] = {{"abcdefgh", "abcdefgh"},
                                          {"abc.efgh", "abcxyefgh"},
                                          {".bcdefgh", "xybcdefgh"},
                                          {"abcdefg.", "abcdefgxy"},
                                          {"a.cdefgh", "abcde.gh"},
                                          {".", "abc"},
                                          {"", ""}};
    static const char *const others[][2] = {
        {"abcdefgh", "abcxefgh"},  {"abcdefgh", "abcdxefgh"}, {"abcdefgh", "xbcdefgh"}, {"abcdefgh", "abcdefgx"},
        {"abcdefgh", "abcdefghx"}, {"a.cdefgh", "axcdeygh"},  {"a.cdefgh", "axcdefgi"}, {"", "abc"}};
    (void)state;
    for (size_t i = 0; i < sizeof(ones) / sizeof(ones[0]); i++)
        if (differ(ones[i][0], ones[i][1]))
            fail_msg("%s and %s are one", ones[i][0], ones[i][1]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (!differ(others[i][0], others[i][1]))
            fail_msg("%s and %s are not one", others[i][0], others[i][1]);
}

/* ---- kills ---- */

static unsigned commits_left;

static int on_commit(void *context)
{
    (void)context;
    if (commits_left-- == 0)
        (void)raise(SIGKILL);
    return 0;
}

/* Killed at each commit in turn: what is there is sound and says that it is not whole, until the
 * same was done to its end. */
static void test_killed(void **state)
{
    unsigned kills = 0;
    bool killed = true;
    (void)state;
    make_hosts();
    for (unsigned at = 0; killed; at++) {
        const pid_t child = fork();
        if (child == 0) {
            struct unite_told told = {0};
            struct store *into = open_file(OUT, STORE_WRITE), *from = open_file(at % 2 ? A : B, STORE_READ);
            commits_left = at / 2;
            (void)sqlite3_commit_hook(store_sqlite(into), on_commit, NULL);
            _exit(store_unite(into, from, &told, NULL, NULL) == STORE_OK ? 0 : 1);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        killed = WIFSIGNALED(status) || at % 2 == 0;
        if (WIFSIGNALED(status)) {
            struct store_loss loss;
            struct store *store = open_file(OUT, STORE_READ);
            kills++;
            assert_int_equal(WTERMSIG(status), SIGKILL);
            assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
            if (at / 2 > 0) /* before, nothing of it is there */
                assert_true(loss.events[STORE_LOSS_merge_unfinished] >= 1);
            assert_int_equal(store_check(store, test_fault, NULL), 0);
            store_close(store);
        } else {
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
    }
    assert_true(kills > 16);
    assert_null(strstr(shell(0, "p merge a.db b.db -o out.db; p report out.db"), "not finished"));
    expect_union();
}

/* ---- what people said ---- */

static const char *first_id(char id[17], int which)
{
    snprintf(id, 17, "%.16s", strchr(shell(0, "p prompts --format csv %s 2>/dev/null", file[which]), '\n') + 1);
    return id;
}

/* Names and merges of both count; where they differ, the later word; circles are none. */
static void test_rules(void **state)
{
    char id[17], other[17];
    (void)state;
    make_hosts();
    snprintf(other, sizeof(other), "%016llx", (unsigned long long)text_id(&(struct text){.template = 50}));
    first_id(id, A);
    shell(0, "cp a.db b.db; p prompts name %s early a.db; p prompts name %s late b.db; p prompts name %s alone a.db",
          id, id, other);
    shell(0, "p merge b.db -o out.db; p merge a.db -o out.db");
    assert_non_null(strstr(shell(0, "p prompts out.db"), "late"));
    assert_non_null(strstr(shell(0, "p prompts out.db"), "alone"));
    assert_null(strstr(shell(0, "p prompts out.db"), "early"));
    assert_non_null(strstr(shell(0, "rm out.db; p merge b.db a.db -o out.db"), "a later one says otherwise"));
    assert_non_null(strstr(shell(0, "p prompts out.db"), "late"));
    shell(0, "p prompts merge %s %s a.db; p prompts merge %s %s b.db", id, other, other, id);
    shell(0, "p merge a.db b.db -o out.db; p check out.db");
    assert_non_null(strstr(shell(0, "p prompts out.db"), "was merged into"));
    char *one = strdup(shell(0, "p prompts --format csv out.db | cut -d, -f1-4"));
    shell(0, "rm out.db; p merge b.db a.db -o out.db");
    assert_string_equal(shell(0, "p prompts --format csv out.db | cut -d, -f1-4"), one);
    free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_union, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_losses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_templates, setup, teardown),
        cmocka_unit_test(test_edits_and_slots),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
