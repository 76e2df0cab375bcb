/*
 * The key of this installation, see install_key.h. Called by the scribe inside the application (all
 * signals blocked, SIGXFSZ too) and by pprofctl. Must never follow a link, wait, or leave half a
 * key under the name that others read.
 */
#include "install_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The whole file, if it is one that nobody else could have read or written. */
static int read_key(uint8_t ret_key[SPAN_KEY_BYTES], int directory, uint64_t uid)
{
    uint8_t bytes[SPAN_KEY_BYTES + 1];
    struct stat st;
    int fd = openat(directory, SPAN_INSTALL_KEY_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return errno == ELOOP ? -EPERM : -errno;
    int error = fstat(fd, &st) != 0 ? -errno : 0;
    if (error == 0 && (!S_ISREG(st.st_mode) || st.st_uid != uid || (st.st_mode & 077) != 0))
        error = -EPERM;
    ssize_t got = error == 0 ? read(fd, bytes, sizeof(bytes)) : -1;
    if (error == 0 && got != SPAN_KEY_BYTES)
        error = got < 0 ? -errno : got == 0 ? -ENODATA : -EBADMSG;
    (void)close(fd);
    if (error == 0)
        memcpy(ret_key, bytes, SPAN_KEY_BYTES);
    explicit_bzero(bytes, sizeof(bytes));
    return error;
}

/* A new key under a name of its own. It is not waited for until it is on the disk, as the first
 * calls of a process would have to wait with it: what a loss of power leaves of it is an empty
 * file, and that is replaced. */
static int write_new(int directory, const char *name)
{
    uint8_t key[SPAN_KEY_BYTES];
    int error = 0;

    if (syscall(SYS_getrandom, key, sizeof(key), GRND_NONBLOCK) != (long)sizeof(key))
        return -EAGAIN;
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    ssize_t wrote = pwrite(fd, key, sizeof(key), 0);
    if (wrote != (ssize_t)sizeof(key))
        error = wrote < 0 ? -errno : -ENOSPC;
    (void)close(fd);
    explicit_bzero(key, sizeof(key));
    return error;
}

/* The first to give it the name wins; who comes second reads what the first wrote. */
static int make_key(int directory)
{
    char name[64];
    uint64_t random = 0;

    (void)syscall(SYS_getrandom, &random, sizeof(random), GRND_NONBLOCK);
    (void)snprintf(name, sizeof(name), ".key-%llx-%x", (unsigned long long)random, (unsigned)getpid());
    int error = write_new(directory, name);
    if (error == 0 && linkat(directory, name, directory, SPAN_INSTALL_KEY_NAME, 0) != 0 && errno != EEXIST) {
        /* A file system without links. */
        error = -errno;
        if (syscall(SYS_renameat2, directory, name, directory, SPAN_INSTALL_KEY_NAME, RENAME_NOREPLACE) == 0 ||
            errno == EEXIST)
            error = 0;
    }
    if (error != -EEXIST)
        (void)unlinkat(directory, name, 0);
    return error;
}

int span_install_key_read(uint8_t ret_key[SPAN_KEY_BYTES], const char *path, uint64_t uid)
{
    span_place_make(path);
    int directory = span_place_open(path, uid, false);
    if (directory < 0)
        return directory;
    int error = read_key(ret_key, directory, uid);
    if (error == -ENODATA) {
        (void)unlinkat(directory, SPAN_INSTALL_KEY_NAME, 0);
        error = -ENOENT;
    }
    if (error == -ENOENT) {
        error = make_key(directory);
        if (error == 0)
            error = read_key(ret_key, directory, uid);
    }
    (void)close(directory);
    return error;
}

/* Is it there, whatever it is? Then no other takes its place. */
static bool exists(const char *path)
{
    struct stat st;

    return fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int span_install_key_find(uint8_t ret_key[SPAN_KEY_BYTES], const struct span_path_base *base, char *ret_path,
                          size_t cap)
{
    char directory[SPAN_PLACE_BYTES];
    int error = -ENOENT;

    if (span_path_state(directory, sizeof(directory), base->state_home, base->home) == 0) {
        (void)snprintf(ret_path, cap, "%s/%s", directory, SPAN_INSTALL_KEY_NAME);
        error = span_install_key_read(ret_key, directory, base->uid);
        if (error == 0 || exists(ret_path))
            return error;
    }
    if (span_place_runtime(directory, sizeof(directory), base, true) != 0)
        return error;
    (void)snprintf(ret_path, cap, "%s/%s", directory, SPAN_INSTALL_KEY_NAME);
    return span_install_key_read(ret_key, directory, base->uid);
}

const char *span_install_key_why(int error)
{
    switch (-error) {
    case EPERM:
        return "it or its directory belongs to another user, or others can read or write it, or it is a link";
    case EBADMSG:
        return "it is not 32 bytes long";
    case EACCES:
        return "permission denied";
    case EROFS:
        return "the file system is read only";
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return "there is no room for it";
    case ENOENT:
        return "there is no directory for it";
    default:
        return "the system refused";
    }
}
