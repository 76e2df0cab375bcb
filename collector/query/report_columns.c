/*
 * The columns of a report. Called by report.c and record's summary.
 */
#include "report_columns.h"

#include <stdio.h>
#include <string.h>

#include "../base/display.h"

const struct report_column report_columns[] = {
    {"calls", "calls", REPORT_COUNT, 0, FROM_CALLS, 0, 0},
    {"errors", "errors", REPORT_COUNT, 1, FROM_ERRORS, 0, 0},
    {"input_tokens", "input", REPORT_TOKENS, 2, FROM_TOKENS, GROUP_INPUT, 0},
    {"output_tokens", "output", REPORT_TOKENS, 2, FROM_TOKENS, GROUP_OUTPUT, 0},
    {"cached_tokens", "cached", REPORT_TOKENS, 6, FROM_TOKENS, GROUP_CACHED, 0},
    {"reasoning_tokens", "reasoning", REPORT_TOKENS, 9, FROM_TOKENS, GROUP_REASONING, 0},
    {"ttft_p50_ns", "ttft p50", REPORT_NS, 3, FROM_TIME, GROUP_TTFT, 0.50},
    {"ttft_p95_ns", "p95", REPORT_NS, 4, FROM_TIME, GROUP_TTFT, 0.95},
    {"ttft_p99_ns", "p99", REPORT_NS, 11, FROM_TIME, GROUP_TTFT, 0.99},
    {"first_text_p50_ns", "text p50", REPORT_NS, 15, FROM_TIME, GROUP_FIRST_TEXT, 0.50},
    {"first_text_p95_ns", "p95", REPORT_NS, 15, FROM_TIME, GROUP_FIRST_TEXT, 0.95},
    {"first_text_p99_ns", "p99", REPORT_NS, 16, FROM_TIME, GROUP_FIRST_TEXT, 0.99},
    {"itl_p50_ns", "itl p50", REPORT_NS, 8, FROM_TIME, GROUP_ITL, 0.50},
    {"itl_p99_ns", "p99", REPORT_NS, 8, FROM_TIME, GROUP_ITL, 0.99},
    {"total_p50_ns", "total p50", REPORT_NS, 3, FROM_TIME, GROUP_TOTAL, 0.50},
    {"total_p95_ns", "p95", REPORT_NS, 4, FROM_TIME, GROUP_TOTAL, 0.95},
    {"total_p99_ns", "p99", REPORT_NS, 11, FROM_TIME, GROUP_TOTAL, 0.99},
    {"tokens_per_second", "tok/s", REPORT_RATE, 5, FROM_RATE, 0, 0},
    {"queue_share", "queue", REPORT_SHARE, 14, FROM_PHASE, GROUP_QUEUE, 0},
    {"dns_share", "dns", REPORT_SHARE, 13, FROM_PHASE, GROUP_DNS, 0},
    {"connect_share", "connect", REPORT_SHARE, 12, FROM_PHASE, GROUP_CONNECT, 0},
    {"tls_share", "tls", REPORT_SHARE, 12, FROM_PHASE, GROUP_TLS, 0},
    {"send_share", "send", REPORT_SHARE, 13, FROM_PHASE, GROUP_SEND, 0},
    {"wait_share", "wait", REPORT_SHARE, 10, FROM_PHASE, GROUP_WAIT, 0},
    {"decode_share", "decode", REPORT_SHARE, 10, FROM_PHASE, GROUP_DECODE, 0},
    {"lossy_calls", "lossy", REPORT_COUNT, 7, FROM_LOSSY, 0, 0},
};
const size_t n_report_columns = sizeof(report_columns) / sizeof(report_columns[0]);

/* The tokens that an answer always states, so that their absence means that the sum is not whole;
 * cached and reasoning tokens are left out by providers and models that have none. */
static bool always_stated(unsigned tokens)
{
    return tokens == GROUP_INPUT || tokens == GROUP_OUTPUT;
}

static struct report_value count_value(uint64_t count)
{
    return (struct report_value){.seen = true, .whole = count};
}

static struct report_value token_value(const struct group *group, unsigned index)
{
    const struct group_sum *sum = &group->tokens[index];
    return (struct report_value){.seen = sum->calls > 0,
                                 .whole = sum->sum,
                                 .calls = sum->calls,
                                 .partial = always_stated(index) && sum->calls < group->answered};
}

struct report_value report_value(const struct report_column *column, struct group *group)
{
    struct report_value value = {0};
    switch (column->source) {
    case FROM_CALLS:
        return count_value(group->calls);
    case FROM_ERRORS:
        return count_value(group->errors);
    case FROM_LOSSY:
        return count_value(group->lossy);
    case FROM_TOKENS:
        return token_value(group, column->index);
    case FROM_TIME:
        value.seen = quantiles_at(&group->time[column->index], column->q, &value.whole);
        return value;
    case FROM_RATE:
        value.seen = group->rate_ns > 0;
        if (value.seen)
            value.real = (double)group->rate_tokens * 1e9 / (double)group->rate_ns;
        return value;
    case FROM_PHASE:
        value.seen = group->phase[column->index].calls > 0 && group->whole.sum > 0;
        if (value.seen)
            value.real = (double)group->phase[column->index].sum / (double)group->whole.sum;
        return value;
    }
    return value;
}

void report_column_title(char out[REPORT_TITLE_BYTES], const struct report_column *column)
{
    size_t bytes = strlen(column->name);
    if (bytes > 3 && strcmp(column->name + bytes - 3, "_ns") == 0)
        bytes -= 3;
    for (size_t i = 0; i < bytes; i++)
        out[i] = column->name[i] == '_' ? ' ' : column->name[i];
    out[bytes] = '\0';
}

void report_value_text(char *out, const struct report_column *column, const struct report_value *value)
{
    if (!value->seen) {
        (void)snprintf(out, DISPLAY_BYTES, "-");
        return;
    }
    switch (column->unit) {
    case REPORT_COUNT:
    case REPORT_TOKENS:
        display_count(out, value->whole);
        if (value->partial)
            memcpy(out + strlen(out), "+", 2); /* a count takes at most ten characters */
        break;
    case REPORT_NS:
        display_duration(out, value->whole);
        break;
    case REPORT_RATE:
        display_rate(out, value->real);
        break;
    case REPORT_SHARE:
        display_share(out, value->real);
        break;
    }
}
