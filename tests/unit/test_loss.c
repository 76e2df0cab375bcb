/*
 * Every sentence that claims no loss is true: "Nothing was lost." only where every program said
 * that it was done, everything that it numbered is here, nothing waits and nothing went wrong. Each
 * of these alone takes it away.
 */
#include "collector_tests.h"

#include <sys/wait.h>

#include "collector/query/loss.h"
#include "collector/base/places.h"
#include "collector/listen/waiting.h"

static char directory[64];
static char file[128];
static struct store *store;

static int setup(void **state)
{
    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    return store_open(file, STORE_WRITE, &store);
}

static int teardown(void **state)
{
    (void)state;
    store_close(store);
    test_remove(directory);
    return 0;
}

/* A process that began now, so after the store. */
static void greet(unsigned number, bool after_store)
{
    struct span_process process;
    struct timespec now;

    test_process(&process, number);
    clock_gettime(CLOCK_REALTIME, &now);
    if (after_store)
        process.start_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    assert_int_equal(store_take_process(store, &process), STORE_OK);
}

static void take_loss(unsigned number, uint64_t sequence, unsigned flags, struct span_loss loss)
{
    struct span_frame frame = {.kind = SPAN_FRAME_LOSS, .flags = (uint16_t)flags, .sequence = sequence, .loss = loss};
    struct span_process process;
    bool repeat;

    test_process(&process, number);
    memcpy(frame.identity, process.identity, sizeof(frame.identity));
    assert_int_equal(store_take_frame(store, &frame, &repeat), STORE_OK);
}

static void say(unsigned number, uint64_t sequence, unsigned flags)
{
    take_loss(number, sequence, flags, (struct span_loss){0});
}

static const char *sentence(uint64_t waiting)
{
    static char text[LOSS_SENTENCE_BYTES];
    struct loss loss = {.waiting = waiting};

    assert_int_equal(loss_of_store(&loss, store), STORE_OK);
    assert_int_equal(loss_sentence(text, &loss, " since the store began"), loss_verdict(&loss));
    return text;
}

static void test_what_takes_the_claim_away(void **state)
{
    (void)state;
    /* Who was killed before the first word, or could write nowhere, leaves a store like this. */
    assert_string_equal(sentence(0), "No loss is known of: no program has told this store anything.");
    assert_string_equal(sentence(2),
                        "No loss is known of: no program has told this store anything, 2 files of programs "
                        "wait for pprofd.");
    assert_int_equal(store_begin(store), STORE_OK);
    greet(0, true); /* it runs, or was killed before it sent anything */
    assert_string_equal(sentence(0), "No loss is known of: 1 program has not said that it is done.");
    say(0, 1, 0);
    assert_string_equal(sentence(0), "No loss is known of: 1 program has not said that it is done.");
    say(0, 2, SPAN_FRAME_FINAL);
    assert_string_equal(sentence(0), "Nothing was lost.");
    say(0, 2, SPAN_FRAME_FINAL); /* again, as after a lost acknowledgement */
    assert_string_equal(sentence(0), "Nothing was lost.");
    say(0, 3, 0); /* an exit handler that went on */
    assert_string_equal(sentence(0), "No loss is known of: 1 program has not said that it is done.");
    say(0, 5, SPAN_FRAME_FINAL);
    assert_string_equal(sentence(0), "Lost since the store began: 1 message that never arrived here.");
    say(0, 4, 0); /* from the spool */
    assert_string_equal(sentence(0), "Nothing was lost.");
    greet(1, true); /* its first messages never came */
    say(1, 4, SPAN_FRAME_FINAL);
    assert_string_equal(sentence(0), "Lost since the store began: 3 messages that never arrived here.");
    for (uint64_t s = 1; s < 4; s++)
        say(1, s, 0);
    greet(2, false); /* older than the store: it may have sent them elsewhere */
    say(2, 4, SPAN_FRAME_FINAL);
    assert_string_equal(sentence(0), "No loss is known of: 1 program is older than the store.");
    say(2, 7, SPAN_FRAME_FINAL);
    assert_string_equal(sentence(1), "Lost since the store began: 2 messages that never arrived here. More may be: 1 "
                                     "file of a program waits for pprofd, 1 program is older than the store.");
    assert_int_equal(store_commit(store), STORE_OK);
}

