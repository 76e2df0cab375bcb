/*
 * A store of an earlier version is brought up to date when it is opened: each kept one
 * (tests/fixtures/store) exports what it did, but for what the versions mean to change. Killed in
 * between it is as it was.
 */
#include "collector_tests.h"

#include <math.h>
#include <sys/wait.h>

#include <cJSON.h>
#include <sqlite3.h>
#include <zstd.h>

static char top[64];

static const char *const kept[] = {"v2-fresh", "v2-merged", "v2-shipped", "v2-calls",
                                   "v3-fresh", "v3-merged", "v3-shipped", "v3-calls"};
enum { KEPT = sizeof(kept) / sizeof(kept[0]) };

static char *unpack(const char *name, const char *tail, size_t *ret_bytes)
{
    char path[512];
    snprintf(path, sizeof(path), PPROF_TESTS_DIR "/fixtures/store/%s.%s.zst", name, tail);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char packed[1 << 20];
    const size_t bytes = fread(packed, 1, sizeof(packed), file);
    fclose(file);
    *ret_bytes = (size_t)ZSTD_getFrameContentSize(packed, bytes);
    char *data = malloc(*ret_bytes + 1);
    assert_int_equal(ZSTD_decompress(data, *ret_bytes, packed, bytes), *ret_bytes);
    data[*ret_bytes] = '\0';
    return data;
}

static void put_store(const char *name, char path[128])
{
    size_t bytes;
    char *data = unpack(name, "db", &bytes);
    snprintf(path, 128, "%s/%s.db", top, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, data, bytes), bytes);
    close(fd);
    free(data);
}

static int set_up(void **state)
{
    (void)state;
    test_directory(top);
    return 0;
}

static int tear_down(void **state)
{
    char command[512];
    (void)state;
    snprintf(command, sizeof(command), "chmod -R u+w %s; rm -r %s", top, top);
    return system(command);
}

static char *output_of(const char *command)
{
    size_t room = 1 << 20, used = 0;
    char *text = malloc(room);
    FILE *out = popen(command, "r");
    for (size_t got; (got = fread(text + used, 1, room - used - 1, out)) > 0;) {
        used += got;
        if (room - used < 4096)
            text = realloc(text, room *= 2);
    }
    text[used] = '\0';
    assert_int_equal(pclose(out), 0);
    return text;
}

/* ---- what an export may say otherwise ---- */

static bool is_time(const char *name)
{
    const size_t bytes = strlen(name);
    return (bytes > 3 && strcmp(name + bytes - 3, "_ns") == 0) || strstr(name, "time_unix_nano") != NULL;
}

/* Within 5 % and a microsecond of what was measured; of the quantiles that version 2 read from
 * finer buckets. */
static bool near(double before, double now)
{
    return fabs(before - now) <= before * 0.062 + 1000;
}

static bool is_of_2(const char *name)
{
    return strncmp(name, "v2-", 3) == 0;
}

static void compare_value(const char *store, const cJSON *before, const cJSON *now)
{
    const char *name = before->string;
    if (now == NULL)
        fail_msg("%s is gone", name);
    if (!is_of_2(store) && !cJSON_Compare(before, now, true))
        fail_msg("%s differs", name);
    else if (cJSON_IsNumber(before) && strncmp(name, "pprof.gap.", 10) == 0 && strcmp(name, "pprof.gap.count") != 0)
        assert_true(near(before->valuedouble, now->valuedouble));
    else if (cJSON_IsNumber(before) && is_time(name)) /* doubles hold no nanoseconds of 2026: 256 of them at best */
        assert_true(fabs(before->valuedouble - now->valuedouble) <= (before->valuedouble > 1e17 ? 2000 : 500));
    else if (!cJSON_Compare(before, now, true))
        fail_msg("%s differs", name);
}

/* The workload of the shipped store of version 2 invents its gaps and their quantiles apart from
 * each other. */
