/*
 * What a later version wrote, told apart from damage: frames, blocks, spool files, journals,
 * stores. It stays where it is, is counted, and those who meet it say so and what to do. A flipped
 * bit in a version's number is damage.
 */
#include "collector_tests.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <sqlite3.h>

#include "collector/listen/listen.h"
#include "collector/listen/waiting.h"
#include "span/journal.h"
#include "span/varint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static char top[64], spool[128], file[128];
static struct store *store;

static int set_up(void **state)
{
    (void)state;
    test_directory(top);
    snprintf(spool, sizeof(spool), "%s/libpprof/spool", top); /* where it is with XDG_STATE_HOME=top */
    snprintf(file, sizeof(file), "%s/libpprof", top);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(mkdir(spool, 0700), 0);
    snprintf(file, sizeof(file), "%s/libpprof/pprof.db", top);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    store_close(store);
    snprintf(command, sizeof(command), "rm -r %s", top);
    return system(command);
}

/* ---- made by a later version ---- */

/* The header's checksum stands at its end in every version. */
static void frame_of_version(struct span_buffer *frame, size_t at, uint8_t version)
{
    frame->data[at + 4] = version;
    span_store64(frame->data + at + 104, XXH3_64bits(frame->data + at, 104));
}

/* A frame whose block has a later format; both checksums are right. */
static void block_of_format(struct span_buffer *frame, uint8_t format)
{
    uint8_t *payload = frame->data + SPAN_FRAME_HEADER_BYTES;
    payload[0] = format;
    span_store64(frame->data + 96, XXH3_64bits(payload, frame->bytes - SPAN_FRAME_HEADER_BYTES));
    frame_of_version(frame, 0, 1);
}

enum { JOURNAL = SPAN_JOURNAL_BYTES };
enum newer { NOTHING, HEAD, FRAME, BLOCK };

/* A journal of process 2 with two frames in its ring; what of it is of a later version. */
static void make_journal(uint8_t journal[JOURNAL], enum newer newer)
{
    struct span_journal_head head = {0};
    struct span_process process;
    struct span_buffer greeting, frame, second;
    memset(journal, 0, JOURNAL);
    test_process(&process, 2);
    memcpy(head.identity, process.identity, sizeof(head.identity));
    span_buffer_init(&greeting, SPAN_JOURNAL_GREETING_BYTES);
    span_buffer_init(&frame, SPAN_JOURNAL_RING_BYTES);
    test_greeting(&greeting, 2);
    span_buffer_init(&second, SPAN_JOURNAL_RING_BYTES);
    test_frame(&frame, 2, 1);
    test_frame(&second, 2, 2);
    if (newer == FRAME)
        frame_of_version(&second, 0, 2);
    if (newer == BLOCK)
        block_of_format(&second, 2);
    span_buffer_append(&frame, "\0\0\0\0\0\0\0", (8 - frame.bytes % 8) % 8); /* frames lie on multiples of 8 */
    span_buffer_append(&frame, second.data, second.bytes);
    assert_int_equal(span_journal_head_write(journal, &head, greeting.data, greeting.bytes), 0);
    journal[4] = newer == HEAD ? 2 : 1;
    span_store64(journal + 96, XXH3_64bits(journal, 96) ^ XXH3_64bits(journal + 256, 5376 - 256));
    span_journal_pending_write(journal + SPAN_JOURNAL_AT_PENDING, 3, UINT64_C(2) * ROWS_PER_FRAME);
    memcpy(journal + SPAN_JOURNAL_AT_RING, frame.data, frame.bytes);
    span_buffer_done(&greeting);
    span_buffer_done(&frame);
    span_buffer_done(&second);
}

static void write_file(const char *name, const void *data, size_t bytes)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", spool, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, data, bytes), bytes);
    close(fd);
}

static bool is_there(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", spool, name);
    return access(path, F_OK) == 0;
}

static struct listen_stats collect(void)
{
    const struct listen_config config = {.spool_dir = spool, .store = store};
    struct listener *listener;
    struct listen_stats stats;
    assert_int_equal(listen_open(&config, &listener), 0);
    assert_true(listen_spool(listener) >= 0);
    listen_get_stats(listener, &stats);
    assert_int_equal(listen_close(listener), 0);
    return stats;
}

