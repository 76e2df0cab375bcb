/*
 * The scribe's thread: tape -> exchanges -> spans -> outbox. scribe_ensure, scribe_wake_if_asleep
 * and scribe_finish run on the application's threads and must never block (finish: beyond its
 * bound), allocate, take a lock or change errno; everything else runs on the scribe's own.
 *
 * All state lies in one mapping that a forked child finds zeroed (MADV_WIPEONFORK): the child has
 * no thread, an empty table and the stage NONE, whatever the parent was doing at that moment, and
 * begins anew with its first request. What the parent had queued stays the parent's.
 *
 * Sleep: 2 to 10 ms while records come or are to come; after a second without any, deep sleep on a
 * futex that the next writer rings. Writers reserve on the tape by compare-and-swap, then look at
 * the bell; the scribe sets the bell, then looks at the tape: one of the two sees the other.
 */
#include "scribe.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "beginning.h"
#include "shim/base/config.h"
#include "shim/base/say.h"
#include "ending.h"
#include "exchange_keys.h"
#include "flights.h"
#include "last_word.h"
#include "shim/llm/desk.h"
#include "shim/llm/exchange.h"
#include "mark.h"
#include "shim/outbox/outbox.h"
#include "shim/base/own_thread.h"
#include "shim/base/process_info.h"
#include "snapshots.h"
#include "taps.h"
#include "shim/tape/tally.h"
#include "shim/tape/tape.h"
#include "shim/outbox/where.h"

#define NS_PER_MS 1000000ULL

enum {
    RECORDS_PER_TURN = 1024,
    ADDRESSES_LEFT_MIN = 512 * 1024 * 1024, /* seven times what the scribe takes */
    FINISH_CHECK_RECORDS = 64,
    SKIM_RECORDS_MAX = TAPE_RING_BYTES / 40, /* a full tape of the smallest; other threads may go on writing */
    FINISH_SPOOL_MS = 300, /* what the caller of scribe_finish allows for writing the spool after its wait */
    BUSY_MS = 2,
    QUIET_MS = 10,
    QUIET_AFTER_MS = 20,
    DEEP_AFTER_MS = 1000,
    DEEP_IN_FLIGHT_AFTER_MS = 60 * 1000, /* an answer can come any moment, and fill the tape faster than 100 ms */
    DEEP_IN_FLIGHT_MS = 100,
    ALONE_CHECK_MS = 1000,
    SWEEP_MS = 1000,
    SILENT_MS_MAX = 2 * 3600 * 1000, /* such a request hangs for good, or its end was lost with its tape */
    SILENT_FULL_MS_MAX = 60 * 1000,  /* the same while the table is full */
};

enum stage { STAGE_NONE, STAGE_STARTING, STAGE_RUNNING, STAGE_FAILED };
enum bell { BELL_AWAKE, BELL_LIGHT, BELL_DEEP };

struct scribe {
    _Atomic uint32_t stage;
    _Atomic int error;     /* why STAGE_FAILED */
    _Atomic uint32_t vain; /* requests since then that wanted a scribe */
    _Atomic int thread;    /* its id */
    _Atomic pid_t process;
    _Atomic uint32_t bell;
    _Atomic uint32_t finish_wanted; /* counts calls of scribe_finish */
    _Atomic uint32_t finish_done;   /* futex: the last call that was served */
    _Atomic uint64_t finish_deadline_ns;
    struct mark mark;
    /* Written for each record; the application's threads read what stands before it. */
    alignas(64) struct last_word last_word;
    /* The scribe's own from here on. */
    alignas(64) struct exchange_config exchange_config;
    uint64_t lost_exchanges;
    uint64_t lost_records, lost_bytes; /* that time did not allow to read when the process ended */
    uint64_t record_ns;                /* when the last record was read */
    uint64_t sweep_ns;                 /* last look for flights that fell silent */
    struct ending ending;
    struct flights flights;
    struct snapshots snapshots;
};

/* Set once and never changed; a forked child finds zeros after it. */
static struct scribe *_Atomic scribe_memory;

static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

