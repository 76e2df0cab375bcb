/* A store's file in a directory of its own, for tests that look at what lies beside it. */
#pragma once

#include "store_tests.h"

static inline const char *beside(const char *tail)
{
    static char name[200];

    snprintf(name, sizeof(name), "%s%s", file, tail);
    return name;
}

static inline unsigned files_like(const char *part)
{
    DIR *at = opendir(directory);
    struct dirent *entry;
    unsigned n = 0;

    assert_non_null(at);
    while ((entry = readdir(at)) != NULL)
        n += strstr(entry->d_name, part) != NULL;
    closedir(at);
    return n;
}

/* Where the log is there, or was not needed, nobody says that it is missing. */
static inline uint64_t logs_missing(struct store *store)
{
    struct store_loss loss;

    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    return loss.events[STORE_LOSS_log_missing];
}

static inline void assert_sound(void)
{
    struct store *store = NULL;
    int status = store_open(file, STORE_READ, &store);

    if (status == STORE_MISSING)
        return; /* killed before there was anything */
    if (status != STORE_OK)
        print_message("%d: %s\n", status, store_why());
    assert_int_equal(status, STORE_OK);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    assert_int_equal(logs_missing(store), 0);
    store_close(store);
    assert_false(store_file_is_broken(file));
}

/* A store as a killed writer leaves it: 2 frames in the file, 2 more only in the log. */
static inline void leave_log(void)
{
    struct store *store = open_store(STORE_WRITE);
    pid_t child;

    test_fill(store, 1, 1, 2);
    store_close(store);
    child = fork();
    if (child == 0) {
        store = open_store(STORE_WRITE);
        test_fill(store, 1, 3, 2);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(access(beside("-wal"), F_OK), 0);
}
