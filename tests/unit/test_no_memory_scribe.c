/*
 * Each allocation of the scribe's thread fails, one child process for each: nobody crashes, each
 * call comes out once or is counted as lost, and what comes later, with memory, is there.
 */
#include "failing.h"
#include "scribe_child.h"

#include <sys/mman.h>

enum { FIRST = 4, LATER = 2 };

static struct {
    long at, failed;
    bool more;
} * run; /* shared with the child */

static int live(void)
{
    failing_begin(run->at, run->more);
    CHECK(scribe_ensure() == 0);
    for (uint64_t i = 1; i <= FIRST; i++)
        write_all(i);
    scribe_finish(20000);
    failing_end();
    run->failed = failing.failed;
    for (uint64_t i = 1; i <= LATER; i++)
        write_all(FIRST + i);
    scribe_finish(20000);
    CHECK(read_spool());
    CHECK(out.rows + out.loss.spans + out.loss.exchanges == FIRST + LATER);
    CHECK(out.rows >= LATER);
    CHECK(out.unfinished == 0);
    return 0;
}

static void test_every_allocation(void **state)
{
    long runs = 0;
    for (int more = 0; more < 2; more++) {
        run->more = more;
        for (run->at = 1;; run->at++) {
            assert_int_equal(set_up(state), 0);
            run->failed = 0;
            assert_child_succeeds(live);
            assert_int_equal(tear_down(state), 0);
            if (run->failed == 0)
                break;
            runs++;
        }
    }
    print_message("%ld runs with failures\n", runs);
    assert_true(runs > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return run == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