static void futex_wait_ns(_Atomic uint32_t *word, uint32_t value, uint64_t ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(ns / 1000000000U), .tv_nsec = (long)(ns % 1000000000U)};
    (void)futex(word, FUTEX_WAIT, value, &timeout);
}

static struct span_loss losses(struct scribe *scribe)
{
    struct tape_loss tape = tape_losses();
    atomic_store(&scribe->last_word.told, tape.calls);
    uint64_t exchanges = tape.calls + scribe->lost_exchanges + desk_given_up() + tally_of(TALLY_CALLS);
    if (exchanges > 0) /* perhaps nothing can be sent any more */
        shim_say_once("calls are not followed: more at the same time than there is room or memory for");
    return (struct span_loss){.tape_records = tape.records + scribe->lost_records,
                              .tape_bytes = tape.bytes + scribe->lost_bytes,
                              .exchanges = exchanges,
                              .journals = atomic_load(&scribe->mark.failures),
                              .sessions = tally_of(TALLY_SESSIONS)};
}

/* ---- records ---- */

static void close_flight(struct scribe *scribe, struct flight *flight, const struct exchange_end *end)
{
    struct span span;
    struct journal_slot slot = {flight->journal_file, flight->journal_slot};
    if (exchange_close(flight->exchange, end, &span)) {
        outbox_add(tape_now_ns(), &span, flight->number, &slot);
        exchange_keys_save(&scribe->exchange_config);
    } else {
        outbox_flight_end(&slot);
    }
    snapshots_forget(&scribe->snapshots, flight);
    flights_remove(&scribe->flights, flight);
}

/* How a request without an end came to this. */
enum cut { CUT_UNDER_WAY, CUT_SILENT, CUT_END_LOST };

/* Ends the request as one whose end was not seen. */
static void cut_flight(struct scribe *scribe, struct flight *flight, uint64_t now_ns, enum cut cut)
{
    const struct exchange_end end = {
        EXCHANGE_END_UNKNOWN,
        .time_ns = now_ns,
        .how = cut == CUT_UNDER_WAY ? EXCHANGE_CANCELLED : EXCHANGE_UNSEEN,
        .lost_bytes = cut == CUT_END_LOST ? sizeof(struct tape_end) : 0,
    };
    close_flight(scribe, flight, &end);
}

/* Where the tape lost an end, none of these can be said to be under way. */
static void cut_silent_flights(struct scribe *scribe, uint64_t now_ns, uint64_t last_ns, enum cut cut)
{
    size_t position = 0;
    if (tape_losses().ends > 0)
        cut = CUT_END_LOST;
    for (struct flight *flight; (flight = flights_next(&scribe->flights, &position, last_ns)) != NULL;)
        cut_flight(scribe, flight, now_ns, cut);
}

static void sweep_if_due(struct scribe *scribe, uint64_t now_ns)
{
    if (scribe->flights.n == 0 || now_ns - scribe->sweep_ns < SWEEP_MS * NS_PER_MS)
        return;
    scribe->sweep_ns = now_ns;
    uint64_t silent_ns = (scribe->flights.n < FLIGHTS_MAX ? SILENT_MS_MAX : SILENT_FULL_MS_MAX) * NS_PER_MS;
    if (now_ns > silent_ns)
        cut_silent_flights(scribe, now_ns, now_ns - silent_ns, CUT_SILENT);
}

/* For the case that the process dies before the next turn. */
static void note_flights(struct scribe *scribe, uint64_t now_ns)
{
    snapshots_turn(&scribe->snapshots, now_ns);
    if (scribe->flights.n > 0)
        outbox_alive(now_ns);
}

static void take_begin(struct scribe *scribe, const struct tape_record *record)
{
    char lines[HEADER_LINES_BYTES_MAX];
    struct exchange_start start;
    enum tape_source source;
    if (!beginning_read(record, lines, &start, &source))
        return;
    bool no_memory = false;
    struct exchange *exchange = exchange_open(&scribe->exchange_config, &start, &no_memory);
    explicit_bzero(lines, start.headers_bytes);
    if (exchange == NULL) {
        scribe->lost_exchanges += no_memory;
        return;
    }
    struct flight *flight = flights_add(&scribe->flights, record->transfer);
    if (flight == NULL) {
        struct span span;
        struct exchange_end end = {.time_ns = record->time_ns};
        (void)exchange_close(exchange, &end, &span);
        scribe->lost_exchanges++;
        return;
    }
    flight->exchange = exchange;
    flight->source = source;
    flight->begin_ns = record->time_ns;
}

