/*
 * Writing of spool files. Called by the spooler on the scribe's thread or on its own, all signals
 * blocked (SIGXFSZ too). Must never leave half a frame in front of another one, follow a link that
 * somebody planted, or grow without bound.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "span/place.h"

/* Opens the directory if it is one in which nobody else can play tricks with our files. */
static int open_directory(const char *path)
{
    span_place_make(path);
    int fd = span_place_open(path, geteuid(), true);
    if (fd < 0)
        return fd;
    if (span_place_count(fd, "", SPOOL_FILES_MAX) > SPOOL_FILES_MAX) {
        (void)close(fd);
        return -EDQUOT;
    }
    return fd;
}

/* One write; a frame that did not go in whole is cut off again. */
static int append(struct spool *spool, const uint8_t *data, size_t bytes)
{
    ssize_t wrote = pwrite(spool->own.fd, data, bytes, (off_t)spool->file_bytes);
    if (wrote == (ssize_t)bytes) {
        spool->file_bytes += bytes;
        spool->total_bytes += bytes;
        return 0;
    }
    int error = wrote < 0 ? errno : ENOSPC;
    if (wrote > 0 && ftruncate(spool->own.fd, (off_t)spool->file_bytes) != 0) {
        /* The torn end stays, so nothing may follow it: this file is finished. Readers stop at its
         * last whole frame. */
        own_fd_close(&spool->own);
    }
    return -error;
}

/*
 * The lock is held for as long as a frame is being written, no longer. It belongs to this process:
 * a child that was forked meanwhile does not have it (as it would have the lock of flock), and a
 * daemon's parent takes it along. False where a collector has the file.
 */
static bool lock(const struct spool *spool)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat st;
    return fcntl(spool->own.fd, F_SETLK, &lock) == 0 && fstat(spool->own.fd, &st) == 0 && st.st_nlink > 0;
}

static void unlock(const struct spool *spool)
{
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    (void)fcntl(spool->own.fd, F_SETLK, &lock);
}

/* Makes and greets the next file, and gives it the name that collectors look at when its first
 * frame is in it. */
static int open_file(struct spool *spool, int directory, const uint8_t *frame, size_t bytes)
{
    char name[64], fresh[64];
    spool->n++;
    (void)snprintf(name, sizeof(name), "%s-%u.part", spool->identity, spool->n);
    (void)snprintf(fresh, sizeof(fresh), "%s-%u.fresh.new", spool->identity, spool->n);
    int needed = snprintf(spool->file, sizeof(spool->file), "%s/%s", spool->directory, name);
    if (needed < 0 || (size_t)needed + sizeof(".frames") > sizeof(spool->file))
        return -ENAMETOOLONG;
    struct stat st;
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST; /* a link that somebody planted, or a file of an identity that is ours by chance */
    int fd = openat(directory, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = own_fd_adopt(&spool->own, fd);
    spool->file_bytes = 0;
    if (rc == 0)
        rc = append(spool, spool->greeting, spool->greeting_bytes);
    if (rc == 0)
        rc = append(spool, frame, bytes);
    if (rc == 0 && renameat(directory, fresh, directory, name) != 0)
        rc = -errno;
    if (rc != 0) {
        own_fd_close(&spool->own);
        (void)unlinkat(directory, fresh, 0);
    }
    return rc;
}

static int append_to_next(struct spool *spool, const uint8_t *frame, size_t bytes)
{
    int directory = open_directory(spool->directory);
    if (directory < 0)
        return directory;
    int rc = open_file(spool, directory, frame, bytes);
    (void)close(directory);
    return rc;
}

void spool_init(struct spool *spool, const char *directory, const uint8_t identity[16], uint64_t bytes_max)
{
    *spool = (struct spool){.own = OWN_FD_NONE, .bytes_max = bytes_max};
    for (unsigned i = 0; i < 16; i++)
        (void)snprintf(spool->identity + (size_t)2 * i, 3, "%02x", identity[i]);
    /* Relative paths would follow the application's chdir. */
    if (directory != NULL && directory[0] == '/' && strlen(directory) < sizeof(spool->directory) - 64)
        memcpy(spool->directory, directory, strlen(directory) + 1);
}

int spool_append(struct spool *spool, uint64_t now_ns, const uint8_t *frame, size_t bytes)
{
    if (spool->directory[0] == '\0')
        return -ENOENT;
    if (spool->total_bytes + spool->greeting_bytes + bytes > spool->bytes_max)
        return -EFBIG;
    if (now_ns < spool->retry_ns)
        return -EAGAIN;
    int rc = -EAGAIN;
    if (own_fd_valid(&spool->own)) {
        if (lock(spool)) {
            rc = append(spool, frame, bytes);
            unlock(spool);
        } else {
            own_fd_close(&spool->own); /* a collector takes it in, or did */
        }
    }
    if (rc == -EAGAIN) {
        spool->own = OWN_FD_NONE; /* where the application closed it, collectors take the file as it is */
        rc = append_to_next(spool, frame, bytes);
    }
    if (rc != 0)
        spool->retry_ns = now_ns + (uint64_t)SPOOL_RETRY_MS * 1000000U;
    return rc;
}

void spool_close(struct spool *spool)
{
    if (own_fd_valid(&spool->own) && lock(spool)) {
        char done[SPOOL_PATH_MAX];
        size_t stem = strlen(spool->file) - (sizeof(".part") - 1);
        memcpy(done, spool->file, stem);
        memcpy(done + stem, ".frames", sizeof(".frames"));
        (void)renameat(AT_FDCWD, spool->file, AT_FDCWD, done);
    }
    own_fd_close(&spool->own);
}

static void mark_name(const struct spool *spool, uint64_t lost, char name[64])
{
    (void)snprintf(name, 64, "%s-%llu.%s", spool->identity, (unsigned long long)lost,
                   spool->unread ? "unread" : "refused");
}

void spool_say_refused(struct spool *spool, uint64_t lost)
{
    char name[64];
    if (lost == 0)
        spool_unsay_refused(spool);
    if (spool->directory[0] == '\0' || lost == spool->refused)
        return;
    span_place_make(spool->directory);
    int directory = span_place_open(spool->directory, geteuid(), true);
    if (directory < 0)
        return;
    mark_name(spool, lost, name);
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)close(fd);
        if (spool->refused > 0) {
            mark_name(spool, spool->refused, name);
            (void)unlinkat(directory, name, 0);
        }
        spool->refused = lost;
    }
    (void)close(directory);
}

void spool_unsay_refused(struct spool *spool)
{
    int directory = spool->refused > 0 ? span_place_open(spool->directory, geteuid(), true) : -1;
    if (directory >= 0) {
        char name[64];
        mark_name(spool, spool->refused, name);
        (void)unlinkat(directory, name, 0);
        (void)close(directory);
    }
    spool->refused = 0;
}
