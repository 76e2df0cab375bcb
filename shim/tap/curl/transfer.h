/*
 * One transfer from the hooks' point of view: is it of interest, how it begins on the tape, how it
 * ends.
 *
 * Application threads only; the owner of the handle calls. Errno is preserved.
 */
#pragma once

#include "handles.h"

#include "shim/tape/tape.h"

/* The record of a handle that libcurl has just made, or NULL (no memory: it is only forwarded, and
 * counted). Where the address still has a record, whose handle went without our knowing, that one's
 * transfer is ended first. */
struct handle *transfer_new_handle(const void *key, enum handle_kind kind, struct library *library);

/*
 * To be called when libcurl is about to look at the options of this handle's next transfer, not
 * before: it reads the application's memory. Decides whether it is recorded; if so (true) it has
 * its number, its beginning and what is known of the request's body are written, and the handle is
 * armed. `queued_ns`: when the application handed it over, 0 for now.
 */
bool transfer_begin(struct handle *handle, CURL *easy, uint64_t queued_ns);
/* Writes the end with libcurl's own facts; `easy` must still be alive. Does nothing when no
 * transfer is open. */
void transfer_close(struct handle *handle, CURL *easy, uint64_t curl_code, enum tape_how how);
/* The same in two steps, for calls that wipe the facts: first libcurl's facts, then the end. */
void transfer_facts(const struct handle *handle, CURL *easy, struct tape_end *ret_facts);
void transfer_close_with(struct handle *handle, struct tape_end *facts, uint64_t curl_code, enum tape_how how);
