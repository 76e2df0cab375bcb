/*
 * pprofctl export: each call as one JSON object per line. Reads block after block; memory is that of one block.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "../../span/json.h"
#include "../cli/when.h"
#include "command.h"
#include "open_store.h"

enum { LINE_MAX_BYTES = 64 * 1024 }; /* a span has at most 4 KiB of text; escaping makes it at most six times as long */

struct exporter {
    struct when_period period;
    struct span_buffer line;
    struct span span; /* 8 KB: kept out of the stack of the loop */
    bool failed;
};

static void row_to_span(const struct store_rows *rows, size_t row, struct span *ret_span)
{
    span_init(ret_span);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        const struct span_column *column = rows->column[f];
        if (!rows->has[f] || !span_bit(column->present, row))
            continue;
        switch (span_fields[f].type) {
        case SPAN_U64:
        case SPAN_BOOL:
        case SPAN_ID64:
            span_set_u64(ret_span, (enum span_field)f, column->u64[row]);
            break;
        case SPAN_STR:
        case SPAN_LIST:
        case SPAN_BLOB: {
            struct span_text text = column->dict[column->code[row]];
            span_set_text(ret_span, (enum span_field)f, text.data, text.bytes);
            break;
        }
        }
    }
}

static int each_block(void *context, const struct store_rows *rows)
{
    struct exporter *exporter = context;
    for (size_t row = 0; row < rows->n; row++) {
        uint64_t start = rows->column[SPAN_start_ns]->u64[row];
        if (start < exporter->period.since_ns || start >= exporter->period.until_ns)
            continue;
        row_to_span(rows, row, &exporter->span);
        exporter->line.bytes = 0;
        if (span_json_write(&exporter->line, rows->process[row], &exporter->span) < 0) {
            exporter->failed = true;
            return 1;
        }
        span_buffer_append(&exporter->line, "\n", 1);
        if (fwrite(exporter->line.data, 1, exporter->line.bytes, stdout) != exporter->line.bytes)
            return 1; /* main says so */
    }
    return 0;
}

int command_export(const struct arguments *arguments)
{
    static struct exporter exporter;
    enum span_field fields[SPAN_FIELD_COUNT];
    char buffer[PATH_MAX];
    struct runs_left left;
    const char *path = store_operand(arguments, buffer, sizeof(buffer));
    if (when_period(arguments, &exporter.period) < 0)
        return EXIT_USAGE;
    take_in_left(path, &left);
    struct store *store = open_store(path, STORE_READ);
    if (store == NULL)
        return 1;
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        fields[f] = (enum span_field)f;
    struct store_query query = {.since_ns = exporter.period.since_ns,
                                .until_ns = exporter.period.until_ns,
                                .fields = fields,
                                .n_fields = SPAN_FIELD_COUNT};
    uint64_t damaged = 0;
    span_buffer_init(&exporter.line, LINE_MAX_BYTES);
    int status = store_scan(store, &query, each_block, &exporter, &damaged);
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
