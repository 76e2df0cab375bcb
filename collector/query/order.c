/*
 * Which row stands above which, see order.h. Called by report.
 */
#include "order.h"

#include <stdlib.h>
#include <string.h>

int order_find(const char *name, const struct grouping *grouping, struct order *ret_order)
{
    for (size_t i = 0; i < n_report_columns; i++)
        if (strcmp(report_columns[i].name, name) == 0) {
            *ret_order = (struct order){.column = &report_columns[i]};
            return 0;
        }
    for (size_t i = 0; i < grouping->n_keys; i++)
        if (strcmp(grouping->key[i]->name, name) == 0) {
            *ret_order = (struct order){.key = i};
            return 0;
        }
    return -1;
}

struct sortable {
    struct group *group;
    bool seen;
    double number;
    const char *text;
    const char *tie; /* equals stand in the order of their first key */
};

static int compare(const void *a, const void *b)
{
    const struct sortable *left = a, *right = b;
    if (left->text != NULL && strcmp(left->text, right->text) != 0)
        return strcmp(left->text, right->text);
    if (left->seen != right->seen)
        return left->seen ? -1 : 1;
    if (left->number > right->number || left->number < right->number)
        return left->number > right->number ? -1 : 1;
    if (left->group->calls != right->group->calls)
        return left->group->calls > right->group->calls ? -1 : 1;
    return strcmp(left->tie, right->tie);
}

struct group **order_groups(struct grouping *grouping, const struct order *order)
{
    size_t n = grouping->n_groups;
    struct sortable *sortable = calloc(n + 1, sizeof(*sortable));
    struct group **row = calloc(n + 1, sizeof(struct group *));
    if (sortable == NULL || row == NULL) {
        free(sortable);
        free((void *)row);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        struct sortable *item = &sortable[i];
        *item = (struct sortable){.group = &grouping->group[i]};
        item->tie = grouping_text(grouping, item->group, 0, NULL);
        if (order->column == NULL) {
            item->text = grouping_text(grouping, item->group, order->key, NULL);
            continue;
        }
        struct report_value value = report_value(order->column, item->group);
        item->seen = value.seen;
        item->number = order->column->unit >= REPORT_RATE ? value.real : (double)value.whole;
    }
    qsort(sortable, n, sizeof(*sortable), compare);
    for (size_t i = 0; i < n; i++)
        row[i] = sortable[i].group;
    free(sortable);
    return row;
}
