/*
 * What a report consists of when it is printed. Made by report.c, printed by report_text.c (text,
 * md) and report_data.c (csv, json). One thread.
 */
#pragma once

#include <stdio.h>

#include "../listen/waiting.h"
#include "../query/loss.h"
#include "../query/report_columns.h"

struct report {
    const char *path;
    struct grouping *grouping;
    struct group **row; /* sorted; n_rows of them are shown */
    size_t n_rows;
    size_t n_cut; /* groups beyond the limit */
    size_t width; /* of the text, 0: no limit */
    bool colour;
    uint64_t texts_unassigned; /* of instructions, in the whole store: they belong to no prompt yet */
    struct loss loss;          /* of the whole store */
    struct waiting waiting;    /* of them, what pprofd takes in */
};

/* Return 0, or -1 when memory ran out. */
int report_text(FILE *out, const struct report *report);
int report_md(FILE *out, const struct report *report);
int report_csv(FILE *out, const struct report *report);
int report_json(FILE *out, const struct report *report);
