/*
 * pprofctl key-alias: the alias under which calls with an API key are recorded. The key comes from
 * standard input, never from the command line, where other users could read it; it is wiped and
 * never printed.
 */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "../../span/install_key.h"

enum { INPUT_MAX = 16 * 1024 };

/* One line of at most `room` bytes. Returns its length, or -1 when it is longer or cannot be
 * read. */
static long read_line(char *out, size_t room)
{
    size_t used = 0;
    while (used < room) {
        ssize_t got = read(STDIN_FILENO, out + used, room - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        const char *end = got == 0 ? NULL : memchr(out + used, '\n', (size_t)got);
        if (end != NULL)
            return end - out;
        if (got == 0)
            return (long)used;
        used += (size_t)got;
    }
    return -1;
}

/* The same; a terminal does not show what is typed. */
static long read_secret(char *out, size_t room)
{
    struct termios before;
    bool hidden = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &before) == 0;
    if (hidden) {
        struct termios quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs("Key: ", stderr);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    long bytes = read_line(out, room);
    if (hidden) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fputc('\n', stderr);
    }
    return bytes;
}

/* Returns false after having said why there is none. */
static bool hash_key(uint8_t ret_key[SPAN_KEY_BYTES])
{
    const char *said = getenv("LIBPPROF_HASH_KEY");
    struct span_path_base base = {.runtime_dir = getenv("XDG_RUNTIME_DIR"),
                                  .state_home = getenv("XDG_STATE_HOME"),
                                  .home = getenv("HOME"),
                                  .uid = geteuid()};
    char path[SPAN_PLACE_BYTES + 8] = "";
    if (said != NULL && said[0] != '\0') {
        span_key_from_text(ret_key, said);
        return true;
    }
    int error = span_install_key_find(ret_key, &base, path, sizeof(path));
    if (error != 0)
        complain("the key of this installation cannot be used: %s: %s.", path, span_install_key_why(error));
    return error == 0;
}

int command_key_alias(const struct arguments *arguments)
{
    static char text[INPUT_MAX];
    uint8_t key[SPAN_KEY_BYTES];
    char alias[SPAN_ALIAS_BYTES];
    if (arguments->n_operands > 0) {
        complain("key-alias reads the key from standard input; on the command line others could see it.");
        return EXIT_USAGE;
    }
    if (!hash_key(key))
        return 1;
    long bytes = read_secret(text, sizeof(text));
    if (bytes >= 0)
        span_key_alias(key, text, (size_t)bytes, alias);
    explicit_bzero(text, sizeof(text));
    explicit_bzero(key, sizeof(key));
    if (bytes < 0 || alias[0] == '\0') {
        complain(bytes < 0 ? "standard input cannot be read, or its first line is longer than 16 KiB."
                           : "standard input has no key on its first line.");
        return 1;
    }
    printf("%s\n", alias);
    return 0;
}
