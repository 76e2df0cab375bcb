/*
 * --help of a command: one screen, example first. All words come from the table (arguments.h).
 * Called by main and help, and by pprofd.
 */
#include "usage.h"

#include <stdio.h>
#include <string.h>

#include "wrap.h"

static void print_examples(const char *text)
{
    while (*text != '\0') {
        size_t bytes = strcspn(text, "\n");
        printf("  %.*s\n", (int)bytes, text);
        text += bytes + (text[bytes] == '\n');
    }
}

static void print_option(const struct option *option)
{
    enum { OPTION_COLUMN = 24 };
    char head[64];
    char letter[] = "-x, ";
    letter[1] = option->letter;
    int bytes = snprintf(head, sizeof(head), "  %s--%s%s%s", option->letter != '\0' ? letter : "", option->name,
                         option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
    printf("%s", head);
    if (bytes + 2 > OPTION_COLUMN)
        printf("\n%*s", OPTION_COLUMN, "");
    else
        printf("%*s", OPTION_COLUMN - bytes, "");
    wrap_rest(stdout, option->help, OPTION_COLUMN, WRAP_WIDTH);
}

void usage_print(const struct command *command)
{
    print_examples(command->example);
    printf("\nUsage: %s%s%s\n\n", command_typed(command), command->usage[0] != '\0' ? " " : "", command->usage);
    wrap_text(stdout, command->text, 0, WRAP_WIDTH);
    if (command->n_options > 0) {
        printf("\nOptions:\n");
        for (size_t i = 0; i < command->n_options; i++)
            print_option(&command->options[i]);
    }
    printf("\nExit code:\n");
    wrap_text(stdout, command->exit_status, 2, WRAP_WIDTH);
}
