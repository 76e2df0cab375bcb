/*
 * What the application set on a handle. libcurl has no way to ask for an option, so the ones that
 * matter are noted as they pass.
 *
 * Pure bookkeeping with libcurl's own rules (lib/setopt.c); calls nothing of libcurl. Owned by the
 * handle's thread.
 */
#pragma once

#include "keep.h"
#include "library.h"

#include <stdio.h>

enum {
    SHADOW_URL_BYTES_MAX = 2048, /* a call of a longer one is counted, and not followed */
    SHADOW_METHOD_BYTES_MAX = 15,
    SHADOW_COPY_SMALL_BYTES_MAX = 1024 * 1024, /* a larger copy is given up before a transfer that is no call */
    SHADOW_BESIDE_BYTES_MAX = 128,             /* of the URL's user info, query and fragment */
    SHADOW_TOLD_BYTES_MAX = 32,                /* of each option in shadow_told */
};

/* Options whose texts go with the request and may come back in an answer: their beginnings are
 * noted, so that an echo can be told. */
enum shadow_told {
    SHADOW_TOLD_USERPWD,
    SHADOW_TOLD_USERNAME,
    SHADOW_TOLD_PASSWORD,
    SHADOW_TOLD_PROXYUSERPWD,
    SHADOW_TOLD_COOKIE,
    SHADOW_TOLD_USERAGENT,
    SHADOW_TOLD_REFERER,
    SHADOW_TOLD_N
};

/* Few handles have any: made when the first is set. */
struct shadow_texts {
    char told[SHADOW_TOLD_N][SHADOW_TOLD_BYTES_MAX]; /* NUL-terminated */
    char beside[SHADOW_BESIDE_BYTES_MAX];            /* "userinfo@?query#fragment", NUL-terminated, cut */
};

enum shadow_request { SHADOW_GET, SHADOW_HEAD, SHADOW_POST, SHADOW_PUT, SHADOW_MULTIPART };
enum shadow_fields {
    SHADOW_FIELDS_NONE,    /* a POST takes its body from the read function */
    SHADOW_FIELDS_POINTER, /* the application's memory, read when the transfer starts */
    SHADOW_FIELDS_COPY,    /* libcurl copied it, so did we */
    SHADOW_FIELDS_UNSEEN,  /* libcurl copied it, we could not */
};
/* Whether URL and method may be inference (transfer.c), as long as nothing of them changes. */
enum shadow_judged { SHADOW_UNJUDGED, SHADOW_CANDIDATE, SHADOW_NO_CANDIDATE };
enum shadow_scheme {
    SHADOW_SCHEME_OTHER,
    SHADOW_SCHEME_SOCKET, /* ws, wss */
    SHADOW_SCHEME_MISSING,
    SHADOW_SCHEME_HTTP,
    SHADOW_SCHEME_HTTPS
};

struct shadow_callbacks {
    curl_write_callback write_function; /* NULL: libcurl's default, fwrite */
    void *write_data;
    curl_write_callback header_function;
    void *header_data;
    curl_read_callback read_function; /* NULL: fread */
    void *read_data;
    curl_seek_callback seek_function;
    void *seek_data;
    curl_ioctl_callback ioctl_function;
    void *ioctl_data;
    curl_prereq_callback prereq_function;
    void *prereq_data;
};

struct shadow {
    struct shadow_callbacks callbacks;

    const void *fields;               /* with SHADOW_FIELDS_POINTER */
    struct keep copied;               /* with SHADOW_FIELDS_COPY */
    curl_off_t fields_bytes;          /* CURLOPT_POSTFIELDSIZE; -1: not set */
    curl_off_t infile_bytes;          /* CURLOPT_INFILESIZE; -1: not set */
    const struct curl_slist *headers; /* the application's list, read when the transfer starts */
    const CURLU *url_handle;          /* wins over the URL text */
    const curl_mime *mime;            /* with SHADOW_MULTIPART; NULL: a form of another kind, or one that was copied */
    struct keep bearer;
    enum shadow_fields fields_kind;
    enum shadow_request request;
    long port;       /* 0: the URL's */
    bool url_unseen; /* there is one, but there was no memory to note it */
    bool url_cut;    /* it is longer than what is kept: the beginning of its path is missing */
    bool include_header, connect_only, accepts_encoding, keeps_encoding;

    enum shadow_scheme scheme, default_scheme;
    enum shadow_judged judged;
    enum shadow_request judged_request;       /* with which request it was judged */
    unsigned short url_bytes;                 /* 0: none */
    unsigned short host_bytes;                /* "host[:port]", the beginning of url */
    char method[SHADOW_METHOD_BYTES_MAX + 1]; /* CURLOPT_CUSTOMREQUEST, "" when not set */
    struct keep texts;                        /* shadow_texts() */
    struct keep url;                          /* host and path, without scheme, user info, query and fragment; no NUL */
};

/* As libcurl has it after curl_easy_init, and after curl_easy_reset. `drop` wipes and frees what is
 * kept. */
void shadow_init(struct shadow *shadow);
void shadow_reset(struct shadow *shadow);
void shadow_drop(struct shadow *shadow);
/* The next transfer is none of ours: a copied body that is large is memory for nothing. Should the
 * handle come back with it to a model, the body is unseen, and that is counted. */
void shadow_forget_large_copy(struct shadow *shadow);
/* As curl_easy_duphandle does. */
void shadow_copy(struct shadow *to, const struct shadow *from);
/* After libcurl accepted the option. */
void shadow_set(struct shadow *shadow, CURLoption option, uintptr_t argument);
/* Sets scheme, url and host_bytes from text. */
void shadow_set_url(struct shadow *shadow, const char *text);

/* "https://host[:port]/path" into `out`; 0 when there is none or it is not HTTP. */
size_t shadow_url(const struct shadow *shadow, char *out, size_t room);
/* NULL: none was set. */
const struct shadow_texts *shadow_texts(const struct shadow *shadow);
const char *shadow_method(const struct shadow *shadow);
/* True when the body of the next transfer comes from the read function. */
bool shadow_body_is_read(const struct shadow *shadow);
