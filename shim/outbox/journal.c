/*
 * The journal's writer, see journal.h. Called by the outbox on the scribe's thread, all signals
 * blocked (SIGXFSZ too). Must never touch memory that a file backs, write into a descriptor that is
 * not its own, or wait.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "span/place.h"
#include "shim/base/say.h"

#define NS_PER_MS 1000000U

enum { PAGE_BYTES = 4096 };

/* ---- the file ---- */

/* Few enough journals of others, enough free space, and a file may be as long. */
static int may_open(int directory, bool in_memory)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < SPAN_JOURNAL_BYTES)
        return -EFBIG;
    struct statfs fs;
    if (fstatfs(directory, &fs) != 0)
        return -errno;
    if (in_memory && fs.f_type != TMPFS_MAGIC)
        return -EXDEV;
    uint64_t block = (uint64_t)fs.f_bsize;
    if (fs.f_blocks > 0 && (uint64_t)fs.f_bavail * block <
                               (uint64_t)fs.f_blocks * block / JOURNAL_FREE_SHARE + 2 * (uint64_t)SPAN_JOURNAL_BYTES)
        return -ENOSPC;
    long n = span_place_count(directory, ".live", JOURNAL_FILES_MAX);
    if (n < 0)
        return (int)n;
    return n > JOURNAL_FILES_MAX ? -EDQUOT : 0;
}

/* Takes `fd` (a description of its own, which dies with the page) and makes the page that holds its
 * lock. */
static int hold_lock(struct journal *journal, int fd)
{
    void *page = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return -errno;
    if (madvise(page, PAGE_BYTES, MADV_DONTFORK) != 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        (void)munmap(page, PAGE_BYTES);
        return -error;
    }
    journal->lock = page;
    return 0;
}

static void let_go(struct journal *journal)
{
    own_fd_close(&journal->own);
    if (journal->lock != NULL) {
        (void)munmap(journal->lock, PAGE_BYTES);
        journal->lock = NULL;
    }
}

