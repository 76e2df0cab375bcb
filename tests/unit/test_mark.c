/*
 * The mark of a process of which nothing else is known: its text, when it stands and when not, who
 * takes it, and that it costs the application nothing where it cannot be made.
 */
#include "collector_tests.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collector/listen/journal_state.h"
#include "shim/base/config.h"
#include "shim/scribe/mark.h"
#include "span/paths.h"

struct shim_config shim_config = {.spool = "/a/spool", .spool_said = true};

/* A user that nobody is, so that the directory is this test's alone; it seems to be that user's,
 * unless `foreign`. */
uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
    return 4000000000U + (uid_t)getpid() % 100000000U;
}

static char directory[64];
static bool foreign;

int __real_fstatat(int at, const char *path, struct stat *ret_st, int flags);
int __wrap_fstatat(int at, const char *path, struct stat *ret_st, int flags);
int __wrap_fstatat(int at, const char *path, struct stat *ret_st, int flags)
{
    const int rc = __real_fstatat(at, path, ret_st, flags);
    if (rc == 0 && strcmp(path, directory) == 0 && !foreign)
        ret_st->st_uid = geteuid();
    return rc;
}

static int set_up(void **state)
{
    (void)state;
    return span_path_journals_in_memory(directory, sizeof(directory), geteuid());
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(directory); /* nothing is left in it */
}

static void test_text(void **state)
{
    char text[SPAN_MARK_TEXT_BYTES], spool[SPAN_MARK_SPOOL_BYTES + 1];
    struct span_mark again, read,
        mark = {.pid = 0x1a2b, .pid_namespace = 0xeffffffc, .spool_said = true, .spool = "/a b/c"};
    static const char *const none[] = {
        "",       "1",         "1 2",         "1 2 3 /a",      "x 2 0 - ",
        "1 2 0",  "1 g 0",     " 1 2 0 - /a", "1  0 - /a",     "11111111111111111 2 0 - /a",
        "1 2 0 ", "1 2 0  /a", "1 2 0 /a",    "1 2 0 0123 /a", "1 2 0 -/a",
        "1 2 0 -"};
    (void)state;
    assert_true(span_mark_write(text, &mark));
    assert_string_equal(text, "1a2b effffffc 1 - /a b/c");
    assert_true(span_mark_read(&read, text));
    assert_true(read.pid == mark.pid && read.pid_namespace == mark.pid_namespace && read.spool_said);
    assert_string_equal(read.spool, mark.spool);
    assert_false(read.has_identity);
    mark.has_identity = true;
    for (unsigned i = 0; i < sizeof(mark.identity); i++)
        mark.identity[i] = (uint8_t)(0xf0 + i * 17);
    assert_true(span_mark_write(text, &mark));
    assert_true(span_mark_read(&again, text));
    assert_true(again.has_identity && again.pid == mark.pid && strcmp(again.spool, mark.spool) == 0);
    assert_memory_equal(again.identity, mark.identity, sizeof(mark.identity));
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        assert_false(span_mark_read(&read, none[i]));
    memset(spool, 'a', sizeof(spool));
    spool[sizeof(spool) - 1] = '\0';
    mark.spool = spool;
    assert_false(span_mark_write(text, &mark)); /* too long for a journal's head, too */
    spool[sizeof(spool) - 2] = '\0';
    mark.pid = mark.pid_namespace = UINT64_MAX;
    assert_true(span_mark_write(text, &mark));
    assert_true(span_mark_read(&read, text));
    assert_string_equal(read.spool, spool);
}

/* Names that processes beside each other try do not meet, and the second one is another one. */
static void test_names(void **state)
{
    char one[SPAN_MARK_NAME_BYTES], other[SPAN_MARK_NAME_BYTES];
    static bool seen[SPAN_MARK_SLOTS];
    (void)state;
    for (unsigned i = 0; i < SPAN_MARK_SLOTS; i++) {
        const struct span_mark mark = {.pid = 30000 + i, .pid_namespace = 4026531836};
        span_mark_name(one, &mark, 0);
        span_mark_name(other, &mark, 1);
        assert_string_not_equal(one, other);
        assert_int_equal(strspn(one, "0123456789abcdef"), 3);
        const unsigned long slot = strtoul(one, NULL, 16);
        assert_false(seen[slot]);
        seen[slot] = true;
    }
}

static bool nothing_unread(void)
{
    return false;
}

static bool something_unread(void)
{
    return true;
}

/* Whether the link is there, with its text. */
static bool stands(const struct mark *mark)
{
    char text[SPAN_MARK_TEXT_BYTES] = "";
    return readlink(mark->path, text, sizeof(text) - 1) > 0 && strcmp(text, mark->text) == 0;
}

static void test_stands_as_long_as_it_is_needed(void **state)
{
    static struct mark mark;
    (void)state;
    memset(&mark, 0, sizeof(mark));
    errno = 77;
    mark_set(&mark);
    assert_int_equal(errno, 77);
    assert_true(stands(&mark));
    mark_turn(&mark, MARK_NEEDED, nothing_unread);
    assert_true(stands(&mark));
    mark_turn(&mark, MARK_NOTHING, something_unread); /* a call came in meanwhile */
    assert_true(stands(&mark));
    mark_turn(&mark, MARK_NOTHING, nothing_unread);
    assert_false(stands(&mark));
    mark_set(&mark);
    assert_true(stands(&mark)); /* the next call */
    mark_turn(&mark, MARK_KNOWN, nothing_unread);
    assert_false(stands(&mark));
    mark_set(&mark);
    assert_false(stands(&mark)); /* somebody knows of this process */
    mark_turn(&mark, MARK_NEEDED, nothing_unread);
    assert_true(stands(&mark)); /* nobody does any more */
    mark_turn(&mark, MARK_KNOWN, nothing_unread);
    assert_false(stands(&mark));
    assert_int_equal(mark.failures, 0);
}

