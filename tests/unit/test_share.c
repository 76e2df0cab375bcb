/* Shares: no process and no other user takes the collector's time, memory or connections from the
 * rest. */
#include "collector_tests.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "collector/listen/listen_inner.h"

enum { MINE = 1, OTHER = 4242, THIRD = 4243 };

static struct listener listener;

static int setup(void **state)
{
    (void)state;
    memset(&listener, 0, sizeof(listener));
    listener.epoll = epoll_create1(EPOLL_CLOEXEC);
    return listener.epoll < 0;
}

/* Nobody is there any more, and the shares of time go by: nothing may be left. */
static int teardown(void **state)
{
    (void)state;
    for (uint64_t i = 1; i < 10; i++)
        (void)listen_share_turn(&listener, listener.share_ns + i * UINT64_C(100000000000));
    for (size_t i = 0; i < LISTEN_PARTY_SLOTS; i++)
        assert_null(listener.party[i]);
    close(listener.epoll);
    return 0;
}

static uint32_t user(int which)
{
    return which == MINE ? (uint32_t)geteuid() : (uint32_t)which;
}

static int join(struct connection *connection, int who, uint32_t pid)
{
    memset(connection, 0, sizeof(*connection));
    connection->fd = -1;
    return listen_share_join(&listener, connection, user(who), pid);
}

static void test_connections(void **state)
{
    static struct connection made[LISTEN_USER_CONNECTIONS_MAX + 1], more;

    (void)state;
    for (uint32_t i = 0; i < LISTEN_PROCESS_CONNECTIONS_MAX; i++)
        assert_int_equal(join(&made[i], MINE, 7), 0);
    assert_int_equal(join(&more, MINE, 7), -1); /* one process */
    assert_int_equal(join(&more, MINE, 8), 0);  /* another one of the same user */
    listen_share_leave(&listener, &more);
    for (uint32_t i = 0; i < LISTEN_PROCESS_CONNECTIONS_MAX; i++)
        listen_share_leave(&listener, &made[i]);
    for (uint32_t i = 0; i < LISTEN_USER_CONNECTIONS_MAX; i++)
        assert_int_equal(join(&made[i], OTHER, i), 0);
    assert_int_equal(join(&more, OTHER, 99999), -1); /* one user, whatever its processes */
    assert_int_equal(join(&more, THIRD, 1), 0);
    listen_share_leave(&listener, &more);
    for (uint32_t i = 0; i < LISTEN_USER_CONNECTIONS_MAX; i++)
        listen_share_leave(&listener, &made[i]);
}

static void test_memory(void **state)
{
    struct connection c[8];
    const size_t four = 4 << 20;
    unsigned got = 0;

    (void)state;
    assert_int_equal(join(&c[0], MINE, 7), 0);
    while (listen_share_buffer(&listener, &c[0], got * four, (got + 1) * four))
        got++;
    assert_int_equal(got * four, LISTEN_PROCESS_BUFFERS_MAX);
    assert_int_equal(join(&c[1], MINE, 8), 0); /* who comes after it has room */
    assert_true(listen_share_buffer(&listener, &c[1], 0, four));
    assert_true(listen_share_buffer(&listener, &c[1], four, 0));
    assert_true(listen_share_buffer(&listener, &c[0], got * four, 0));
    assert_int_equal(listener.buffer_bytes, 0);
    got = 0;
    for (uint32_t i = 2; i < 8; i++) {
        assert_int_equal(join(&c[i], OTHER, i), 0);
        got += listen_share_buffer(&listener, &c[i], 0, LISTEN_PROCESS_BUFFERS_MAX);
    }
    assert_int_equal((size_t)got * LISTEN_PROCESS_BUFFERS_MAX, LISTEN_USER_BUFFERS_MAX);
    for (uint32_t i = 2; i < 2 + got; i++)
        assert_true(listen_share_buffer(&listener, &c[i], LISTEN_PROCESS_BUFFERS_MAX, 0));
    for (uint32_t i = 0; i < 8; i++)
        listen_share_leave(&listener, &c[i]);
}