static void take_headers(struct exchange *exchange, const struct tape_record *record)
{
    char lines[HEADER_LINES_BYTES_MAX];
    const size_t bytes = header_lines_write((const char *)record->payload, record->bytes, lines, sizeof(lines));
    exchange_request_headers(exchange, lines, bytes);
    explicit_bzero(lines, bytes);
}

static void take_end(struct scribe *scribe, struct flight *flight, const struct tape_record *record)
{
    struct tape_end tape_end;
    if (record->bytes < sizeof(tape_end)) {
        cut_flight(scribe, flight, record->time_ns, CUT_END_LOST);
        return;
    }
    memcpy(&tape_end, record->payload, sizeof(tape_end));
    uint64_t body_sent_us = TAPE_UNKNOWN;
    if (flight->body_ns > flight->begin_ns)
        body_sent_us = (flight->body_ns - flight->begin_ns) / 1000;
    struct exchange_end end;
    taps_end(flight->source, &tape_end, body_sent_us, &end);
    end.time_ns = record->time_ns;
    close_flight(scribe, flight, &end);
}

static void take_record(struct scribe *scribe, const struct tape_record *record)
{
    if (record->kind == TAPE_BEGIN)
        take_begin(scribe, record);
    struct flight *flight = flights_find(&scribe->flights, record->transfer);
    if (flight == NULL)
        return; /* no inference call, or its beginning was lost (and counted) */
    struct exchange *exchange = flight->exchange;
    flight->last_ns = record->time_ns;
    snapshots_touch(&scribe->snapshots, flight);
    if (record->lost_bytes > 0)
        exchange_lost(exchange, record->lost_bytes);
    switch (record->kind) {
    case TAPE_REQUEST_BODY:
        flight->body_ns = record->time_ns;
        flight->request_bytes += record->bytes;
        exchange_request_body(exchange, record->time_ns, record->payload, record->bytes);
        break;
    case TAPE_REQUEST_HEADERS:
        take_headers(exchange, record);
        break;
    case TAPE_REQUEST_REWIND:
        exchange_request_rewind(exchange);
        break;
    case TAPE_RESPONSE_HEADER:
        flight->response_bytes += record->bytes;
        exchange_response_header(exchange, record->time_ns, (const char *)record->payload, record->bytes);
        break;
    case TAPE_RESPONSE_BODY:
        flight->response_bytes += record->bytes;
        exchange_response_body(exchange, record->time_ns, record->payload, record->bytes);
        break;
    case TAPE_PAUSE:
        exchange_pause(exchange, record->time_ns);
        break;
    case TAPE_RESUME:
        exchange_resume(exchange, record->time_ns);
        break;
    case TAPE_END:
        take_end(scribe, flight, record);
        break;
    case TAPE_BEGIN:
    default:
        break;
    }
}

/* Reads up to `n` records; returns how many there were. */
static unsigned read_tape(struct scribe *scribe, unsigned n)
{
    struct tape_record record;
    unsigned taken = 0;
    last_word_take_back(&scribe->last_word, &scribe->mark);
    while (taken < n && last_word_read_tape(&scribe->last_word, &record)) {
        take_record(scribe, &record);
        taken++;
    }
    return taken;
}

/* What is on the tape when there is no time left: bodies are counted as lost, all else is quickly
 * done. */
static void skim_tape(struct scribe *scribe)
{
    struct tape_record record;
    for (unsigned n = 0; n < SKIM_RECORDS_MAX && last_word_read_tape(&scribe->last_word, &record); n++) {
        bool body = record.kind == TAPE_REQUEST_BODY || record.kind == TAPE_RESPONSE_BODY;
        struct flight *flight = body ? flights_find(&scribe->flights, record.transfer) : NULL;
        if (flight != NULL) {
            exchange_lost(flight->exchange, record.lost_bytes + record.bytes);
            scribe->lost_records++;
            scribe->lost_bytes += record.bytes;
        } else if (!body) {
            take_record(scribe, &record);
        }
    }
}

