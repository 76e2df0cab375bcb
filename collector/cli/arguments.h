/*
 * The command line of our programs: a table of what can be typed, with its words, and reading what
 * was. Parsing, help, completion and manual pages come from the table.
 *
 * One thread; constant data apart from struct arguments, which belongs to main.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    COMMAND_OPTIONS_MAX = 16,
    EXIT_USAGE = 2, /* what was typed cannot be understood */
};

struct option {
    char letter;          /* 0: none */
    const char *name;     /* without the dashes */
    const char *argument; /* NULL: a switch */
    const char *values;   /* what completion offers: words, "FILE", or NULL */
    const char *help;
};

struct command;

/* What was typed after the verb. Points into argv. */
struct arguments {
    const struct command *command;
    const char *value[COMMAND_OPTIONS_MAX]; /* by position in command->options; "" for a switch that was given */
    char **operand;                         /* NULL-terminated */
    size_t n_operands;
};

struct command {
    const char *name;        /* the verb; NULL: of a program without verbs */
    const char *usage;       /* what follows the verb */
    const char *summary;     /* one line, no full stop */
    const char *example;     /* lines, each "command  # why" */
    const char *text;        /* paragraphs separated by empty lines */
    const char *exit_status; /* one paragraph */
    const struct option *options;
    size_t n_options;
    size_t operands_max;
    bool runs_program;     /* options end at the first operand: the rest belongs to the program */
    const char *completes; /* operands for completion: words, "FILE", "COMMAND" or NULL */
    int (*run)(const struct arguments *arguments);
};

/* Reads argv[0..n) after the verb. Returns 0, 1 when --help was asked for, or -1 after having said
 * what is wrong. */
int arguments_parse(struct arguments *ret_arguments, const struct command *command, char **argv, size_t n);
/* The value of an option that the command has, NULL when it was not given. */
const char *arguments_value(const struct arguments *arguments, const char *option);
/* The option's value as a number of at most `max`; `otherwise` when not given; -1 after having said
 * what is wrong. */
long arguments_number(const struct arguments *arguments, const char *option, long otherwise, long max);

/* The name that people know the program by; main says it first. It has to last. */
void program_is(const char *name);
/* "pprofctl report", "pprofd": what is typed to run it. Until the next call. */
const char *command_typed(const struct command *command);
/* One line on stderr; names of files and programs in it are made harmless for a terminal.
 * complain() puts the program's name before it. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void announce(const char *format, ...) __attribute__((format(printf, 1, 2)));
