/*
 * File descriptors of libpprof inside a process that closes and reuses numbers as it likes (daemons
 * close everything, shells dup2).
 *
 * On the scribe's thread, and the spooler's, which have a table of descriptors of their own: none
 * of ours ever has a number that the application counts on or closes. Where the kernel refuses that
 * (before 5.9, or a filter of system calls), or the thread may have to run exit() (glibc before
 * 2.34, own_thread.h), the table is shared. So a descriptor is used only after fstat says that it
 * is still the very file that was opened; what is not ours any more is forgotten, never closed. All
 * are CLOEXEC and numbered high, out of the way of programs that expect the lowest number; in the
 * moment until they are, such a program could get another one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { OWN_FD_LOWEST = 100 };

struct own_fd {
    int fd; /* -1: none */
    uint64_t device, inode;
};
#define OWN_FD_NONE ((struct own_fd){.fd = -1})

/* Gives the calling thread, and those it starts, a table without what the application opened, but
 * for standard error where that is kept. Nothing of the application's is closed by it. */
void own_fd_separate(bool keep_stderr);
/* Takes `fd` over and moves it up; it never stays among 0 to 2. Returns 0, or a negative errno:
 * then it is closed. */
int own_fd_adopt(struct own_fd *ret_own, int fd);
/* Is the number still our file? */
bool own_fd_valid(const struct own_fd *own);
/* Closes it if it is still ours, and forgets it. */
void own_fd_close(struct own_fd *own);
