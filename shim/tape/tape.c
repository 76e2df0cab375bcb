/*
 * The tape (tape.h): a ring for many writers and one reader.
 *
 * Writers are the application's threads, inside libcurl's callbacks: they reserve by one
 * compare-and-swap, copy, and commit by storing the record's size. The reader is the scribe. No
 * lock, no allocation, no waiting here, and nothing that can end the process.
 *
 * Head and tail travel in one 64-bit word, in units of 8 bytes, modulo 2^32:
 *
 *     state = head << 32 | tail        offset in the ring = position % RING_UNITS
 *
 *     tail-> [wiped] at-> [size|kind|...|payload][size|...][pad to the ring's end] head-> [zeros]
 *
 * Memory outside at..head is always zero, so "size == 0" where the reader stands means "reserved,
 * not committed yet" or "nothing there". The word is the writers': it costs a writer 100 ns to get
 * it back from another core, so the reader goes by the sizes alone. It looks at the word where it
 * finds none, and moves the tail after it once in FREE_UNITS. When it finds the ring empty it lets
 * all positions jump to the ring's beginning: a quiet process touches a few pages of the four
 * megabytes only.
 *
 * A writer that dies between reserve and commit (a signal handler that jumps out of the copy) would
 * block the reader for ever. After STUCK_NS the reader gives that ring up and publishes a new one;
 * the old one stays mapped, as the writer may yet come back to it.
 */
#include "tape.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
    UNIT = 8,
    RING_UNITS = TAPE_RING_BYTES / UNIT,
    FREE_UNITS = 16 * 1024 / UNIT,   /* what was read is free for writers in such steps, or when all is read */
    REWIND_UNITS = 64 * 1024 / UNIT, /* when empty beyond this, begin again at the front, where caches are warm */
    RETIRED_MAX = 4,                 /* rings given up before the tape goes dead for good */
};
static const uint64_t STUCK_NS = 1000ull * 1000 * 1000;
static const uint64_t ALIVE = 0x7470617465766c61u;

enum record_flag { RECORD_SPILLED = 1 };

struct record {
    _Atomic uint32_t size; /* of the whole record, a multiple of UNIT; stored last; a pad has only this field */
    uint16_t kind;         /* 0: pad */
    uint16_t flags;
    uint64_t transfer;
    uint64_t time_ns;
    uint64_t lost_bytes;
    uint64_t bytes; /* of payload; the payload follows, or with RECORD_SPILLED its address */
};

/* Of a TAPE_END: so much is kept free for each open transfer, and once more for the gap before the
 * ring's end. A lost piece spoils a fact; a lost end leaves a call open. */
enum { END_UNITS = (sizeof(struct record) + sizeof(struct tape_end) + UNIT - 1) / UNIT };
_Static_assert((TAPE_ENDS_MAX + 1) * END_UNITS <= RING_UNITS * 3 / 4, "the ends leave room for what comes before them");

/* A forked child finds zeros everywhere in it, and with them a dead, empty tape that has lost
 * nothing. */
struct ring {
    _Atomic uint64_t alive; /* ALIVE */
    _Atomic uint64_t spilled_bytes;
    _Atomic uint64_t lost_records;
    _Atomic uint64_t lost_bytes;
    _Atomic uint64_t lost_calls;
    _Atomic uint64_t lost_ends;
    _Atomic uint64_t begun; /* TAPE_BEGIN records that it took */
    /* Transfers begun and not ended: too low at no time, else an end would find its room taken. */
    _Atomic uint32_t open;
    /* The reader's own, and in no cache line of the writers'; the scribe's thread only. */
    alignas(64) struct record *held; /* returned by the last tape_read */
    uint32_t at, tail;               /* where it stands, and the tail as it left it in `state` */
    _Atomic uint64_t begins_read;
    uint64_t stuck_since_ns; /* 0: not stuck */
    unsigned retired_count;
    struct ring *retired[RETIRED_MAX]; /* given up before this one; their losses count */
    alignas(64) _Atomic uint64_t state;
    alignas(64) uint8_t bytes[TAPE_RING_BYTES];
};

/* Set once by whoever comes first; replaced by the reader alone. */
static _Atomic(struct ring *) current_ring;

