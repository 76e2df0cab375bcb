/*
 * Manual pages and bash completion, from the same tables as --help. Called by `pprofctl help --man
 * PAGE`, which the build runs for pprofctl(1), pprofctl-VERB(1), pprofd(8) and libpprof(7), and by
 * `pprofctl help completion`.
 */
#include "help.h"

#include <string.h>

#include "../query/keys.h"

/* A text in troff: backslashes, dashes and dots at the start of a line mean something else
 * there. */
static void put_text(FILE *out, const char *text)
{
    bool line_start = true;
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            bool paragraph = text[1] == '\n';
            (void)fputs(paragraph ? "\n.PP\n" : "\n.br\n", out);
            text += paragraph;
            line_start = true;
            continue;
        }
        if (line_start && (*text == '.' || *text == '\''))
            (void)fputs("\\&", out);
        if (*text == '\\')
            (void)fputs("\\e", out);
        else if (*text == '-')
            (void)fputs("\\-", out);
        else if (*text == '`')
            (void)fputs("\\`", out);
        else
            (void)fputc(*text, out);
        line_start = false;
    }
    (void)fputc('\n', out);
}

static void put_title(FILE *out, const char *name, int section, const char *summary)
{
    (void)fprintf(out, ".TH \"%s\" %d \"\" \"libpprof " PPROF_VERSION "\" \"libpprof\"\n.SH NAME\n%s \\- ", name,
                  section, name);
    put_text(out, summary);
}

static void put_section(FILE *out, const char *title, const char *text)
{
    (void)fprintf(out, ".SH \"%s\"\n", title);
    put_text(out, text);
}

static void put_item(FILE *out, const char *head, const char *text)
{
    (void)fputs(".TP\n.B ", out);
    put_text(out, head);
    put_text(out, text);
}

static void put_options(FILE *out, const struct option *options, size_t n)
{
    if (n == 0)
        return;
    (void)fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; i < n; i++) {
        const struct option *option = &options[i];
        char head[96], letter[] = "-x, ";
        letter[1] = option->letter;
        (void)snprintf(head, sizeof(head), "%s--%s%s%s", option->letter != '\0' ? letter : "", option->name,
                       option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
        put_item(out, head, option->help);
    }
}

static void put_examples(FILE *out, const char *text)
{
    (void)fputs(".SH EXAMPLES\n.nf\n", out);
    while (*text != '\0') {
        char line[256];
        size_t bytes = strcspn(text, "\n");
        (void)snprintf(line, sizeof(line), "%.*s", (int)bytes, text);
        put_text(out, line);
        text += bytes + (text[bytes] == '\n');
    }
    (void)fputs(".fi\n", out);
}

static void man_verb(FILE *out, const struct command *command)
{
    char name[64], synopsis[256];
    (void)snprintf(name, sizeof(name), "pprofctl-%s", command->name);
    (void)snprintf(synopsis, sizeof(synopsis), "pprofctl %s%s%s", command->name, command->usage[0] != '\0' ? " " : "",
                   command->usage);
    put_title(out, name, 1, command->summary);
    put_section(out, "SYNOPSIS", synopsis);
    put_section(out, "DESCRIPTION", command->text);
    put_options(out, command->options, command->n_options);
    if (strcmp(command->name, "report") == 0) {
        (void)fputs(".SH KEYS\n", out);
        for (size_t i = 0; i < n_keys; i++)
            put_item(out, keys[i].name, keys[i].meaning);
    }
    put_examples(out, command->example);
    put_section(out, "EXIT STATUS", command->exit_status);
    put_section(out, "SEE ALSO", "pprofctl(1), libpprof(7), pprofd(8)");
}

static void man_overview(FILE *out)
{
    put_title(out, "pprofctl", 1, "profile the language model calls of programs, and report them");
    put_section(out, "SYNOPSIS", "pprofctl VERB [OPTIONS]\npprofctl --version");
    put_section(out, "DESCRIPTION",
                "Runs programs under libpprof.so, which sees their calls of language models inside libcurl, and reads "
                "the stores that record and pprofd keep.");
    (void)fputs(".SH VERBS\n", out);
    for (size_t i = 0; i < n_commands; i++)
        put_item(out, commands[i].name, commands[i].summary);
    put_section(out, "EXIT STATUS", "0: done, 1: not done, 2: wrong options; record and doctor say more.");
    (void)fputs(".SH SEE ALSO\n", out);
    for (size_t i = 0; i < n_commands; i++)
        (void)fprintf(out, "pprofctl\\-%s(1), ", commands[i].name);
    (void)fputs("libpprof(7), pprofd(8)\n", out);
}

