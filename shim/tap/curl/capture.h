/*
 * Our callbacks in a handle for the duration of one transfer: armed when it starts, disarmed when
 * it ends.
 *
 * In between, what the application sets for the callbacks is absorbed into the shadow and takes
 * effect at the same moment as it would in libcurl. Application threads only.
 */
#pragma once

#include "handles.h"

/* Puts our callbacks in place of the application's; touches nothing that these point to. Errno is
 * preserved. */
void capture_arm(struct handle *handle, CURL *easy);
/* Gives the handle back exactly as the application configured it. Does nothing when not armed. */
void capture_disarm(struct handle *handle, CURL *easy);
/* libcurl itself dropped our callbacks (curl_easy_reset). */
void capture_forget(struct handle *handle);
/* The duplicate of an armed handle carries our callbacks: gives it the application's. */
void capture_clean_duplicate(const struct handle *source, CURL *duplicate);
/* True when the option must not reach libcurl now, only the shadow. */
bool capture_absorbs(const struct handle *handle, CURLoption option);
/* After such an option is in the shadow. */
void capture_absorbed(struct handle *handle, CURL *easy, CURLoption option);
