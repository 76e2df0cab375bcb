/*
 * Times of texts, see miner_times.h. Pure; the collector's thread.
 */
#include "miner_times.h"

#include <math.h>

enum { WEIGHT_MAX = 32 };

double times_weight(const struct miner_text *text)
{
    return text->calls < WEIGHT_MAX ? (double)text->calls : WEIGHT_MAX;
}

double times_before(const struct miner_text *text, uint64_t ns)
{
    const double weight = times_weight(text);
    if (text->last_ns < ns || text->first_ns >= ns)
        return text->last_ns < ns ? weight : 0;
    const double span = (double)(text->last_ns - text->first_ns);
    return 1 + (weight - 1) * (double)(ns - text->first_ns) / (span + 1);
}

/* That none of `some` of all calls is among so many at one end. */
static double none_among(double all, double some, double at_end)
{
    double chance = 1;
    for (unsigned i = 0; i < some; i++)
        chance *= all - at_end - i > 0 ? (all - at_end - i) / (all - i) : 0;
    return chance;
}

double times_chance(const struct miner_times *a, const struct miner_times *b)
{
    const double all = a->calls + b->calls;
    return fmin(fmin(none_among(all, a->calls, a->before), none_among(all, a->calls, a->after)),
                fmin(none_among(all, b->calls, b->before), none_among(all, b->calls, b->after)));
}
