/*
 * The key of this installation: 32 random bytes in a file of the user's own, made at first use. It
 * serves the hashes of alias.h where LIBPPROF_HASH_KEY gives no key of the fleet: hashes are then
 * equal for all programs of this user on this host, and say nothing to anybody else, however short
 * the password was.
 *
 * Looks at the file system; allocates nothing, reads no environment. The scribe's thread, pprofctl.
 */
#pragma once

#include "alias.h"
#include "place.h"

#define SPAN_INSTALL_KEY_NAME "key"

/*
 * Reads "key" in `directory`, and makes it where there is none: under another name, linked when it
 * is whole, so that of two who come at once both read the same one. Refused are a directory or file
 * of another user, a file that others can read or write, a link, and one that is not 32 bytes long;
 * an empty one is as good as none. Returns 0 or a negative errno: -EPERM refused as not safe,
 * -EBADMSG damaged, others as the system says.
 */
int span_install_key_read(uint8_t ret_key[SPAN_KEY_BYTES], const char *directory, uint64_t uid);

/*
 * The same in the state directory, or in the runtime directory where the former is none of ours to
 * write (no HOME, HOME of another user, a file system that is read only). ret_path is the file that
 * was read or refused. A key that is there and refused is not replaced by another.
 */
int span_install_key_find(uint8_t ret_key[SPAN_KEY_BYTES], const struct span_path_base *base, char *ret_path,
                          size_t cap);

/* Why not, as the end of a sentence: "it can be read by others". Static memory. */
const char *span_install_key_why(int error);
