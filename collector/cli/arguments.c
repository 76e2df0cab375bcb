/*
 * Reads the command line by the table, and says what is wrong. Called by main and by the commands,
 * on the only thread; never exits.
 */
#include "arguments.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/display_safe.h"

enum { SENTENCE_BYTES = 3 * PATH_MAX + 1024 }; /* the longest names three paths */

static const char *program = "pprofctl";

void program_is(const char *name)
{
    program = name;
}

__attribute__((format(printf, 2, 0))) static void say_line(const char *before, const char *format, va_list values)
{
    static char sentence[SENTENCE_BYTES], safe[SENTENCE_BYTES];
    if (vsnprintf(sentence, sizeof(sentence), format, values) < 0)
        return;
    /* Names of files and programs are other people's texts, too. */
    display_safe(safe, sizeof(safe), (struct span_text){sentence, (uint32_t)strlen(sentence)});
    (void)fprintf(stderr, "%s%s%s\n", before, before[0] != '\0' ? ": " : "", safe);
}

void complain(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say_line(program, format, values);
    va_end(values);
}

void announce(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say_line("", format, values);
    va_end(values);
}

const char *command_typed(const struct command *command)
{
    static char typed[64];
    (void)snprintf(typed, sizeof(typed), "%s%s%s", program, command->name != NULL ? " " : "",
                   command->name != NULL ? command->name : "");
    return typed;
}

/* What sentences about the command line are about. */
static const char *subject(const struct command *command)
{
    return command->name != NULL ? command->name : "it";
}

/* The option's position by its long name (`bytes` long) or its letter, or -1. */
static int option_position(const struct command *command, const char *name, size_t bytes, char letter)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *option = &command->options[i];
        bool by_name = name != NULL && strlen(option->name) == bytes && memcmp(option->name, name, bytes) == 0;
        if (by_name || (letter != 0 && option->letter == letter))
            return (int)i;
    }
    return -1;
}

static int unknown_option(const struct command *command, const char *word, size_t bytes)
{
    complain("%s has no option %.*s; see `%s --help`.", subject(command), (int)bytes, word, command_typed(command));
    return -1;
}

/* Takes argv[*at], an option; moves *at past it and its value. */
static int take_option(struct arguments *out, char **argv, size_t n, size_t *at)
{
    const struct command *command = out->command;
    const char *word = argv[(*at)++];
    bool is_long = word[1] == '-';
    size_t name_bytes = is_long ? strcspn(word + 2, "=") : 1;
    const char *rest = word + (is_long ? 2 : 1) + name_bytes;
    int i = option_position(command, is_long ? word + 2 : NULL, name_bytes, is_long ? '\0' : word[1]);
    if (i < 0)
        return unknown_option(command, word, (is_long ? 2u : 1u) + name_bytes);
    const struct option *option = &command->options[i];
    if (option->argument == NULL) {
        if (*rest != '\0') {
            complain("--%s takes no value; see `%s --help`.", option->name, command_typed(command));
            return -1;
        }
        out->value[i] = "";
        return 0;
    }
    if (*rest != '\0') {
        out->value[i] = is_long ? rest + 1 : rest;
        return 0;
    }
    if (*at == n) {
        complain("--%s needs a value, see `%s --help`.", option->name, command_typed(command));
        return -1;
    }
    out->value[i] = argv[(*at)++];
    return 0;
}

int arguments_parse(struct arguments *ret_arguments, const struct command *command, char **argv, size_t n)
{
    *ret_arguments = (struct arguments){.command = command};
    size_t kept = 0;
    size_t at = 0;
    while (at < n) {
        char *word = argv[at];
        if (strcmp(word, "--") == 0) {
            at++;
            break;
        }
        if (word[0] != '-' || word[1] == '\0') {
            if (command->runs_program)
                break;
            argv[kept++] = word;
            at++;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            return 1;
        if (take_option(ret_arguments, argv, n, &at) < 0)
            return -1;
    }
    while (at < n)
        argv[kept++] = argv[at++];
    argv[kept] = NULL;
    ret_arguments->operand = argv;
    ret_arguments->n_operands = kept;
    if (!command->runs_program && kept > command->operands_max) {
        complain("%s does not know what to do with \"%s\"; see `%s --help`.", subject(command),
                 argv[command->operands_max], command_typed(command));
        return -1;
    }
    return 0;
}

const char *arguments_value(const struct arguments *arguments, const char *option)
{
    int i = option_position(arguments->command, option, strlen(option), '\0');
    return i < 0 ? NULL : arguments->value[i];
}

long arguments_number(const struct arguments *arguments, const char *option, long otherwise, long max)
{
    const char *text = arguments_value(arguments, option);
    if (text == NULL)
        return otherwise;
    char *end = NULL;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || number < 0 || number > max) {
        complain("--%s needs a whole number from 0 to %ld, not \"%s\".", option, max, text);
        return -1;
    }
    return number;
}
