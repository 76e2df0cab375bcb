/* The order of a report's rows. Pure, but for the memory that it takes; one thread. */
#pragma once

#include "report_columns.h"

/* What groups are ordered by: a column, largest first, or a key, by name. */
struct order {
    const struct report_column *column; /* NULL: the key */
    size_t key;                         /* by position in the grouping */
};

/* The order by a column's name, or by that of a key that the grouping has. Returns 0 or -1. */
int order_find(const char *name, const struct grouping *grouping, struct order *ret_order);
/* All groups in their order. Returns an array for free(), NULL when memory ran out. */
struct group **order_groups(struct grouping *grouping, const struct order *order);