static void expect_in_store(uint64_t spans, uint64_t damaged)
{
    struct store_totals totals;
    struct store_loss loss;
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, spans);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_spool_damaged] + loss.events[STORE_LOSS_mapping_damaged] +
                         loss.events[STORE_LOSS_frame_rejected] + loss.events[STORE_LOSS_stream_damaged],
                     damaged);
}

/* ---- each kind ---- */

static void test_blocks(void **state)
{
    struct span_buffer frame;
    struct span_frame read;
    struct span_block_view view;
    struct span_process process;
    bool repeat = false;
    (void)state;
    test_process(&process, 0);
    span_buffer_init(&frame, SPAN_FRAME_PAYLOAD_MAX);
    test_frame(&frame, 0, 1);
    block_of_format(&frame, 2);
    assert_true(span_frame_read(&read, frame.data, frame.bytes) > 0);
    assert_int_equal(span_block_open(&view, read.payload, read.payload_bytes), SPAN_BLOCK_TOO_NEW);
    assert_int_equal(store_begin(store), STORE_OK);
    assert_int_equal(store_take_process(store, &process), STORE_OK);
    assert_int_equal(store_take_frame(store, &read, &repeat), STORE_OTHER_VERSION);
    block_of_format(&frame, 0);
    assert_true(span_frame_read(&read, frame.data, frame.bytes) > 0);
    assert_int_equal(span_block_open(&view, read.payload, read.payload_bytes), SPAN_BLOCK_BAD);
    assert_int_equal(store_take_frame(store, &read, &repeat), STORE_DAMAGED);
    store_rollback(store);
    span_buffer_done(&frame);
    expect_in_store(0, 0);
}

/* Over a socket: the sender keeps it, so nothing is lost, and nothing is acknowledged. */
static void test_frames(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct span_buffer bytes;
    struct listener *listener;
    struct listen_stats stats;
    struct store_loss loss;
    (void)state;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", top);
    const struct listen_config config = {.socket_path = address.sun_path, .store = store};
    assert_int_equal(listen_open(&config, &listener), 0);
    for (int kind = 0; kind < 2; kind++) {
        char byte;
        span_buffer_init(&bytes, 4 * SPAN_FRAME_PAYLOAD_MAX);
        test_greeting(&bytes, 0);
        const size_t at = bytes.bytes;
        struct span_buffer frame;
        span_buffer_init(&frame, SPAN_FRAME_PAYLOAD_MAX);
        test_frame(&frame, 0, 1);
        if (kind == 0)
            block_of_format(&frame, 2);
        span_buffer_append(&bytes, frame.data, frame.bytes);
        if (kind == 1)
            frame_of_version(&bytes, at, 2);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(send(fd, bytes.data, bytes.bytes, 0), bytes.bytes);
        do {
            assert_int_equal(listen_turn(listener, 100), 0);
            listen_get_stats(listener, &stats);
        } while (stats.connections == (uint64_t)kind || stats.connected > 0);
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        close(fd);
        span_buffer_done(&frame);
        span_buffer_done(&bytes);
    }
    assert_int_equal(stats.too_new, 2);
    assert_int_equal(stats.damaged, 0);
    assert_int_equal(listen_close(listener), 0);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_frame_too_new], 2);
    expect_in_store(0, 0);
}

