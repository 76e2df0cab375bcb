/* What `pprofctl prompts` says of a store, and what is said by it: names, and which prompts are
 * one. */
#include "prompt_calls.h"

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
    snprintf(command, sizeof(command), "env -u LD_PRELOAD XDG_STATE_HOME=%s HOME=%s " PPROFCTL " %s 2>&1", directory,
             directory, arguments);
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

/* The ids in the order of the list. */
static void ids_of(char id[TEMPLATES][17])
{
    const char *at = said(0, "prompts --format csv %s", file);
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
    assert_non_null(strstr(said(2, "prompts name 0123 x %s", file), "is no id"));
    assert_non_null(strstr(said(2, "prompts name %s '' %s", id[0], file), "a name has"));
    assert_non_null(strstr(said(2, "prompts name %s", id[0]), "name ID NAME"));
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
    assert_int_equal(lines_with(said(0, "prompts --format csv %s", file), "\n"), 2);
    assert_non_null(strstr(said(0, "report %s", file), "80 calls stand under prompts that were learned"));
    assert_int_equal(lines_with(said(0, "report --format csv %s", file), id[0]), 1);
    assert_non_null(strstr(said(1, "prompts merge %s %s %s", id[0], id[2], file), "one prompt already"));
    said(0, "prompts split %s %s", id[2], file);
    assert_int_equal(lines_with(said(0, "prompts --format csv %s", file), "\n"), 3);
    said(0, "prompts split %s %s", id[1], file);
    assert_int_equal(lines_with(said(0, "prompts --format csv %s", file), "\n"), 4);
    assert_non_null(strstr(said(0, "check %s", file), "nothing is wrong"));
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