static void man_library(FILE *out)
{
    put_title(out, "libpprof", 7, "prompt profiler, to be preloaded into programs that call language models");
    put_section(out, "SYNOPSIS", "LD_PRELOAD=/path/to/libpprof.so PROGRAM ARGUMENTS");
    put_section(out, "DESCRIPTION",
                "Takes the place of some functions of libcurl in the program, notes when things happened, follows the "
                "requests to language models and their answers, and sends numbers, names and keyed hashes to pprofd "
                "over a local socket, or leaves them in a spool directory. Prompts, answers and API keys stay in the "
                "program. The program behaves as without it.\n\n"
                "`pprofctl doctor -- PROGRAM` says what will be seen of a program.");
    (void)fputs(".SH ENVIRONMENT\n", out);
#define ENV(ident, name, otherwise, meaning) put_item(out, name, meaning ".\nDefault: " otherwise);
#include "../../span/env.def"
#undef ENV
    put_section(out, "SEE ALSO", "pprofctl(1), pprofd(8), ld.so(8)");
}

/* The daemon has its own table of options: its page is its --help, which the build pipes in. */
static void man_daemon(FILE *out, FILE *in)
{
    char line[512];
    put_title(out, "pprofd", 8, "collects what programs under libpprof.so say about their calls of language models");
    (void)fputs(".SH SYNOPSIS\npprofd [OPTION...]\n.SH DESCRIPTION\n.nf\n", out);
    while (fgets(line, sizeof(line), in) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        put_text(out, line);
    }
    (void)fputs(".fi\n", out);
    put_section(out, "SEE ALSO", "pprofctl(1), libpprof(7)");
}

static void put_completion_words(FILE *out, const char *words)
{
    if (words == NULL)
        (void)fputs(":", out);
    else if (strcmp(words, "FILE") == 0)
        (void)fputs("COMPREPLY=($(compgen -f -- \"$word\"))", out);
    else if (strcmp(words, "COMMAND") == 0)
        (void)fputs("COMPREPLY=($(compgen -c -f -- \"$word\"))", out);
    else
        (void)fprintf(out, "COMPREPLY=($(compgen -W \"%s\" -- \"$word\"))", words);
}

static void complete_verb(FILE *out, const struct command *command)
{
    (void)fprintf(out, "    %s)\n        case $before in\n", command->name);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option *option = &command->options[i];
        if (option->argument == NULL)
            continue;
        (void)fprintf(out, "        --%s", option->name);
        if (option->letter != '\0')
            (void)fprintf(out, " | -%c", option->letter);
        (void)fputs(")\n            ", out);
        put_completion_words(out, option->values);
        (void)fputs("\n            return ;;\n", out);
    }
    (void)fputs("        esac\n        if [[ $word == -* ]]; then\n            COMPREPLY=($(compgen -W \"--help", out);
    for (size_t i = 0; i < command->n_options; i++)
        (void)fprintf(out, " --%s", command->options[i].name);
    (void)fputs("\" -- \"$word\"))\n        else\n            ", out);
    put_completion_words(out, command->completes);
    (void)fputs("\n        fi\n        ;;\n", out);
}

void help_completion(FILE *out)
{
    (void)fputs("# bash completion for pprofctl; made by `pprofctl help completion`.\n_pprofctl()\n{\n"
                "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n    COMPREPLY=()\n"
                "    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W \"--help --version",
                out);
    for (size_t i = 0; i < n_commands; i++)
        (void)fprintf(out, " %s", commands[i].name);
    (void)fputs("\" -- \"$word\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n", out);
    for (size_t i = 0; i < n_commands; i++)
        complete_verb(out, &commands[i]);
    (void)fputs("    esac\n}\ncomplete -o filenames -F _pprofctl pprofctl\n", out);
}

int help_man(FILE *out, const char *name)
{
    const struct command *command = command_find(name);
    if (command != NULL)
        man_verb(out, command);
    else if (strcmp(name, "pprofctl") == 0)
        man_overview(out);
    else if (strcmp(name, "libpprof") == 0)
        man_library(out);
    else if (strcmp(name, "pprofd") == 0)
        man_daemon(out, stdin);
    else
        return -1;
    return 0;
}
