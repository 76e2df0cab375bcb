/*
 * The functions that libcurl calls instead of the application's while a transfer is recorded.
 *
 * What libcurl hands them as context is nothing but a name, by which the handle is looked up each
 * time: a handle that libcurl duplicated by itself carries our functions too, with the original's
 * context or with whatever the application put in its place. So the functions exist in sets, one
 * for each combination of functions that the application uses, and a context that is not ours goes,
 * as it is, to the function that this set stands for.
 *
 * Application threads only.
 */
#pragma once

#include "handles.h"

enum { CALLBACKS_SETS = 16 }; /* with more combinations than that, those beyond share a set that knows no function */

struct callbacks {
    curl_write_callback write, header;
    curl_read_callback read;
    curl_seek_callback seek;
    curl_ioctl_callback ioctl;
    curl_prereq_callback prereq;
};

/* Those to arm this handle with. */
struct callbacks callbacks_for(struct handle *handle);
/* The context to arm them with. */
void *callbacks_context(CURL *easy);
/* True for libcurl's default input, fread from a FILE *, set or not: libcurl rewinds that itself
 * (lib/transfer.c, lib/sendf.c). */
bool callbacks_reads_file(curl_read_callback function);

/* The application pauses or resumes (CURLPAUSE_* bits that are paused from now on): writes
 * TAPE_PAUSE or TAPE_RESUME on a change. */
void callbacks_set_paused(struct handle *handle, unsigned paused);

/* Gives libcurl a function and its context, as the options `function` and `data`. */
void callbacks_set_pair(const struct handle *handle, CURL *easy, CURLoption function, uintptr_t to, CURLoption data,
                        const void *with);
/* Arms what rewinds the request's body, by what is in the shadow and known of the input. */
void callbacks_arm_rewind(struct handle *handle, CURL *easy);