/* From its beginning, from a frame on, from a block on; a flipped bit is none of these. */
static void test_spool_files(void **state)
{
    struct span_buffer bytes, frame;
    struct waiting waiting;
    char path[256];
    (void)state;
    span_buffer_init(&bytes, 8 * SPAN_FRAME_PAYLOAD_MAX);
    span_buffer_init(&frame, SPAN_FRAME_PAYLOAD_MAX);
    test_greeting(&bytes, 1);
    const size_t first = bytes.bytes;
    test_frame(&bytes, 1, 1);
    const size_t second = bytes.bytes;
    test_frame(&bytes, 1, 2);
    frame_of_version(&bytes, 0, 2);
    write_file("begins.frames", bytes.data, bytes.bytes);
    frame_of_version(&bytes, 0, 1);
    frame_of_version(&bytes, second, 2);
    write_file("later.frames", bytes.data, bytes.bytes);
    test_frame(&frame, 1, 2);
    block_of_format(&frame, 2);
    memcpy(bytes.data + second, frame.data, frame.bytes);
    write_file("block.part", bytes.data, bytes.bytes);
    for (int twice = 0; twice < 2; twice++) {
        const struct listen_stats stats = collect();
        assert_int_equal(stats.newer, 3);
        assert_int_equal(stats.files + stats.damaged + stats.store_failures, 0);
        assert_true(is_there("begins.frames") && is_there("later.frames") && is_there("block.part"));
        expect_in_store(0, 0);
    }
    waiting_look(&waiting, &(struct journal_reader){.spool = spool, .said = true}, 1, NULL);
    assert_int_equal(waiting.newer, 1);
    assert_int_equal(waiting.spool_files, 2); /* nobody reads on to tell */
    snprintf(path, sizeof(path), "%s/block.part", spool);
    assert_int_equal(unlink(path), 0); /* its frame would be a repeat, of any version */
    /* The same file, whole; then one bit of the number of the version alone. */
    bytes.bytes = second;
    test_frame(&bytes, 1, 2);
    write_file("later.frames", bytes.data, bytes.bytes);
    assert_int_equal(collect().files, 1);
    expect_in_store(2 * ROWS_PER_FRAME, 0);
    bytes.data[first + 4] ^= 2;
    write_file("flipped.frames", bytes.data, bytes.bytes);
    assert_int_equal(collect().newer, 1);
    assert_true(is_there("flipped.frames.damaged"));
    expect_in_store(2 * ROWS_PER_FRAME, 1);
    span_buffer_done(&bytes);
    span_buffer_done(&frame);
}

/* From its head, from a frame or from a block on: nothing of it is taken in, not what comes before
 * either. */
static void test_journals(void **state)
{
    static uint8_t journal[JOURNAL];
    struct waiting waiting;
    char path[256];
    (void)state;
    make_journal(journal, HEAD);
    write_file("head.live", journal, sizeof(journal));
    make_journal(journal, FRAME);
    write_file("frame.live", journal, sizeof(journal));
    make_journal(journal, BLOCK);
    write_file("block.live", journal, sizeof(journal));
    for (int twice = 0; twice < 2; twice++) {
        const struct listen_stats stats = collect();
        assert_int_equal(stats.newer, 3);
        assert_int_equal(stats.journals + stats.damaged + stats.store_failures, 0);
        assert_true(is_there("head.live") && is_there("frame.live") && is_there("block.live"));
        expect_in_store(0, 0);
    }
    waiting_look(&waiting, &(struct journal_reader){.spool = spool, .said = true}, 1, NULL);
    assert_int_equal(waiting.newer, 1);
    assert_int_equal(waiting.damaged, 0);
    snprintf(path, sizeof(path), "%s/block.live", spool);
    assert_int_equal(unlink(path), 0); /* as above */
    make_journal(journal, NOTHING);
    write_file("frame.live", journal, sizeof(journal));
    assert_int_equal(collect().journals, 1);
    expect_in_store(UINT64_C(2) * ROWS_PER_FRAME, 0);
    journal[4] ^= 2;
    write_file("frame.live", journal, sizeof(journal));
    assert_int_equal(collect().newer, 1);
    assert_true(is_there("frame.live.damaged"));
    expect_in_store(UINT64_C(2) * ROWS_PER_FRAME, 1);
}

static void test_stores(void **state)
{
    static const struct {
        uint8_t version;
        const char *word;
    } each[] = {{STORE_VERSION + 1, "a later version"}, {STORE_OLDEST - 1, "an earlier version"}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct store *other;
        char path[160];
        snprintf(path, sizeof(path), "%s/%d.db", top, i);
        assert_int_equal(store_open(path, STORE_WRITE, &other), STORE_OK);
        store_close(other);
        int fd = open(path, O_WRONLY);
        assert_int_equal(pwrite(fd, &each[i].version, 1, 63), 1); /* the last byte of user_version */
        close(fd);
        for (int mode = STORE_READ; mode <= STORE_WRITE; mode++) {
            assert_int_equal(store_open(path, mode, &other), STORE_OTHER_VERSION);
            assert_non_null(strstr(store_why(), each[i].word));
        }
    }
}

