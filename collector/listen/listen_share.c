/*
 * Shares: what one process or one other user may take of the collector's time, memory and
 * connections, so that none starves or fills the others.
 *
 * Called by listen.c, on its thread. Nobody is cut off for being busy: who has had its share is not
 * read from until the next one begins, and its frames wait in the socket, then with it. Refused is
 * only what would take room for good.
 */
#include "listen_inner.h"

#include <stdlib.h>
#include <unistd.h>

static struct listen_party **slot_of(struct listener *listener, uint64_t key)
{
    return &listener->party[(key * 0x9E3779B97F4A7C15ull) >> 52];
}

static struct listen_party *party_of(struct listener *listener, uint64_t key, bool foreign, bool whole_user)
{
    struct listen_party **slot = slot_of(listener, key);
    struct listen_party *party;

    for (party = *slot; party != NULL; party = party->next)
        if (party->key == key)
            return party;
    party = calloc(1, sizeof(*party));
    if (party == NULL)
        return NULL;
    *party = (struct listen_party){
        .key = key, .foreign = foreign, .whole_user = whole_user, .bytes = LISTEN_USER_BYTES_BURST, .next = *slot};
    *slot = party;
    return party;
}

/* Being busy is no harm while nobody else is there. */
static bool has_had_enough(const struct listener *listener, const struct listen_party *party)
{
    bool busy = party->busy_ns >= LISTEN_SHARE_BUSY_MS * 1000000ull;

    if (!party->whole_user)
        return busy && listener->busy_processes > 1;
    return party->foreign && ((busy && listener->busy_users > 1) || party->bytes <= 0);
}

static void park_if_enough(struct listener *listener, struct connection *connection)
{
    if (connection->parked ||
        (!has_had_enough(listener, connection->process) && !has_had_enough(listener, connection->user)))
        return;
    connection->parked = true;
    listener->parked++;
    listen_watch(listener, connection);
}

/* A foreign user's account outlives its connections until it is full again; else it would be
 * emptied by hanging up. */
static bool is_idle(const struct listen_party *party)
{
    return party->connections == 0 && party->busy_ns == 0 && party->work == 0 &&
           (!party->whole_user || !party->foreign || party->bytes >= LISTEN_USER_BYTES_BURST);
}

static void forget_idle(struct listener *listener)
{
    for (size_t i = 0; i < LISTEN_PARTY_SLOTS; i++) {
        struct listen_party **at = &listener->party[i];

        while (*at != NULL) {
            struct listen_party *party = *at;

            if (is_idle(party)) {
                *at = party->next;
                free(party);
            } else {
                at = &party->next;
            }
        }
    }
}

static size_t connections_max(const struct listen_party *party)
{
    if (!party->whole_user)
        return LISTEN_PROCESS_CONNECTIONS_MAX;
    return party->foreign ? LISTEN_USER_CONNECTIONS_MAX : LISTEN_CONNECTIONS_MAX;
}

static size_t buffers_max(const struct listen_party *party)
{
    if (!party->whole_user)
        return LISTEN_PROCESS_BUFFERS_MAX;
    return party->foreign ? LISTEN_USER_BUFFERS_MAX : LISTEN_BUFFERS_MAX;
}

int listen_share_join(struct listener *listener, struct connection *connection, uint32_t uid, uint32_t pid)
{
    bool foreign = uid != geteuid() && uid != 0;
    /* Processes of other pid namespaces all have number 0: together they are one. A user's own key
     * has the bit that no pid has. */
    struct listen_party *user = party_of(listener, (uint64_t)uid << 32 | 0x80000000u, foreign, true);
    struct listen_party *process = party_of(listener, (uint64_t)uid << 32 | pid, foreign, false);

    if (user == NULL || process == NULL || user->connections >= connections_max(user) ||
        process->connections >= connections_max(process))
        return -1;
    connection->user = user;
    connection->process = process;
    user->connections++;
    process->connections++;
    park_if_enough(listener, connection); /* hanging up and coming again gains nothing */
    return 0;
}

void listen_share_leave(struct listener *listener, struct connection *connection)
{
    listener->parked -= connection->parked;
    connection->parked = false;
    if (connection->user == NULL)
        return;
    connection->user->connections--;
    connection->process->connections--;
    connection->user = connection->process = NULL;
}

