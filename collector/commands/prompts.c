/*
 * pprofctl prompts: the prompts of a store, with what was learned of them and their versions; and
 * (prompts_say.c) what people say of them: names, and which are one.
 */
#include "prompts.h"

#include <limits.h>
#include <string.h>

#include "command.h"
#include "open_store.h"

enum { LIMIT_FOR_PEOPLE = 40, LIMIT_MAX = 100000000 };

static int print_list(const struct arguments *arguments, const struct prompts_format *format,
                      const struct prompt_list *list, struct store *store, const char *path)
{
    const long limit = arguments_number(arguments, "limit", format->for_people ? LIMIT_FOR_PEOPLE : 0, LIMIT_MAX);
    struct prompts_shown shown = {list, path, list->n, store};
    if (limit < 0)
        return EXIT_USAGE;
    if (limit > 0 && shown.n_rows > (size_t)limit)
        shown.n_rows = (size_t)limit;
    if (format->print(stdout, &shown) == 0)
        return 0;
    complain("memory ran out; show fewer prompts by --limit.");
    return 1;
}

/* All that is known of one prompt's versions. */
static int print_details(const char *format, const char *what, const struct prompt_list *list, struct store *store,
                         const char *path)
{
    size_t n = 0, printed = 0;
    for (size_t i = 0; i < list->n; i++)
        n += prompt_is_meant(list, &list->row[i], what);
    if (n == 0)
        complain("%s has no prompt \"%s\"; `pprofctl prompts %s` lists those that it has.", path, what, path);
    for (size_t i = 0; i < list->n; i++) {
        struct prompt_details details;
        if (!prompt_is_meant(list, &list->row[i], what))
            continue;
        int status = prompt_details_read(&details, store, &list->row[i]);
        if (status == STORE_OK)
            status = prompt_details_variants(&details, store, list, &list->row[i]);
        printed++;
        if (status == STORE_OK)
            prompts_print_detail(stdout, format,
                                 &(struct prompts_detail){list, &list->row[i], &details, printed == 1, printed == n});
        else
            complain_store(path, status);
        prompt_details_done(&details);
        if (status != STORE_OK)
            return 1;
    }
    return n > 0 ? 0 : 1;
}

static int list_prompts(const struct arguments *arguments)
{
    char buffer[PATH_MAX];
    const char *path = store_operand(arguments, buffer, sizeof(buffer));
    const char *name = arguments_value(arguments, "format"), *what = arguments_value(arguments, "prompt");
    const struct prompts_format *format = prompts_format_find(name != NULL ? name : "text");
    struct prompt_list list;
    struct runs_left left;
    if (format == NULL) {
        complain("--format knows text, md, csv and json, not \"%s\".", name);
        return EXIT_USAGE;
    }
    if (arguments_value(arguments, "variant") != NULL) {
        complain("--variant goes with split: `pprofctl prompts split ID --variant V`.");
        return EXIT_USAGE;
    }
    take_in_left(path, &left);
    struct store *store = open_store(path, STORE_READ);
    if (store == NULL)
        return 1;
    const int status = prompt_list_read(&list, store);
    int code = 1;
    if (status != STORE_OK)
        complain_store(path, status);
    else
        code = what != NULL ? print_details(format->name, what, &list, store, path)
                            : print_list(arguments, format, &list, store, path);
    prompt_list_done(&list);
    store_close(store);
    return code;
}

/* A word that is neither FILE nor one of ours: what was meant. */
static int complain_of_words(const struct arguments *arguments)
{
    const char *word = arguments->operand[0];
    const size_t n = prompts_operands(word);
    if (n == 0 && arguments->n_operands > 1)
        complain("prompts knows name, merge and split, not \"%s\"; `pprofctl help prompts` explains them.", word);
    else
        complain("after %s comes %s; see `pprofctl help prompts`.", word,
                 strcmp(word, "name") == 0    ? "ID NAME, then FILE or nothing"
                 : strcmp(word, "merge") == 0 ? "ID INTO, two prompts of which the first becomes the second, then FILE "
                                                "or nothing"
                                              : "ID, ID@VERSION or TEXT_ID, then FILE or nothing");
    return EXIT_USAGE;
}

int command_prompts(const struct arguments *arguments)
{
    char buffer[PATH_MAX];
    struct arguments file = *arguments; /* what is left of the operands */
    const size_t n = arguments->n_operands > 0 ? prompts_operands(arguments->operand[0]) : 0;
    if (n == 0 && arguments->n_operands <= 1)
        return list_prompts(arguments);
    if (n == 0 || arguments->n_operands < n || arguments->n_operands > n + 1)
        return complain_of_words(arguments);
    if (arguments_value(arguments, "format") != NULL || arguments_value(arguments, "limit") != NULL ||
        arguments_value(arguments, "prompt") != NULL) {
        complain("--format, --limit and --prompt go with the list, not with %s.", arguments->operand[0]);
        return EXIT_USAGE;
    }
    file.operand += n;
    file.n_operands -= n;
    return prompts_say(arguments, arguments->operand, store_operand(&file, buffer, sizeof(buffer)));
}
