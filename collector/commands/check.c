/*
 * pprofctl check: verifies a store and prints one line per fault. Changes nothing.
 */
#include <limits.h>
#include <stdio.h>

#include "../base/display.h"
#include "../base/display_safe.h"
#include "../listen/runs.h"
#include "../query/loss.h"
#include "command.h"
#include "open_store.h"
#include "waits.h"

static void print_fault(void *context, const char *sentence)
{
    printf("%s: %s\n", display_name(context), display_name(sentence));
}

int command_check(const struct arguments *arguments)
{
    char buffer[PATH_MAX], calls[DISPLAY_BYTES], blocks[DISPLAY_BYTES], processes[DISPLAY_BYTES], size[DISPLAY_BYTES];
    char sentence[LOSS_SENTENCE_BYTES];
    struct loss loss = {0};
    struct runs_left left;
    struct waiting waiting;
    const char *path = store_operand(arguments, buffer, sizeof(buffer));
    struct store_totals totals = {0};
    struct store *store = open_store(path, STORE_READ);
    if (store == NULL)
        return 1;
    runs_look(path, &left);
    char context[PATH_MAX];
    (void)snprintf(context, sizeof(context), "%s", path);
    int status = waits_add(&loss, &waiting, &left, store, path);
    long faults = status == STORE_OK ? store_check(store, print_fault, context) : status;
    status = faults < 0 ? (int)faults : store_totals(store, &totals);
    if (status == STORE_OK)
        status = loss_of_store(&loss, store);
    store_close(store);
    if (status < 0) {
        complain_store(path, status);
        return 1;
    }
    display_count(calls, totals.spans);
    display_count(blocks, totals.blocks);
    display_count(processes, totals.processes);
    display_size(size, totals.bytes);
    (void)loss_sentence(sentence, &loss, " since the store began");
    printf("%s: %s %s in %s %s of %s %s, %s. %s\n", display_name(path), calls, totals.spans == 1 ? "call" : "calls",
           blocks, totals.blocks == 1 ? "block" : "blocks", processes, totals.processes == 1 ? "process" : "processes",
           size, sentence);
    waits_print_orphans(stdout, path, loss.known.events[STORE_LOSS_log_orphaned]);
    waits_print_runs(stdout, path, &left);
    waits_print(stdout, &waiting, path);
    if (faults == 0)
        printf("%s: nothing is wrong.\n", display_name(path));
    else
        printf("%s: %ld %s found.\n", display_name(path), faults, faults == 1 ? "fault" : "faults");
    return faults == 0 ? 0 : 1;
}