static const char *printed(const char *where)
{
    static char text[4096];
    char command[400];

    snprintf(command, sizeof(command), "env -u LD_PRELOAD HOME=%s %s report --format csv %s/pprof.db %s", directory,
             PPROFCTL, directory, where);
    FILE *out = popen(command, "r");
    text[fread(text, 1, sizeof(text) - 1, out)] = '\0';
    (void)pclose(out);
    return text;
}

/* A table for programs has no place for a sentence: it is said beside it. */
static void test_csv_says_it_beside(void **state)
{
    (void)state;
    assert_int_equal(store_begin(store), STORE_OK);
    greet(0, true);
    assert_int_equal(store_commit(store), STORE_OK);
    assert_string_equal(printed("2>&1 >/dev/null"),
                        "pprofctl: No loss is known of: 1 program has not said that it is done.\n");
    assert_null(strstr(printed("2>/dev/null"), "No loss"));
    assert_int_equal(store_begin(store), STORE_OK);
    say(0, 1, SPAN_FRAME_FINAL);
    assert_int_equal(store_commit(store), STORE_OK);
    assert_string_equal(printed("2>&1 >/dev/null"), "");
}

static void test_what_programs_count(void **state)
{
    (void)state;
    assert_int_equal(store_begin(store), STORE_OK);
    greet(0, true);
    greet(1, true);
    take_loss(0, 1, SPAN_FRAME_FINAL, (struct span_loss){.spans = 1});
    assert_string_equal(sentence(0), "Lost since the store began: 1 finished call. More may be: 1 program has not said "
                                     "that it is done.");
    take_loss(1, 1, SPAN_FRAME_FINAL,
              (struct span_loss){.spans = 2, .exchanges = 1, .tape_records = 4, .tape_bytes = 8192});
    assert_string_equal(sentence(0), "Lost since the store began: 3 finished calls, 1 call that could not be followed, "
                                     "4 pieces of calls (8.0 KiB).");
    assert_int_equal(store_commit(store), STORE_OK);
}

/* Each counter of a process, alone, comes back from the store, takes the claim away, and is said
 * with its number. */
static void test_each_counter_is_said(void **state)
{
    struct span_loss no_loss = {0};

    (void)state;
    for (size_t at = 0; at < SPAN_LOSS_N; at++) {
        uint8_t bytes[SPAN_LOSS_BYTES] = {0};
        char json[4096] = "", want[64];
        struct loss loss = {0};
        struct span_loss counted;
        FILE *out = fmemopen(json, sizeof(json) - 1, "w");

        bytes[8 * at] = 73;
        span_loss_read(&counted, bytes);
        assert_int_equal(store_begin(store), STORE_OK);
        greet(0, true);
        take_loss(0, 1, 0, counted);
        take_loss(0, 2, SPAN_FRAME_FINAL, no_loss); /* later, and less: the largest is the last */
        assert_int_equal(store_commit(store), STORE_OK);
        store_close(store);
        assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
        assert_int_equal(store_loss(store, 0, &loss.known), STORE_OK);
        assert_memory_equal(&loss.known.counted, &counted, sizeof(counted));
        assert_int_not_equal(loss_verdict(&loss), LOSS_NONE);
        assert_non_null(strstr(sentence(0), at == 1 ? "73 B" : "73 "));
        loss_json(out, &loss);
        fclose(out);
        snprintf(want, sizeof(want), ": 73");
        assert_non_null(strstr(json, want));
        teardown(NULL);
        setup(NULL);
    }
}

/* Whatever the collector notes is said, each kind by its name, and it stays when the store is
 * opened again. */
