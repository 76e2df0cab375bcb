/*
 * Whether whoever listens at the collector's path may be given calls, and be believed that it keeps
 * them. Scribe thread only; allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * `peer` is who listens at `socket_path`, as the kernel says (SO_PEERCRED), `us` the effective user
 * here. Trusted are we ourselves and root; and somebody else where the path itself says that it is
 * meant to be them: every directory above the socket can be changed by root, us and them alone, so
 * that no fourth could have put them there.
 */
bool peer_trusted(uid_t peer, uid_t us, const char *socket_path);

/*
 * The same of whoever listens at an abstract name, which anybody may take and which proves nothing:
 * we ourselves, and root where it lets everybody in (`any_user`; else it would send us away).
 */
bool peer_trusted_by_name(uid_t peer, uid_t us, bool any_user);
