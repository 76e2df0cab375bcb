/*
 * Texts that wait, see waiting.h. Of each a dozen of its anchors is kept, those with the lowest
 * hashes: what a template's texts share is then in nearly all their dozens. A text goes with those
 * that have the most common of its anchors, but for what more than half a window has. So the texts
 * of one template lie side by side however many others came between them, and a window of whole
 * such groups misses none.
 *
 * The collector's thread; pure but for memory.
 */
#include "waiting.h"

#include <stdlib.h>
#include <string.h>

enum {
    ANCHORS = 12,
    GROUP_MAX = 48,   /* texts of one window that go by the same anchor: they make a template, which the others join */
    COUNTS = 1 << 20, /* of anchors, by their hashes */
};

#define ALONE UINT32_MAX /* last of all */

struct text {
    int64_t number;
    uint32_t anchor[ANCHORS]; /* 0: none */
    uint32_t bound;
    uint8_t due, dropped;
};

struct waiting {
    struct text *text; /* by number */
    size_t texts, room, dropped;
};

struct place {
    uint32_t key[2]; /* the anchors that most have; ALONE: nobody has any of it */
    uint32_t text;
};

struct waiting *waiting_new(void)
{
    return calloc(1, sizeof(struct waiting));
}

void waiting_free(struct waiting *waiting)
{
    if (waiting == NULL)
        return;
    free(waiting->text);
    free(waiting);
}

size_t waiting_count(const struct waiting *waiting)
{
    return waiting->texts - waiting->dropped;
}