static void test_time(void **state)
{
    const uint64_t share_ns = LISTEN_SHARE_MS * UINT64_C(1000000), busy_ns = LISTEN_SHARE_BUSY_MS * UINT64_C(1000000);
    struct connection flood, honest, other;
    uint64_t now_ns = 10 * share_ns;

    (void)state;
    assert_int_equal(join(&flood, MINE, 7), 0);
    assert_int_equal(join(&honest, MINE, 8), 0);
    assert_int_equal(join(&other, OTHER, 9), 0);
    listener.connections = &flood;
    flood.next = &honest;
    honest.next = &other;
    (void)listen_share_turn(&listener, now_ns);
    listen_share_spent(&listener, &flood, (struct listen_cost){.ns = 2 * busy_ns, .bytes = 1000});
    assert_false(flood.parked); /* nobody else wants anything */
    listen_share_spent(&listener, &honest, (struct listen_cost){.ns = 1000, .bytes = 1000});
    listen_share_spent(&listener, &flood, (struct listen_cost){.ns = 1000, .bytes = 1000});
    assert_true(flood.parked);
    assert_false(honest.parked);
    assert_false(listen_share_turn(&listener, now_ns + share_ns - 1));
    assert_true(flood.parked);
    assert_true(listen_share_turn(&listener, now_ns += share_ns));
    assert_false(flood.parked);
    /* Another user with many processes is one user. */
    for (uint32_t pid = 100; pid < 160; pid++) {
        struct connection many;

        assert_int_equal(join(&many, OTHER, pid), 0);
        listen_share_spent(&listener, &many, (struct listen_cost){.ns = busy_ns / 50, .bytes = 10});
        listen_share_leave(&listener, &many);
    }
    listen_share_spent(&listener, &honest, (struct listen_cost){.ns = 1000, .bytes = 1000});
    listen_share_spent(&listener, &other, (struct listen_cost){.ns = 1000, .bytes = 10});
    assert_true(other.parked);
    assert_true(listen_share_turn(&listener, now_ns += share_ns));
    assert_int_equal(listener.parked, 0);
    listener.connections = NULL;
    listen_share_leave(&listener, &flood);
    listen_share_leave(&listener, &honest);
    listen_share_leave(&listener, &other);
}

/* A commit's time is its senders', in proportion to the work that they gave it; what was too much
 * is owed. */
static void test_commits(void **state)
{
    const uint64_t share_ns = LISTEN_SHARE_MS * UINT64_C(1000000), busy_ns = LISTEN_SHARE_BUSY_MS * UINT64_C(1000000);
    struct connection flood, honest, hung_up;
    uint64_t now_ns = 10 * share_ns;

    (void)state;
    assert_int_equal(join(&flood, OTHER, 7), 0);
    assert_int_equal(join(&honest, THIRD, 8), 0);
    listener.connections = &flood;
    flood.next = &honest;
    (void)listen_share_turn(&listener, now_ns);
    listen_share_spent(&listener, &flood, (struct listen_cost){.ns = 10, .work = 3000000});
    listen_share_spent(&listener, &honest, (struct listen_cost){.ns = 10, .work = 1000000});
    assert_int_equal(listener.parked, 0);
    listen_share_committed(&listener, 4 * busy_ns);
    assert_int_equal(flood.user->busy_ns, 10 + 3 * busy_ns);
    assert_int_equal(flood.process->busy_ns, 10 + 3 * busy_ns);
    assert_int_equal(honest.user->busy_ns, 10 + busy_ns);
    assert_true(flood.parked);
    listen_share_committed(&listener, 4 * busy_ns); /* nobody owes anything any more */
    assert_int_equal(flood.user->busy_ns, 10 + 3 * busy_ns);
    /* Paid off at half of each share, also by who hangs up and comes again. */
    listen_share_leave(&listener, &flood);
    for (unsigned shares = 0; shares < 3; shares++) {
        assert_true(listen_share_turn(&listener, now_ns += share_ns));
        listener.connections = &honest;
        listen_share_spent(&listener, &honest, (struct listen_cost){.ns = 1});
        assert_int_equal(join(&flood, OTHER, 7), 0);
        listener.connections = &flood;
        flood.next = &honest;
        listen_share_spent(&listener, &flood, (struct listen_cost){.ns = 1});
        assert_int_equal(flood.parked, shares < 2);
        listen_share_leave(&listener, &flood);
    }
    /* The merge to come is paid at once. */
    (void)listen_share_turn(&listener, now_ns += 100 * share_ns);
    listener.connections = &honest;
    assert_int_equal(join(&flood, OTHER, 7), 0);
    listen_share_spent(&listener, &honest, (struct listen_cost){.ns = 1});
    listen_share_spent(&listener, &flood, (struct listen_cost){.ns = 1, .spans = busy_ns / LISTEN_MERGE_NS});
    assert_true(flood.parked);
    listen_share_leave(&listener, &flood);
    /* Who hung up before the commit pays too. */
    (void)listen_share_turn(&listener, now_ns += 100 * share_ns);
    assert_int_equal(join(&hung_up, OTHER, 9), 0);
    listen_share_spent(&listener, &hung_up, (struct listen_cost){.ns = 1, .work = 1});
    listen_share_leave(&listener, &hung_up);
    assert_true(listen_share_turn(&listener, now_ns += share_ns));
    listen_share_spent(&listener, &honest, (struct listen_cost){.ns = 1});
    listen_share_committed(&listener, busy_ns);
    assert_int_equal(join(&hung_up, OTHER, 9), 0);
    assert_true(hung_up.parked);
    listen_share_leave(&listener, &hung_up);
    listener.connections = NULL;
    listen_share_leave(&listener, &honest);
}

