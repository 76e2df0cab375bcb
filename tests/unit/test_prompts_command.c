/* What `pprofctl prompts` says of a store, and what is said by it: names, and which prompts are
 * one. */
#include "prompt_calls.h"

#include <sqlite3.h>

static char directory[64];
static char file[128];

enum { VALUES = 20, TEMPLATES = 3 };

static int setup(void **state)
{
    struct store *store = NULL;
    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    take_templates(store, 0, TEMPLATES, 0, VALUES);
    take_templates(store, 1, 1, VALUES, VALUES);
    learn(store);
    store_close(store);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_remove(directory);
    return 0;
}

/* Runs pprofctl; what it says, until the next call, and its exit code. */
static const char *said(int expected, const char *format, ...)
{
    static char out[1 << 16];
    char arguments[512], command[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof(arguments), format, list);
    va_end(list);
    snprintf(command, sizeof(command), "env -u LD_PRELOAD XDG_STATE_HOME=%s HOME=%s " PPROFCTL " %s%s", directory,
             directory, arguments, strstr(arguments, "2>") != NULL ? "" : " 2>&1");
    FILE *in = popen(command, "r");
    out[fread(out, 1, sizeof(out) - 1, in)] = '\0';
    const int status = pclose(in);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
        fail_msg("%s: %d, not %d: %s", command, status, expected, out);
    return out;
}

