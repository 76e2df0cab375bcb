/*
 * pprofctl export: each call as one JSON object per line. Memory is that of one block
 * (span_rows.h).
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "../../span/json.h"
#include "../cli/when.h"
#include "../query/span_rows.h"
#include "command.h"
#include "open_store.h"

enum { LINE_MAX_BYTES = 64 * 1024 }; /* a span has at most 4 KiB of text; escaping makes it at most six times as long */

struct exporter {
    struct span_rows rows;
    struct span_buffer line;
    bool failed;
};

static int each_call(void *context, const struct span_process *process, const struct span *span)
{
    struct exporter *exporter = context;
    exporter->line.bytes = 0;
    if (span_json_write(&exporter->line, process, span) < 0) {
        exporter->failed = true;
        return 1;
    }
    span_buffer_append(&exporter->line, "\n", 1);
    /* Where it cannot be written, main says so. */
    return fwrite(exporter->line.data, 1, exporter->line.bytes, stdout) == exporter->line.bytes ? 0 : 1;
}

int command_export(const struct arguments *arguments)
{
    static struct exporter exporter;
    struct when_period period;
    char buffer[PATH_MAX];
    struct runs_left left;
    const char *path = store_operand(arguments, buffer, sizeof(buffer));
    if (when_period(arguments, &period) < 0)
        return EXIT_USAGE;
    take_in_left(path, &left);
    struct store *store = open_store(path, STORE_READ);
    if (store == NULL)
        return 1;
    exporter.rows.since_ns = period.since_ns;
    exporter.rows.until_ns = period.until_ns;
    exporter.rows.each = each_call;
    exporter.rows.context = &exporter;
    span_buffer_init(&exporter.line, LINE_MAX_BYTES);
    int status = span_rows_scan(&exporter.rows, store);
    uint64_t damaged = exporter.rows.damaged;
    if (exporter.failed)
        complain("memory ran out.");
    else if (status < 0)
        complain_store(path, status);
    if (damaged > 0)
        complain("%" PRIu64 " blocks of %s cannot be read and were left out; `pprofctl check %s` says which and why.",
                 damaged, path, path);
    span_buffer_done(&exporter.line);
    store_close(store);
    return status != 0 || damaged > 0 ? 1 : 0;
}
