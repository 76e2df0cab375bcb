/*
 * Finding the places, see where.h. Called by the scribe on its own thread, once per process (again
 * in a forked child). Must never make a directory that is not needed.
 */
#include "where.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "span/place.h"
#include "shim/base/config.h"
#include "shim/base/say.h"

enum { INIT_PID_NAMESPACE = 0xeffffffc }; /* the host's: PROC_PID_INIT_INO of linux/proc_ns.h */

static struct {
    char runtime[SPAN_PATH_RUNTIME_BYTES_MAX + 1]; /* "": there is none */
    char socket[CONFIG_SOCKET_BYTES_MAX];
    char named[OUTBOX_NAMED_MAX][CONFIG_SOCKET_BYTES_MAX];
    char journals[SPAN_PATH_RUNTIME_BYTES_MAX + 16];
    char memory[48];
    char spool[CONFIG_PATH_BYTES_MAX];
} places;

/* Where a collector of ours has its socket as it sees the directories. We may see others, after a
 * change of root or mounts, or none: what comes before our own choice may exist there. */
static void find_named(struct outbox_config *config, const struct span_path_base *base)
{
    char runtime[SPAN_PATH_RUNTIME_BYTES_MAX + 1];
    size_t n = 0;
    if (shim_config.socket != NULL) {
        config->named_sockets[0] = places.socket;
        return;
    }
    for (unsigned i = 0; i < SPAN_PATH_RUNTIMES; i++) {
        if (span_path_runtime(runtime, sizeof(runtime), base, i) != 0 ||
            span_path_socket(places.named[n], sizeof(places.named[n]), runtime) != 0)
            continue;
        config->named_sockets[n] = places.named[n];
        n++;
        if (strcmp(runtime, places.runtime) == 0)
            break;
    }
    config->named_sockets[n] = SPAN_PATH_SYSTEM_SOCKET;
}

void where_find(struct outbox_config *config)
{
    struct span_path_base base = shim_config.base;
    base.uid = geteuid();
    bool foreign = span_place_leave_foreign(&base);
    memset(&places, 0, sizeof(places));
    bool found = span_place_runtime(places.runtime, sizeof(places.runtime), &base, false) == 0;
    if (shim_config.socket != NULL)
        memcpy(places.socket, shim_config.socket, strlen(shim_config.socket) + 1);
    else if (found)
        (void)span_path_socket(places.socket, sizeof(places.socket), places.runtime);
    config->socket_path = places.socket;
    config->socket_path_else = shim_config.socket == NULL ? SPAN_PATH_SYSTEM_SOCKET : NULL;
    find_named(config, &base);
    config->spool_dir = shim_config.spool;
    if (foreign && !shim_config.spool_said && shim_config.spool != NULL) {
        bool other = span_path_spool(places.spool, sizeof(places.spool), base.state_home, base.home) == 0;
        config->spool_dir = other ? places.spool : NULL;
        if (!other || strcmp(places.spool, shim_config.spool) != 0)
            shim_say_once_about("a home directory of another user's is left alone; calls that no collector takes go to",
                                other ? places.spool : "the journal alone");
    }
    config->spool_said = shim_config.spool_said;
    struct journal_place runtime = {0}, spool = {.directory = config->spool_dir, .sticky = true};
    if (found) {
        (void)span_path_journals(places.journals, sizeof(places.journals), places.runtime);
        runtime = (struct journal_place){.directory = places.journals, .above = places.runtime};
    }
    /* A spool that was named binds a program to the collector that reads it. */
    config->journal[0] = config->spool_said ? spool : runtime;
    config->journal[1] = config->spool_said ? runtime : spool;
    if (span_path_journals_in_memory(places.memory, sizeof(places.memory), base.uid) == 0)
        config->journal[2] = (struct journal_place){.directory = places.memory};
    /* A container's /dev/shm is usually its own: what was handed to it from outside is where a
     * collector looks. */
    config->journal_disk_first = config->owner.pid_namespace != 0 && config->owner.pid_namespace != INIT_PID_NAMESPACE;
}
