/*
 * The hours of a rollup: found by number in the same time however many there are, forgotten in the
 * order of use.
 *
 * Called by rollup.c, the store and its check. Must never take longer for a hostile choice of times
 * than for an honest one.
 */
#include "rollup.h"

#include <stdlib.h>
#include <string.h>

static void group_free(struct rollup_group *group)
{
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++)
        free(group->sketch[s].count);
    free(group);
}

void rollup_forget_removed(struct rollup_hour *hour)
{
    for (size_t i = 0; i < hour->n_removed; i++)
        group_free(hour->removed[i]);
    hour->n_removed = 0;
}

void rollup_hour_done(struct rollup_hour *hour)
{
    for (size_t i = 0; i < hour->n; i++)
        group_free(hour->group[i]);
    rollup_forget_removed(hour);
    free(hour->group);
    free(hour->removed);
    free(hour->slot);
}

static size_t hash_hour(uint64_t number)
{
    return (size_t)((number * 0x9E3779B97F4A7C15ull) >> 32);
}

static void place(struct rollup *rollup, size_t i)
{
    size_t at = hash_hour(rollup->hour[i].hour);

    while (rollup->hour_slot[at & (rollup->hour_slots - 1)] != 0)
        at++;
    rollup->hour_slot[at & (rollup->hour_slots - 1)] = (uint32_t)i + 1;
}

static void place_all(struct rollup *rollup)
{
    if (rollup->hour_slots > 0)
        memset(rollup->hour_slot, 0, rollup->hour_slots * sizeof(*rollup->hour_slot));
    for (size_t i = 0; i < rollup->n_hours; i++)
        place(rollup, i);
}

static int more_slots(struct rollup *rollup)
{
    size_t slots = rollup->hour_slots == 0 ? 16 : rollup->hour_slots * 2;
    uint32_t *slot;

    if ((rollup->n_hours + 1) * 2 <= rollup->hour_slots)
        return 0;
    slot = calloc(slots, sizeof(*slot));
    if (slot == NULL)
        return -1;
    free(rollup->hour_slot);
    rollup->hour_slot = slot;
    rollup->hour_slots = slots;
    place_all(rollup);
    return 0;
}

struct rollup_hour *rollup_hour_find(const struct rollup *rollup, uint64_t number)
{
    if (rollup->hour_slots == 0)
        return NULL;
    for (size_t at = hash_hour(number);; at++) {
        uint32_t i = rollup->hour_slot[at & (rollup->hour_slots - 1)];

        if (i == 0)
            return NULL;
        if (rollup->hour[i - 1].hour == number)
            return &rollup->hour[i - 1];
    }
}

/* An empty hour at the end of the list. */
static struct rollup_hour *append(struct rollup *rollup, uint64_t number)
{
    if (rollup->n_hours == rollup->capacity) {
        size_t capacity = rollup->capacity == 0 ? 8 : rollup->capacity * 2;
        struct rollup_hour *hour = realloc(rollup->hour, capacity * sizeof(*hour));

        if (hour == NULL)
            return NULL;
        rollup->hour = hour;
        rollup->capacity = capacity;
    }
    if (more_slots(rollup) != 0)
        return NULL;
    rollup->hour[rollup->n_hours] = (struct rollup_hour){.hour = number, .used = ++rollup->clock};
    place(rollup, rollup->n_hours);
    return &rollup->hour[rollup->n_hours++];
}

struct rollup_hour *rollup_hour_put(struct rollup *rollup, uint64_t number, int *ret_status)
{
    struct rollup_hour *hour = rollup_hour_find(rollup, number);

    *ret_status = 0;
    if (hour != NULL) {
        hour->used = ++rollup->clock;
        return hour;
    }
    if (append(rollup, number) == NULL) {
        *ret_status = -1;
        return NULL;
    }
    if (rollup->load != NULL)
        *ret_status = rollup->load(rollup->context, rollup, number);
    if (*ret_status != 0) {
        rollup_hour_drop(rollup, number);
        return NULL;
    }
    return rollup_hour_find(rollup, number);
}

/* Takes the entry of a number out of the table, moving back what stands after it only because of
 * it. */
static void unplace(struct rollup *rollup, uint64_t number)
{
    size_t mask = rollup->hour_slots - 1;
    size_t hole = hash_hour(number) & mask;

    while (rollup->hour[rollup->hour_slot[hole] - 1].hour != number)
        hole = (hole + 1) & mask;
    for (size_t at = (hole + 1) & mask; rollup->hour_slot[at] != 0; at = (at + 1) & mask) {
        size_t home = hash_hour(rollup->hour[rollup->hour_slot[at] - 1].hour) & mask;

        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        rollup->hour_slot[hole] = rollup->hour_slot[at];
        hole = at;
    }
    rollup->hour_slot[hole] = 0;
}

void rollup_hour_drop(struct rollup *rollup, uint64_t number)
{
    struct rollup_hour *hour = rollup_hour_find(rollup, number);
    struct rollup_hour *last = hour == NULL ? NULL : &rollup->hour[rollup->n_hours - 1];

    if (hour == NULL)
        return;
    unplace(rollup, number);
    rollup_hour_done(hour);
    if (last != hour) {
        unplace(rollup, last->hour);
        *hour = *last;
    }
    rollup->n_hours--;
    if (last != hour)
        place(rollup, (size_t)(hour - rollup->hour));
    if (rollup->n_hours == 0 && rollup->names.n > ROLLUP_NAMES_KEPT)
        rollup_clear(rollup);
}

void rollup_clear(struct rollup *rollup)
{
    for (size_t i = 0; i < rollup->n_hours; i++)
        rollup_hour_done(&rollup->hour[i]);
    rollup->n_hours = 0;
    rollup->overfull = false;
    place_all(rollup);
    rollup->folded = 0;
    rollup_keys_forget(rollup);
    rollup_names_done(&rollup->names);
}

void rollup_done(struct rollup *rollup)
{
    rollup_clear(rollup);
    free(rollup->hour);
    free(rollup->hour_slot);
    free(rollup->scratch);
    *rollup = (struct rollup){0};
}

static int by_use(const void *a, const void *b)
{
    const struct rollup_hour *x = a;
    const struct rollup_hour *y = b;

    return (x->used < y->used) - (x->used > y->used);
}

void rollup_trim(struct rollup *rollup, size_t keep)
{
    if (rollup->names.n > ROLLUP_NAMES_KEPT)
        rollup_clear(rollup);
    if (rollup->n_hours <= keep)
        return;
    qsort(rollup->hour, rollup->n_hours, sizeof(*rollup->hour), by_use);
    while (rollup->n_hours > keep)
        rollup_hour_done(&rollup->hour[--rollup->n_hours]);
    place_all(rollup);
}
