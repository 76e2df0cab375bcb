/*
 * The verbs of pprofctl. A new one is one row in command_table.c and one file with its body.
 */
#pragma once

#include "../cli/arguments.h"

enum {
    EXIT_RECORD = 125, /* record could not do its part; 126, 127: as a shell says it */
    EXIT_NOT_EXECUTABLE = 126,
    EXIT_NOT_FOUND = 127,
};

extern const struct command commands[];
extern const size_t n_commands;

const struct command *command_find(const char *name);

int command_record(const struct arguments *arguments);
int command_report(const struct arguments *arguments);
int command_prompts(const struct arguments *arguments);
int command_merge(const struct arguments *arguments);
int command_export(const struct arguments *arguments);
int command_dump(const struct arguments *arguments);
int command_check(const struct arguments *arguments);
int command_doctor(const struct arguments *arguments);
int command_key_alias(const struct arguments *arguments);
int command_help(const struct arguments *arguments);

/* help.c: what main prints for --help, and where nothing was typed. */
void help_overview(void);