static bool compares(const char *name, const char *key)
{
    return strncmp(key, "pprof.gap.", 10) != 0 || !is_of_2(name) || strcmp(name, "v2-fresh") == 0 ||
           strcmp(name, "v2-merged") == 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of an export, which begin with their ids, in the order of these: a merge changes it. */
static size_t lines_of(char *text, char *line[], size_t max)
{
    size_t n = 0;
    char *at;
    for (char *next = strtok_r(text, "\n", &at); next != NULL && n < max; next = strtok_r(NULL, "\n", &at))
        line[n++] = next;
    qsort(line, n, sizeof(line[0]), by_text);
    return n;
}

static void compare_export(const char *name, char *before, char *now)
{
    static char *was_line[4096], *is_line[4096];
    const size_t lines = lines_of(before, was_line, 4096);
    assert_int_equal(lines_of(now, is_line, 4096), lines);
    assert_true(lines > 0);
    for (size_t i = 0; i < lines; i++) {
        cJSON *was = cJSON_Parse(was_line[i]), *is = cJSON_Parse(is_line[i]);
        const cJSON *value;
        cJSON_ArrayForEach(value, was) if (compares(name, value->string))
            compare_value(name, value, cJSON_GetObjectItemCaseSensitive(is, value->string));
        cJSON_ArrayForEach(value, is) if (compares(name, value->string) &&
                                          cJSON_GetObjectItemCaseSensitive(was, value->string) == NULL &&
                                          (!is_of_2(name) || strncmp(value->string, "pprof.gap.", 10) != 0))
            fail_msg("%s is new", value->string);
        cJSON_Delete(was);
        cJSON_Delete(is);
    }
}

static void check_is_clean(const char *path)
{
    char command[512];
    snprintf(command, sizeof(command), "env -u LD_PRELOAD XDG_STATE_HOME=%s HOME=%s " PPROFCTL " check %s 2>&1", top,
             top, path);
    char *said = output_of(command);
    if (strstr(said, "nothing is wrong") == NULL)
        fail_msg("%s", said);
    free(said);
}

/* Nothing of the rollups lies as rows after a merge: what earlier versions left so is packed as
 * what this one counts. */
static void check_is_packed(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT (SELECT count(*) FROM rollup_cell),(SELECT count(*) FROM "
                                        "rollup_packed)",
                                        -1, &row, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(row, 0), 0);
    assert_true(sqlite3_column_int(row, 1) > 0);
    (void)sqlite3_finalize(row);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Reading alone is enough; then once more after a merge, which the old blocks must allow. */
static void test_kept_stores(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEPT; i++) {
        char path[128], command[512];
        struct store *store;
        bool more = true;
        put_store(kept[i], path);
        snprintf(command, sizeof(command), "env -u LD_PRELOAD XDG_STATE_HOME=%s HOME=%s " PPROFCTL " export %s", top,
                 top, path);
        for (int merged = 0; merged < 2; merged++) {
            size_t bytes;
            char *before = unpack(kept[i], "jsonl", &bytes), *now = output_of(command);
            compare_export(kept[i], before, now);
            free(before);
            free(now);
            check_is_clean(path);
            assert_int_equal(store_open(path, STORE_WRITE, &store), STORE_OK);
            while (merged == 0 && more)
                assert_int_equal(store_merge_step(store, &more), STORE_OK);
            store_close(store);
            check_is_packed(path);
        }
    }
}

/* Nobody may write: it says so and what to do, and leaves the file. */
static void test_read_only(void **state)
{
    char path[128];
    struct store *store;
    (void)state;
    if (geteuid() == 0) {
        print_message("root may write everywhere\n");
        skip();
    }
    put_store("v3-merged", path);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(store_open(path, STORE_READ, &store), STORE_OTHER_VERSION);
    assert_non_null(strstr(store_why(), "earlier version"));
    assert_non_null(strstr(store_why(), "permission to write"));
}

/* A step that fails takes everything back: the version stays, and the next try does it all. */
static void test_all_or_nothing(void **state)
{
    char path[128], command[512];
    struct store *store;
    sqlite3 *db;
    (void)state;
    put_store("v2-merged", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TRIGGER no BEFORE INSERT ON meta BEGIN SELECT raise(ABORT,'no'); END; "
                                  "CREATE TRIGGER no2 BEFORE UPDATE ON block BEGIN SELECT raise(ABORT,'no'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_true(store_open(path, STORE_WRITE, &store) < 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT user_version,(SELECT count(*) FROM col WHERE field=24) FROM "
                                        "pragma_user_version",
                                        -1, &row, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(row, 0), 2);
    assert_int_equal(sqlite3_column_int(row, 1), 1);
    (void)sqlite3_finalize(row);
    assert_int_equal(sqlite3_exec(db, "DROP TRIGGER no; DROP TRIGGER no2", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    snprintf(command, sizeof(command), "env -u LD_PRELOAD XDG_STATE_HOME=%s HOME=%s " PPROFCTL " export %s", top, top,
             path);
    size_t bytes;
    char *before = unpack("v2-merged", "jsonl", &bytes), *now = output_of(command);
    compare_export("v2-merged", before, now);
    free(before);
    free(now);
    check_is_clean(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept_stores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_or_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
