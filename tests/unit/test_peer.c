/* Who may listen at the collector's path: ourselves, root, and those whom only root, we or they can
 * have put there. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/outbox/peer.h"

enum { US = 4711, COLLECTOR = 4712, STRANGER = 4713 };

static char safe[64]; /* below directories that root alone can write */
static char tmp[64];  /* below /tmp */

static int set_up(void **state)
{
    (void)state;
    (void)umask(022);
    strcpy(tmp, "/tmp/test_peer_XXXXXX");
    strcpy(safe, "/run/test_peer_XXXXXX");
    if (mkdtemp(tmp) == NULL)
        return -1;
    if (geteuid() != 0 || mkdtemp(safe) == NULL)
        safe[0] = '\0';
    else
        assert_return_code(chmod(safe, 0755), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)rmdir(tmp);
    if (safe[0] != '\0')
        (void)rmdir(safe);
    return 0;
}

static void need_root(void)
{
    if (safe[0] == '\0') {
        print_message("another owner for a directory needs root: skipped\n");
        skip();
    }
}

/* Whether `peer` may listen in this directory, as it is now. */
static bool in(const char *directory, uid_t peer)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/socket", directory);
    return peer_trusted(peer, US, path);
}

static void own(const char *path, uid_t owner, mode_t mode)
{
    assert_return_code(chown(path, owner, (gid_t)-1), 0);
    assert_return_code(chmod(path, mode), 0);
}

static void test_ourselves_and_root_always(void **state)
{
    (void)state;
    assert_true(peer_trusted(US, US, "/nowhere/socket"));
    assert_true(peer_trusted(0, US, "/tmp/socket"));
    assert_true(peer_trusted(0, 0, ""));
}

static void test_nobody_else_where_anybody_writes(void **state)
{
    (void)state;
    assert_false(peer_trusted(STRANGER, US, "/tmp/socket"));
    assert_false(peer_trusted(STRANGER, 0, "/tmp/socket"));
    assert_false(peer_trusted(STRANGER, US, "socket"));
    assert_false(peer_trusted(STRANGER, US, ""));
    assert_false(peer_trusted(STRANGER, US, "/no/such/directory/socket"));
}

static void test_a_folder_made_anew_in_tmp(void **state)
{
    (void)state;
    need_root();
    own(tmp, STRANGER, 0755);
    assert_false(in(tmp, STRANGER)); /* the folder's owner listens in it, and yet anybody could have made it */
    assert_false(peer_trusted(STRANGER, 0, tmp));
    own(tmp, US, 0755);
    assert_true(in(tmp, COLLECTOR)); /* ours: nobody else can put a socket there */
    own(tmp, US, 0777);
    assert_false(in(tmp, STRANGER));
    own(tmp, US, 01777);
    assert_false(in(tmp, STRANGER));
    own(tmp, 0, 0775);
    assert_false(in(tmp, STRANGER));
    own(tmp, 0, 0700);
}

static void test_a_service_user_of_the_system(void **state)
{
    (void)state;
    need_root();
    own(safe, COLLECTOR, 0755);
    assert_true(in(safe, COLLECTOR));
    assert_false(in(safe, STRANGER)); /* nor does a third get in there */
    own(safe, COLLECTOR, 0775);
    assert_false(in(safe, COLLECTOR)); /* its group writes */
    own(safe, COLLECTOR, 0757);
    assert_false(in(safe, COLLECTOR));
    own(safe, STRANGER, 0755);
    assert_false(in(safe, COLLECTOR));
    own(safe, 0, 0700);
}

static void test_directories_above_and_links(void **state)
{
    char below[128], link[128];
    (void)state;
    need_root();
    (void)snprintf(below, sizeof(below), "%s/below", safe);
    (void)snprintf(link, sizeof(link), "%s/link", safe);
    assert_return_code(mkdir(below, 0755), 0);
    own(below, COLLECTOR, 0755);
    assert_true(in(below, COLLECTOR));
    own(safe, STRANGER, 0755); /* could exchange what is below it */
    assert_false(in(below, COLLECTOR));
    own(safe, 0, 01777);
    assert_false(in(below, COLLECTOR));
    own(safe, 0, 0755);
    assert_return_code(symlink(below, link), 0);
    assert_true(in(link, COLLECTOR)); /* like /var/run */
    assert_return_code(lchown(link, STRANGER, (gid_t)-1), 0);
    assert_false(in(link, COLLECTOR));
    own(safe, 0, 01777);
    assert_return_code(lchown(link, 0, (gid_t)-1), 0);
    assert_false(in(link, COLLECTOR));
    own(safe, 0, 0700);
    assert_return_code(unlink(link), 0);
    assert_return_code(rmdir(below), 0);
}

/* An abstract name anybody takes. Without a number here all look like 65534, also who is that. */
static void test_names_prove_nothing(void **state)
{
    (void)state;
    for (int any_user = 0; any_user < 2; any_user++) {
        assert_true(peer_trusted_by_name(US, US, any_user));
        assert_true(peer_trusted_by_name(0, 0, any_user));
        assert_int_equal(peer_trusted_by_name(0, US, any_user), any_user);
        assert_false(peer_trusted_by_name(STRANGER, US, any_user));
        assert_false(peer_trusted_by_name(STRANGER, 0, any_user));
        assert_false(peer_trusted_by_name(65534, 65534, any_user));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ourselves_and_root_always),   cmocka_unit_test(test_nobody_else_where_anybody_writes),
        cmocka_unit_test(test_a_folder_made_anew_in_tmp),   cmocka_unit_test(test_a_service_user_of_the_system),
        cmocka_unit_test(test_directories_above_and_links), cmocka_unit_test(test_names_prove_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
