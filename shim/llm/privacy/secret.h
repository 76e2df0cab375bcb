/*
 * What must not stay of texts that come from outside: keys, addresses, and whatever a server says
 * back of the request's own headers and URL. Every text that becomes a field of a span, and is no
 * word of a list, passes here.
 *
 * Scribe's thread and the constructor (labels); pure functions on the caller's memory, no
 * allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SECRET_ECHO_BYTES = 4096,   /* of the request's header values and URL; a token can be 2 KiB */
    SECRET_ECHO_RUN = 8,        /* so many bytes in common with a credential are an echo */
    SECRET_ECHO_WHOLE_MIN = 3,  /* shorter pieces of headers are no secrets */
    SECRET_ECHO_INSIDE_MIN = 6, /* shorter ones count as a word of their own only */
    SECRET_ECHO_WORD_MAX = 11, /* longest credential that may be a plain word: "ollama", "lm-studio" are sent as keys */
    SECRET_NAME_BYTES_MAX = 256, /* models' names: ARNs reach about 150 */
    SECRET_NAME_RANDOM_MAX = 16, /* of a model's name that no word has: those of fine-tuned ones reach 12 */
    SECRET_NUMBER_DIGITS_MAX = 32,
};

/* Has it the shape of a key (known beginnings, long runs of mixed letters and digits), or does it
 * hold an e-mail address, a URL, an IP address or a telephone number? */
bool secret_key_shaped(const char *text, size_t bytes);
/* The known beginnings alone. */
bool secret_key_known(const char *text, size_t bytes);
bool secret_address_shaped(const char *text, size_t bytes);

/* A model's or a prompt's name: no key, no address, no control characters. */
bool secret_free_name(const char *text, size_t bytes);
/* The same of a model's name that only the answer says: of letters, digits and the signs of names,
 * without a long number, and not generated. */
bool secret_free_answered_name(const char *text, size_t bytes);
/* An id of a response, as services make them: letters, digits and - _ . : = + / ~ alone; not a
 * known kind of key, an address, a telephone or a very long number. */
bool secret_free_id(const char *text, size_t bytes);

/* A label that the environment gives: its name says nothing of secrets, its value has no known
 * beginning of a key and is no mail address or telephone number. Ids of containers and revisions
 * are long runs of hex, so those stay. */
bool secret_free_label(const char *name, size_t name_bytes, const char *value, size_t bytes);

/* The pieces of a request that a server could echo. Owned by the exchange, which wipes it at its
 * end. */
struct secret_echo {
    uint16_t bytes;
    char text[SECRET_ECHO_BYTES]; /* pieces in lower case, each after '!' (credential), '~' (the same, but a short
                                     word, or of the URL), '#' (an id that the query asks for) or ' ', and followed by a
                                     line end */
};

void secret_echo_init(struct secret_echo *echo);
void secret_echo_wipe(struct secret_echo *echo);
/* Takes the pieces of a text, percent-decoded and of "Basic" decoded too. Pieces that are words of
 * the services ("application", "openai", "2024-06-01") are none. What does not fit is left out.
 * `mark`: see struct secret_echo; parts of credentials are echoes too. */
void secret_echo_take(struct secret_echo *echo, const char *text, size_t bytes, char mark);
/* The same of one request header; those that name models, prompts and formats are passed over. */
void secret_echo_header(struct secret_echo *echo, const char *name, size_t name_bytes, const char *value, size_t bytes);
/* Of what the tape hands on beside headers: "userinfo@?query#fragment" of the URL, or a credential
 * as an option has it.
 */
void secret_echo_beside(struct secret_echo *echo, const char *text, size_t bytes);
/* Is one of the pieces in the text: those of six bytes and more anywhere, shorter ones as a word?
 * Or SECRET_ECHO_RUN bytes of a credential? Or, of these but the short ones, in what the text
 * encodes (secret_echoed_encoded)? */
bool secret_echoed(const struct secret_echo *echo, const char *text, size_t bytes);
/* The same of a name that the request itself states (model, deployment, prompt): there only what is
 * marked '!' is held against it, because clients name models and products in headers and URLs by
 * right. */
bool secret_echoed_name(const struct secret_echo *echo, const char *text, size_t bytes);
/* The same of the answer's id, which may be just what the query asked for. */
bool secret_echoed_id(const struct secret_echo *echo, const char *text, size_t bytes);

/* secret_encoded.c: the same where the text, or a part of it, says it cut by signs, in another
 * case, backwards, with each second byte alone, rotated by thirteen letters, in base64 (both
 * alphabets), base32 or hexadecimal, percent-encoded, and in up to three of these in each other.
 * Letters and digits alone are compared: pieces that have six of them and more, and runs of
 * credentials. A text that has too many readings to look at all of them is taken for an echo. */
bool secret_echoed_encoded(const struct secret_echo *echo, const char *text, size_t bytes);

/*
 * The path as it may be stored: segments of the API's known shape (words of paths, the model, ids
 * after the name of their collection) stay, others become "*". Returns the bytes written to
 * ret_path, at most `room`.
 */
struct secret_path {
    const char *path;
    size_t bytes;
    size_t said_bytes; /* so many of them the user's own settings name: they stay, unless they look like a key */
    const char *model; /* the name that the URL states, decoded */
    size_t model_bytes;
};
size_t secret_mask_path(const struct secret_path *path, const struct secret_echo *echo, char *ret_path, size_t room);
/* The host's name as it may be stored: labels with a known kind of key, or with a credential of the
 * request, become "*"; what services generate stays. Returns the bytes written to ret_host, at most
 * `room`. */
size_t secret_mask_host(const char *host, size_t bytes, const struct secret_echo *echo, char *ret_host, size_t room);
/* Takes the segments that are masked: they must not come back either. */
void secret_echo_path(struct secret_echo *echo, const struct secret_path *path);
