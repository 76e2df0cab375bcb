/*
 * Is this HTTP request a call of a language model, and which shape of API does it speak? Path
 * suffix first, host second.
 *
 * recognise() runs on the scribe's thread, and on the application's to tell whether a transfer that
 * the tape lost was a call; recognise_candidate() on the application's thread before a transfer is
 * armed. Both are pure apart from the table that recognise_configure() (recognise_host.h) fills
 * once at start; neither allocates, locks or changes errno. Known hosts: providers.def. Known
 * paths: endpoints.def.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "recognised.h"

/*
 * `url`: "scheme://host[:port]/path", user info, query and fragment are passed over if there.
 * `method_bytes` 0: not known (taken for POST, as a path that others have). `headers`: "Name:
 * value\n" lines, may be empty. False: no inference call, *ret_recognised is then undefined.
 */
bool recognise(const char *method, size_t method_bytes, const char *url, size_t url_bytes, const char *headers,
               size_t headers_bytes, struct recognised *ret_recognised);
/* The same for headers that are known later. */
void recognise_headers(const char *headers, size_t headers_bytes, struct recognised *recognised);

/* The cheap test: true for everything that recognise() accepts, and for little else. Below 150
 * ns. */
bool recognise_candidate(const char *method, size_t method_bytes, const char *url, size_t url_bytes);

/*
 * Is it a session with a model that is no exchange of a request and an answer: realtime APIs, over
 * a WebSocket that libcurl opens, one that the application opens by an upgrade, or one that HTTP
 * calls prepare? `socket`: the scheme is ws or wss, or the connection is the application's own
 * (then a path of any call counts). Any thread, pure; cheap where the path shows nothing.
 */
bool recognise_session(const char *url, size_t url_bytes, bool socket);
