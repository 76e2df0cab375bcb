/*
 * Journals of other users' dead programs, for a collector of root that takes everybody's (pprofd
 * --any-user, and record, whose programs may give up their rights). Called by listen_spool.
 *
 * Of what lies in others' directories nothing is believed without proof: a name like a socket's is
 * no collector.
 */
#include "listen_inner.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../span/paths.h"
#include "../base/places.h"
#include "journal_state.h"

/* Somebody listens on a socket that is the user's. */
static bool listens(const char *path, uid_t user)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;

    if (strlen(path) >= sizeof(address.sun_path) || lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode) || st.st_uid != user)
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool answered = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
    (void)close(fd);
    return answered;
}

static bool has_collector(uid_t user)
{
    struct span_path_base base = {.uid = user};
    char runtime[SPAN_PATH_RUNTIME_BYTES_MAX + 1], path[sizeof(runtime) + 16];

    for (unsigned i = 0; i < SPAN_PATH_RUNTIMES; i++)
        if (span_path_runtime(runtime, sizeof(runtime), &base, i) == 0 &&
            span_path_socket(path, sizeof(path), runtime) == 0 && listens(path, user))
            return true;
    return false;
}

struct visit {
    struct listener *listener;
    struct journal_reader reader;
    long files; /* or a negative store_status */
};

static bool visit_one(void *context, const char *path, uid_t user)
{
    struct visit *visit = context;
    struct journal_reader reader = visit->reader;

    reader.said |= has_collector(user); /* which is owed what names no spool */
    long more = listen_journals(visit->listener, path, user, &reader);
    visit->files = more < 0 ? more : visit->files + more;
    return more >= 0;
}

long listen_journals_of_others(struct listener *listener, const struct journal_reader *reader)
{
    struct visit visit = {.listener = listener, .reader = *reader};

    places_of_others(visit_one, &visit);
    return visit.files;
}
