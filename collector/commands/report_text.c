/*
 * A report for people: text for a terminal, and Markdown. Called by report.c.
 */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#include "../base/display.h"
#include "../base/display_safe.h"
#include "../cli/cells.h"
#include "../cli/table.h"
#include "waits.h"

enum { CELLS_MAX = TABLE_COLUMNS_MAX, NOTE_WIDTH = 100 };

static void print_bounds(FILE *out, const struct grouping *grouping)
{
    char first[DISPLAY_BYTES], last[DISPLAY_BYTES], span[DISPLAY_BYTES];
    display_time(first, grouping->first_ns);
    display_time(last, grouping->last_ns);
    display_duration(span, grouping->last_ns - grouping->first_ns);
    if (strcmp(first, last) == 0)
        (void)fprintf(out, ", %s", first);
    else
        (void)fprintf(out, ", %s to %s (%s)", first, last, span);
}

static void print_asked_period(FILE *out, const struct grouping *grouping)
{
    char text[DISPLAY_BYTES];
    if (grouping->since_ns > 0) {
        display_time(text, grouping->since_ns);
        (void)fprintf(out, "; since %s", text);
    }
    if (grouping->until_ns < UINT64_MAX) {
        display_time(text, grouping->until_ns);
        (void)fprintf(out, "%s until %s", grouping->since_ns > 0 ? "" : ";", text);
    }
}

static void print_path(FILE *out, const struct report *report, bool md)
{
    const char *name = display_name(report->path);
    if (md)
        cell_md(out, name);
    else
        (void)fputs(name, out);
}

/* What, which file, which period. */
static void print_head(FILE *out, const struct report *report, bool md)
{
    const struct grouping *grouping = report->grouping;
    char count[DISPLAY_BYTES];
    display_count(count, grouping->total.calls);
    (void)fputs("Calls of language models by ", out);
    for (size_t i = 0; i < grouping->n_keys; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : ", ", grouping->key[i]->name);
    (void)fputc('\n', out);
    print_path(out, report, md);
    (void)fprintf(out, ": %s %s", count, grouping->total.calls == 1 ? "call" : "calls");
    if (grouping->total.calls > 0)
        print_bounds(out, grouping);
    print_asked_period(out, grouping);
    (void)fputs("\n\n", out);
}

static bool group_has_partial(struct group *group)
{
    for (size_t i = 0; i < n_report_columns; i++) {
        struct report_value value = report_value(&report_columns[i], group);
        if (value.seen && value.partial)
            return true;
    }
    return false;
}

static bool is_by_prompt(const struct grouping *grouping)
{
    for (size_t i = 0; i < grouping->n_keys; i++)
        if (grouping->key[i]->kind == KEY_PROMPT)
            return true;
    return false;
}

/* What is a prompt of its own here may be a text of another: how far that is known. */
static void print_learned(FILE *out, const struct report *report, const char *line_start)
{
    char calls[DISPLAY_BYTES], texts[DISPLAY_BYTES];
    const uint64_t learned = report->grouping->learned_calls;
    if (!is_by_prompt(report->grouping) || (learned == 0 && report->texts_unassigned == 0))
        return;
    display_count(calls, learned);
    display_count(texts, report->texts_unassigned);
    (void)fprintf(out, "%s%s %s under prompts that were learned; %s %s of instructions %s to none yet.\n", line_start,
                  calls, learned == 1 ? "call stands" : "calls stand", texts,
                  report->texts_unassigned == 1 ? "text" : "texts",
                  report->texts_unassigned == 1 ? "belongs" : "belong");
}

static void print_tail(FILE *out, const struct report *report, const char *line_start)
{
    char sentence[LOSS_SENTENCE_BYTES], count[DISPLAY_BYTES];
    const struct grouping *grouping = report->grouping;
    if (report->n_cut > 0) {
        display_count(count, report->n_cut);
        (void)fprintf(out, "%s%s more rows are not shown; --limit 0 shows all.\n", line_start, count);
    }
    if (grouping->other_groups_calls > 0) {
        display_count(count, grouping->other_groups_calls);
        (void)fprintf(out, "%s%s calls are in no row because there are more than %d rows; they are in the total.\n",
                      line_start, count, GROUPS_MAX);
    }
    if (group_has_partial(&report->grouping->total))
        (void)fprintf(out, "%sA sum with + is larger in truth: some calls did not state their tokens.\n", line_start);
    print_learned(out, report, line_start);
    (void)loss_sentence(sentence, &report->loss, " since the store began");
    (void)fprintf(out, "%s%s\n", line_start, sentence);
    if (waiting_sum(&report->waiting) > 0) {
        (void)fputs(line_start, out);
        waits_print(out, &report->waiting, report->path);
    }
    if (grouping->damaged > 0)
        (void)fprintf(out, "%sDamaged: %" PRIu64 " %s could not be read; `pprofctl check` says which.\n", line_start,
                      grouping->damaged, grouping->damaged == 1 ? "block" : "blocks");
}

/* The cells of a group; `group` NULL: the totals row takes `total`. */
static int add_row(struct table *table, const struct report *report, struct group *group, bool total)
{
    char text[CELLS_MAX][DISPLAY_BYTES];
    const char *cell[CELLS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < report->grouping->n_keys; i++)
        cell[n++] = !total ? grouping_text(report->grouping, group, i, NULL) : i == 0 ? "total" : "";
    for (size_t i = 0; i < n_report_columns; i++, n++) {
        struct report_value value = report_value(&report_columns[i], group);
        report_value_text(text[n], &report_columns[i], &value);
        cell[n] = text[n];
    }
    return table_add_row(table, cell);
}

