/*
 * The table of exchanges in flight. Called by the scribe on its own thread.
 */
#include "flights.h"

#include <stdlib.h>

/* Numbers are given out in order, so the lowest bits spread them perfectly. */
static size_t home(uint64_t number)
{
    return (size_t)(number % FLIGHTS_SLOTS);
}

static size_t after(size_t position)
{
    return (position + 1) % FLIGHTS_SLOTS;
}

struct flight *flights_find(const struct flights *flights, uint64_t number)
{
    for (size_t i = home(number); flights->slot[i] != NULL; i = after(i))
        if (flights->slot[i]->number == number)
            return flights->slot[i];
    return NULL;
}

struct flight *flights_add(struct flights *flights, uint64_t number)
{
    if (flights->n >= FLIGHTS_MAX || flights_find(flights, number) != NULL)
        return NULL;
    struct flight *flight = calloc(1, sizeof(*flight));
    if (flight == NULL)
        return NULL;
    flight->number = number;
    size_t i = home(number);
    while (flights->slot[i] != NULL)
        i = after(i);
    flights->slot[i] = flight;
    flights->n++;
    return flight;
}

void flights_remove(struct flights *flights, struct flight *flight)
{
    size_t hole = home(flight->number);
    while (flights->slot[hole] != flight)
        hole = after(hole);
    flights->slot[hole] = NULL;
    flights->n--;
    free(flight);
    /* Those after the hole that would not be found any more move up. */
    for (size_t i = after(hole); flights->slot[i] != NULL; i = after(i)) {
        size_t wanted = home(flights->slot[i]->number);
        size_t distance_of_hole = (hole + FLIGHTS_SLOTS - wanted) % FLIGHTS_SLOTS;
        size_t distance_of_slot = (i + FLIGHTS_SLOTS - wanted) % FLIGHTS_SLOTS;
        if (distance_of_hole < distance_of_slot) {
            flights->slot[hole] = flights->slot[i];
            flights->slot[i] = NULL;
            hole = i;
        }
    }
}

struct flight *flights_next(const struct flights *flights, size_t *position, uint64_t last_ns)
{
    for (; *position < FLIGHTS_SLOTS; (*position)++) {
        struct flight *flight = flights->slot[*position];
        if (flight != NULL && flight->last_ns <= last_ns)
            return flight;
    }
    return NULL;
}
