/*
 * What waits and where calls go, see waits.h. Looks at the environment as the programs would;
 * changes nothing but that it knocks at the collector's socket.
 */
#include "waits.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../span/install_key.h"
#include "../base/display_safe.h"
#include "../base/places.h"
#include "command.h"

int waits_add(struct loss *loss, struct waiting *ret_waiting, const struct runs_left *left, struct store *store,
              const char *path)
{
    int status = waiting_of_store(ret_waiting, store, path);
    loss->waiting += left->waiting + waiting_sum(ret_waiting);
    loss->living += left->living + ret_waiting->living;
    return status;
}

static void print_count(FILE *out, const char *before, uint64_t n, const char *one, const char *many)
{
    (void)fprintf(out, "%s%" PRIu64 " %s", before, n, n == 1 ? one : many);
}

/* Whether pprofd has a store where none is named to it: a user without a home has none. */
static bool has_default_store(void)
{
    char store[PATH_MAX];
    struct span_path_base base = places_base(NULL);
    char *slash;
    if (span_path_store(store, sizeof(store), base.state_home, base.home) != 0)
        return false;
    if (access(store, F_OK) == 0 || (slash = strrchr(store, '/')) == NULL)
        return true;
    *slash = '\0';
    return span_place_usable(store);
}

/* `n` of things that were counted wait: how they are taken in, each place on a line if there are
 * two. */
static void print_how(FILE *out, const struct waiting *waiting, uint64_t n, const char *path)
{
    bool says = waiting->store_said || !has_default_store();
    const char *named = says ? " --store " : "";
    const char *store = waiting->store_said ? display_name(path) : says ? "FILE" : "";
    const char *spool = display_name(waiting->spool);
    if (waiting->named == 0) {
        (void)fprintf(out, "; `pprofd --once%s%s`, or pprofd when it runs, takes them in.\n", named, store);
        return;
    }
    if (waiting->named < n) {
        (void)fprintf(out,
                      ".\nOf these, %" PRIu64 " can be taken in by `pprofd --once%s%s`, or by pprofd when it runs.\n"
                      "Of these, %" PRIu64,
                      n - waiting->named, named, store, waiting->named);
        (void)fputs(waiting->named == 1 ? " is" : " are", out);
    } else {
        (void)fputc(',', out);
    }
    (void)fprintf(out, " for the spool %s; `pprofd --once%s%s --spool %s` takes in what is there.\n", spool, named,
                  store, spool);
}

void waits_print(FILE *out, const struct waiting *waiting, const char *path)
{
    const char *before = "Not taken in yet: ";
    if (waiting->newer > 0) {
        print_count(out, "Not taken in: ", waiting->newer, "file that a later version of libpprof wrote",
                    "files that a later version of libpprof wrote");
        (void)fputs("; upgrade pprofd, which then takes in what lies there.\n", out);
    }
    if (waiting_sum(waiting) == waiting->newer)
        return;
    if (waiting->spool_files > 0) {
        print_count(out, before, waiting->spool_files, "spool file", "spool files");
        before = ", ";
    }
    if (waiting->journals > 0) {
        print_count(out, before, waiting->journals, "journal of a program that has ended",
                    "journals of programs that have ended");
        before = ", ";
    }
    if (waiting->marks > 0) {
        print_count(out, before, waiting->marks, "mark of a program that could not say yet what it called",
                    "marks of programs that could not say yet what they called");
        before = ", ";
    }
    if (waiting->damaged > 0)
        print_count(out, before, waiting->damaged, "damaged journal of a program that has ended",
                    "damaged journals of programs that have ended");
    print_how(out, waiting, waiting_sum(waiting) - waiting->newer, path);
}

/* False after having said that it cannot be known. */
static bool look_by_default(struct waiting *ret_waiting)
{
    if (waiting_of_store(ret_waiting, NULL, NULL) == STORE_OK)
        return true;
    complain("memory ran out; what waits to be taken in is not known.");
    return false;
}

void waits_print_journals(FILE *out)
{
    struct waiting waiting;
    struct places places;
    places_find(&places);
    for (const char *const *path = places.journals; *path != NULL; path++) {
        int fd = places_open(*path, geteuid());
        if (fd < 0)
            continue;
        (void)fprintf(out, "Programs keep in %s what no collector has yet.\n", display_name(*path));
        (void)close(fd);
    }
    if (look_by_default(&waiting) && waiting.living > 0) {
        print_count(out, "", waiting.living, "program that runs keeps", "programs that run keep");
        (void)fputs(" a journal there.\n", out);
    }
}

void waits_print_default(FILE *out)
{
    struct waiting waiting;
    if (look_by_default(&waiting))
        waits_print(out, &waiting, NULL);
}

