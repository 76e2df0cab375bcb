/* What record's two small helper processes (witness.c, keeper.c) begin with. */
#pragma once

/*
 * To be called first in the child: keeps none of our descriptors but `fd`, which becomes number 0
 * (the return value), and goes by another name, so that who looks for the program or for record by
 * name (pkill) does not meet this one. `name`: up to 15 bytes.
 */
int companion_begin(int fd, const char *name);
