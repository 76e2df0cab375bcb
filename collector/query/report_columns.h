/*
 * The columns of a report: one list from which the text, md, csv and json outputs, --sort and their
 * explanation come. Constant data and pure functions.
 */
#pragma once

#include "group.h"

enum report_unit { REPORT_COUNT, REPORT_TOKENS, REPORT_NS, REPORT_RATE, REPORT_SHARE };

struct report_column {
    const char *name;  /* csv, json, --sort */
    const char *title; /* text: short, read from left to right */
    enum report_unit unit;
    unsigned priority; /* the largest is left out first in a narrow terminal */
    enum { FROM_CALLS, FROM_ERRORS, FROM_LOSSY, FROM_TOKENS, FROM_TIME, FROM_RATE, FROM_PHASE } source;
    unsigned index;
    double q;
};

extern const struct report_column report_columns[];
extern const size_t n_report_columns;

/* One value of a group. `calls` is how many calls stated a sum; `partial`: not all of those that
 * could. */
struct report_value {
    bool seen;
    bool partial;
    uint64_t whole; /* COUNT, TOKENS, NS */
    double real;    /* RATE, SHARE */
    uint64_t calls;
};

struct report_value report_value(const struct report_column *column, struct group *group);
/* "ttft p95": understood by itself. */
enum { REPORT_TITLE_BYTES = 32 };
void report_column_title(char out[REPORT_TITLE_BYTES], const struct report_column *column);
/* As a text for people; "-" when it was not seen. */
void report_value_text(char *out, const struct report_column *column, const struct report_value *value);
