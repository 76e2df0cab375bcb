/*
 * The journal's writer, one call at a time: what it makes of its surroundings, what a new file says
 * after an earlier one, and what is read of it.
 */
#include "journal_process.h"

static int fallocate_fails; /* with this */
int __real_fallocate(int fd, int mode, off_t at, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t at, off_t bytes);

int __wrap_fallocate(int fd, int mode, off_t at, off_t bytes)
{
    errno = fallocate_fails;
    return fallocate_fails != 0 ? -1 : __real_fallocate(fd, mode, at, bytes);
}

static bool ready(struct journal *journal, const struct span_buffer *greeting)
{
    const struct span_journal_head head = {.owner = {.pid = (uint64_t)getpid()}};
    const struct journal_place places[JOURNAL_PLACES] = {{.directory = journals}};
    bool fresh;
    journal_init(journal, &head, places, true);
    journal->greeting = greeting->data;
    journal->greeting_bytes = greeting->bytes;
    return journal_ready(journal, 1, 1, 0, &fresh) && fresh;
}

/* A file without room is no journal, a file system that cannot promise any has one all the same;
 * spans of any size are kept as they are; what the collector has is never said to be less than
 * before. */
static void test_single_steps(void **state)
{
    (void)state;
    static struct journal journal;
    static struct span span;
    static char text[SPAN_TEXT_MAX];
    struct span_buffer greeting;
    struct journal_slot slot = {0};
    span_buffer_init(&greeting, 65536);
    test_greeting(&greeting, 0);
    fallocate_fails = ENOSPC;
    assert_false(ready(&journal, &greeting));
    fallocate_fails = EOPNOTSUPP;
    assert_true(ready(&journal, &greeting));
    journal_remove(&journal);
    fallocate_fails = 0;
    assert_true(ready(&journal, &greeting));
    memset(text, 't', sizeof(text));
    span_init(&span);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        if (span_fields[f].type > SPAN_ID64)
            span_set_text(&span, (enum span_field)f, text, sizeof(text));
    assert_true(journal_add(&journal, &span, 0, &slot));
    assert_true(journal.pending_used > SPAN_JOURNAL_PENDING_HEAD + SPAN_ARENA_BYTES / 2);
    uint64_t acked;
    journal_acked(&journal, 5);
    journal_acked(&journal, 3);
    assert_int_equal(journal.acked, 5);
    assert_int_equal(pread(journal.own.fd, &acked, sizeof(acked), SPAN_JOURNAL_AT_ACKED), sizeof(acked));
    assert_int_equal(acked, 5);
    /* A head of which the end is missing is none, whatever lies after. */
    uint8_t head[SPAN_JOURNAL_AT_LOSS];
    struct span_journal_head known;
    assert_int_equal(pread(journal.own.fd, head, sizeof(head), 0), sizeof(head));
    assert_int_equal(span_journal_head_read(&known, head, sizeof(head)), SPAN_JOURNAL_OK);
    assert_int_equal(span_journal_head_read(&known, head, sizeof(head) - 1), SPAN_JOURNAL_BAD);
    assert_int_equal(span_journal_head_read(&known, head, 0), SPAN_JOURNAL_BAD);
    journal_remove(&journal);
    span_buffer_done(&greeting);
}

/* What the collector was heard to say, and that the process lives, is said anew in the file that
 * follows a removed one. */
static void test_a_new_file_says_it_anew(void **state)
{
    (void)state;
    static struct journal journal;
    struct span_buffer greeting;
    uint64_t said[2];
    bool fresh;
    span_buffer_init(&greeting, 65536);
    test_greeting(&greeting, 0);
    assert_true(ready(&journal, &greeting));
    for (unsigned turn = 0; turn < 2; turn++) {
        journal_acked(&journal, 5);
        assert_int_equal(journal.alive_ns, 0); /* so that it is said at the next opportunity */
        journal_alive(&journal, 70 * MS);
        assert_int_equal(pread(journal.own.fd, said, sizeof(said), SPAN_JOURNAL_AT_ACKED), sizeof(said));
        assert_true(said[0] == 5 && said[1] == 70 * MS);
        assert_int_equal(unlink(own_journal()), 0);
        journal_alive(&journal, 71 * MS);
        assert_false(journal_is_open(&journal));
        assert_true(journal_ready(&journal, journal.retry_ns, 6, 0, &fresh) && fresh);
    }
    journal_remove(&journal);
    span_buffer_done(&greeting);
}