/* glibc only, hence weak: other libcs must still be able to load the library. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso)
    __attribute__((weak));

static void wipe_in_child(void)
{
    struct ring *ring = atomic_load_explicit(&current_ring, memory_order_relaxed);
    if (ring != NULL)
        (void)madvise(ring, sizeof(*ring), MADV_DONTNEED);
}

/* Makes a forked child find the ring empty. */
static int dies_in_child(struct ring *ring)
{
    static bool registered;

    if (madvise(ring, sizeof(*ring), MADV_WIPEONFORK) == 0)
        return 0;
    if (registered)
        return 0;
    if (__register_atfork == NULL || __register_atfork(NULL, NULL, wipe_in_child, NULL) != 0)
        return -ENOSYS;
    registered = true;
    return 0;
}

static int map_ring(struct ring **ret_ring)
{
    struct ring *ring =
        mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED)
        return -ENOMEM;
    (void)madvise(ring, sizeof(*ring), MADV_DONTDUMP);
    int code = dies_in_child(ring);
    if (code < 0) {
        (void)munmap(ring, sizeof(*ring));
        return code;
    }
    *ret_ring = ring;
    return 0;
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void count_lost(struct ring *ring, size_t bytes)
{
    atomic_fetch_add_explicit(&ring->lost_records, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&ring->lost_bytes, bytes, memory_order_relaxed);
}

static __attribute__((noinline)) bool drop(struct ring *ring, size_t bytes, uint64_t *lost)
{
    *lost += bytes != 0 ? bytes : 1;
    count_lost(ring, bytes);
    return false;
}

/* What the ends of all open transfers need: three quarters of the ring at most. */
static uint32_t units_of_ends(struct ring *ring)
{
    uint32_t open = atomic_load_explicit(&ring->open, memory_order_acquire);
    return ((open < TAPE_ENDS_MAX ? open : TAPE_ENDS_MAX) + 1) * END_UNITS;
}

/* A child of fork may end a transfer that its parent began. */
static void one_less_open(struct ring *ring)
{
    uint32_t open = atomic_load_explicit(&ring->open, memory_order_relaxed);
    while (open != 0 && !atomic_compare_exchange_weak_explicit(&ring->open, &open, open - 1, memory_order_acq_rel,
                                                               memory_order_relaxed))
        continue;
}

/*
 * Whether all ends find room after `used`: up to a quarter of the ring, all that can ever be open
 * do. `open` is read after the state, and a beginning counts itself before it reserves, so whoever
 * succeeds knew of all that did before.
 */
static inline __attribute__((always_inline)) bool ends_fit(struct ring *ring, uint32_t used)
{
    return used <= RING_UNITS / 4 || used + units_of_ends(ring) <= RING_UNITS;
}

/* Room for `units`, in one piece; NULL when there is none. What is no end leaves free what the ends
 * will need. */
