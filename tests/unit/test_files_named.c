/* files_named finds what glob(3) finds, in its order, and stops where a visit was enough. */
#include <glob.h>
#include <limits.h>
#include <sys/stat.h>

#include "collector_tests.h"

#include "collector/program/files_named.h"

static const char *const files[] = {"a/x.conf",   "a/y.conf",   "a/.hidden.conf", "a/conf",
                                    "b/c/x.conf", "b/d/x.conf", "b/d/y.txt"};
static const char *const patterns[] = {"/*/x.conf", "/a/*.conf", "/a/x.conf", "/a/none.conf", "/none/*",    "/*",
                                       "/*/*",      "/b/*/x*",   "//a//*",    "/a/x.conf/*",  "/b/?/[xy].*"};

struct seen {
    char text[4096];
    int enough; /* visits until then; 0: never */
};

static bool note(const char *path, void *context)
{
    struct seen *seen = context;
    const size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof(seen->text) - used, "%s\n", path);
    return seen->enough != 0 && --seen->enough == 0;
}

static void test_same_as_glob(void **state)
{
    (void)state;
    char directory[64], path[PATH_MAX];
    test_directory(directory);
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        for (char *at = path + strlen(directory) + 1; (at = strchr(at, '/')) != NULL; *at++ = '/') {
            *at = '\0';
            (void)mkdir(path, 0700);
        }
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
    }
    for (unsigned i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct seen seen = {.enough = 0}, expected = {.enough = 0};
        glob_t found;
        snprintf(path, sizeof(path), "%s%s", directory, patterns[i]);
        const int status = glob(path, 0, NULL, &found);
        for (size_t j = 0; status == 0 && j < found.gl_pathc; j++)
            note(found.gl_pathv[j], &expected);
        if (status == 0)
            globfree(&found);
        assert_int_equal(files_named(path, note, &seen), 0);
        if (strstr(patterns[i], "//") == NULL)
            assert_string_equal(seen.text, expected.text);
        else
            assert_int_equal(seen.text[0] != '\0', expected.text[0] != '\0');
    }
    test_remove(directory);
}

static void test_enough(void **state)
{
    (void)state;
    struct seen seen = {.enough = 2};
    assert_int_equal(files_named("/proc/self/*", note, &seen), 1);
    unsigned lines = 0;
    for (const char *at = seen.text; *at != '\0'; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 2);
}

static void test_too_long(void **state)
{
    (void)state;
    char pattern[2 * PATH_MAX] = "";
    struct seen seen = {.enough = 0};
    for (unsigned i = 0; i + 3 < sizeof(pattern); i += 2)
        memcpy(pattern + i, "/.", 3);
    assert_int_equal(files_named(pattern, note, &seen), 0);
    memset(pattern + 1, '*', sizeof(pattern) - 2);
    assert_int_equal(files_named(pattern, note, &seen), 0);
    assert_string_equal(seen.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_glob),
        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
