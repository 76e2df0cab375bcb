/*
 * A block that the store accepts is one that the store's check accepts: whatever a sender puts into
 * a frame, nothing gets into the store that check, merge or a report could not read. The input is
 * the payload of a SPANS frame; its checksums are made here. Many frames share a transaction, as
 * they do in pprofd: a refused one must leave it as it was. Then everything that reads a store
 * reads this one, every second time after its merge, and it begins anew. When it finds a fault, the
 * frames are taken again, each alone, to name the one that brought it. The store lies in memory
 * where that is possible.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum {
    BLOCKS_MAX = 256,    /* of a store: its check, merge and making cost as much as taking a hundred */
    INPUT_MAX = 1 << 12, /* libFuzzer's inputs are no longer */
    REFUSED_MAX = 20000, /* frames in a row, then the store is looked at although nothing came in */
};

static char file[64];
static struct store *store;
static struct {
    size_t n, refused;
    bool merged; /* it is looked at after its merge */
    size_t bytes[BLOCKS_MAX];
    uint8_t data[BLOCKS_MAX][INPUT_MAX];
} taken;

static void at_end(void);

static void found(void *context, const char *sentence)
{
    (void)context;
    (void)fprintf(stderr, "check: %s\n", sentence);
}

static const char *open_anew(void)
{
    struct span_process process = {.identity = {1}, .pid = 1};

    if (file[0] == '\0') {
        (void)snprintf(file, sizeof(file), "%s/fuzz_take.%ld", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
                       (long)getpid());
        (void)atexit(at_end);
    }
    store_close(store);
    store = NULL;
    (void)unlink(file);
    if (store_open(file, STORE_WRITE, &store) != STORE_OK || store_begin(store) != STORE_OK ||
        store_take_process(store, &process) != STORE_OK)
        return "no store";
    return NULL;
}

static int each(void *context, const struct store_rows *rows)
{
    *(uint64_t *)context += rows->n;
    return rows->column[SPAN_start_ns]->u64[0] > INT64_MAX;
}

/* Everything that reads a store reads this one. What is wrong, or NULL. */
static const char *unsound(void)
{
    enum span_field all[SPAN_FIELD_COUNT];
    struct store_query query = {0, UINT64_MAX, all, SPAN_FIELD_COUNT};
    struct store_totals totals;
    uint64_t rows = 0, damaged = 0;

    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        all[f] = (enum span_field)f;
    if (store_check(store, found, NULL) != 0)
        return "check";
    if (store_totals(store, &totals) != STORE_OK || store_scan(store, &query, each, &rows, &damaged) != 0 ||
        damaged != 0 || rows != totals.spans)
        return "scan";
    return NULL;
}

/* Ends the transaction and looks at the store: as it came, or merged. What is wrong, or NULL. */
static const char *finish(bool merged)
{
    bool more = merged;

    if (store_commit(store) != STORE_OK)
        return "commit";
    while (more)
        if (store_merge_step(store, &more) != STORE_OK)
            return "merge";
    return unsound();
}

static int take(uint64_t sequence, const uint8_t *data, size_t bytes)
{
    const struct span_frame frame = {
        .kind = SPAN_FRAME_SPANS, .identity = {1}, .sequence = sequence, .payload = data, .payload_bytes = bytes};
    bool repeat = false;
    const int status = store_take_frame(store, &frame, &repeat);

    return status == STORE_OK && repeat ? STORE_FAILED : status;
}

static void tell(const char *wrong, const uint8_t *data, size_t bytes)
{
    (void)fprintf(stderr, "%s: %s; frame of %zu bytes:", wrong, store_why(), bytes);
    for (size_t i = 0; i < bytes; i++)
        (void)fprintf(stderr, " %02x", data[i]);
    (void)fprintf(stderr, "\n");
}

/* Which frame alone makes a store unsound; all, when none does. */
static void blame(const char *wrong)
{
    (void)fprintf(stderr, "%s: %s\n", wrong, store_why());
    for (size_t i = 0; i < taken.n; i++) {
        const char *alone = open_anew();

        if (alone == NULL && take(1, taken.data[i], taken.bytes[i]) != STORE_OK)
            alone = "take";
        if (alone == NULL)
            alone = finish(taken.merged);
        if (alone != NULL)
            tell(alone, taken.data[i], taken.bytes[i]);
    }
    abort();
}

/* What came since the last look. */
static void at_end(void)
{
    const char *wrong = taken.n > 0 ? finish(taken.merged) : NULL;

    if (wrong != NULL)
        blame(wrong);
    store_close(store);
    (void)unlink(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const char *wrong;
    int status;

    if (bytes > INPUT_MAX)
        return 0;
    if (store == NULL || taken.n == BLOCKS_MAX || taken.refused == REFUSED_MAX) {
        wrong = store == NULL ? NULL : finish(taken.merged);
        if (wrong != NULL)
            blame(wrong);
        taken.n = taken.refused = 0;
        taken.merged = !taken.merged;
        wrong = open_anew();
        if (wrong != NULL)
            blame(wrong);
    }
    status = take(taken.n + 1, data, bytes);
    if (status == STORE_DAMAGED || status == STORE_OTHER_VERSION) {
        taken.refused++;
        return 0;
    }
    if (status != STORE_OK) {
        tell("take", data, bytes);
        abort();
    }
    memcpy(taken.data[taken.n], data, bytes);
    taken.bytes[taken.n++] = bytes;
    return 0;
}