bool listen_share_buffer(struct listener *listener, struct connection *connection, size_t before, size_t after)
{
    struct listen_party *const parties[] = {connection->process, connection->user};

    for (size_t i = 0; after > before && i < 2; i++)
        if (parties[i]->buffer_bytes + after - before > buffers_max(parties[i]))
            return false;
    if (after > before && listener->buffer_bytes + after - before > LISTEN_BUFFERS_MAX)
        return false;
    for (size_t i = 0; i < 2; i++)
        parties[i]->buffer_bytes = parties[i]->buffer_bytes + after - before;
    listener->buffer_bytes = listener->buffer_bytes + after - before;
    return true;
}

static void charge(struct listener *listener, struct listen_party *party, uint64_t ns)
{
    if (!party->active)
        (*(party->whole_user ? &listener->busy_users : &listener->busy_processes))++;
    party->active = true;
    party->busy_ns += ns;
}

static void owe(struct listener *listener, struct listen_party *party, uint64_t work)
{
    if (party->work == 0 && work > 0) {
        party->next_owing = listener->owing;
        listener->owing = party;
    }
    party->work += work;
}

void listen_share_spent(struct listener *listener, struct connection *connection, struct listen_cost cost)
{
    struct listen_party *const parties[] = {connection->process, connection->user};

    for (size_t i = 0; i < 2; i++) {
        charge(listener, parties[i], cost.ns + cost.spans * LISTEN_MERGE_NS);
        owe(listener, parties[i], cost.work);
    }
    listener->work += cost.work;
    connection->user->bytes -= (int64_t)cost.bytes;
    park_if_enough(listener, connection);
}

void listen_share_committed(struct listener *listener, uint64_t ns)
{
    while (listener->owing != NULL) {
        struct listen_party *party = listener->owing;

        listener->owing = party->next_owing;
        charge(listener, party, (uint64_t)((double)ns * (double)party->work / (double)listener->work));
        party->work = 0;
        party->next_owing = NULL;
    }
    if (listener->work > 0)
        for (struct connection *c = listener->connections; c != NULL; c = c->next)
            park_if_enough(listener, c);
    listener->work = 0;
}

bool listen_share_file(struct listener *listener, uint32_t uid, uint64_t bytes)
{
    struct listen_party *user;

    if (listener->config.socket_path == NULL || uid == geteuid() || uid == 0)
        return true;
    user = party_of(listener, (uint64_t)uid << 32 | 0x80000000u, true, true);
    if (user == NULL || user->bytes <= 0)
        return false;
    user->bytes -= (int64_t)(bytes < LISTEN_SPOOL_FILE_BYTES_MAX ? bytes : LISTEN_SPOOL_FILE_BYTES_MAX);
    return true;
}

/* What was beyond the share is owed in the next ones, unless nobody else was there to miss it. */
static void forgive(const struct listener *listener, struct listen_party *party, uint64_t passed_ns)
{
    unsigned busy = party->whole_user ? listener->busy_users : listener->busy_processes;
    uint64_t share_ns = passed_ns / LISTEN_SHARE_MS * LISTEN_SHARE_BUSY_MS;

    party->active = false;
    party->busy_ns = busy > 1 && party->busy_ns > share_ns ? party->busy_ns - share_ns : 0;
}

bool listen_share_turn(struct listener *listener, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - listener->share_ns;
    int64_t more;

    if (passed_ns < LISTEN_SHARE_MS * 1000000ull)
        return false;
    more = (int64_t)((passed_ns < 3600000000000ull ? passed_ns : 3600000000000ull) / 1000000u *
                     (LISTEN_USER_BYTES_PER_S / 1000));
    listener->share_ns = now_ns;
    for (size_t i = 0; i < LISTEN_PARTY_SLOTS; i++)
        for (struct listen_party *party = listener->party[i]; party != NULL; party = party->next) {
            forgive(listener, party, passed_ns);
            party->bytes =
                party->bytes + more > LISTEN_USER_BYTES_BURST ? LISTEN_USER_BYTES_BURST : party->bytes + more;
        }
    listener->busy_processes = listener->busy_users = 0;
    for (struct connection *c = listener->connections; c != NULL && listener->parked > 0; c = c->next)
        if (c->parked && !has_had_enough(listener, c->user)) {
            c->parked = false;
            listener->parked--;
            listen_watch(listener, c);
        }
    forget_idle(listener);
    return true;
}