static int fill_table(struct table *table, const struct report *report)
{
    for (size_t i = 0; i < report->grouping->n_keys; i++)
        table_add_column(table, report->grouping->key[i]->title, true, 0);
    for (size_t i = 0; i < n_report_columns; i++)
        table_add_column(table, report_columns[i].title, false, report_columns[i].priority);
    for (size_t i = 0; i < report->n_rows; i++)
        if (add_row(table, report, report->row[i], false) < 0)
            return -1;
    if (report->n_rows + report->n_cut > 1)
        return add_row(table, report, &report->grouping->total, true);
    return 0;
}

/* A list of column names after a sentence's beginning, wrapped. */
struct note {
    const char *begin;
    size_t used; /* columns of the line; 0: nothing written yet */
    size_t width;
};

static void note_add(FILE *out, struct note *note, const struct report_column *column)
{
    char title[REPORT_TITLE_BYTES];
    report_column_title(title, column);
    size_t bytes = strlen(title) + 2;
    if (note->used == 0) {
        (void)fputs(note->begin, out);
        note->used = strlen(note->begin);
    } else if (note->used + bytes + 1 > note->width) {
        (void)fputs(",\n  ", out);
        note->used = 2;
    } else {
        (void)fputs(", ", out);
        note->used += 2;
    }
    (void)fputs(title, out);
    note->used += bytes - 2;
}

/* Whether a column says nothing: not a single value, or losses when nothing was lost. */
static bool says_nothing(const struct report *report, const struct table *table, size_t column)
{
    if (table_column_empty(table, report->grouping->n_keys + column))
        return true;
    return report_columns[column].source == FROM_LOSSY && report->grouping->total.lossy == 0;
}

static void print_left_out(FILE *out, const struct report *report, const struct table *table)
{
    size_t width = report->width == 0 ? NOTE_WIDTH : report->width;
    struct note unseen = {"Not seen in any call: ", 0, width};
    struct note narrow = {"Left out for the width: ", 0, width};
    for (size_t i = 0; i < n_report_columns; i++)
        if (says_nothing(report, table, i) && report_columns[i].source != FROM_LOSSY)
            note_add(out, &unseen, &report_columns[i]);
    if (unseen.used > 0)
        (void)fputs(".\n", out);
    for (size_t i = 0; i < n_report_columns; i++)
        if (table->column[report->grouping->n_keys + i].shown == 0 && !says_nothing(report, table, i))
            note_add(out, &narrow, &report_columns[i]);
    if (narrow.used > 0)
        (void)fputs(";\n  --width 0, --format md or csv show them.\n", out);
}

int report_text(FILE *out, const struct report *report)
{
    struct table table;
    print_head(out, report, false);
    if (report->grouping->total.calls == 0) {
        print_tail(out, report, "");
        return 0;
    }
    table_init(&table);
    int status = fill_table(&table, report);
    if (status == 0) {
        for (size_t i = 0; i < n_report_columns; i++)
            if (says_nothing(report, &table, i))
                table.column[report->grouping->n_keys + i].shown = SIZE_MAX;
        (void)table_fit(&table, report->width);
        table_print(out, &table, report->n_rows + report->n_cut > 1 ? 1 : 0, report->colour ? "\033[1m" : "",
                    report->colour ? "\033[0m" : "");
        (void)fputc('\n', out);
        print_left_out(out, report, &table);
        print_tail(out, report, "");
    }
    table_done(&table);
    return status;
}

static void md_row(FILE *out, const struct report *report, struct group *group, bool total)
{
    char text[DISPLAY_BYTES];
    for (size_t i = 0; i < report->grouping->n_keys; i++) {
        (void)fputs("| ", out);
        if (total)
            (void)fputs(i == 0 ? "**total**" : "", out);
        else
            cell_md(out, grouping_text(report->grouping, group, i, NULL));
        (void)fputc(' ', out);
    }
    for (size_t i = 0; i < n_report_columns; i++) {
        struct report_value value = report_value(&report_columns[i], group);
        report_value_text(text, &report_columns[i], &value);
        (void)fprintf(out, "| %s ", text);
    }
    (void)fputs("|\n", out);
}

int report_md(FILE *out, const struct report *report)
{
    const struct grouping *grouping = report->grouping;
    char title[REPORT_TITLE_BYTES];
    print_head(out, report, true);
    for (size_t i = 0; i < grouping->n_keys; i++)
        (void)fprintf(out, "| %s ", grouping->key[i]->title);
    for (size_t i = 0; i < n_report_columns; i++) {
        report_column_title(title, &report_columns[i]);
        (void)fprintf(out, "| %s ", title);
    }
    (void)fputs("|\n", out);
    for (size_t i = 0; i < grouping->n_keys; i++)
        (void)fputs("|:--", out);
    for (size_t i = 0; i < n_report_columns; i++)
        (void)fputs("|--:", out);
    (void)fputs("|\n", out);
    for (size_t i = 0; i < report->n_rows; i++)
        md_row(out, report, report->row[i], false);
    if (report->n_rows + report->n_cut > 1)
        md_row(out, report, &report->grouping->total, true);
    (void)fputc('\n', out);
    print_tail(out, report, "- ");
    return 0;
}
