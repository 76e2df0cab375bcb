/* The sockets of records, and what killed ones left of theirs. One thread. */
#pragma once

/* How their names begin; 128 random bits in hex follow. */
#define SOCKET_PREFIX "pprof-"

/* Removes from the directory, which is this user's alone, the sockets and locks of records that are
 * proven to be dead: nobody holds the lock. */
void record_sockets_clear(const char *path);