static unsigned lines_with(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

static const char *list_of(void)
{
    return said(0, "prompts --format csv %s 2>/dev/null", file);
}

/* The ids in the order of the list. */
static void ids_of(char id[TEMPLATES][17])
{
    const char *at = list_of();
    for (unsigned i = 0; i < TEMPLATES; i++) {
        at = strchr(at, '\n') + 1;
        snprintf(id[i], 17, "%.16s", at);
        assert_int_equal(strspn(id[i], "0123456789abcdef"), 16);
    }
}

static void test_lists(void **state)
{
    char id[TEMPLATES][17], line[128];
    (void)state;
    ids_of(id);
    const char *text = said(0, "prompts %s", file);
    assert_int_equal(lines_with(text, "96%"), TEMPLATES); /* 46 of 48 words */
    assert_int_equal(lines_with(text, "5 words"), TEMPLATES);
    assert_true(strstr(text, id[0]) < strstr(text, id[1])); /* the one with most calls first */
    text = said(0, "prompts --format json %s", file);
    snprintf(line, sizeof(line), "{\"prompt\": \"%s\", \"version\": \"1\", \"calls\": %d, \"texts\": %d", id[0],
             2 * VALUES, 2 * VALUES);
    assert_non_null(strstr(text, line));
    assert_int_equal(lines_with(text, "\"settled\": true"), TEMPLATES);
    assert_non_null(strstr(text, "\"texts_unassigned\": 0"));
    assert_int_equal(lines_with(said(0, "prompts --format md %s", file), "\n"), TEMPLATES + 3);
    assert_non_null(strstr(said(2, "prompts --format xml %s", file), "--format knows"));
    assert_non_null(strstr(said(1, "prompts %s.none", file), "is no"));
}

/* Every reader sees the name; a name that a program said stays. */
static void test_names(void **state)
{
    char id[TEMPLATES][17];
    (void)state;
    ids_of(id);
    said(0, "prompts name %s 'first one' %s", id[0], file);
    assert_non_null(strstr(said(0, "prompts %s", file), "first one"));
    assert_int_equal(lines_with(said(0, "export %s", file), "\"pprof.prompt.name\":\"first one\""), 2 * VALUES);
    assert_int_equal(lines_with(said(0, "export %s", file), "\"pprof.prompt.version\":\"1\""),
                     (TEMPLATES + 1) * VALUES);
    assert_non_null(strstr(said(0, "report %s", file), "first one@1"));
    said(0, "prompts name %s second %s", id[0], file);
    assert_null(strstr(said(0, "report %s", file), "first one"));
    assert_non_null(strstr(said(0, "check %s", file), "nothing is wrong"));
    assert_non_null(strstr(said(1, "prompts name 0123456789abcdef x %s", file), "has no prompt"));
    assert_non_null(strstr(said(1, "prompts name 0000000000000000 x %s", file), "has no prompt"));
    assert_non_null(strstr(said(2, "prompts name %s", id[0]), "ID NAME"));
    said(1, "prompts name %s x %s.none", id[0], file);
    char none[160];
    snprintf(none, sizeof(none), "%s.none", file);
    assert_int_equal(access(none, F_OK), -1); /* nor was one made */
}

static void test_merges_and_splits(void **state)
{
    char id[TEMPLATES][17];
    (void)state;
    ids_of(id);
    said(0, "prompts merge %s %s %s", id[1], id[0], file);
    said(0, "prompts merge %s %s %s", id[2], id[1], file); /* by then that is the first */
    assert_int_equal(lines_with(list_of(), "\n"), 2);
    assert_non_null(strstr(said(0, "report %s", file), "80 calls stand under prompts that were learned"));
    assert_int_equal(lines_with(said(0, "report --format csv %s", file), id[0]), 1);
    assert_non_null(strstr(said(1, "prompts merge %s %s %s", id[0], id[2], file), "one prompt already"));
    said(0, "prompts split %s %s", id[2], file);
    assert_int_equal(lines_with(list_of(), "\n"), 3);
    said(0, "prompts split %s %s", id[1], file);
    assert_int_equal(lines_with(list_of(), "\n"), 4);
    assert_non_null(strstr(said(0, "check %s", file), "nothing is wrong"));
}

/* ---- what is not learned, and what is said ---- */

enum { FIXED = 100, BARE, NAMED, STATED, NAME_ALONE, OTHERS }; /* templates beyond those of the setup */

/* `n` calls in a frame of their own. */
static void take_calls(struct store *store, unsigned process, unsigned n, struct call call)
{
    struct call list[ROWS_MAX];
    for (unsigned i = 0; i < n; i++) {
        list[i] = call;
        list[i].process = process;
        list[i].seq = i + 1;
        list[i].start_ns = BEGIN_NS + (process * 100 + i) * 1000000000ull;
        list[i].first = call.first && i == 0;
    }
    take(store, 1, list, n);
}

/* Prompts of every kind that a report shows: instructions that never vary, none at all, a name with
 * and without versions, a name alone. */
static int setup_kinds(void **state)
{
    struct store *store = NULL;
    setup(state);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    take_calls(store, 10, 5, (struct call){.text = {.template = FIXED}, .first = true});
    take_calls(store, 11, 6, (struct call){.text = {.template = BARE}});
    take_calls(store, 12, 7, (struct call){.text = {.template = NAMED}, .name = "named"});
    for (unsigned i = 0; i < 2; i++)
        take_calls(store, 13 + i, 8,
                   (struct call){.text = {.template = STATED, .setup = i + 1},
                                 .first = true,
                                 .name = "bot",
                                 .version = i == 0 ? "v1" : "v2"});
    take_calls(store, 15, 9, (struct call){.no_id = true, .name = "alone"});
    learn(store);
    store_close(store);
    return 0;
}

static const char *id_of(unsigned template)
{
    static char id[4][17];
    static unsigned next;
    snprintf(id[next++ % 4], 17, "%016llx", (unsigned long long)text_id(&(struct text){.template = template}));
    return id[(next - 1) % 4];
}

/* The line of the list that has all of these. */
static bool has_row(const char *csv, const char *a, const char *b)
{
    char line[512];
    for (const char *at = csv; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n') {
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
        if (strstr(line, a) != NULL && strstr(line, b) != NULL)
            return true;
    }
    return false;
}

/* Each row that the report shows has a row in the list. */
static void test_lists_what_is_reported(void **state)
{
    (void)state;
    const char *csv = list_of();
    assert_true(has_row(csv, id_of(FIXED), ",5,"));
    assert_true(has_row(csv, id_of(BARE), ",,,6,,"));
    assert_true(has_row(csv, id_of(NAMED), ",named,,7,"));
    assert_true(has_row(csv, ",bot,v1,", ",8,"));
    assert_true(has_row(csv, ",bot,v2,", ",8,"));
    assert_true(has_row(csv, ",alone,,9,", ""));
    assert_int_equal(lines_with(csv, ",bot,"), 2); /* none of a version that nobody stated */
    const unsigned rows = lines_with(csv, "\n") - 1;
    assert_int_equal(lines_with(said(0, "report --by prompt,version --format csv %s 2>/dev/null", file), "\n") - 1,
                     rows);
    assert_int_equal(lines_with(said(0, "prompts --limit 3 --format csv %s 2>/dev/null", file), "\n"), 4);
    assert_non_null(strstr(said(0, "prompts --limit 1 %s", file), "more rows are not shown"));
}

/* Each can be named, and made part of another and itself again, whatever it was found by. */
static void test_all_can_be_named_and_merged(void **state)
{
    static const unsigned kinds[] = {FIXED, BARE};
    char id[TEMPLATES][17];
    (void)state;
    ids_of(id);
    for (size_t i = 0; i < 2; i++) {
        said(0, "prompts name %s 'kind %zu' %s", id_of(kinds[i]), i, file);
        assert_int_equal(lines_with(said(0, "export %s", file), i == 0 ? "\"kind 0\"" : "\"kind 1\""), i == 0 ? 5 : 6);
        said(0, "prompts merge %s %s %s", id_of(kinds[i]), id[0], file);
        assert_null(strstr(said(0, "report %s", file), "kind"));
        assert_int_equal(lines_with(said(0, "export %s", file), id[0]), 40 + (i == 0 ? 5 : 11));
        const char *text = said(0, "prompts %s", file);
        assert_non_null(strstr(text, id_of(kinds[i]))); /* where it went */
        assert_non_null(strstr(text, "was merged into"));
        assert_true(has_row(said(0, "prompts --format json %s", file), id_of(kinds[i]), "\"into\": "));
    }
    assert_non_null(strstr(said(1, "prompts split %s %s", id[0], file), "is no part of another"));
    for (size_t i = 0; i < 2; i++)
        said(0, "prompts split %s %s", id_of(kinds[i]), file);
    assert_true(has_row(list_of(), "kind 1", ",6,"));
    /* A name that calls say is gone with them, and back with them. */
    said(0, "prompts merge named %s %s", id[0], file);
    assert_int_equal(lines_with(said(0, "export %s", file), "\"named\""), 0);
    said(0, "prompts merge %s bot %s", id[0], file);
    assert_int_equal(lines_with(said(0, "export %s", file), "\"bot\""), 40 + 7 + 16);
    said(0, "prompts split %s %s", id_of(NAMED), file);
    assert_int_equal(lines_with(said(0, "export %s", file), "\"named\""), 7);
    assert_non_null(strstr(said(0, "check %s", file), "nothing is wrong"));
}

/* The name that calls say counts first, and who names them otherwise is told so. */
static void test_said_names_stay(void **state)
{
    (void)state;
    assert_non_null(strstr(said(1, "prompts name %s other %s", id_of(NAMED), file), "say themselves"));
    assert_non_null(strstr(said(1, "prompts name bot other %s", file), "say themselves"));
    assert_non_null(strstr(said(1, "prompts name alone other %s", file), "their name alone"));
    assert_int_equal(lines_with(said(0, "export %s", file), "\"other\""), 0);
}

static void test_names_that_cannot_be(void **state)
{
    static const char *const bad[] = {"''",
                                      "\"$(printf 'a\\033[31mb')\"",
                                      "\"$(printf 'a\\nb')\"",
                                      "\"$(printf 'a\\377b')\"",
                                      "\"$(printf 'a\\342\\200\\256b')\"", /* turns the line around */
                                      "\"$(printf 'a\\342\\200\\213b')\"", /* is not seen */
                                      "\"$(printf '%0128d' 1)\"",
                                      "0123456789abcdef",
                                      "' a'",
                                      "-- '-'",
                                      "a@1"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(strstr(said(2, "prompts name %s %s %s", id_of(FIXED), bad[i], file), "cannot be a name"));
    said(0, "prompts name %s \"$(printf '%%0127d' 1)\" %s", id_of(FIXED), file);
    said(0, "prompts name %s 'Stra\303\237e \344\270\255' %s", id_of(FIXED), file);
    assert_non_null(strstr(said(0, "report %s", file), "Stra\303\237e \344\270\255"));
}

/* A prompt goes by its id, by the beginning of it, and by its name, as long as that is one. */
static void test_which_is_meant(void **state)
{
    (void)state;
    said(0, "prompts name %.10s first %s", id_of(FIXED), file);
    said(0, "prompts name first second %s", file);
    assert_non_null(strstr(said(1, "prompts name first third %s", file), "has no prompt"));
    said(0, "prompts name %s second %s", id_of(BARE), file);
    assert_non_null(strstr(said(1, "prompts name second third %s", file), "2 prompts are named"));
    assert_non_null(strstr(said(1, "prompts name '' third %s", file), "has no prompt"));
    assert_non_null(strstr(said(1, "prompts name bot@v1 third %s", file), "is a version"));
    assert_non_null(strstr(said(2, "prompts frob %s", file), "prompts knows name, merge and split, not \"frob\""));
    assert_non_null(strstr(said(1, "prompts frob"), "frob"));
    assert_non_null(strstr(said(2, "prompts name second x %s --format json", file), "--format"));
    assert_non_null(strstr(said(2, "prompts merge second bot %s --variant 1", file), "--variant goes with split"));
}

/* A learned prompt has the id of one of its texts, and is meant by it also when that text's version
 * is a prompt of its own. */
static void test_splits_the_first_version(void **state)
{
    char id[TEMPLATES][17], before[1 << 15], made[17];
    (void)state;
    ids_of(id);
    said(0, "prompts merge bot %s %s", id[0], file);
    strcpy(before, list_of());
    const char *done = said(0, "prompts split %s@1 %s", id[0], file);
    snprintf(made, sizeof(made), "%.16s", strstr(done, "is the prompt ") + 14);
    assert_true(has_row(list_of(), made, ",1,40,"));
    assert_non_null(strstr(said(1, "prompts split %s@1 %s", id[0], file), "has no version"));
    said(0, "prompts merge %s %s %s", made, id[0], file);
    assert_string_equal(list_of(), before);
    said(0, "prompts split %s@1 %s", id[0], file);
    said(0, "prompts name %s rest %s", id[0], file);
    assert_true(has_row(list_of(), id[0], ",rest,v2,8,"));
    assert_true(has_row(list_of(), made, ",,1,40,"));
}

/* Versions, found or stated, and exact texts are made prompts of their own, before and after the
 * merge of their hour, and one again. */
static void test_splits_parts(void **state)
{
    char text[32], before[1 << 15], made[17];
    (void)state;
    for (int merged = 0; merged < 2; merged++) {
        struct store *store = NULL;
        strcpy(before, list_of());
        const char *done = said(0, "prompts split bot@v2 %s", file);
        snprintf(made, sizeof(made), "%.16s", strstr(done, "is the prompt ") + 14);
        assert_int_equal(lines_with(said(0, "export %s", file), "\"bot\""), 8);
        assert_true(has_row(list_of(), made, merged ? ",clerk,v2,8," : ",,v2,8,")); /* a name that it had is kept */
        said(0, "prompts name %s clerk %s", made, file);
        assert_non_null(strstr(said(0, "report %s", file), "clerk@v2"));
        assert_non_null(strstr(said(1, "prompts split bot@v2 %s", file), "has no version"));
        assert_non_null(strstr(said(1, "prompts split bot@v1 %s", file), "nothing to take apart"));
        said(0, "prompts merge %s bot %s", made, file);
        assert_string_equal(list_of(), before);
        /* An exact text, as export names it. */
        snprintf(text, sizeof(text), "%016llx",
                 (unsigned long long)mix(text_id(&(struct text){.template = STATED}), 2));
        done = said(0, "prompts split %s %s", text, file);
        snprintf(made, sizeof(made), "%.16s", strstr(done, "is the prompt ") + 14);
        assert_true(has_row(list_of(), made, ",v2,8,"));
        assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
        if (merged == 0)
            merge(store);
        store_close(store);
        assert_true(has_row(list_of(), made, ",v2,8,"));
        said(0, "prompts merge %s bot %s", made, file);
        assert_string_equal(list_of(), before);
        assert_non_null(strstr(said(0, "check %s", file), "nothing is wrong"));
    }
}

/* Rows of prompts that begin with the same words are told apart. */
static void test_same_beginnings(void **state)
{
    struct store *store = NULL;
    char row[64];
    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    for (unsigned i = 0; i < 2; i++)
        take_calls(store, 20 + i, 2, (struct call){.text = {.template = OTHERS + i}, .preview = "You help with tools"});
    take_calls(store, 22, 2, (struct call){.text = {.template = OTHERS + 2}, .preview = "Others alone"});
    store_close(store);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(row, sizeof(row), "%.8s \"\"You help with tools", id_of(OTHERS + i));
        assert_int_equal(lines_with(said(0, "report --format csv %s", file), row), 1);
    }
    assert_non_null(strstr(said(0, "report --width 0 %s", file), "\n\"Others alone\""));
}

/* Whatever is wrong with texts, templates and words of people is said, and no reader hangs on it.
 * */
static void test_check_says_what_is_wrong(void **state)
{
    static const struct {
        const char *sql, *says;
    } faults[] = {
        {"UPDATE prompt_template SET data=x'ffff'", "a template cannot be read: prompt, version: 05c1ec8e2912346c, 1"},
        {"UPDATE prompt_template SET version=0 WHERE prompt=(SELECT min(prompt) FROM prompt_template)",
         "a version of a prompt is not possible"},
        {"UPDATE prompt_template SET alias='x'", "what is no number stands for one in a template"},
        {"UPDATE prompt_template SET alias=(SELECT prompt FROM prompt_template t WHERE "
         "t.prompt<>prompt_template.prompt "
         "AND t.prompt<>(SELECT max(prompt) FROM prompt_template)) WHERE prompt<>(SELECT max(prompt) FROM "
         "prompt_template)",
         "turned out to be leads round in a circle"},
        {"INSERT INTO prompt_rule(prompt,part,name,said_ns) VALUES(1,'',x'80ff00',0)",
         "is none: prompt, bytes: 00000000"},
        {"INSERT INTO prompt_rule(prompt,part,name,said_ns) VALUES(1,'','a'||char(10),0)", "given to a prompt is none"},
        {"INSERT INTO prompt_rule(prompt,part,into_prompt,said_ns) VALUES(1,'',2,0),(2,'',3,0),(3,'',1,0)",
         "rules lead round in a circle, and do not count: prompt, rules: 0000000000000003"},
        {"INSERT INTO prompt_rule(prompt,part,into_prompt,said_ns) VALUES(1,'',0,0)", "leads to none"},
        {"INSERT INTO prompt_rule(prompt,part,into_prompt,said_ns) VALUES(1,'?',2,0)", "of a part that nothing can be"},
        {"INSERT INTO prompt_rule(prompt,part,said_ns) VALUES(1,'@2',0)", "leads to none"},
        {"UPDATE prompt_text SET prompt=77 WHERE prompt IS NOT NULL", "a version of a prompt that is not there"},
        {"UPDATE prompt_text SET calls=-5", "calls is negative"},
        {"DELETE FROM prompt_open; UPDATE prompt_text SET done=0", "is missing, or needless"},
    };
    char *const whole = file, copy[160];
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        sqlite3 *db;
        char command[400];
        snprintf(copy, sizeof(copy), "%s.copy", whole);
        snprintf(command, sizeof(command), "cp %s %s", whole, copy);
        assert_int_equal(system(command), 0);
        assert_int_equal(sqlite3_open(copy, &db), SQLITE_OK);
        if (sqlite3_exec(db, faults[i].sql, NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s: %s", faults[i].sql, sqlite3_errmsg(db));
        sqlite3_close(db);
        const char *text = said(1, "check %s", copy);
        if (strstr(text, faults[i].says) == NULL)
            fail_msg("%s: %s", faults[i].sql, text);
        said(0, "prompts %s", copy);
        said(0, "report %s", copy);
        said(0, "export %s", copy);
    }
}

/* What waits for others of its kind is said. */
static void test_says_what_waits(void **state)
{
    struct store *store = NULL;
    const struct call call = {.process = 2, .seq = 1, .start_ns = BEGIN_NS, .text = {.template = 77}, .first = true};
    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    take(store, 1, &call, 1);
    learn(store);
    store_close(store);
    assert_non_null(strstr(said(0, "prompts %s", file), "1 text of instructions belongs to no prompt yet."));
    assert_non_null(strstr(said(0, "report %s", file),
                           "80 calls stand under prompts that were learned; 1 text of instructions belongs to none"));
    assert_null(strstr(said(0, "report --by model %s", file), "were learned"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merges_and_splits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_says_what_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lists_what_is_reported, setup_kinds, teardown),
        cmocka_unit_test_setup_teardown(test_all_can_be_named_and_merged, setup_kinds, teardown),
        cmocka_unit_test_setup_teardown(test_said_names_stay, setup_kinds, teardown),
        cmocka_unit_test_setup_teardown(test_names_that_cannot_be, setup_kinds, teardown),
        cmocka_unit_test_setup_teardown(test_which_is_meant, setup_kinds, teardown),
        cmocka_unit_test_setup_teardown(test_splits_the_first_version, setup_kinds, teardown),
        cmocka_unit_test_setup_teardown(test_splits_parts, setup_kinds, teardown),
        cmocka_unit_test_setup_teardown(test_same_beginnings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_says_what_is_wrong, setup_kinds, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