static inline __attribute__((always_inline)) struct record *reserve(struct ring *ring, enum tape_kind kind,
                                                                    uint32_t units)
{
    uint64_t state = atomic_load_explicit(&ring->state, memory_order_acquire);
    for (;;) {
        uint32_t head = (uint32_t)(state >> 32);
        uint32_t tail = (uint32_t)state;
        uint32_t at = head % RING_UNITS;
        uint32_t pad = at + units > RING_UNITS ? RING_UNITS - at : 0;
        uint32_t used = head - tail + pad + units;

        if (kind == TAPE_END ? used > RING_UNITS : !ends_fit(ring, used))
            return NULL;
        uint64_t next = (uint64_t)(uint32_t)(head + pad + units) << 32 | tail;
        if (!atomic_compare_exchange_weak_explicit(&ring->state, &state, next, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        if (pad != 0) {
            struct record *filler = (struct record *)(void *)(ring->bytes + (size_t)at * UNIT);
            atomic_store_explicit(&filler->size, pad * UNIT, memory_order_release);
            at = 0;
        }
        return (struct record *)(void *)(ring->bytes + (size_t)at * UNIT);
    }
}

/* The same where nothing stands in the way, as nearly always; NULL where reserve() has to look. */
static inline __attribute__((always_inline)) struct record *reserve_at_once(struct ring *ring, uint32_t units)
{
    uint64_t state = atomic_load_explicit(&ring->state, memory_order_acquire);
    uint32_t head = (uint32_t)(state >> 32);
    uint32_t at = head % RING_UNITS;
    if (at + units > RING_UNITS || !ends_fit(ring, head - (uint32_t)state + units) ||
        !atomic_compare_exchange_strong_explicit(&ring->state, &state, state + ((uint64_t)units << 32),
                                                 memory_order_acq_rel, memory_order_relaxed))
        return NULL;
    return (struct record *)(void *)(ring->bytes + (size_t)at * UNIT);
}

/* Copies a huge payload into a mapping of its own. The child of a fork does not inherit it. */
static void *spill(struct ring *ring, const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    size_t bytes = a_bytes + b_bytes;
    uint64_t before = atomic_fetch_add_explicit(&ring->spilled_bytes, bytes, memory_order_relaxed);
    if (bytes <= TAPE_SPILL_TOTAL_MAX && before <= TAPE_SPILL_TOTAL_MAX - bytes) {
        uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory != MAP_FAILED) {
            (void)madvise(memory, bytes, MADV_DONTFORK);
            (void)madvise(memory, bytes, MADV_DONTDUMP);
            if (a_bytes != 0)
                memcpy(memory, a, a_bytes);
            if (b_bytes != 0)
                memcpy(memory + a_bytes, b, b_bytes);
            return memory;
        }
    }
    atomic_fetch_sub_explicit(&ring->spilled_bytes, bytes, memory_order_relaxed);
    return NULL;
}

static void unspill(struct ring *ring, void *memory, size_t bytes)
{
    (void)munmap(memory, bytes);
    atomic_fetch_sub_explicit(&ring->spilled_bytes, bytes, memory_order_relaxed);
}

static __attribute__((noinline)) bool write_spilled(struct ring *ring, enum tape_kind kind, uint64_t transfer,
                                                    uint64_t time_ns, const void *a, size_t a_bytes, const void *b,
                                                    size_t b_bytes, uint64_t *lost)
{
    uint32_t size = sizeof(struct record) + sizeof(void *);
    int saved_errno = errno;
    void *memory = spill(ring, a, a_bytes, b, b_bytes);
    struct record *record = memory == NULL ? NULL : reserve(ring, kind, size / UNIT);

    if (record == NULL) {
        if (memory != NULL)
            unspill(ring, memory, a_bytes + b_bytes);
        errno = saved_errno;
        return drop(ring, a_bytes + b_bytes, lost);
    }
    errno = saved_errno;
    record->kind = (uint16_t)kind;
    record->flags = RECORD_SPILLED;
    record->transfer = transfer;
    record->time_ns = time_ns;
    record->lost_bytes = *lost;
    record->bytes = a_bytes + b_bytes;
    memcpy(record + 1, &memory, sizeof(memory));
    *lost = 0;
    atomic_store_explicit(&record->size, size, memory_order_release);
    return true;
}

/* Moves the tail to where the reader stands: all before is wiped. */
static void free_read(struct ring *ring)
{
    uint64_t state = atomic_load_explicit(&ring->state, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&ring->state, &state, (state & ~(uint64_t)UINT32_MAX) | ring->at,
                                                  memory_order_acq_rel, memory_order_relaxed))
        continue;
    ring->tail = ring->at;
}

/* Over a record that is wiped already. */
static void advance(struct ring *ring, uint32_t units)
{
    ring->at += units;
    if (ring->at - ring->tail >= FREE_UNITS)
        free_read(ring);
}

static void release_held(struct ring *ring)
{
    struct record *record = ring->held;
    if (record == NULL)
        return;
    ring->held = NULL;
    uint32_t size = atomic_load_explicit(&record->size, memory_order_relaxed);
    if (record->flags & RECORD_SPILLED) {
        void *memory;
        memcpy(&memory, record + 1, sizeof(memory));
        unspill(ring, memory, (size_t)record->bytes);
    }
    memset((uint8_t *)record + sizeof(record->size), 0, size - sizeof(record->size));
    atomic_store_explicit(&record->size, 0, memory_order_relaxed);
    advance(ring, size / UNIT);
}

static void start_over_when_empty(struct ring *ring, uint64_t state)
{
    uint32_t at = ring->at % RING_UNITS;
    if (at < REWIND_UNITS)
        return;
    uint32_t front = ring->at - at + RING_UNITS;
    if (atomic_compare_exchange_strong_explicit(&ring->state, &state, (uint64_t)front << 32 | front,
                                                memory_order_acq_rel, memory_order_relaxed))
        ring->at = ring->tail = front;
}

/* The record where the reader stands is not committed. True when its writer is given up and a new
 * ring stands in place of this one. */
