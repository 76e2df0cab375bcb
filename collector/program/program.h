/*
 * What kind of program a command is, read from its file and without running it: for record's
 * preflight and for doctor. One thread.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    PROGRAM_SCRIPTS_MAX = 4,  /* interpreters of interpreters; Linux follows as many */
    PROGRAM_NEEDED_MAX = 256, /* libraries, with those that they need */
};

enum program_kind {
    PROGRAM_NATIVE, /* 64-bit ELF of this machine */
    PROGRAM_ELF32,
    PROGRAM_OTHER_MACHINE,
    PROGRAM_NOT_ELF,
};

/* Facts about one ELF file. */
struct elf_facts {
    enum program_kind kind;
    bool dynamic;           /* has an interpreter (the dynamic loader) */
    bool musl;              /* its interpreter is musl's */
    bool pie;               /* without an interpreter: a static pie */
    bool go;                /* built by Go */
    bool static_curl;       /* contains a libcurl of its own */
    bool mentions_curl;     /* contains the name of the shared libcurl: probably loads it later */
    char runpath[PATH_MAX]; /* as written */
    char **needed;          /* n_needed names as written */
    size_t n_needed;
};

/* Reads the facts. Returns 0, or -1 when the file cannot be read (errno). A file that is not ELF is
 * PROGRAM_NOT_ELF. */
int elf_read(struct elf_facts *ret_facts, const char *path);
void elf_done(struct elf_facts *facts);

/* The shared libraries that a file needs, with those that they need, as paths of existing files. */
struct libraries {
    char *path[PROGRAM_NEEDED_MAX];
    size_t n;
    bool no_memory; /* while it was made */
};
/* 0, or -1 when memory ran out: then it is empty. */
int libraries_collect(struct libraries *libraries, const char *path);
void libraries_done(struct libraries *libraries);
/* The path of the first library whose file name starts so, or NULL. */
const char *libraries_find(const struct libraries *libraries, const char *name_start);

/* Why a command cannot be run at all, or what keeps the loader from preloading into it. */
enum program_verdict {
    PROGRAM_LOADABLE,
    PROGRAM_NOT_FOUND,
    PROGRAM_NOT_EXECUTABLE,
    PROGRAM_STATIC,
    PROGRAM_32_BIT,
    PROGRAM_FOREIGN,
    PROGRAM_MUSL,
    PROGRAM_PRIVILEGED, /* setuid, setgid or file capabilities, and not the user's own */
};

struct program {
    char path[PATH_MAX];                        /* of the file that was named */
    char script[PROGRAM_SCRIPTS_MAX][PATH_MAX]; /* scripts on the way to the binary, first the one that was named */
    size_t n_scripts;
    char binary[PATH_MAX]; /* the file that the kernel will load */
    enum program_verdict verdict;
    char why[PATH_MAX + 256]; /* one sentence when it is not PROGRAM_LOADABLE */
};

/* Looks the command up as a shell does and follows scripts to their interpreter. */
void program_inspect(struct program *ret_program, const char *command);
