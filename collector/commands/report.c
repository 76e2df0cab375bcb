/*
 * pprofctl report: a table per prompt, model or other keys. Reads the store once, groups in memory,
 * sorts, prints.
 */
#include "report.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../cli/terminal.h"
#include "../cli/when.h"
#include "../query/order.h"
#include "command.h"
#include "open_store.h"
#include "waits.h"

enum { LIMIT_FOR_PEOPLE = 40, LIMIT_MAX = 100000000, WIDTH_MAX = 10000 };

struct format {
    const char *name;
    int (*print)(FILE *out, const struct report *report);
    bool for_people;
};
static const struct format formats[] = {
    {"text", report_text, true}, {"md", report_md, true}, {"csv", report_csv, false}, {"json", report_json, false}};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    complain("--format knows text, md, csv and json, not \"%s\".", name);
    return NULL;
}

/* Reads "prompt,model". Returns 0 or -1 after having said what is wrong. */
static int read_keys(const char *text, const struct key **by, size_t *ret_n)
{
    size_t n = 0;
    while (true) {
        size_t bytes = strcspn(text, ",");
        const struct key *key = key_find(text, bytes);
        if (key == NULL) {
            complain("--by has no key \"%.*s\"; see `pprofctl help keys`.", (int)bytes, text);
            return -1;
        }
        for (size_t i = 0; i < n; i++)
            if (by[i] == key) {
                complain("--by has the key %s twice; name it once.", key->name);
                return -1;
            }
        if (n == KEYS_MAX) {
            complain("--by takes at most %d keys.", KEYS_MAX);
            return -1;
        }
        by[n++] = key;
        if (text[bytes] == '\0')
            break;
        text += bytes + 1;
    }
    *ret_n = n;
    return 0;
}

/* Returns 0 or -1 after having said what is wrong. */
static int read_order(const char *name, const struct grouping *grouping, struct order *ret_order)
{
    if (order_find(name, grouping, ret_order) == 0)
        return 0;
    if (key_find(name, strlen(name)) != NULL)
        complain("--sort %s needs the key %s in --by: rows that are not split by it have no order by it.", name, name);
    else
        complain("--sort knows the columns of --format csv (calls, output_tokens, ...) and the keys of --by, not "
                 "\"%s\".",
                 name);
    return -1;
}

static void say_no_memory(void)
{
    complain("memory ran out; report a shorter period or fewer keys.");
}

/* Prints what was grouped. */
static int print_report(const struct arguments *arguments, const struct format *format, struct report *report,
                        const struct order *order)
{
    long limit = arguments_number(arguments, "limit", format->for_people ? LIMIT_FOR_PEOPLE : 0, LIMIT_MAX);
    long width = arguments_number(arguments, "width", (long)terminal_width(STDOUT_FILENO), WIDTH_MAX);
    if (limit < 0 || width < 0)
        return EXIT_USAGE;
    report->width = (size_t)width;
    report->colour = terminal_wants_colour(STDOUT_FILENO);
    report->row = order_groups(report->grouping, order);
    report->n_rows = report->grouping->n_groups;
    if (limit > 0 && report->n_rows > (size_t)limit) {
        report->n_cut = report->n_rows - (size_t)limit;
        report->n_rows = (size_t)limit;
    }
    int status = report->row == NULL ? -1 : format->print(stdout, report);
    free((void *)report->row);
    if (status < 0)
        say_no_memory();
    return status < 0 ? 1 : 0;
}

static int scan_and_print(const struct arguments *arguments, const struct format *format, struct grouping *grouping,
                          const struct order *order)
{
    char path[PATH_MAX];
    struct report report = {.path = store_operand(arguments, path, sizeof(path)), .grouping = grouping};
    struct runs_left left;
    take_in_left(report.path, &left);
    struct store *store = open_store(report.path, STORE_READ);
    if (store == NULL)
        return 1;
    int status = waits_add(&report.loss, &report.waiting, &left, store, report.path);
    if (status == STORE_OK)
        status = grouping_scan(grouping, store);
    if (status == STORE_OK)
        status = store_texts_unassigned(store, &report.texts_unassigned);
    if (status == STORE_OK)
        status = loss_of_store(&report.loss, store);
    if (grouping->failed)
        say_no_memory();
    else if (status != STORE_OK)
        complain_store(report.path, status);
    store_close(store);
    if (status != STORE_OK)
        return 1;
    return print_report(arguments, format, &report, order);
}

int command_report(const struct arguments *arguments)
{
    const char *by_text = arguments_value(arguments, "by");
    const char *format_name = arguments_value(arguments, "format");
    const char *sort = arguments_value(arguments, "sort");
    const struct key *by[KEYS_MAX];
    size_t n_by;
    struct when_period period;
    const struct format *format = find_format(format_name != NULL ? format_name : "text");
    if (format == NULL || read_keys(by_text != NULL ? by_text : "prompt", by, &n_by) < 0 ||
        when_period(arguments, &period) < 0)
        return EXIT_USAGE;
    struct grouping grouping;
    struct order order = {0};
    if (grouping_init(&grouping, by, n_by) < 0) {
        complain("memory ran out.");
        return 1;
    }
    grouping.since_ns = period.since_ns;
    grouping.until_ns = period.until_ns;
    int status = EXIT_USAGE;
    if (read_order(sort != NULL ? sort : "calls", &grouping, &order) == 0)
        status = scan_and_print(arguments, format, &grouping, &order);
    grouping_done(&grouping);
    return status;
}