/* Whose identity the mark says, until somebody may have heard of it: what is made then stands for
 * what came later. */
static void test_says_who_it_is(void **state)
{
    static struct mark mark;
    struct span_mark read;
    uint8_t identity[16];
    (void)state;
    memset(&mark, 0, sizeof(mark));
    mark_set(&mark);
    memcpy(identity, mark.identity, sizeof(identity));
    mark_turn(&mark, MARK_NOTHING, nothing_unread);
    mark_set(&mark);
    assert_true(span_mark_read(&read, mark.text));
    assert_true(read.has_identity);
    assert_memory_equal(read.identity, identity, sizeof(identity));
    mark_turn(&mark, MARK_KNOWN, nothing_unread);
    mark_turn(&mark, MARK_NEEDED, nothing_unread);
    assert_true(stands(&mark) && span_mark_read(&read, mark.text));
    assert_false(read.has_identity);
    mark_turn(&mark, MARK_NOTHING, nothing_unread);
}

/* Another user's directory, or a link of theirs to one of ours: no collector looks there, and
 * nothing is made there. */
static void test_directory_of_others(void **state)
{
    static struct mark mark[2];
    char elsewhere[] = "/tmp/pprof-mark-XXXXXX";
    (void)state;
    memset(mark, 0, sizeof(mark));
    foreign = true;
    mark_set(&mark[0]);
    foreign = false;
    assert_int_equal(mark[0].failures, 1);
    assert_int_equal(rmdir(directory), 0); /* nothing is in it */
    assert_non_null(mkdtemp(elsewhere));
    assert_int_equal(symlink(elsewhere, directory), 0);
    mark_set(&mark[1]);
    assert_int_equal(mark[1].failures, 1);
    assert_int_equal(unlink(directory), 0);
    assert_int_equal(rmdir(elsewhere), 0);
    assert_int_equal(mkdir(directory, 0700), 0);
}

/* Where none can be made, that is counted, once, and nothing else happens. */
static void test_no_directory(void **state)
{
    static struct mark mark;
    (void)state;
    memset(&mark, 0, sizeof(mark));
    assert_int_equal(rmdir(directory), 0);
    const int file = open(directory, O_CREAT | O_EXCL | O_WRONLY, 0600); /* no directory */
    assert_true(file >= 0);
    errno = 77;
    mark_set(&mark);
    mark_set(&mark);
    assert_int_equal(errno, 77);
    mark_turn(&mark, MARK_NEEDED, nothing_unread);
    assert_int_equal(mark.failures, 1);
    mark_turn(&mark, MARK_NOTHING, nothing_unread);
    assert_int_equal(close(file), 0);
    assert_int_equal(unlink(directory), 0);
    mark_set(&mark); /* it makes the directory that is missing */
    assert_true(stands(&mark));
    mark_turn(&mark, MARK_NOTHING, nothing_unread);
    assert_int_equal(mark.failures, 1);
}

/* Others of the same number, in other namespaces, or what earlier ones left: never theirs is
 * removed. */
static void test_slots_that_are_taken(void **state)
{
    static struct mark mark[3];
    (void)state;
    memset(mark, 0, sizeof(mark));
    for (int i = 0; i < 3; i++)
        mark_set(&mark[i]);
    assert_true(stands(&mark[0]) && stands(&mark[1]));
    assert_string_not_equal(mark[0].path, mark[1].path);
    assert_int_equal(mark[2].failures, 1); /* said, as journals are that cannot be made */
    mark_turn(&mark[2], MARK_KNOWN, nothing_unread);
    assert_true(stands(&mark[0]) && stands(&mark[1]));
    /* A collector took it, and somebody else has the slot. */
    assert_int_equal(unlink(mark[0].path), 0);
    assert_int_equal(symlink("1 2 0 - ", mark[0].path), 0);
    mark_turn(&mark[0], MARK_KNOWN, nothing_unread);
    struct stat st;
    assert_int_equal(lstat(mark[0].path, &st), 0);
    assert_int_equal(unlink(mark[0].path), 0);
    mark_turn(&mark[1], MARK_KNOWN, nothing_unread);
    assert_false(stands(&mark[1]));
}

/* Only of the dead, and of other namespaces long after; never of those that live. */
static void test_who_is_dead(void **state)
{
    struct stat st;
    const time_t now = time(NULL);
    (void)state;
    assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    const struct span_mark dead = {.pid = (uint64_t)child, .pid_namespace = st.st_ino, .spool = ""};
    const struct span_mark living = {.pid = (uint64_t)getpid(), .pid_namespace = st.st_ino, .spool = ""};
    const struct span_mark elsewhere = {.pid = (uint64_t)child, .pid_namespace = st.st_ino + 1, .spool = ""};
    const struct span_mark unknown = {.pid = (uint64_t)child, .spool = ""};
    assert_true(journal_mark_is_over(&dead, now));
    assert_false(journal_mark_is_over(&living, now) || journal_mark_is_over(&living, now - 100000));
    assert_false(journal_mark_is_over(&elsewhere, now) || journal_mark_is_over(&unknown, now));
    assert_true(journal_mark_is_over(&elsewhere, now - JOURNAL_ORPHAN_S - 1));
    assert_true(journal_mark_is_over(&unknown, now - JOURNAL_ORPHAN_S - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_stands_as_long_as_it_is_needed),
        cmocka_unit_test(test_says_who_it_is),
        cmocka_unit_test(test_directory_of_others),
        cmocka_unit_test(test_no_directory),
        cmocka_unit_test(test_slots_that_are_taken),
        cmocka_unit_test(test_who_is_dead),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
