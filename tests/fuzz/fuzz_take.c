/*
 * A block that the store accepts is one that the store's check accepts: whatever a sender puts into a frame, nothing
 * gets into the store that check, merge or a report could not read. The input is the payload of a SPANS frame; its
 * checksums are made here. The store lies in memory where that is possible, and begins anew now and then.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { BLOCKS_MAX = 32 };

static char file[64];
static struct store *store;

static void clean_up(void)
{
    store_close(store);
    (void)unlink(file);
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, store_why());
    abort();
}

static void found(void *context, const char *sentence)
{
    (void)context;
    (void)fprintf(stderr, "check: %s\n", sentence);
}

static void open_anew(void)
{
    struct span_process process = {.identity = {1}, .pid = 1};

    if (file[0] == '\0') {
        (void)snprintf(file, sizeof file, "%s/fuzz_take.%ld", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
                       (long)getpid());
        (void)atexit(clean_up);
    }
    store_close(store);
    store = NULL;
    (void)unlink(file);
    if (store_open(file, STORE_WRITE, &store) != STORE_OK || store_begin(store) != STORE_OK ||
        store_take_process(store, &process) != STORE_OK || store_commit(store) != STORE_OK)
        fail("no store");
}

static int each(void *context, const struct store_rows *rows)
{
    *(uint64_t *)context += rows->n;
    return rows->column[SPAN_start_ns]->u64[0] > INT64_MAX;
}

/* Everything that reads a store reads this one. */
static void must_be_sound(void)
{
    enum span_field all[SPAN_FIELD_COUNT];
    struct store_query query = {0, UINT64_MAX, all, SPAN_FIELD_COUNT};
    struct store_totals totals;
    uint64_t rows = 0, damaged = 0;

    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        all[f] = (enum span_field)f;
    if (store_check(store, found, NULL) != 0)
        fail("check");
    if (store_totals(store, &totals) != STORE_OK || store_scan(store, &query, each, &rows, &damaged) != 0 ||
        damaged != 0 || rows != totals.spans)
        fail("scan");
}

static void merge(void)
{
    bool more = true;

    while (more)
        if (store_merge_step(store, &more) != STORE_OK)
            fail("merge");
    must_be_sound();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint64_t taken;
    struct span_frame frame = {
        .kind = SPAN_FRAME_SPANS, .identity = {1}, .sequence = taken + 1, .payload = data, .payload_bytes = bytes};
    bool repeat = false;
    int status;

    if (store == NULL || taken == BLOCKS_MAX) {
        if (store != NULL)
            merge();
        taken = 0;
        frame.sequence = 1;
        open_anew();
    }
    if (store_begin(store) != STORE_OK)
        fail("begin");
    status = store_take_frame(store, &frame, &repeat);
    if (status == STORE_DAMAGED) {
        store_rollback(store);
        return 0;
    }
    if (status != STORE_OK || repeat || store_commit(store) != STORE_OK)
        fail("take");
    taken++;
    must_be_sound();
    return 0;
}
