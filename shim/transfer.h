/*
 * One transfer from the hooks' point of view: is it of interest, how it begins on the tape, how it ends.
 *
 * Application threads only; the owner of the handle calls. Errno is preserved.
 */
#pragma once

#include "handles.h"

#include "tape.h"

enum { TRANSFER_TEXT_BYTES_MAX = 6 * 1024 }; /* method, URL and the headers that matter; a token can be 2 KiB */

/* The first record of a transfer, made before libcurl starts it. */
struct transfer_opening {
    uint64_t time_ns;
    struct tape_begin begin;
    char text[TRANSFER_TEXT_BYTES_MAX];
};

/* The record of a handle that libcurl has just made, or NULL (no memory: the handle is only forwarded). Where the
 * address still has a record, whose handle went without our knowing, that one's transfer is ended first. */
struct handle *transfer_new_handle(const void *key, struct library *library);

/* Decides whether the next transfer of this handle is recorded. True: the opening is filled in and the handle is armed.
 */
bool transfer_prepare(struct handle *handle, CURL *easy, struct transfer_opening *ret_opening);
/* Gives the transfer its number and writes the beginning and what is known of the request's body. */
void transfer_open(struct handle *handle, const struct transfer_opening *opening);
/* Writes the end with libcurl's own facts; `easy` must still be alive. Does nothing when no transfer is open. */
void transfer_close(struct handle *handle, CURL *easy, uint64_t curl_code, enum tape_how how);
/* The same in two steps, for calls that wipe the facts: first libcurl's facts, then the end. */
void transfer_facts(const struct handle *handle, CURL *easy, struct tape_end *ret_facts);
void transfer_close_with(struct handle *handle, struct tape_end *facts, uint64_t curl_code, enum tape_how how);

/* The list of a multi handle's recorded transfers. */
void transfer_join(struct handle *handle, struct handle *multi);
void transfer_leave(struct handle *handle);
