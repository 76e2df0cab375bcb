/*
 * The distribution of some times. Called by group.c for each row, by the report's columns for the result.
 */
#include "quantiles.h"

#include <math.h>
#include <stdlib.h>

void quantiles_done(struct quantiles *quantiles)
{
    free(quantiles->value);
    free(quantiles->sketch);
    *quantiles = (struct quantiles){0};
}

/* From now on a sketch. Returns it, or NULL when memory ran out. */
static struct span_sketch *become_sketch(struct quantiles *quantiles)
{
    if (quantiles->sketch != NULL)
        return quantiles->sketch;
    quantiles->sketch = malloc(sizeof(*quantiles->sketch));
    if (quantiles->sketch == NULL) {
        quantiles->failed = true;
        return NULL;
    }
    span_sketch_init(quantiles->sketch);
    for (uint32_t i = 0; i < quantiles->n; i++)
        span_sketch_add(quantiles->sketch, quantiles->value[i], 1);
    free(quantiles->value);
    quantiles->value = NULL;
    quantiles->n = quantiles->capacity = 0;
    return quantiles->sketch;
}

static bool make_room(struct quantiles *quantiles)
{
    if (quantiles->n < quantiles->capacity)
        return true;
    uint32_t capacity = quantiles->capacity == 0 ? 8 : quantiles->capacity * 2;
    uint64_t *value = realloc(quantiles->value, capacity * sizeof(*value));
    if (value == NULL) {
        quantiles->failed = true;
        return false;
    }
    quantiles->value = value;
    quantiles->capacity = capacity;
    return true;
}

void quantiles_add(struct quantiles *quantiles, uint64_t value)
{
    if (quantiles->sketch == NULL && quantiles->n == QUANTILES_EXACT_MAX)
        (void)become_sketch(quantiles);
    if (quantiles->sketch != NULL) {
        span_sketch_add(quantiles->sketch, value, 1);
        return;
    }
    if (quantiles->failed || !make_room(quantiles))
        return;
    quantiles->value[quantiles->n++] = value;
    quantiles->sorted = false;
}

void quantiles_add_sketch(struct quantiles *quantiles, const uint8_t *data, size_t bytes)
{
    if (!quantiles->failed && become_sketch(quantiles) != NULL)
        (void)span_sketch_merge_bytes(quantiles->sketch, data, bytes);
}

void quantiles_merge(struct quantiles *into, const struct quantiles *from)
{
    into->failed = into->failed || from->failed;
    if (into->failed)
        return;
    if (from->sketch != NULL && become_sketch(into) != NULL)
        span_sketch_merge(into->sketch, from->sketch);
    for (uint32_t i = 0; i < from->n; i++)
        quantiles_add(into, from->value[i]);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

bool quantiles_at(struct quantiles *quantiles, double q, uint64_t *ret_value)
{
    if (quantiles->failed)
        return false;
    if (quantiles->sketch != NULL) {
        if (quantiles->sketch->count == 0)
            return false;
        *ret_value = span_sketch_quantile(quantiles->sketch, q);
        return true;
    }
    if (quantiles->n == 0)
        return false;
    if (!quantiles->sorted)
        qsort(quantiles->value, quantiles->n, sizeof(*quantiles->value), compare);
    quantiles->sorted = true;
    double rank = ceil(q * (double)quantiles->n);
    uint32_t at = rank < 1 ? 0 : (uint32_t)rank - 1;
    *ret_value = quantiles->value[at < quantiles->n ? at : quantiles->n - 1];
    return true;
}
