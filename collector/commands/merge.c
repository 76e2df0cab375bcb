/*
 * pprofctl merge: stores of several hosts or runs become one. What one store is united with another
 * is done by collector/store/unite; here: which files, what is refused, what is said.
 *
 * Must never write into a file that was not named for it, and never claim that something is whole
 * that is not: the store that is written says so itself until the end.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/display.h"
#include "../base/display_safe.h"
#include "../store/unite/unite.h"
#include "command.h"
#include "open_store.h"

#define MERGED_STORE "merged.db"

enum { STEPS_MAX = 1000000 }; /* of learning and of merging hours; each does a part */

struct progress {
    const char *path;
    bool on_terminal;
    unsigned shown; /* percent */
};

static void show(void *context, const struct unite_told *told)
{
    struct progress *progress = context;
    const unsigned percent = told->blocks == 0 ? 100 : (unsigned)(told->blocks_done * 100 / told->blocks);
    if (!progress->on_terminal || percent == progress->shown)
        return;
    progress->shown = percent;
    (void)fprintf(stderr, "\rpprofctl: merging %s: %u %%\033[K", display_name(progress->path), percent);
    (void)fflush(stderr);
}

/* Both names stand for one file. */
static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* ---- what is said ---- */

enum { COUNT_BYTES = DISPLAY_BYTES * 2 };

static void count_text(char to[COUNT_BYTES], uint64_t n, const char *one, const char *many)
{
    char count[DISPLAY_BYTES];
    display_count(count, n);
    (void)snprintf(to, COUNT_BYTES, "%s %s", count, n == 1 ? one : many);
}

/* Ids of one key are never those of another: where both have prompts and none is in both, nothing
 * tells whether they should be. */
static void say_keys(const struct unite_told *told)
{
    if (told->prompts_here == 0 || told->prompts_there == 0 || told->prompts_both > 0 || told->unified > 0)
        return;
    (void)printf(
        "  No prompt is in both. Where prompts should be: their hosts had other keys, and equal prompts have "
        "other ids there for ever; give hosts one LIBPPROF_HASH_KEY, or say `pprofctl prompts merge ID INTO`.\n");
}

static void say_told(const char *path, const struct unite_told *told)
{
    char calls[COUNT_BYTES], processes[COUNT_BYTES], text[COUNT_BYTES];
    count_text(calls, told->spans, "call", "calls");
    count_text(processes, told->processes, "process", "processes");
    (void)printf("%s: %s of %s", display_name(path), calls, processes);
    if (told->repeats > 0) {
        display_count(text, told->repeats);
        (void)printf("; %s more %s there already", text, told->repeats == 1 ? "was" : "were");
    }
    (void)fputs(".\n", stdout);
    if (told->unified > 0) {
        count_text(text, told->unified, "prompt turned out to be one", "prompts turned out to be ones");
        (void)printf("  %s of the other store.\n", text);
    }
    if (told->rules_older > 0) {
        count_text(text, told->rules_older, "word", "words");
        (void)printf("  %s about prompts (names, merges) did not count: a later one says otherwise.\n", text);
    }
    say_keys(told);
    if (told->damaged > 0) {
        count_text(text, told->damaged, "damaged block was", "damaged blocks were");
        (void)printf("  %s left out; `pprofctl check %s` says which.\n", text, display_name(path));
    }
}

/* ---- what is done ---- */

static int complain_unfinished(const char *out, const char *path, int status)
{
    char why[512];
    (void)snprintf(why, sizeof(why), "%s", store_why());
    complain("%s cannot be merged into %s (%s); what is there is sound, and the same command goes on.", path, out,
             status == STORE_BUSY ? "one of them is in use" : why);
    return 1;
}

/* Into the store that is open. 0, 1 where damaged blocks were left out, -1 after having said what
 * is wrong. */