/* ---- what is said ---- */

static void expect_said(const char *command, const char *words)
{
    static char said[65536];
    char whole[512];
    snprintf(whole, sizeof(whole), "env -u LD_PRELOAD XDG_STATE_HOME=%s XDG_RUNTIME_DIR=%s HOME=%s %s 2>&1", top, top,
             top, command);
    FILE *out = popen(whole, "r");
    said[fread(said, 1, sizeof(said) - 1, out)] = '\0';
    (void)pclose(out);
    if (strstr(said, words) == NULL)
        fail_msg("%s\nsays: %s\nand not: %s", whole, said, words);
}

/* The folder of a run whose programs had a later version: no word of "tries again". */
static void test_a_run_of_a_later_version(void **state)
{
    struct span_buffer frame;
    char command[512], path[256], real[PATH_MAX], mark[PATH_MAX + 16];
    (void)state;
    assert_non_null(realpath(file, real));
    snprintf(path, sizeof(path), "%s/libpprof/runs", top);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(spool, sizeof(spool), "%s/libpprof/runs/0123456789abcdef0123456789abcdef", top);
    assert_int_equal(mkdir(spool, 0700), 0);
    snprintf(mark, sizeof(mark), "0 0 0 %s", real);
    write_file("run", (const uint8_t *)mark, strlen(mark));
    span_buffer_init(&frame, SPAN_FRAME_PAYLOAD_MAX);
    test_frame(&frame, 0, 1);
    frame_of_version(&frame, 0, 2);
    write_file("one.frames", frame.data, frame.bytes);
    snprintf(command, sizeof(command), PPROFCTL " report %s", file);
    expect_said(command, "a later version of libpprof wrote them; upgrade this one");
    frame.bytes = 0;
    test_greeting(&frame, 0);
    const size_t second = frame.bytes; /* not to be seen by a look at the beginning */
    test_frame(&frame, 0, 1);
    frame_of_version(&frame, second, 2);
    write_file("one.frames", frame.data, frame.bytes);
    expect_said(command, "a later version of libpprof wrote them; upgrade this one");
    assert_true(is_there("one.frames"));
    span_buffer_done(&frame);
}

static void test_it_is_said(void **state)
{
    static uint8_t journal[JOURNAL];
    struct span_buffer frame;
    char command[512];
    (void)state;
    make_journal(journal, HEAD);
    write_file("one.live", journal, sizeof(journal));
    span_buffer_init(&frame, SPAN_FRAME_PAYLOAD_MAX);
    test_frame(&frame, 0, 1);
    frame_of_version(&frame, 0, 2);
    write_file("two.frames", frame.data, frame.bytes);
    expect_said(PPROFD " --once",
                "2 files are left where they are, as a later version of libpprof wrote them: upgrade pprofd");
    snprintf(command, sizeof(command), PPROFCTL " check %s", file);
    expect_said(command, "Not taken in: 2 files that a later version of libpprof wrote; upgrade pprofd");
    snprintf(command, sizeof(command), PPROFCTL " dump %s/one.live", spool);
    expect_said(command, "is a journal of a later version; use that version's pprofctl");
    snprintf(command, sizeof(command), PPROFCTL " dump %s/two.frames", spool);
    expect_said(command, "a frame of a later version at byte 0; use that version's pprofctl");
    frame_of_version(&frame, 0, 1);
    block_of_format(&frame, 2);
    write_file("two.frames", frame.data, frame.bytes);
    expect_said(command, "NEWER: a later version of libpprof wrote this block");
    /* One that got into the store all the same. */
    test_fill(store, 1, 1, 1);
    struct sqlite3 *db = store_sqlite(store);
    assert_int_equal(sqlite3_exec(db, "UPDATE block SET raw=x'02'||substr(raw,2)", NULL, NULL, NULL), SQLITE_OK);
    snprintf(command, sizeof(command), PPROFCTL " check %s", file);
    expect_said(command, "a later version of libpprof wrote it; that version reads it");
    span_buffer_done(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_blocks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spool_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_journals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_run_of_a_later_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