/* Makes the file under `name`; the lock is proved by a second description that cannot have it. */
static int make_file(struct journal *journal, int directory, const char *name)
{
    int fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = fallocate(fd, 0, 0, SPAN_JOURNAL_BYTES) == 0 ? 0 : -errno;
    if (rc == -EOPNOTSUPP)
        rc = ftruncate(fd, SPAN_JOURNAL_BYTES) == 0 ? 0 : -errno; /* a write may fail later, and is seen to */
    if (rc == 0)
        rc = hold_lock(journal, fd);
    if (rc == 0) {
        int writing = openat(directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        rc = writing < 0 ? -errno : own_fd_adopt(&journal->own, writing);
    }
    (void)close(fd);
    if (rc == 0 && (flock(journal->own.fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK))
        rc = -ENOLCK; /* here locks do not live as long as mappings */
    return rc;
}

static bool put_whole(struct journal *journal, size_t at, const void *data, size_t bytes)
{
    return pwrite(journal->own.fd, data, bytes, (off_t)at) == (ssize_t)bytes;
}

static int fill_file(struct journal *journal, uint64_t next_frame, uint64_t last_span)
{
    uint8_t head[SPAN_JOURNAL_AT_LOSS];
    uint8_t pending[SPAN_JOURNAL_PENDING_HEAD];
    if (span_journal_head_write(head, &journal->head, journal->greeting, journal->greeting_bytes) != 0)
        return -EMSGSIZE;
    span_journal_pending_write(pending, next_frame, last_span);
    return put_whole(journal, 0, head, sizeof(head)) &&
                   put_whole(journal, SPAN_JOURNAL_AT_PENDING, pending, sizeof(pending))
               ? 0
               : -EIO;
}

static int open_directory(const struct journal_place *place)
{
    if (place->above != NULL) {
        span_place_make(place->above);
        int above = span_place_open(place->above, geteuid(), false);
        if (above < 0)
            return above;
        (void)close(above);
    }
    span_place_make(place->directory);
    return span_place_open(place->directory, geteuid(), place->sticky);
}

static int open_in(struct journal *journal, const struct journal_place *place, bool in_memory, uint64_t next_frame,
                   uint64_t last_span)
{
    char hex[33], fresh[64], name[64];
    for (unsigned i = 0; i < 16; i++)
        (void)snprintf(hex + (size_t)2 * i, 3, "%02x", journal->head.identity[i]);
    (void)snprintf(name, sizeof(name), "%s-%u.live", hex, journal->n);
    (void)snprintf(fresh, sizeof(fresh), "%s-%u.new", hex, journal->n);
    int needed = snprintf(journal->file, sizeof(journal->file), "%s/%s", place->directory, name);
    if (needed < 0 || (size_t)needed >= sizeof(journal->file))
        return -ENAMETOOLONG;
    int directory = open_directory(place);
    if (directory < 0)
        return directory;
    int rc = may_open(directory, in_memory);
    if (rc == 0) {
        rc = make_file(journal, directory, fresh);
        if (rc == 0)
            rc = fill_file(journal, next_frame, last_span);
        /* Only now does it have a name that collectors look at: they never see one without its lock
         * and its head. */
        if (rc == 0 && renameat(directory, fresh, directory, name) != 0)
            rc = -errno;
        if (rc != 0 && rc != -EEXIST)
            (void)unlinkat(directory, fresh, 0);
    }
    (void)close(directory);
    if (rc != 0)
        let_go(journal);
    return rc;
}

/* A journal that steps aside does so once, however often it is tried in vain after that. */
static void step_aside(struct journal *journal)
{
    journal->failures += !journal->aside;
    journal->aside = true;
}

/* It cannot be used any more; what it holds is void with its name. */
static void give_up(struct journal *journal)
{
    (void)unlinkat(AT_FDCWD, journal->file, 0);
    let_go(journal);
    step_aside(journal);
    shim_say_once("the journal for sudden deaths cannot be written: calls that end shortly before one may be lost");
}

/* The descriptor, made again where the application closed it, and the state of the file. */
static bool have_descriptor(struct journal *journal, struct stat *ret_st)
{
    const struct own_fd was = journal->own;
    if (was.fd >= 0 && fstat(was.fd, ret_st) == 0 && ret_st->st_dev == was.device && ret_st->st_ino == was.inode)
        return true;
    journal->own = OWN_FD_NONE; /* not ours to close */
    int fd = openat(AT_FDCWD, journal->file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && own_fd_adopt(&journal->own, fd) == 0 && journal->own.device == was.device &&
           journal->own.inode == was.inode && fstat(journal->own.fd, ret_st) == 0;
}

static bool writable(struct journal *journal)
{
    struct stat st;
    if (journal->lock == NULL)
        return false;
    if (!have_descriptor(journal, &st) || st.st_size < (off_t)journal->bytes || st.st_nlink == 0) {
        give_up(journal); /* somebody cut or removed it */
        return false;
    }
    return true;
}

static bool put(struct journal *journal, size_t at, const void *data, size_t bytes)
{
    if (!writable(journal))
        return false;
    if (put_whole(journal, at, data, bytes))
        return true;
    give_up(journal);
    return false;
}

static bool put64(struct journal *journal, size_t at, uint64_t value)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    return put(journal, at, bytes, sizeof(bytes));
}

void journal_init(struct journal *journal, const struct span_journal_head *head,
                  const struct journal_place place[JOURNAL_PLACES], bool disk_first)
{
    *journal = (struct journal){.head = *head, .own = OWN_FD_NONE, .disk_first = disk_first};
    for (unsigned i = 0; i < JOURNAL_PLACES; i++) {
        journal->place[i] = place[i];
        journal->wanted |= place[i].directory != NULL;
    }
}

bool journal_is_open(const struct journal *journal)
{
    return journal->lock != NULL;
}

bool journal_ready(struct journal *journal, uint64_t now_ns, uint64_t next_frame, uint64_t last_span, bool *ret_fresh)
{
    *ret_fresh = false;
    if (journal->lock != NULL || !journal->wanted || now_ns < journal->retry_ns)
        return journal->lock != NULL;
    journal->retry_ns = now_ns + (uint64_t)JOURNAL_RETRY_MS * NS_PER_MS;
    journal->n++;
    if (journal->head.spool_said && journal->head.spool[0] != '\0')
        span_place_make(journal->head.spool); /* while it is there, this journal has one who reads it */
    int rc = -ENOENT;
    /* A write to a file on a disk may wait for others' writing. */
    for (unsigned pass = journal->disk_first; pass < 2 && rc != 0; pass++) {
        for (unsigned i = 0; i < JOURNAL_PLACES && rc != 0; i++)
            if (journal->place[i].directory != NULL)
                rc = open_in(journal, &journal->place[i], pass == 0, next_frame, last_span);
    }
    if (rc != 0) {
        step_aside(journal);
        shim_say_once(rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG
                          ? "no room for a journal: calls that end shortly before a sudden death may be lost"
                          : "no journal can be made: calls that end shortly before a sudden death may be lost");
        return false;
    }
    journal->aside = false;
    journal->bytes = SPAN_JOURNAL_BYTES;
    journal->slots = SPAN_JOURNAL_FLIGHTS_FIRST;
    journal->slot_hint = 0;
    journal->pending_used = SPAN_JOURNAL_PENDING_HEAD;
    journal->next_frame = next_frame;
    journal->ring_at = 0;
    journal->loss = (struct span_loss){0};
    journal->acked = journal->alive_ns = 0;
    memset(journal->used, 0, sizeof(journal->used));
    *ret_fresh = true;
    return true;
}

void journal_remove(struct journal *journal)
{
    if (journal->lock != NULL) {
        (void)unlinkat(AT_FDCWD, journal->file, 0);
        let_go(journal);
    }
    journal->retry_ns = 0;
}

/* ---- what it holds ---- */

bool journal_add(struct journal *journal, const struct span *span, uint64_t flight, struct journal_slot *slot)
{
    uint8_t entry[SPAN_JOURNAL_ENTRY_HEAD + SPAN_RECORD_BYTES_MAX + 8];
    if (journal->lock == NULL)
        return false;
    size_t bytes = span_record_write(entry + SPAN_JOURNAL_ENTRY_HEAD, SPAN_RECORD_BYTES_MAX, span, NULL);
    size_t takes = span_journal_entry_bytes(bytes);
    if (takes > SPAN_JOURNAL_PENDING_BYTES - journal->pending_used)
        return false;
    memset(entry + SPAN_JOURNAL_ENTRY_HEAD + bytes, 0, takes - SPAN_JOURNAL_ENTRY_HEAD - bytes);
    span_journal_entry_seal(entry, flight, journal->next_frame, bytes);
    if (!put(journal, SPAN_JOURNAL_AT_PENDING + journal->pending_used, entry, takes))
        return false;
    journal->pending_used += takes;
    journal_flight_end(journal, slot); /* before this the entry's flight tells that it has ended */
    return true;
}

void journal_restart(struct journal *journal, uint64_t next_frame, uint64_t last_span)
{
    uint8_t pending[SPAN_JOURNAL_PENDING_HEAD];
    span_journal_pending_write(pending, next_frame, last_span);
    if (journal->lock != NULL && put(journal, SPAN_JOURNAL_AT_PENDING, pending, sizeof(pending))) {
        journal->pending_used = SPAN_JOURNAL_PENDING_HEAD;
        journal->next_frame = next_frame;
    }
}

bool journal_ring_place(const struct journal *journal, size_t bytes, size_t *ret_at)
{
    if (journal->lock == NULL || bytes > SPAN_JOURNAL_RING_BYTES)
        return false;
    *ret_at = bytes <= SPAN_JOURNAL_RING_BYTES - journal->ring_at ? journal->ring_at : 0;
    return true;
}

bool journal_ring_write(struct journal *journal, size_t at, const uint8_t *data, size_t bytes)
{
    if (!put(journal, SPAN_JOURNAL_AT_RING + at, data, bytes))
        return false;
    journal->ring_at = (at + bytes + 7) / 8 * 8;
    if (journal->ring_at >= SPAN_JOURNAL_RING_BYTES)
        journal->ring_at = 0;
    return true;
}

/* ---- flights ---- */

static bool grow(struct journal *journal)
{
    size_t bytes = journal->bytes + (size_t)SPAN_JOURNAL_FLIGHTS_FIRST * SPAN_JOURNAL_FLIGHT_BYTES;
    struct rlimit limit;
    if (bytes > SPAN_JOURNAL_BYTES_MAX || !writable(journal) ||
        (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes))
        return false;
    if (fallocate(journal->own.fd, 0, (off_t)journal->bytes, (off_t)(bytes - journal->bytes)) != 0 &&
        (errno != EOPNOTSUPP || ftruncate(journal->own.fd, (off_t)bytes) != 0))
        return false;
    journal->bytes = bytes;
    journal->slots += SPAN_JOURNAL_FLIGHTS_FIRST;
    return true;
}

/* A free slot's number, or -1. */
static int find_slot(struct journal *journal)
{
    for (unsigned word = journal->slot_hint / 64; word < SPAN_JOURNAL_FLIGHTS_MAX / 64; word++) {
        if (word * 64 >= journal->slots && !grow(journal))
            return -1;
        if (journal->used[word] != UINT64_MAX) {
            unsigned number = word * 64 + (unsigned)__builtin_ctzll(~journal->used[word]);
            journal->slot_hint = number;
            return (int)number;
        }
    }
    return -1;
}

bool journal_flight(struct journal *journal, struct journal_slot *slot, uint64_t flight, uint64_t begin_ns,
                    const struct span *so_far)
{
    uint8_t entry[SPAN_JOURNAL_FLIGHT_BYTES];
    if (journal->lock == NULL)
        return false;
    if (slot->file != journal->n) {
        int number = find_slot(journal);
        if (number < 0) {
            step_aside(journal); /* for calls in flight; told once for this file */
            return false;
        }
        *slot = (struct journal_slot){.file = journal->n, .number = (unsigned)number};
        journal->used[number / 64] |= UINT64_C(1) << (number % 64);
    }
    size_t bytes = span_record_write(entry + SPAN_JOURNAL_ENTRY_HEAD, SPAN_JOURNAL_RECORD_MAX, so_far, NULL);
    span_journal_entry_seal(entry, flight, begin_ns, bytes);
    return put(journal, SPAN_JOURNAL_AT_FLIGHTS + (size_t)slot->number * SPAN_JOURNAL_FLIGHT_BYTES, entry,
               SPAN_JOURNAL_ENTRY_HEAD + bytes);
}

void journal_flight_end(struct journal *journal, struct journal_slot *slot)
{
    if (journal->lock != NULL && slot->file == journal->n) {
        (void)put64(journal, SPAN_JOURNAL_AT_FLIGHTS + (size_t)slot->number * SPAN_JOURNAL_FLIGHT_BYTES, 0);
        journal->used[slot->number / 64] &= ~(UINT64_C(1) << (slot->number % 64));
        journal->slot_hint = slot->number < journal->slot_hint ? slot->number : journal->slot_hint;
    }
    *slot = (struct journal_slot){0};
}

/* ---- numbers ---- */

void journal_loss(struct journal *journal, const struct span_loss *loss)
{
    if (journal->lock == NULL || memcmp(loss, &journal->loss, sizeof(*loss)) == 0)
        return;
    uint8_t numbers[SPAN_LOSS_BYTES];
    span_loss_write(numbers, loss);
    if (put(journal, SPAN_JOURNAL_AT_LOSS, numbers, sizeof(numbers)))
        journal->loss = *loss;
}

void journal_acked(struct journal *journal, uint64_t sequence)
{
    if (journal->lock != NULL && sequence > journal->acked && put64(journal, SPAN_JOURNAL_AT_ACKED, sequence))
        journal->acked = sequence;
}

void journal_alive(struct journal *journal, uint64_t now_ns)
{
    if (journal->lock != NULL && put64(journal, SPAN_JOURNAL_AT_ALIVE, now_ns))
        journal->alive_ns = now_ns;
}
