/*
 * A report for programs: csv (one line per row) and json (one object). Called by report.c. Absent
 * values are empty in csv and missing in json; times are whole nanoseconds, shares parts of 1.
 */
#include "report.h"

#include <inttypes.h>

#include "../base/display_safe.h"
#include "../cli/cells.h"

static void print_value(FILE *out, const struct report_column *column, const struct report_value *value)
{
    if (column->unit >= REPORT_RATE)
        (void)fprintf(out, "%.6g", value->real);
    else
        (void)fprintf(out, "%" PRIu64, value->whole);
}

int report_csv(FILE *out, const struct report *report)
{
    const struct grouping *grouping = report->grouping;
    for (size_t i = 0; i < grouping->n_keys; i++)
        (void)fprintf(out, "%s%s", i > 0 ? "," : "", grouping->key[i]->name);
    for (size_t i = 0; i < n_report_columns; i++) {
        (void)fprintf(out, ",%s", report_columns[i].name);
        if (report_columns[i].unit == REPORT_TOKENS)
            (void)fprintf(out, ",%s_calls", report_columns[i].name);
    }
    (void)fputc('\n', out);
    for (size_t r = 0; r < report->n_rows; r++) {
        for (size_t i = 0; i < grouping->n_keys; i++) {
            bool seen;
            const char *text = grouping_text(grouping, report->row[r], i, &seen);
            (void)fputs(i > 0 ? "," : "", out);
            cell_csv(out, seen ? text : "");
        }
        for (size_t i = 0; i < n_report_columns; i++) {
            struct report_value value = report_value(&report_columns[i], report->row[r]);
            (void)fputc(',', out);
            if (value.seen)
                print_value(out, &report_columns[i], &value);
            if (report_columns[i].unit == REPORT_TOKENS)
                (void)fprintf(out, ",%" PRIu64, value.calls);
        }
        (void)fputc('\n', out);
    }
    char sentence[LOSS_SENTENCE_BYTES];
    if (loss_sentence(sentence, &report->loss, " since the store began") != LOSS_NONE)
        (void)fprintf(stderr, "pprofctl: %s\n", sentence);
    if (grouping->damaged > 0)
        (void)fprintf(stderr, "pprofctl: %" PRIu64 " blocks could not be read; `pprofctl check %s` says why.\n",
                      grouping->damaged, display_name(report->path));
    return 0;
}

static void json_group(FILE *out, struct group *group, const char *separator)
{
    for (size_t i = 0; i < n_report_columns; i++) {
        const struct report_column *column = &report_columns[i];
        struct report_value value = report_value(column, group);
        if (!value.seen)
            continue;
        (void)fprintf(out, "%s\"%s\": ", separator, column->name);
        separator = ", ";
        print_value(out, column, &value);
        if (column->unit == REPORT_TOKENS)
            (void)fprintf(out, ", \"%s_calls\": %" PRIu64, column->name, value.calls);
    }
}

static void json_keys(FILE *out, const struct report *report)
{
    (void)fputs("  \"by\": [", out);
    for (size_t i = 0; i < report->grouping->n_keys; i++)
        (void)fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", report->grouping->key[i]->name);
    (void)fputs("],\n", out);
}

static void json_bounds(FILE *out, const struct grouping *grouping)
{
    if (grouping->since_ns > 0)
        (void)fprintf(out, "  \"since_unix_nano\": %" PRIu64 ",\n", grouping->since_ns);
    if (grouping->until_ns < UINT64_MAX)
        (void)fprintf(out, "  \"until_unix_nano\": %" PRIu64 ",\n", grouping->until_ns);
    if (grouping->total.calls > 0)
        (void)fprintf(out, "  \"first_unix_nano\": %" PRIu64 ",\n  \"last_unix_nano\": %" PRIu64 ",\n",
                      grouping->first_ns, grouping->last_ns);
}

static void json_row(FILE *out, const struct report *report, struct group *group)
{
    const char *separator = "";
    (void)fputs("    {", out);
    for (size_t i = 0; i < report->grouping->n_keys; i++) {
        bool seen;
        const char *text = grouping_text(report->grouping, group, i, &seen);
        if (!seen)
            continue;
        (void)fprintf(out, "%s\"%s\": ", separator, report->grouping->key[i]->name);
        cell_json(out, text);
        separator = ", ";
    }
    json_group(out, group, separator);
    (void)fputc('}', out);
}

int report_json(FILE *out, const struct report *report)
{
    struct grouping *grouping = report->grouping;
    (void)fputs("{\n  \"file\": ", out);
    cell_json(out, report->path);
    (void)fputs(",\n", out);
    json_keys(out, report);
    json_bounds(out, grouping);
    (void)fputs("  \"rows\": [\n", out);
    for (size_t r = 0; r < report->n_rows; r++) {
        json_row(out, report, report->row[r]);
        (void)fputs(r + 1 < report->n_rows ? ",\n" : "\n", out);
    }
    (void)fprintf(out, "  ],\n  \"rows_not_shown\": %zu,\n  \"total\": {", report->n_cut);
    json_group(out, &grouping->total, "");
    (void)fprintf(out, "},\n  \"learned_calls\": %" PRIu64 ",\n  \"texts_unassigned\": %" PRIu64 ",\n  \"lost\": {",
                  grouping->learned_calls, report->texts_unassigned);
    loss_json(out, &report->loss);
    (void)fprintf(out, "},\n  \"damaged_blocks\": %" PRIu64 "\n}\n", grouping->damaged);
    return 0;
}