void waits_print_runs(FILE *out, const char *path, const struct runs_left *left)
{
    if (left->waiting == 0)
        return;
    (void)fprintf(out, "%s: ", display_name(path));
    print_count(out, "", left->waiting, "folder of a recorded run waits", "folders of recorded runs wait");
    bool there = access(path, F_OK) == 0;
    (void)fprintf(out, ", %s%s; `pprofctl %s%s%s` takes in what is there.\n", left->waiting > 1 ? "one is " : "",
                  display_name(left->where), there ? "report " : "record -o ", display_name(path),
                  there ? "" : " -- CMD");
}

void waits_print_orphans(FILE *out, const char *path, uint64_t noted)
{
    if (noted == 0)
        return;
    (void)fprintf(
        out,
        "%s-wal.orphan-* (or -journal.orphan-*) is the log of a store that was removed. Where there is a copy of "
        "that store, put the log beside it, named as the copy with -wal at the end, and `pprofctl report` the "
        "copy; else delete the log. That it was found stays noted.\n",
        display_name(path));
}

/* Whether somebody listens there. */
static bool answers(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return false;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool answered = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(fd);
    return answered;
}

static bool said(const char *name, const char **ret_value)
{
    const char *value = getenv(name);
    *ret_value = value;
    return value != NULL && value[0] != '\0';
}

/* The key of the hashes, as the programs would find it. One that is not there is not made. */
static void print_key(FILE *out)
{
    char directory[SPAN_PLACE_BYTES], path[SPAN_PLACE_BYTES + 8] = "";
    uint8_t key[SPAN_KEY_BYTES];
    struct span_path_base base = places_base(NULL);
    const char *value;
    if (said("LIBPPROF_HASH_KEY", &value)) {
        (void)fputs("Ids of prompts and aliases of keys and users come from the key in LIBPPROF_HASH_KEY.\n", out);
        return;
    }
    if (span_path_state(directory, sizeof(directory), base.state_home, base.home) == 0)
        (void)snprintf(path, sizeof(path), "%s/%s", directory, SPAN_INSTALL_KEY_NAME);
    if (path[0] == '\0' || access(path, F_OK) != 0)
        return; /* the first program makes one */
    int error = span_install_key_find(key, &base, path, sizeof(path));
    explicit_bzero(key, sizeof(key));
    if (error == 0)
        (void)fprintf(out, "Ids of prompts and aliases of keys and users come from the key of this installation, %s.\n",
                      path);
    else
        (void)fprintf(
            out,
            "The key of this installation, %s, cannot be used: %s; ids of prompts and aliases of keys and users are "
            "left out.\n",
            path, span_install_key_why(error));
}

void waits_print_way(FILE *out)
{
    char runtime[SPAN_PATH_RUNTIME_BYTES_MAX + 1], socket_path[PATH_MAX] = "", spool[PATH_MAX] = "";
    struct span_path_base base = places_base(NULL);
    const char *value;
    bool own_socket = said("LIBPPROF_SOCKET", &value);
    if (own_socket)
        (void)snprintf(socket_path, sizeof(socket_path), "%s", value);
    else if (span_place_runtime(runtime, sizeof(runtime), &base, false) == 0)
        (void)span_path_socket(socket_path, sizeof(socket_path), runtime);
    bool own_spool = said("LIBPPROF_SPOOL", &value);
    if (own_spool)
        (void)snprintf(spool, sizeof(spool), "%s", strcmp(value, "off") == 0 ? "" : value);
    else
        (void)span_path_spool(spool, sizeof(spool), base.state_home, base.home);
    if (socket_path[0] != '\0' && answers(socket_path)) {
        (void)fprintf(out, "Calls would go to the collector that listens on %s.\n", socket_path);
    } else if (!own_socket && answers(SPAN_PATH_SYSTEM_SOCKET)) {
        (void)fprintf(out, "Calls would go to this host's collector, which listens on %s.\n", SPAN_PATH_SYSTEM_SOCKET);
    } else {
        (void)fprintf(out, "No collector listens on %s",
                      socket_path[0] != '\0' ? socket_path : SPAN_PATH_SYSTEM_SOCKET);
        if (spool[0] == '\0')
            (void)fprintf(out,
                          ", and there is no spool: only the last few would be kept; start pprofd%s, or name a spool "
                          "by LIBPPROF_SPOOL.\n",
                          has_default_store() ? "" : " --store FILE");
        else if (span_place_usable(spool))
            (void)fprintf(out, ": they would wait in %s until %s%s%s runs.\n", spool,
                          own_spool ? "`pprofd --spool " : "pprofd", own_spool ? spool : "", own_spool ? "`" : "");
        else
            (void)fprintf(out,
                          ", and the spool %s cannot be written or made: only the last few would be kept; start "
                          "pprofd, or name another by LIBPPROF_SPOOL.\n",
                          spool);
    }
    print_key(out);
    waits_print_default(out);
}