static void test_what_the_collector_notes(void **state)
{
    static const struct {
        const char *ident, *one, *many;
        bool certain;
    } kinds[] = {
#define X(ident, certain, one, many) {#ident, one, many, certain},
        STORE_LOSSES(X)
#undef X
    };

    (void)state;
    for (int k = 0; k < STORE_LOSS_COUNT; k++) {
        char want[200];

        assert_int_equal(store_begin(store), STORE_OK);
        greet(0, true);
        say(0, 1, SPAN_FRAME_FINAL);
        assert_int_equal(store_commit(store), STORE_OK);
        assert_int_equal(store_note_loss(store, (enum store_loss_kind)k, 1, 0), STORE_OK);
        snprintf(want, sizeof(want), "%s 1 %s.",
                 kinds[k].certain ? "Lost since the store began:" : "No loss is known of:", kinds[k].one);
        assert_string_equal(sentence(0), want);
        assert_int_equal(store_begin(store), STORE_OK); /* within a transaction it shares its fate */
        assert_int_equal(store_note_loss(store, (enum store_loss_kind)k, 5, 9), STORE_OK);
        store_rollback(store);
        assert_string_equal(sentence(0), want);
        assert_int_equal(store_note_loss(store, (enum store_loss_kind)k, 2, 4), STORE_OK);
        store_close(store);
        assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
        snprintf(want, sizeof(want), "3 %s", kinds[k].many);
        assert_non_null(strstr(sentence(0), want));
        assert_non_null(strstr(sentence(0), "4 finished calls"));
        teardown(NULL);
        setup(NULL);
    }
}

/* A program that lives, of this environment. */
static pid_t start(const char *variable)
{
    char *const environment[] = {(char *)(uintptr_t)variable, NULL};
    int pipes[2];
    char byte;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)execle("/bin/sleep", "sleep", "1000", NULL, environment);
        _exit(1);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 0); /* its exec closes the other end */
    close(pipes[0]);
    return pid;
}

/* Of a living program there is only a mark, which names another spool than the store's collector
 * has: it counts while it lives where its environment names that collector's socket, or none and
 * that is the default one. */
static void test_marks_of_the_living(void **state)
{
    static const struct {
        const char *variable;
        bool socket_said, counts;
    } cases[] = {{"LIBPPROF_SOCKET=/nowhere/pprofd.sock", true, true},
                 {"LIBPPROF_SOCKET=/nowhere/another.sock", true, false},
                 {"A=B", true, false},
                 {"A=B", false, true}};
    struct places places;
    struct waiting waiting;
    struct stat st;
    (void)state;
    assert_int_equal(setenv("XDG_RUNTIME_DIR", directory, 1), 0);
    places_find(&places);
    for (char *slash = places.path[0] + strlen(directory) + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = '\0';
        (void)mkdir(places.path[0], 0700);
    }
    (void)mkdir(places.path[0], 0700);
    assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[SPAN_MARK_TEXT_BYTES], name[SPAN_MARK_NAME_BYTES], path[PATH_MAX + 32], own[160];
        struct store *noted = NULL;
        const struct store_collector collector = {"/nowhere/spool", "/nowhere/pprofd.sock", true, cases[i].socket_said};
        const pid_t pid = start(cases[i].variable);
        const struct span_mark mark = {
            .pid = (uint64_t)pid, .pid_namespace = st.st_ino, .spool_said = true, .spool = "/another/spool"};
        assert_true(span_mark_write(text, &mark));
        span_mark_name(name, &mark, 0);
        snprintf(path, sizeof(path), "%s/%s", places.path[0], name);
        assert_int_equal(symlink(text, path), 0);
        snprintf(own, sizeof(own), "%s/%zu.db", directory, i);
        assert_int_equal(store_open(own, STORE_WRITE, &noted), STORE_OK);
        assert_int_equal(waiting_of_store(&waiting, noted, own), STORE_OK);
        assert_int_equal(waiting.living + waiting_sum(&waiting), 0); /* nobody is known to write into it */
        assert_int_equal(store_note_collector(noted, &collector), STORE_OK);
        assert_int_equal(waiting_of_store(&waiting, noted, own), STORE_OK);
        /* Programs of other tests may send to a default socket, too. */
        assert_true(cases[i].socket_said ? waiting.living == cases[i].counts : waiting.living >= 1);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(waiting_of_store(&waiting, noted, own), STORE_OK);
        assert_true(waiting.living == 0 || !cases[i].socket_said);
        store_close(noted);
        assert_int_equal(unlink(path), 0);
    }
    while (strcmp(places.path[0], directory) != 0 && rmdir(places.path[0]) == 0)
        *strrchr(places.path[0], '/') = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_takes_the_claim_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_of_the_living, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_programs_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_csv_says_it_beside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_counter_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_the_collector_notes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