static bool give_up_when_stuck(struct ring *ring, uint64_t state)
{
    uint64_t now_ns = tape_now_ns();
    if (ring->stuck_since_ns == 0)
        ring->stuck_since_ns = now_ns;
    if (now_ns - ring->stuck_since_ns < STUCK_NS)
        return false;
    ring->stuck_since_ns = 0;

    struct ring *fresh = NULL;
    if (ring->retired_count >= RETIRED_MAX || map_ring(&fresh) < 0) {
        atomic_store_explicit(&ring->alive, 0, memory_order_relaxed);
        return false;
    }
    memcpy(fresh->retired, ring->retired, sizeof(ring->retired));
    fresh->retired[ring->retired_count] = ring;
    fresh->retired_count = ring->retired_count + 1;
    count_lost(fresh, (size_t)(uint32_t)((uint32_t)(state >> 32) - (uint32_t)state) * UNIT);
    count(&fresh->lost_ends); /* whose lay there, nobody knows */
    atomic_store_explicit(&fresh->open, atomic_load_explicit(&ring->open, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&fresh->alive, ALIVE, memory_order_relaxed);
    atomic_store_explicit(&current_ring, fresh, memory_order_release);
    return true;
}

/* There is nothing committed where the reader stands. True when there may be by now, or in a new
 * ring. */
static bool look_again(struct ring *ring)
{
    if (ring->at != ring->tail)
        free_read(ring);
    uint64_t state = atomic_load_explicit(&ring->state, memory_order_acquire);
    if ((uint32_t)(state >> 32) != ring->at)
        return give_up_when_stuck(ring, state);
    ring->stuck_since_ns = 0;
    start_over_when_empty(ring, state);
    return false;
}

int tape_start(void)
{
    struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    if (ring == NULL) {
        struct ring *fresh;
        int code = map_ring(&fresh);
        if (code < 0)
            return code;
        if (atomic_compare_exchange_strong(&current_ring, &ring, fresh))
            ring = fresh;
        else
            (void)munmap(fresh, sizeof(*fresh)); /* another thread was faster; `ring` is its own now */
    }
    atomic_store_explicit(&ring->alive, ALIVE, memory_order_release);
    return 0;
}

bool tape_alive(void)
{
    struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    return ring != NULL && atomic_load_explicit(&ring->alive, memory_order_acquire) == ALIVE;
}

static uint32_t size_for(size_t bytes)
{
    return (uint32_t)(sizeof(struct record) + bytes + UNIT - 1) & ~(uint32_t)(UNIT - 1);
}

static inline __attribute__((always_inline)) void fill(struct record *record, uint32_t size, enum tape_kind kind,
                                                       uint64_t transfer, uint64_t time_ns, const void *a,
                                                       size_t a_bytes, const void *b, size_t b_bytes, uint64_t *lost)
{
    record->kind = (uint16_t)kind;
    record->transfer = transfer;
    record->time_ns = time_ns;
    record->lost_bytes = *lost;
    record->bytes = a_bytes + b_bytes;
    if (a_bytes != 0)
        memcpy(record + 1, a, a_bytes);
    if (b_bytes != 0)
        memcpy((uint8_t *)(record + 1) + a_bytes, b, b_bytes);
    *lost = 0;
    atomic_store_explicit(&record->size, size, memory_order_release);
}

bool tape_write(enum tape_kind kind, uint64_t transfer, uint64_t time_ns, const void *a, size_t a_bytes, const void *b,
                size_t b_bytes, uint64_t *lost)
{
    struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    size_t bytes = a_bytes + b_bytes;

    if (ring == NULL) {
        *lost += bytes; /* nobody will ever read here, so nobody could be told */
        return false;
    }
    if (atomic_load_explicit(&ring->alive, memory_order_acquire) != ALIVE)
        return drop(ring, bytes, lost);
    if (kind == TAPE_BEGIN)
        atomic_fetch_add_explicit(&ring->open, 1, memory_order_acq_rel);
    if (bytes >= TAPE_SPILL_BYTES)
        return write_spilled(ring, kind, transfer, time_ns, a, a_bytes, b, b_bytes, lost);
    uint32_t size = size_for(bytes);
    struct record *record = reserve(ring, kind, size / UNIT);
    if (record == NULL) {
        if (kind == TAPE_BEGIN)
            one_less_open(ring);
        if (kind == TAPE_END)
            count(&ring->lost_ends);
        return drop(ring, bytes, lost);
    }
    if (kind == TAPE_END)
        one_less_open(ring);
    if (kind == TAPE_BEGIN)
        count(&ring->begun);
    fill(record, size, kind, transfer, time_ns, a, a_bytes, b, b_bytes, lost);
    return true;
}

/* With as many parameters as its caller, which so needs no frame for it. */
static __attribute__((noinline)) void piece_otherwise(enum tape_kind kind, uint64_t transfer, uint64_t time_ns,
                                                      const void *data, size_t bytes, uint64_t *lost)
{
    (void)tape_write(kind, transfer, time_ns, data, bytes, NULL, 0, lost);
}

void tape_piece(enum tape_kind kind, uint64_t transfer, uint64_t time_ns, const void *data, size_t bytes,
                uint64_t *lost)
{
    struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    uint32_t size = size_for(bytes);
    struct record *record;

    if (ring != NULL && atomic_load_explicit(&ring->alive, memory_order_acquire) == ALIVE && bytes < TAPE_SPILL_BYTES &&
        (record = reserve_at_once(ring, size / UNIT)) != NULL)
        fill(record, size, kind, transfer, time_ns, data, bytes, NULL, 0, lost);
    else
        piece_otherwise(kind, transfer, time_ns, data, bytes, lost);
}

bool tape_read(struct tape_record *ret_record)
{
    struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    if (ring == NULL || atomic_load_explicit(&ring->alive, memory_order_acquire) != ALIVE)
        return false;
    release_held(ring);
    for (;;) {
        struct record *record = (struct record *)(void *)(ring->bytes + (size_t)(ring->at % RING_UNITS) * UNIT);
        uint32_t size = atomic_load_explicit(&record->size, memory_order_acquire);
        if (size == 0) {
            if (!look_again(ring))
                return false;
            ring = atomic_load_explicit(&current_ring, memory_order_relaxed);
            continue;
        }
        ring->stuck_since_ns = 0;
        if (record->kind == 0) {
            atomic_store_explicit(&record->size, 0, memory_order_relaxed);
            advance(ring, size / UNIT);
            continue;
        }
        if (record->kind == TAPE_BEGIN)
            count(&ring->begins_read);
        const void *payload = record + 1;
        if (record->flags & RECORD_SPILLED)
            memcpy(&payload, record + 1, sizeof(payload));
        ring->held = record;
        *ret_record = (struct tape_record){
            .kind = (enum tape_kind)record->kind,
            .transfer = record->transfer,
            .time_ns = record->time_ns,
            .lost_bytes = record->lost_bytes,
            .payload = payload,
            .bytes = (size_t)record->bytes,
        };
        return true;
    }
}

size_t tape_backlog_bytes(void)
{
    struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    if (ring == NULL)
        return 0;
    uint64_t state = atomic_load_explicit(&ring->state, memory_order_relaxed);
    return (size_t)(uint32_t)((uint32_t)(state >> 32) - (uint32_t)state) * UNIT;
}

bool tape_is_unread(void)
{
    return tape_backlog_bytes() > 0;
}

static void add_losses(const struct ring *ring, struct tape_loss *sum)
{
    sum->records += atomic_load_explicit(&ring->lost_records, memory_order_relaxed);
    sum->bytes += atomic_load_explicit(&ring->lost_bytes, memory_order_relaxed);
    sum->calls += atomic_load_explicit(&ring->lost_calls, memory_order_relaxed);
    sum->ends += atomic_load_explicit(&ring->lost_ends, memory_order_relaxed);
}

static uint64_t begins_unread(const struct ring *ring)
{
    return atomic_load_explicit(&ring->begun, memory_order_relaxed) -
           atomic_load_explicit(&ring->begins_read, memory_order_relaxed);
}

struct tape_loss tape_losses(void)
{
    const struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    struct tape_loss sum = {0};
    if (ring == NULL)
        return sum;
    add_losses(ring, &sum);
    for (unsigned i = 0; i < ring->retired_count; i++) {
        const struct ring *retired = ring->retired[i];
        add_losses(retired, &sum);
        /* Beginnings that lie there unread, and those of writers that come back to it. */
        sum.calls += begins_unread(retired);
    }
    return sum;
}

uint64_t tape_unheard_calls(void)
{
    const struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    return ring == NULL ? 0 : tape_losses().calls + begins_unread(ring);
}

void tape_piece_lost(size_t bytes, uint64_t *lost)
{
    struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    if (ring != NULL)
        (void)drop(ring, bytes, lost);
}

void tape_call_lost(void)
{
    struct ring *ring = atomic_load_explicit(&current_ring, memory_order_acquire);
    if (ring != NULL)
        count(&ring->lost_calls);
}

uint64_t tape_now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
