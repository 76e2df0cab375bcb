/*
 * The counts of shown.h on disk, so that programs that make one call each are counted together: a
 * file "seen" beside the key of the installation, as large as the table, with keyed hashes alone in
 * it. Scribe's thread, all signals blocked. Whatever fails, nothing is lost but that more calls are
 * needed until words are shown.
 */
#pragma once

#include "shim/llm/identity/shown.h"

/* `key_path`: the file of the installation's key; its directory is the one. */
void shown_file_load(struct shown *shown, const char *key_path);
/* Writes what has changed; no system call where nothing has. */
void shown_file_save(struct shown *shown, const char *key_path);
