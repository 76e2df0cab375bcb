/*
 * What the environment asked for, read once by the constructor into own memory and never changed
 * afterwards: any thread may read it without a lock. No other file of the shim reads the
 * environment.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span/alias.h"
#include "span/paths.h"

enum {
    CONFIG_TEXT_BYTES_MAX = 32 * 1024, /* all values together; untouched pages of it cost nothing */
    CONFIG_PREVIEW_CHARS_MAX = 200,
    CONFIG_PATH_BYTES_MAX = 4096,
    CONFIG_SOCKET_BYTES_MAX = 108, /* sizeof sun_path */
    CONFIG_LABELS_BYTES_MAX = 512, /* as span_process.labels */
};

/* A pointer is NULL where nothing was said and there is no default. */
struct shim_config {
    bool disabled;
    bool follow;
    bool hash_key_said;         /* false: the key is the fixed public value */
    const char *socket;         /* NULL: the default, in the runtime directory */
    const char *spool;          /* NULL: no spool */
    bool spool_said;            /* by LIBPPROF_SPOOL, "off" too */
    struct span_path_base base; /* what default paths are made of; its uid is for who uses it to fill in */
    const char *service;
    const char *team;
    const char *labels; /* "k=v,k=v" */
    const char *prompt;
    const char *endpoints;
    const char *log; /* "stderr" or an absolute path; NULL: silent */
    unsigned preview_chars;
    bool preview_user;
    uint8_t hash_key[SPAN_KEY_BYTES]; /* where it was said */
};

extern struct shim_config shim_config;

/* Whether libpprof does anything in this process. Set once by the constructor; before it ran, and
 * where it decided against, every hook only forwards. */
extern bool shim_active;

/* Reads one variable; NULL when unset. A parameter so that tests need not change their own
 * environment. */
typedef const char *config_reader(const char *name);

/* Constructor only. Values that make no sense are said once and ignored. */
void config_read(struct shim_config *ret_config, config_reader *reader);

/* secure_getenv where the C library has it, otherwise getenv in programs that gained no privilege
 * by their start. */
const char *config_environment(const char *name);

/* Takes libpprof out of LD_PRELOAD for programs that this one starts; other preloads stay.
 * `own_path` as the loader names us. Constructor. */
void config_unfollow(char **environment, const char *own_path);
