/*
 * pprofctl help, and --help of each verb: one screen, example first. All words come from the command table.
 */
#include "help.h"

#include <string.h>

/* Prints words up to an empty line; returns what follows. */
static const char *wrap_paragraph(FILE *out, const char *text, size_t indent, size_t width)
{
    size_t used = 0;
    while (*text != '\0' && *text != '\n') {
        size_t bytes = strcspn(text, " \n");
        if (used > 0 && indent + used + 1 + bytes > width) {
            (void)fputc('\n', out);
            used = 0;
        }
        (void)fprintf(out, "%*s%.*s", used == 0 ? (int)indent : 1, "", (int)bytes, text);
        used += bytes + (used > 0);
        text += bytes;
        while (*text == ' ')
            text++;
    }
    (void)fputc('\n', out);
    return text;
}

void help_wrap(FILE *out, const char *text, size_t indent, size_t width)
{
    while (*text != '\0') {
        text = wrap_paragraph(out, text, indent, width);
        if (*text == '\0')
            break;
        text += strspn(text, "\n");
        (void)fputc('\n', out);
    }
}

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
    /* The first line stands where the cursor is: wrap into the rest of the line by hand. */
    const char *text = option->help;
    size_t used = 0;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (used > 0 && OPTION_COLUMN + used + 1 + word > HELP_WIDTH) {
            printf("\n%*s", OPTION_COLUMN, "");
            used = 0;
        }
        printf("%s%.*s", used > 0 ? " " : "", (int)word, text);
        used += word + (used > 0);
        text += word + strspn(text + word, " ");
    }
    printf("\n");
}

void help_command(const struct command *command)
{
    print_examples(command->example);
    printf("\nUsage: pprofctl %s%s%s\n\n", command->name, command->usage[0] != '\0' ? " " : "", command->usage);
    help_wrap(stdout, command->text, 0, HELP_WIDTH);
    if (command->n_options > 0) {
        printf("\nOptions:\n");
        for (size_t i = 0; i < command->n_options; i++)
            print_option(&command->options[i]);
    }
    printf("\nExit code:\n");
    help_wrap(stdout, command->exit_status, 2, HELP_WIDTH);
}

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
        help_command(command);
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