/* ---- sleeping, and ending ---- */

/* How long to sleep; *ret_bell says how deep. */
static uint64_t sleep_ms(const struct scribe *scribe, uint64_t now_ns, int outbox_ms, uint32_t *ret_bell)
{
    uint64_t idle_ms = (now_ns - scribe->record_ns) / NS_PER_MS;
    uint64_t ms = BUSY_MS;
    *ret_bell = BELL_LIGHT;
    if (idle_ms >= DEEP_AFTER_MS && (scribe->flights.n == 0 || idle_ms >= DEEP_IN_FLIGHT_AFTER_MS)) {
        *ret_bell = BELL_DEEP;
        ms = scribe->flights.n > 0 ? DEEP_IN_FLIGHT_MS : ALONE_CHECK_MS;
    } else if (idle_ms >= QUIET_AFTER_MS) {
        ms = QUIET_MS;
    }
    if (outbox_ms >= 0 && (uint64_t)outbox_ms < ms)
        ms = outbox_ms > 0 ? (uint64_t)outbox_ms : 1;
    return ms;
}

static void doze(struct scribe *scribe, uint32_t bell, uint64_t ms, uint32_t finish_served)
{
    atomic_store(&scribe->bell, bell);
    bool due = atomic_load(&scribe->finish_wanted) != finish_served || (bell == BELL_DEEP && tape_is_unread());
    if (due) {
        /* A record that is reserved and not yet committed must not make this a busy loop. */
        ms = atomic_load(&scribe->finish_wanted) != finish_served ? 0 : BUSY_MS;
    }
    if (ms > 0)
        futex_wait_ns(&scribe->bell, bell, ms * NS_PER_MS);
    atomic_store(&scribe->bell, BELL_AWAKE);
}

/* After a turn of the outbox: whether a death would leave a trace without the mark. */
static void mind_mark(struct scribe *scribe)
{
    bool nothing = scribe->flights.n == 0 && !tape_is_unread() && outbox_is_empty();
    enum mark_need need = outbox_is_known() ? MARK_KNOWN : nothing ? MARK_NOTHING : MARK_NEEDED;
    mark_turn(&scribe->mark, need, tape_is_unread);
}

/* Everything out: the tape, requests in flight, the outbox. */
static void finish(struct scribe *scribe, uint64_t deadline_ns)
{
    uint64_t now_ns = tape_now_ns();
    while (read_tape(scribe, FINISH_CHECK_RECORDS) > 0 && now_ns < deadline_ns)
        now_ns = tape_now_ns();
    skim_tape(scribe);
    while (last_word_is_said(&scribe->last_word)) { /* nobody waits any more; what was read goes on its way */
        struct span_loss so_far = losses(scribe);
        (void)outbox_turn(tape_now_ns(), &so_far);
        futex_wait_ns(&scribe->bell, BELL_AWAKE, BUSY_MS * NS_PER_MS);
        last_word_take_back(&scribe->last_word, &scribe->mark);
        skim_tape(scribe);
    }
    cut_silent_flights(scribe, now_ns, UINT64_MAX, CUT_UNDER_WAY);
    struct span_loss loss = losses(scribe);
    now_ns = tape_now_ns();
    outbox_finish(now_ns < deadline_ns ? (unsigned)((deadline_ns - now_ns) / NS_PER_MS) : 0, &loss);
    mind_mark(scribe);
}

static uint32_t serve_finish(struct scribe *scribe, uint32_t served)
{
    uint32_t wanted = atomic_load(&scribe->finish_wanted);
    if (wanted != served) {
        finish(scribe, atomic_load(&scribe->finish_deadline_ns));
        atomic_store(&scribe->finish_done, wanted);
        (void)futex(&scribe->finish_done, FUTEX_WAKE, INT_MAX, NULL);
    }
    return wanted;
}

