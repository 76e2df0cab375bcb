/* What URL, method and headers tell of a call: shape of API, provider, model, and how sure that
 * is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What host, path and method say, from most to least. */
enum verdict_claim {
    CLAIM_FIRM,          /* nobody else uses such an address */
    CLAIM_KIND_OPEN,     /* a call of a model, but models of other kinds stand there, too */
    CLAIM_SHARED,        /* others have such a path, and nobody known serves this host */
    CLAIM_SHARED_BARE,   /* any web site may have it */
    CLAIM_PLATFORM,      /* like SHARED, on a host that is known to serve models beside other things */
    CLAIM_PLATFORM_BARE, /* like SHARED_BARE, there */
};

enum {
    RECOGNISE_MODEL_MAX = 192, /* names may be ARNs (Bedrock's inference profiles reach about 150 bytes) */
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