static uint32_t spread(uint32_t anchor)
{
    return (uint32_t)((anchor * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static void sample(const struct prompt_features *features, uint32_t ret_anchor[ANCHORS])
{
    uint32_t anchor[FEATURE_ANCHORS_MAX];
    const unsigned count = feature_anchors(features, anchor);
    unsigned kept = 0;

    memset(ret_anchor, 0, ANCHORS * sizeof(ret_anchor[0]));
    for (unsigned i = 0; i < count; i++) {
        unsigned at = kept;

        while (at > 0 && spread(ret_anchor[at - 1]) > spread(anchor[i]))
            at--;
        if (at == ANCHORS || (at > 0 && ret_anchor[at - 1] == anchor[i]))
            continue;
        kept += kept < ANCHORS;
        memmove(ret_anchor + at + 1, ret_anchor + at, (kept - at - 1) * sizeof(ret_anchor[0]));
        ret_anchor[at] = anchor[i];
    }
}

static void close_gaps(struct waiting *waiting)
{
    size_t kept = 0;

    for (size_t i = 0; i < waiting->texts; i++)
        if (!waiting->text[i].dropped)
            waiting->text[kept++] = waiting->text[i];
    waiting->texts = kept;
    waiting->dropped = 0;
}

int waiting_add(struct waiting *waiting, int64_t number, const struct prompt_features *features, uint32_t bound)
{
    if (waiting->dropped * 4 > waiting->texts)
        close_gaps(waiting);
    if (waiting->texts == waiting->room) {
        const size_t room = waiting->room + waiting->room / 4 + 256;
        struct text *const grown = realloc(waiting->text, room * sizeof(*grown));
        if (grown == NULL)
            return -1;
        waiting->text = grown;
        waiting->room = room;
    }
    struct text *const text = &waiting->text[waiting->texts++];
    *text = (struct text){.number = number, .bound = bound, .due = true};
    sample(features, text->anchor);
    return 0;
}

/* NULL: it does not wait. */
static struct text *find(struct waiting *waiting, int64_t number)
{
    size_t from = 0, to = waiting->texts;

    while (from < to) {
        const size_t middle = (from + to) / 2;
        if (waiting->text[middle].number < number)
            from = middle + 1;
        else
            to = middle;
    }
    return from < waiting->texts && waiting->text[from].number == number && !waiting->text[from].dropped
               ? &waiting->text[from]
               : NULL;
}

void waiting_looked(struct waiting *waiting, int64_t number, uint32_t bound)
{
    struct text *const text = find(waiting, number);

    if (text == NULL)
        return;
    text->due = false;
    text->bound = bound;
}

void waiting_again(struct waiting *waiting, int64_t number)
{
    struct text *const text = find(waiting, number);

    if (text != NULL)
        text->due = true;
}

void waiting_drop(struct waiting *waiting, int64_t number)
{
    struct text *const text = find(waiting, number);

    if (text == NULL)
        return;
    text->dropped = true;
    waiting->dropped++;
}

size_t waiting_oldest(const struct waiting *waiting, size_t most, int64_t *ret_number)
{
    size_t count = 0;

    for (size_t i = 0; i < waiting->texts && count < most; i++)
        if (!waiting->text[i].dropped)
            ret_number[count++] = waiting->text[i].number;
    return count;
}

int waiting_stir(struct waiting *waiting, const uint32_t *feature, size_t count)
{
    uint64_t *const bits = count > 0 ? calloc(COUNTS / 64, sizeof(*bits)) : NULL;

    if (count == 0)
        return 0;
    if (bits == NULL)
        return -1;
    for (size_t i = 0; i < count; i++)
        bits[spread(feature[i]) % COUNTS / 64] |= UINT64_C(1) << spread(feature[i]) % 64;
    for (size_t i = 0; i < waiting->texts; i++)
        for (unsigned k = 0; k < ANCHORS && waiting->text[i].anchor[k] != 0; k++) {
            const uint32_t at = spread(waiting->text[i].anchor[k]);
            if (bits[at % COUNTS / 64] >> at % 64 & 1)
                waiting->text[i].due = true;
        }
    free(bits);
    return 0;
}

/* ---- windows ---- */

static void count_anchors(const struct waiting *waiting, uint16_t *count)
{
    for (size_t i = 0; i < waiting->texts; i++)
        for (unsigned k = 0; k < ANCHORS && waiting->text[i].anchor[k] != 0 && !waiting->text[i].dropped; k++) {
            uint16_t *const at = &count[spread(waiting->text[i].anchor[k]) % COUNTS];
            *at = (uint16_t)(*at + (*at < UINT16_MAX));
        }
}

/* The most common anchor of a text that at most `most` texts have, else the most common at all; and
 * the next one. */
static struct place place_of(const struct waiting *waiting, size_t number, const uint16_t *count, size_t most)
{
    struct place place = {.text = (uint32_t)number};
    const struct text *const text = &waiting->text[number];

    for (int k = 0; k < 2; k++) {
        size_t best = 0;
        for (unsigned i = 0; i < ANCHORS && text->anchor[i] != 0; i++) {
            const size_t texts = count[spread(text->anchor[i]) % COUNTS];
            const size_t worth = texts <= most ? texts + UINT16_MAX : texts;
            if (texts < 2 || text->anchor[i] == place.key[0])
                continue;
            if (worth > best || (worth == best && text->anchor[i] < place.key[k])) {
                best = worth;
                place.key[k] = text->anchor[i];
            }
        }
    }
    if (place.key[0] == 0)
        place.key[0] = ALONE;
    return place;
}

static int by_key(const void *a, const void *b)
{
    const struct place *const x = a, *const y = b;

    for (int k = 0; k < 2; k++)
        if (x->key[k] != y->key[k])
            return x->key[k] < y->key[k] ? -1 : 1;
    return x->text < y->text ? -1 : x->text > y->text;
}

static bool is_due(const struct waiting *waiting, const struct place *place, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (waiting->text[place[i].text].due)
            return true;
    return false;
}

/* Groups of which something is due, of a large one GROUP_MAX texts from the first that is; of those
 * who have nothing in common with anybody, the due ones. Returns how many come to the front. */
static size_t choose(const struct waiting *waiting, struct place *place, size_t places, size_t most, size_t group_most)
{
    size_t chosen = 0;

    for (size_t from = 0, to, end; from < places && chosen < most; from = to) {
        to = from + 1;
        while (to < places && place[from].key[0] != ALONE && place[to].key[0] == place[from].key[0])
            to++;
        while (to - from > group_most && !waiting->text[place[from].text].due)
            from++;
        end = to - from > group_most ? from + group_most : to;
        if (!is_due(waiting, place + from, end - from) || (chosen > 0 && chosen + (end - from) > most))
            continue;
        memmove(place + chosen, place + from, (end - from) * sizeof(*place));
        chosen += end - from;
    }
    return chosen;
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int by_hash(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Who belongs to what one of the window belongs to comes along. */
static size_t bring_along(struct waiting *waiting, int64_t *number, size_t count, size_t most)
{
    uint32_t *const bound = malloc((count + 1) * sizeof(*bound));
    size_t bounds = 0, all = count;

    if (bound == NULL)
        return SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct text *const text = find(waiting, number[i]);
        if (text->bound != 0)
            bound[bounds++] = text->bound;
    }
    qsort(bound, bounds, sizeof(*bound), by_hash);
    for (size_t i = 0; bounds > 0 && i < waiting->texts && all < most; i++)
        if (!waiting->text[i].dropped && waiting->text[i].bound != 0 &&
            bsearch(&waiting->text[i].bound, bound, bounds, sizeof(*bound), by_hash) != NULL &&
            bsearch(&waiting->text[i].number, number, count, sizeof(*number), by_number) == NULL)
            number[all++] = waiting->text[i].number;
    free(bound);
    qsort(number, all, sizeof(*number), by_number);
    return all;
}

int waiting_window(struct waiting *waiting, size_t most, int64_t **ret_number, size_t *ret_count)
{
    uint16_t *const count = calloc(COUNTS, sizeof(*count));
    struct place *const place = malloc((waiting->texts + 1) * sizeof(*place));
    int64_t *const number = malloc((most + most / 2 + 1) * sizeof(*number));
    size_t places = 0, chosen = 0;

    *ret_count = 0;
    *ret_number = number;
    if (count != NULL && place != NULL && number != NULL) {
        const bool all = waiting_count(waiting) <= most;
        if (!all)
            count_anchors(waiting, count);
        for (size_t i = 0; i < waiting->texts; i++)
            if (!waiting->text[i].dropped)
                place[places++] =
                    all ? (struct place){.key = {1}, .text = (uint32_t)i} : place_of(waiting, i, count, most / 2);
        qsort(place, places, sizeof(*place), by_key);
        chosen = choose(waiting, place, places, most, all ? most : GROUP_MAX);
        for (size_t i = 0; i < chosen; i++)
            number[i] = waiting->text[place[i].text].number;
        qsort(number, chosen, sizeof(*number), by_number);
        chosen = bring_along(waiting, number, chosen, most + most / 2);
    }
    const bool failed = count == NULL || place == NULL || number == NULL || chosen == SIZE_MAX;
    free(count);
    free(place);
    if (failed || chosen == 0) {
        free(number);
        *ret_number = NULL;
        return failed ? -1 : 0;
    }
    *ret_count = chosen;
    return 0;
}