static void prepare(struct scribe *scribe)
{
    (void)pthread_setname_np(pthread_self(), "pprof-scribe");
    ending_prepare(&scribe->ending);
    desk_new_process();
    exchange_keys_prepare(&scribe->exchange_config);
    struct outbox_config config = {0};
    process_info_owner(&config.owner);
    where_find(&config);
    struct process_info_names names = {
        .service = shim_config.service, .team = shim_config.team, .labels = shim_config.labels};
    process_info_collect(&config.process, scribe->mark.identity, &names);
    (void)outbox_start(&config); /* where there is no memory, spans are counted as lost until there is some */
    scribe->record_ns = tape_now_ns();
}

static void *run(void *argument)
{
    struct scribe *scribe = argument;
    atomic_store(&scribe->thread, (int)syscall(SYS_gettid));
    prepare(scribe);
    uint32_t served = 0;
    uint64_t now_ns;
    do {
        unsigned records = read_tape(scribe, RECORDS_PER_TURN);
        now_ns = tape_now_ns();
        if (records > 0)
            scribe->record_ns = now_ns;
        sweep_if_due(scribe, now_ns);
        note_flights(scribe, now_ns);
        struct span_loss loss = losses(scribe);
        int outbox_ms = outbox_turn(now_ns, &loss);
        mind_mark(scribe);
        served = serve_finish(scribe, served);
        if (records < RECORDS_PER_TURN) {
            uint32_t bell;
            uint64_t ms = sleep_ms(scribe, now_ns, outbox_ms, &bell);
            doze(scribe, bell, ms, served);
        }
    } while (!ending_alone(&scribe->ending, atomic_load(&scribe->process), now_ns, scribe->record_ns,
                           scribe->flights.n == 0));
    finish(scribe, tape_now_ns() + FINISH_SPOOL_MS * NS_PER_MS);
    atomic_store(&scribe->stage, STAGE_NONE);
    ending_leave(&scribe->ending);
    return NULL;
}

/* ---- the application's side ---- */

/* The state's memory, mapped by whoever comes first. */
static int map_memory(struct scribe **ret_scribe)
{
    struct scribe *scribe = atomic_load_explicit(&scribe_memory, memory_order_acquire);
    if (scribe == NULL) {
        void *mapping =
            mmap(NULL, sizeof(*scribe), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping == MAP_FAILED)
            return -ENOMEM;
        if (madvise(mapping, sizeof(*scribe), MADV_WIPEONFORK) != 0) {
            (void)munmap(mapping, sizeof(*scribe));
            return -ENOSYS;
        }
        if (atomic_compare_exchange_strong(&scribe_memory, &scribe, mapping))
            scribe = mapping;
        else
            (void)munmap(mapping, sizeof(*scribe));
    }
    *ret_scribe = scribe;
    return 0;
}

/* Until it is tried again, unless another thread got it going. */
static int fail(struct scribe *scribe, uint32_t stage, int error)
{
    atomic_store(&scribe->error, error);
    (void)atomic_compare_exchange_strong(&scribe->stage, &stage, STAGE_FAILED);
    shim_say_once("libpprof steps aside in this process: no memory, or no thread, to record with");
    return error;
}

/* What was missing may be there by now. Tried at the first, second, fourth, eighth ... request, so
 * that a process which is never to have a thread pays for a handful of attempts. */
static bool may_try_again(struct scribe *scribe)
{
    uint32_t stage = STAGE_FAILED;
    uint32_t vain = atomic_fetch_add(&scribe->vain, 1) + 1;
    return (vain & (vain - 1)) == 0 && atomic_compare_exchange_strong(&scribe->stage, &stage, STAGE_NONE);
}

/* Under a limit on address space what the scribe takes of it would be missing to the application:
 * its stack, the tape, and the 64 MiB that glibc gives a thread that allocates. */