/* Of a name that has no room nothing is made; the longest one that has is used. */
static void test_a_long_name(void **state)
{
    (void)state;
    static struct journal journal;
    struct span_buffer greeting;
    char place[SPAN_JOURNAL_PATH_BYTES + 2];
    bool fresh;
    span_buffer_init(&greeting, 65536);
    test_greeting(&greeting, 0);
    assert_true(ready(&journal, &greeting));
    const size_t name = strlen(own_journal()) - strlen(journals);
    journal_remove(&journal);
    for (size_t most = sizeof(journal.file) - 1 - name, bytes = most + 1; bytes >= most; bytes--) {
        const struct journal_place places[JOURNAL_PLACES] = {{.directory = place}};
        memset(place, '/', bytes);
        memcpy(place, journals, strlen(journals));
        place[bytes] = '\0';
        journal_init(&journal, &(struct span_journal_head){.owner = {.pid = (uint64_t)getpid()}}, places, true);
        journal.greeting = greeting.data;
        journal.greeting_bytes = greeting.bytes;
        assert_int_equal(journal_ready(&journal, 1, 1, 0, &fresh), bytes == most);
        assert_int_equal(count_files(journals, "."), bytes == most ? 3 : 2); /* . and .. */
    }
    journal_remove(&journal);
    span_buffer_done(&greeting);
}

/* What the only frame besides the greeting is that the journal gives; its numbers of losses are in
 * *ret_frame. 0: there is none. */
static int frame_of(struct span_frame *ret_frame)
{
    struct span_journal_found found;
    struct span_buffer frames;
    struct span_frame greeting;
    size_t bytes;
    const uint8_t *data = slurp(own_journal(), &bytes);
    span_buffer_init(&frames, 16 << 20);
    assert_int_equal(span_journal_frames(&frames, data, bytes, &found), 0);
    const long first = span_frame_read(&greeting, frames.data, frames.bytes);
    assert_true(first > 0 && greeting.kind == SPAN_FRAME_PROCESS);
    const size_t left = frames.bytes - (size_t)first;
    if (left > 0)
        assert_int_equal(span_frame_read(ret_frame, frames.data + first, left), left);
    span_buffer_done(&frames);
    return left > 0 ? (int)ret_frame->kind : 0;
}

/* Losses of a process that has no call to tell come in a frame of their own, with a call in that of
 * the call. */
static void test_losses_without_calls(void **state)
{
    (void)state;
    static struct journal journal;
    static struct span span;
    struct span_buffer greeting;
    struct span_frame frame;
    span_buffer_init(&greeting, 65536);
    test_greeting(&greeting, 0);
    assert_true(ready(&journal, &greeting));
    assert_int_equal(frame_of(&frame), 0);
    journal_loss(&journal, &(struct span_loss){.spans = 3});
    assert_int_equal(frame_of(&frame), SPAN_FRAME_LOSS);
    assert_true(frame.loss.spans == 3 && frame.sequence == 1);
    make_call(&span, 1);
    assert_true(journal_add(&journal, &span, 0, &(struct journal_slot){0}));
    assert_int_equal(frame_of(&frame), SPAN_FRAME_SPANS);
    assert_true(frame.loss.spans == 3 && frame.sequence == 1);
    journal_remove(&journal);
    span_buffer_done(&greeting);
}

/* The file grows when all of its places for calls in flight are taken, and not before; one that was
 * given back is taken again first. */
static void test_it_grows_when_it_is_full(void **state)
{
    (void)state;
    static struct journal journal;
    static struct span span;
    static struct journal_slot slots[SPAN_JOURNAL_FLIGHTS_FIRST + 1];
    struct span_buffer greeting;
    struct stat st;
    span_buffer_init(&greeting, 65536);
    test_greeting(&greeting, 0);
    assert_true(ready(&journal, &greeting));
    make_call(&span, 1);
    memset(slots, 0, sizeof(slots));
    for (unsigned n = 0; n <= SPAN_JOURNAL_FLIGHTS_FIRST; n++) {
        if (n == SPAN_JOURNAL_FLIGHTS_FIRST) {
            journal_flight_end(&journal, &slots[7]);
            assert_true(journal_flight(&journal, &slots[7], 100, 1, &span));
            assert_int_equal(slots[7].number, 7);
        }
        assert_int_equal(fstat(journal.own.fd, &st), 0);
        assert_int_equal(st.st_size, SPAN_JOURNAL_BYTES);
        assert_true(journal_flight(&journal, &slots[n], n + 1, 1, &span));
        assert_int_equal(slots[n].number, n);
    }
    assert_int_equal(fstat(journal.own.fd, &st), 0);
    assert_int_equal(st.st_size, SPAN_JOURNAL_BYTES + SPAN_JOURNAL_FLIGHTS_FIRST * SPAN_JOURNAL_FLIGHT_BYTES);
    journal_remove(&journal);
    span_buffer_done(&greeting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_single_steps, directories_setup, directories_teardown),
        cmocka_unit_test_setup_teardown(test_a_new_file_says_it_anew, directories_setup, directories_teardown),
        cmocka_unit_test_setup_teardown(test_a_long_name, directories_setup, directories_teardown),
        cmocka_unit_test_setup_teardown(test_losses_without_calls, directories_setup, directories_teardown),
        cmocka_unit_test_setup_teardown(test_it_grows_when_it_is_full, directories_setup, directories_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