/* What a commit will write is known before: blocks, and a page for each group that changes,
 * once. */
static void test_work_is_counted(void **state)
{
    char directory[64], file[96];
    struct store *store;
    struct span_process process;
    struct span_buffer frame;
    bool repeat;

    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    test_process(&process, 0);
    assert_int_equal(store_begin(store), STORE_OK);
    assert_int_equal(store_take_process(store, &process), STORE_OK);
    span_buffer_init(&frame, SPAN_FRAME_PAYLOAD_MAX);
    test_frame(&frame, 0, 1);
    const uint64_t bytes = frame.bytes - SPAN_FRAME_HEADER_BYTES;
    uint64_t before = store_work(store);
    assert_int_equal(test_take(store, 0, 1, &repeat), STORE_OK);
    const uint64_t first = store_work(store) - before - bytes;
    assert_true(first >= 4096 && first % 4096 == 0 && first <= ROWS_PER_FRAME * UINT64_C(4096));
    before = store_work(store);
    assert_int_equal(test_take(store, 0, 1, &repeat), STORE_OK); /* a repeat is nothing */
    assert_int_equal(store_work(store), before);
    assert_int_equal(store_commit(store), STORE_OK);
    span_buffer_done(&frame);
    store_close(store);
    test_remove(directory);
}

/* Another user cannot fill the disk: so much at once, then a trickle, hanging up or not. */
static void test_bytes(void **state)
{
    uint64_t now_ns = UINT64_C(1000000000000), sent = 0, begin_ns;

    (void)state;
    (void)listen_share_turn(&listener, now_ns);
    begin_ns = now_ns;
    for (int i = 0; i < 3000; i++) {
        struct connection c;

        assert_int_equal(join(&c, OTHER, (uint32_t)i), 0);
        for (int k = 0; k < 100 && !c.parked; k++) {
            listen_share_spent(&listener, &c, (struct listen_cost){.ns = 1, .bytes = LISTEN_READ_BYTES});
            sent += LISTEN_READ_BYTES;
        }
        listen_share_leave(&listener, &c);
        (void)listen_share_turn(&listener, now_ns += UINT64_C(100000000));
    }
    assert_true(sent > LISTEN_USER_BYTES_BURST);
    assert_true(sent < LISTEN_USER_BYTES_BURST + (now_ns - begin_ns) / 1000000000 * (uint64_t)LISTEN_USER_BYTES_PER_S +
                           LISTEN_READ_BYTES);
}

/* Files in a spool that all may drop into: one user's endless ones wait, another's and our own do
 * not. */
static void test_files(void **state)
{
    enum { FILES = 40 };
    unsigned taken = 0;

    (void)state;
    listener.config.socket_path = "/there";
    for (unsigned i = 0; i < FILES; i++)
        taken += listen_share_file(&listener, user(OTHER), LISTEN_USER_BYTES_BURST / 8 + 1);
    assert_int_equal(taken, 8);
    assert_true(listen_share_file(&listener, user(THIRD), UINT64_MAX)); /* counted as what is read of it at most */
    assert_false(listen_share_file(&listener, user(THIRD), 1));
    for (unsigned i = 0; i < FILES; i++) {
        assert_true(listen_share_file(&listener, user(MINE), UINT64_MAX));
        assert_true(listen_share_file(&listener, 0, UINT64_MAX));
    }
    (void)listen_share_turn(&listener, listener.share_ns + UINT64_C(2000000000)); /* there is more again */
    assert_true(listen_share_file(&listener, user(OTHER), LISTEN_USER_BYTES_PER_S * 8));
    assert_false(listen_share_file(&listener, user(OTHER), 1));
    listener.config.socket_path = NULL; /* `pprofd --once`: there is no later */
    assert_true(listen_share_file(&listener, user(OTHER), 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commits, setup, teardown),
        cmocka_unit_test(test_work_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