static bool has_addresses(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return true;
    void *addresses = mmap(NULL, ADDRESSES_LEFT_MIN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (addresses == MAP_FAILED)
        return false;
    (void)munmap(addresses, ADDRESSES_LEFT_MIN);
    return true;
}

static __attribute__((noinline)) int start(void)
{
    struct scribe *scribe;
    int rc = map_memory(&scribe);
    if (rc != 0) {
        shim_say_once("libpprof steps aside: no memory that a forked child finds empty");
        return rc;
    }
    if (atomic_load(&scribe->stage) == STAGE_FAILED && !may_try_again(scribe))
        return atomic_load(&scribe->error);
    if (!has_addresses())
        return fail(scribe, STAGE_NONE, -ENOMEM);
    rc = tape_start();
    if (rc != 0)
        return fail(scribe, STAGE_NONE, rc);
    /* From here on this thread's records are safe, whoever starts the scribe. */
    atomic_store(&scribe->process, getpid());
    uint32_t stage = STAGE_NONE;
    if (!atomic_compare_exchange_strong(&scribe->stage, &stage, STAGE_STARTING))
        return stage == STAGE_FAILED ? atomic_load(&scribe->error) : 0;
    mark_set(&scribe->mark);
    rc = own_thread_start(run, scribe, &scribe->ending.place);
    if (rc != 0)
        return fail(scribe, STAGE_STARTING, rc);
    atomic_store(&scribe->stage, STAGE_RUNNING);
    return 0;
}

/* The scribe's state where it runs, with a mark if one is needed; else NULL. */
static struct scribe *running(void)
{
    struct scribe *scribe = atomic_load_explicit(&scribe_memory, memory_order_acquire);
    if (scribe == NULL || atomic_load_explicit(&scribe->stage, memory_order_acquire) != STAGE_RUNNING)
        return NULL;
    mark_set(&scribe->mark);
    return scribe;
}

int scribe_ensure(void)
{
    if (running() != NULL)
        return 0;
    int saved_errno = errno;
    int rc = start();
    errno = saved_errno;
    return rc;
}

bool scribe_running(void)
{
    const struct scribe *scribe = atomic_load_explicit(&scribe_memory, memory_order_acquire);
    return scribe != NULL && atomic_load_explicit(&scribe->stage, memory_order_acquire) == STAGE_RUNNING;
}

static void ring_bell(struct scribe *scribe)
{
    if (atomic_exchange(&scribe->bell, BELL_AWAKE) != BELL_AWAKE) {
        int saved_errno = errno;
        (void)futex(&scribe->bell, FUTEX_WAKE, 1, NULL);
        errno = saved_errno;
    }
}

void scribe_wake_if_asleep(void)
{
    struct scribe *scribe = running();
    if (scribe != NULL && atomic_load(&scribe->bell) == BELL_DEEP)
        ring_bell(scribe);
}

void scribe_finish(unsigned wait_ms)
{
    static struct last_word alone; /* of a process in which nothing of ours could be started */
    struct scribe *scribe = atomic_load_explicit(&scribe_memory, memory_order_acquire);
    uint32_t stage = scribe == NULL ? STAGE_NONE : atomic_load(&scribe->stage);
    int saved_errno = errno;
    if (stage != STAGE_RUNNING && stage != STAGE_STARTING) {
        struct mark *mark = scribe != NULL && getpid() == atomic_load(&scribe->process) ? &scribe->mark : NULL;
        last_word_say(&alone, mark, tally_calls);
        if (mark != NULL && tally_calls() == 0)
            mark_turn(mark, MARK_NOTHING, tape_is_unread);
        errno = saved_errno;
        return;
    }
    /* A child of vfork shares this memory and is another process; the scribe itself cannot wait for
     * itself. */
    if (getpid() == atomic_load(&scribe->process) && (int)syscall(SYS_gettid) != atomic_load(&scribe->thread)) {
        uint64_t now_ns = tape_now_ns();
        uint64_t until_ns = now_ns + (wait_ms + (uint64_t)FINISH_SPOOL_MS) * NS_PER_MS;
        atomic_store(&scribe->finish_deadline_ns, now_ns + wait_ms * NS_PER_MS);
        uint32_t mine = atomic_fetch_add(&scribe->finish_wanted, 1) + 1;
        ring_bell(scribe);
        uint32_t done;
        while ((int32_t)((done = atomic_load(&scribe->finish_done)) - mine) < 0 && now_ns < until_ns) {
            futex_wait_ns(&scribe->finish_done, done, until_ns - now_ns);
            now_ns = tape_now_ns();
        }
        if ((int32_t)(done - mine) < 0)
            last_word_say(&scribe->last_word, &scribe->mark, tape_unheard_calls);
    }
    errno = saved_errno;
}
