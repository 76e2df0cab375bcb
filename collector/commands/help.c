/*
 * pprofctl help: an overview, and help on a topic. All words come from the command table and other
 * lists.
 */
#include "help.h"

#include <string.h>

#include "../cli/usage.h"

void help_overview(void)
{
    printf("  pprofctl record -- php worker.php   # run it, keep what its model calls cost\n"
           "  pprofctl report                     # per prompt: calls, tokens, times\n"
           "\nUsage: pprofctl VERB [OPTIONS]\n\n");
    for (size_t i = 0; i < n_commands; i++)
        printf("  %-9s %s\n", commands[i].name, commands[i].summary);
    printf("\n`pprofctl VERB --help` explains a verb; `pprofctl help keys`, `fields` and\n"
           "`environment` the keys of report, the fields of export and the variables that\n"
           "libpprof.so reads. `pprofctl --version` says which version this is.\n");
}

static int help_topic(const char *topic, bool md)
{
    const struct command *command = command_find(topic);
    if (command != NULL)
        usage_print(command);
    else if (strcmp(topic, "keys") == 0)
        help_keys(stdout);
    else if (strcmp(topic, "fields") == 0)
        help_fields(stdout, md);
    else if (strcmp(topic, "environment") == 0)
        help_environment(stdout, md);
    else if (strcmp(topic, "completion") == 0)
        help_completion(stdout);
    else {
        complain("there is no help on \"%s\"; see `pprofctl help`.", topic);
        return EXIT_USAGE;
    }
    return 0;
}

int command_help(const struct arguments *arguments)
{
    const char *topic = arguments->n_operands > 0 ? arguments->operand[0] : NULL;
    const char *format = arguments_value(arguments, "format");
    if (format != NULL && strcmp(format, "text") != 0 && strcmp(format, "md") != 0) {
        complain("--format of help knows text and md, not \"%s\".", format);
        return EXIT_USAGE;
    }
    if (arguments_value(arguments, "man") != NULL) {
        if (help_man(stdout, topic != NULL ? topic : "pprofctl") == 0)
            return 0;
        complain("there is no manual page on \"%s\"; see `pprofctl help`.", topic);
        return EXIT_USAGE;
    }
    if (topic == NULL) {
        help_overview();
        return 0;
    }
    return help_topic(topic, format != NULL && strcmp(format, "md") == 0);
}
