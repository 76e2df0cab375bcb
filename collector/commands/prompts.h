/* What the files of `pprofctl prompts` share. */
#pragma once

#include <stdio.h>

#include "../query/prompt_details.h"

struct arguments;

/* What is shown of a list: its first rows. */
struct prompts_shown {
    const struct prompt_list *list;
    const char *path;
    size_t n_rows;
    struct store *store;
};

/* prompts_print.c: a format by its name, NULL when there is none. */
struct prompts_format {
    const char *name;
    int (*print)(FILE *out, const struct prompts_shown *shown); /* -1: no memory */
    bool for_people;
};
const struct prompts_format *prompts_format_find(const char *name);

/* prompt_details.c: all that is known of a row. The format is one that prompts_format_find
 * knows. */
struct prompts_detail {
    const struct prompt_list *list;
    const struct prompt_row *row;
    const struct prompt_details *details;
    bool is_first, is_last; /* of those that are printed */
};
void prompts_print_detail(FILE *out, const char *format, const struct prompts_detail *detail);
/* prompt_details.c: sizes, slots and preview as members of an object of JSON, each after a
 * comma. */
void prompts_json_sizes(FILE *out, const struct prompt_details *details);

/* prompts_say.c: name, merge and split: how many operands go with the word, 0: it is none of them.
 * Then the word and its operands; the exit code, after having said what was done or what is
 * wrong. */
size_t prompts_operands(const char *word);
int prompts_say(const struct arguments *arguments, char *const *operand, const char *path);
