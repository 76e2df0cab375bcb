/*
 * The distribution of some times. Called by group.c for each row, by the report's columns for the
 * result.
 */
#include "quantiles.h"

#include <math.h>
#include <stdlib.h>

void quantiles_done(struct quantiles *quantiles)
{
    free(quantiles->value);
    free(quantiles->histogram);
    free(quantiles->gaps);
    *quantiles = (struct quantiles){0};
}

/* From now on a histogram. Returns it, or NULL when memory ran out. */
static struct histogram *become_histogram(struct quantiles *quantiles)
{
    if (quantiles->histogram != NULL)
        return quantiles->histogram;
    quantiles->histogram = calloc(1, sizeof(*quantiles->histogram));
    if (quantiles->histogram == NULL) {
        quantiles->failed = true;
        return NULL;
    }
    for (uint32_t i = 0; i < quantiles->n; i++)
        histogram_add(quantiles->histogram, quantiles->value[i]);
    free(quantiles->value);
    quantiles->value = NULL;
    quantiles->n = quantiles->capacity = 0;
    return quantiles->histogram;
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
    if (quantiles->histogram == NULL && quantiles->n == QUANTILES_EXACT_MAX)
        (void)become_histogram(quantiles);
    if (quantiles->histogram != NULL) {
        histogram_add(quantiles->histogram, value);
        return;
    }
    if (quantiles->failed || !make_room(quantiles))
        return;
    quantiles->value[quantiles->n++] = value;
    quantiles->sorted = false;
}

static struct span_sketch *become_gaps(struct quantiles *quantiles)
{
    if (quantiles->gaps == NULL)
        quantiles->gaps = calloc(1, sizeof(*quantiles->gaps));
    if (quantiles->gaps == NULL)
        quantiles->failed = true;
    return quantiles->gaps;
}

void quantiles_add_gaps(struct quantiles *quantiles, const uint8_t *data, size_t bytes)
{
    if (!quantiles->failed && become_gaps(quantiles) != NULL)
        (void)span_sketch_merge_bytes(quantiles->gaps, data, bytes);
}

void quantiles_merge(struct quantiles *into, const struct quantiles *from)
{
    into->failed = into->failed || from->failed;
    if (into->failed)
        return;
    if (from->histogram != NULL && become_histogram(into) != NULL)
        histogram_merge(into->histogram, from->histogram);
    if (from->gaps != NULL && become_gaps(into) != NULL)
        span_sketch_merge(into->gaps, from->gaps);
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
    if (quantiles->gaps != NULL) {
        *ret_value = span_sketch_quantile(quantiles->gaps, q);
        return quantiles->gaps->count > 0;
    }
    if (quantiles->histogram != NULL) {
        if (quantiles->histogram->count == 0)
            return false;
        *ret_value = histogram_quantile(quantiles->histogram, q);
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
