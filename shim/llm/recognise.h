/*
 * Is this HTTP request a call of a language model, and which shape of API does it speak? Path suffix first, host
 * second.
 *
 * recognise() runs on the scribe's thread, and on the application's to tell whether a transfer that the tape lost was a
 * call; recognise_candidate() on the application's thread before a transfer is armed. Both are pure apart from the
 * table that recognise_configure() fills once at start; neither allocates, locks or changes errno. Known hosts:
 * providers.def. Known paths: endpoints.def.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "verdict.h"

enum {
    RECOGNISE_MODEL_MAX = 192,    /* names may be ARNs (Bedrock's inference profiles reach about 150 bytes) */
    RECOGNISE_ENDPOINTS_MAX = 64, /* entries of LIBPPROF_ENDPOINTS */
};

/* Texts are NUL-terminated and live as long as the process. */
struct recognised {
    const char *api;          /* the corpus' name of the shape: "chat-completions", "messages", ... (pprof.api) */
    const char *shape;        /* the API whose bodies it has, where that is not `api` itself (InvokeModel with another
                              provider's model), or NULL */
    const char *operation;    /* gen_ai.operation.name */
    const char *provider;     /* gen_ai.provider.name, or NULL: host and path do not tell who serves it */
    enum verdict_claim claim; /* how much of the proof that it is a call host, path and method are */
    bool poll;    /* asks after a call that was made before (a run, a batch): times are not a model's, tokens count once
                     per id */
    bool tail_id; /* the path's last segment is the id of what is asked after */
    bool stream_known;               /* the URL decides about streaming... */
    bool stream;                     /* ...and says this */
    size_t said_path_bytes;          /* the path begins with what LIBPPROF_ENDPOINTS says of it */
    size_t model_bytes;              /* 0: the URL names no model */
    char model[RECOGNISE_MODEL_MAX]; /* percent-decoded; an ARN stays whole */
};

/*
 * `url`: "scheme://host[:port]/path", user info, query and fragment are passed over if there. `method_bytes` 0: not
 * known (taken for POST, as a path that others have). `headers`: "Name: value\n" lines, may be empty. False: no inference call,
 * *ret_recognised is then undefined.
 */
bool recognise(const char *method, size_t method_bytes, const char *url, size_t url_bytes, const char *headers,
               size_t headers_bytes, struct recognised *ret_recognised);
/* The same for headers that are known later. */
void recognise_headers(const char *headers, size_t headers_bytes, struct recognised *recognised);

/* The cheap test: true for everything that recognise() accepts, and for little else. Below 150 ns. */
bool recognise_candidate(const char *method, size_t method_bytes, const char *url, size_t url_bytes);

/*
 * Is it a session with a model that is no exchange of a request and an answer: realtime APIs, over a WebSocket that
 * libcurl opens, one that the application opens by an upgrade, or one that HTTP calls prepare? `socket`: the scheme is
 * ws or wss, or the connection is the application's own (then a path of any call counts). Any thread, pure; cheap where
 * the path shows nothing.
 */
bool recognise_session(const char *url, size_t url_bytes, bool socket);

/*
 * LIBPPROF_ENDPOINTS: "host[:port][/path]=api[,provider];...". An entry without path tells who that host is (paths that
 * are known keep their own shape, all other POSTs get `api`); with a path it is for that path and what lies below it.
 * Once, before threads start; NULL or "" empties the table. Bad entries are left out. Returns NULL, or one sentence
 * about the first bad entry (static memory).
 */
const char *recognise_configure(const char *endpoints);

/* gen_ai.operation.name of an API that is known, NULL of others. */
const char *recognise_operation(const char *api);

/* Every name that pprof.api may have is here; NULL if this is none. Returns the static text. */
const char *recognise_api_name(const char *api, size_t bytes);