static int merge_one(struct store *into, const char *out, const char *path)
{
    struct unite_told told = {0};
    struct progress progress = {path, isatty(STDERR_FILENO) == 1, UINT_MAX};
    struct store *from = open_store(path, STORE_READ);
    if (from == NULL)
        return -1;
    const int status = store_unite(into, from, &told, show, &progress);
    if (progress.on_terminal)
        (void)fputs("\r\033[K", stderr);
    if (status != STORE_OK)
        (void)complain_unfinished(out, path, status);
    store_close(from);
    if (status != STORE_OK)
        return -1;
    say_told(path, &told);
    return told.damaged > 0;
}

/* What came together is learned from and packed together. */
static int settle(struct store *into, const char *out)
{
    int (*const steps[])(struct store * store, bool *ret_more) = {store_learn, store_merge_step};
    for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
        bool more = true;
        for (int i = 0; more && i < STEPS_MAX; i++) {
            const int status = steps[s](into, &more);
            if (status != STORE_OK) {
                complain_store(out, status);
                return -1;
            }
        }
    }
    return 0;
}

/* A store to be read: the one that began first comes first, so that its prompts keep their ids in
 * whatever order the stores were typed. */
struct source {
    const char *path;
    uint64_t begun_ns;
    size_t typed;
};

static int by_begin(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    if (x->begun_ns != y->begun_ns)
        return x->begun_ns < y->begun_ns ? -1 : 1;
    return (x->typed > y->typed) - (x->typed < y->typed);
}

/* Nothing is begun that one of the files forbids. */
static int can_begin(const struct arguments *arguments, const char *out, bool is_named, struct source *sources)
{
    struct runs_left left;
    if (arguments->n_operands == 0) {
        complain("merge needs the stores to be merged: `pprofctl merge A.db B.db -o ALL.db`.");
        return EXIT_USAGE;
    }
    if (!is_named && access(out, F_OK) == 0) {
        complain("%s is there already; -o %s adds to it, -o OUT writes another one.", out, out);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < arguments->n_operands; i++) {
        const char *path = arguments->operand[i];
        take_in_left(path, &left);
        struct store *store = open_store(path, STORE_READ);
        if (store == NULL)
            return 1;
        sources[i] = (struct source){.path = path, .typed = i};
        const int status = store_begun(store, &sources[i].begun_ns);
        if (status != STORE_OK)
            complain_store(path, status);
        store_close(store);
        if (status != STORE_OK)
            return 1;
    }
    qsort(sources, arguments->n_operands, sizeof(*sources), by_begin);
    return 0;
}

static int merge_all(const struct source *sources, size_t n, const char *out)
{
    int code = 0;
    struct store *into = open_store(out, STORE_WRITE);
    if (into == NULL)
        return 1;
    for (size_t i = 0; code >= 0 && i < n; i++) {
        bool again = same_file(sources[i].path, out);
        for (size_t k = 0; k < i; k++)
            again |= same_file(sources[i].path, sources[k].path);
        if (again) {
            (void)printf("%s: the same file again.\n", display_name(sources[i].path));
            continue;
        }
        const int damaged = merge_one(into, out, sources[i].path);
        code = damaged < 0 ? -1 : code | damaged;
    }
    if (code >= 0 && settle(into, out) < 0)
        code = -1;
    store_close(into);
    if (code >= 0)
        (void)printf("Next: pprofctl report %s\n", display_name(out));
    return code < 0 ? 1 : code;
}

int command_merge(const struct arguments *arguments)
{
    const char *named = arguments_value(arguments, "output");
    const char *out = named != NULL ? named : MERGED_STORE;
    struct source *sources = calloc(arguments->n_operands + 1, sizeof(*sources));
    if (sources == NULL) {
        complain("memory ran out.");
        return 1;
    }
    int code = can_begin(arguments, out, named != NULL, sources);
    if (code == 0)
        code = merge_all(sources, arguments->n_operands, out);
    free(sources);
    return code;
}
