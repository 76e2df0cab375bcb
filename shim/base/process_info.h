/*
 * Who this process is: filled once per process, on the scribe's thread, after the first captured
 * request.
 */
#pragma once

#include <sys/types.h>

#include "span/journal.h"

/* From the configuration; each may be NULL. */
struct process_info_names {
    const char *service;
    const char *team;
    const char *labels;
};

/* Fills everything. What cannot be found out stays "". */
void process_info_collect(struct span_process *ret_process, const uint8_t identity[16],
                          const struct process_info_names *names);

/* The id of the container in the text of /proc/self/cgroup or /proc/self/mountinfo; false when
 * there is none. */
bool process_info_container(char *ret_id, size_t capacity, const char *text, size_t bytes, const char *before);

/* A random identity, at least different from that of every other process. Any thread; no
 * allocation. */
void process_info_identity(uint8_t ret_identity[16]);

enum process_info_threads { THREADS_SEVERAL, THREADS_ONE, THREADS_UNSEEN };
/*
 * THREADS_ONE: the main thread of this process, whose number is `process`, has ended and one other
 * thread is left; *ret_code is the main thread's exit code. THREADS_UNSEEN: /proc does not show
 * this process.
 */
enum process_info_threads process_info_threads(pid_t process, int *ret_code);

/* What proves that this process lives or not; what /proc does not say stays 0 or "". */
void process_info_owner(struct span_journal_owner *ret_owner);
