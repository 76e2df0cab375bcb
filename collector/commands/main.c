/*
 * pprofctl: finds the verb, reads its options by the table and runs it. One thread.
 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../span/frame.h"
#include "../base/display_safe.h"
#include "../cli/usage.h"
#include "../store/store.h"

static int print_version(void)
{
    printf("pprofctl " PPROF_BUILD " (span format %d, store format %d)\n", SPAN_FRAME_VERSION, STORE_VERSION);
    return 0;
}

/* Output that could not be written (a full disk, a closed pipe) must not look like success. */
static int flush_output(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        complain("the output could not be written; is the disk full or the reader gone?");
        return status != 0 ? status : 1;
    }
    return status;
}

static int run_verb(int argc, char **argv)
{
    const struct command *command = command_find(argv[1]);
    if (command == NULL) {
        complain("there is no command \"%s\"; see `pprofctl help`.", argv[1]);
        return EXIT_USAGE;
    }
    struct arguments arguments;
    int parsed = arguments_parse(&arguments, command, argv + 2, (size_t)argc - 2);
    if (parsed < 0)
        return EXIT_USAGE;
    if (parsed > 0) {
        usage_print(command);
        return 0;
    }
    return command->run(&arguments);
}

int main(int argc, char **argv)
{
    /* Widths of characters are asked of the C library; numbers and messages stay in the C
     * locale. */
    display_begin();
    program_is("pprofctl");
    if (argc < 2) {
        help_overview();
        return flush_output(EXIT_USAGE);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return flush_output(print_version());
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_overview();
        return flush_output(0);
    }
    if (argv[1][0] == '-') {
        complain("there is no option %s; see `pprofctl help`.", argv[1]);
        return EXIT_USAGE;
    }
    return flush_output(run_verb(argc, argv));
}
