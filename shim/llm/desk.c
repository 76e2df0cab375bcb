/*
 * Desks and packets, see desk.h. Called by exchange.c on the scribe's thread.
 *
 * A packet is a row of [zeros][words][the words themselves], counted in words of 8 bytes, until the
 * work is complete.
 */
#include "desk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORD = 8, BLOCK = 8 /* words looked at together */, RUN_MAX = UINT16_MAX };

struct desk {
    struct desk_work *at; /* whose work lies here; NULL: nobody's */
    unsigned users;       /* pieces of work that belong here, packed or not */
    const struct desk_kind *kind;
    uint64_t place[]; /* all zero where nobody's work lies */
};

struct run {
    uint16_t zeros, words;
};

/* The scribe's thread only. A forked child inherits what was there with its copy of memory. */
static struct desk *desks[DESKS];
static unsigned count, idle, next;
static uint64_t given_up;
static size_t memory; /* of desks and packets */

static bool is_zero(const uint64_t *words)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        all |= words[i];
    return !all;
}

/* The next run from word `at` on. A single zero among others is not worth a run. */
static struct run next_run(const uint64_t *place, size_t at, size_t words)
{
    size_t from = at;
    while (from + BLOCK <= words && is_zero(place + from))
        from += BLOCK;
    while (from < words && !place[from])
        from++;
    if (from - at > RUN_MAX)
        from = at + RUN_MAX;
    size_t to = from;
    while (to < words && to - from < RUN_MAX && (place[to] || (to + 1 < words && place[to + 1])))
        to++;
    return (struct run){(uint16_t)(from - at), (uint16_t)(to - from)};
}

static size_t packed_bytes(const struct desk *desk)
{
    const size_t words = desk->kind->bytes / WORD;
    size_t bytes = 0;
    for (size_t at = 0; at < words;) {
        const struct run run = next_run(desk->place, at, words);
        bytes += sizeof(run) + (size_t)run.words * WORD;
        at += (size_t)run.zeros + run.words;
    }
    return bytes;
}

static void pack(const struct desk *desk, uint8_t *to)
{
    const size_t words = desk->kind->bytes / WORD;
    for (size_t at = 0; at < words;) {
        const struct run run = next_run(desk->place, at, words);
        memcpy(to, &run, sizeof(run));
        memcpy(to + sizeof(run), desk->place + at + run.zeros, (size_t)run.words * WORD);
        to += sizeof(run) + (size_t)run.words * WORD;
        at += (size_t)run.zeros + run.words;
    }
}

/* Returns the packet's length. */
static size_t unpack(struct desk *desk, const uint8_t *packed)
{
    const size_t words = desk->kind->bytes / WORD;
    const uint8_t *from = packed;
    memset(desk->place, 0, desk->kind->bytes);
    for (size_t at = 0; at < words;) {
        struct run run;
        memcpy(&run, from, sizeof(run));
        at += run.zeros;
        memcpy(desk->place + at, from + sizeof(run), (size_t)run.words * WORD);
        from += sizeof(run) + (size_t)run.words * WORD;
        at += run.words;
    }
    return (size_t)(from - packed);
}

/* Packs whatever lies on the desk. Returns whether its bytes are still there. */
static bool clear_desk(struct desk *desk)
{
    struct desk_work *const work = desk->at;
    if (work == NULL)
        return false;
    desk->kind->tidy(desk->place);
    const size_t bytes = packed_bytes(desk);
    work->packed = malloc(bytes ? bytes : 1);
    if (work->packed != NULL) {
        pack(desk, work->packed);
        memory += bytes;
    } else {
        work->given_up = true;
        given_up++;
    }
    desk->at = NULL;
    return true;
}

static struct desk *make_desk(const struct desk_kind *kind)
{
    struct desk *const desk = count < DESKS ? malloc(sizeof(*desk) + kind->bytes) : NULL;
    if (desk == NULL)
        return NULL;
    memory += sizeof(*desk) + kind->bytes;
    *desk = (struct desk){.kind = kind};
    memset(desk->place, 0, kind->bytes);
    idle++;
    return desks[count++] = desk;
}

static struct desk *idle_desk(void)
{
    for (unsigned i = 0; i < count; i++)
        if (!desks[i]->users)
            return desks[i];
    return NULL;
}

void *desk_open(struct desk_work *work, const struct desk_kind *kind)
{
    struct desk *desk = idle ? idle_desk() : make_desk(kind);
    if (desk == NULL && !count)
        return NULL;
    if (desk == NULL)
        desk = desks[next++ % count];
    idle -= !desk->users;
    if (clear_desk(desk))
        memset(desk->place, 0, kind->bytes);
    desk->at = work;
    desk->users++;
    *work = (struct desk_work){.desk = desk};
    return desk->place;
}

void *desk_bring(struct desk_work *work)
{
    struct desk *const desk = work->desk;
    if (work->given_up)
        return NULL;
    if (desk->at != work) {
        (void)clear_desk(desk);
        memory -= unpack(desk, work->packed);
        free(work->packed);
        work->packed = NULL;
        desk->at = work;
    }
    return desk->place;
}

void desk_new_process(void)
{
    static struct desk *inherited[DESKS]; /* the parent may have been moving them: never touched, but reachable */
    static pid_t owner;
    if (owner == getpid())
        return;
    if (owner) {
        memcpy(inherited, desks, sizeof(inherited));
        memset(desks, 0, sizeof(desks));
        count = idle = 0;
        given_up = memory = 0;
    }
    owner = getpid();
}

static void remove_desk(struct desk *desk)
{
    for (unsigned i = 0; i < count; i++)
        if (desks[i] == desk)
            desks[i] = desks[--count];
    memory -= sizeof(*desk) + desk->kind->bytes;
    idle--;
    free(desk);
}

void desk_close(struct desk_work *work)
{
    struct desk *const desk = work->desk;
    if (desk->at == work) {
        desk->kind->wipe(desk->place);
        desk->at = NULL;
    }
    idle += !--desk->users;
    if (!desk->users && idle > DESKS_IDLE_MAX)
        remove_desk(desk);
}

uint64_t desk_given_up(void)
{
    return given_up;
}

bool desk_idle_is_empty(void)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++)
        for (size_t at = 0; desks[i]->at == NULL && at < desks[i]->kind->bytes / WORD; at++)
            all |= desks[i]->place[at];
    return !all;
}

size_t desk_memory(void)
{
    return memory;
}
