/*
 * pprofctl prompts: the prompts that were learned, with their versions; and what people say of
 * them: names, and which are one.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/display.h"
#include "../base/display_safe.h"
#include "../cli/cells.h"
#include "../cli/table.h"
#include "../cli/terminal.h"
#include "../query/prompt_list.h"
#include "command.h"
#include "open_store.h"

enum { COLUMNS = 9, ID_DIGITS = 16 };

static const struct column {
    const char *name, *title;
    bool is_name;
    unsigned priority;
} columns[COLUMNS] = {{"prompt", "prompt", true, 0},
                      {"name", "name", true, 0},
                      {"version", "version", false, 0},
                      {"calls", "calls", false, 0},
                      {"texts", "texts", false, 2},
                      {"constant_share", "constant", false, 1},
                      {"constant_beginning_words", "begins with", false, 3},
                      {"first", "first call", false, 4},
                      {"last", "last call", false, 4}};

/* ---- printing ---- */

/* For people; "-" for what is not known. */
static void fill_cells(char text[COLUMNS][PROMPT_NAME_BYTES], const struct prompt_row *row)
{
    for (size_t i = 0; i < COLUMNS; i++)
        (void)snprintf(text[i], PROMPT_NAME_BYTES, "-");
    display_id(text[0], row->prompt);
    if (row->name[0] != '\0')
        (void)snprintf(text[1], PROMPT_NAME_BYTES, "%s", row->name);
    if (row->version[0] != '\0')
        (void)snprintf(text[2], PROMPT_NAME_BYTES, "%s", row->version);
    display_count(text[3], row->calls);
    if (row->is_learned) {
        display_count(text[4], row->learned.texts);
        if (row->learned.words > 0)
            display_share(text[5], (double)row->learned.constant / row->learned.words);
        (void)snprintf(text[6], PROMPT_NAME_BYTES, "%u %s", row->learned.begins,
                       row->learned.begins == 1 ? "word" : "words");
    }
    if (row->calls > 0) {
        display_time(text[7], row->first_ns);
        display_time(text[8], row->last_ns);
    }
}

static void print_tail(FILE *out, const struct prompt_list *list, const char *path)
{
    if (list->texts_unassigned > 0)
        (void)fprintf(out, "%" PRIu64 " %s of instructions %s to no prompt yet.\n", list->texts_unassigned,
                      list->texts_unassigned == 1 ? "text" : "texts",
                      list->texts_unassigned == 1 ? "belongs" : "belong");
    if (list->damaged > 0)
        (void)fprintf(out, "Damaged: %" PRIu64 " %s could not be read; `pprofctl check %s` says which.\n",
                      list->damaged, list->damaged == 1 ? "block" : "blocks", display_name(path));
}

static int print_text(FILE *out, const struct prompt_list *list, const char *path)
{
    struct table table;
    int status = 0;
    if (list->n > 0) {
        table_init(&table);
        for (size_t i = 0; i < COLUMNS; i++)
            table_add_column(&table, columns[i].title, columns[i].is_name, columns[i].priority);
        for (size_t r = 0; status == 0 && r < list->n; r++) {
            char text[COLUMNS][PROMPT_NAME_BYTES];
            const char *cell[COLUMNS];
            fill_cells(text, &list->row[r]);
            for (size_t i = 0; i < COLUMNS; i++)
                cell[i] = text[i];
            status = table_add_row(&table, cell);
        }
        if (status == 0) {
            const bool colour = terminal_wants_colour(STDOUT_FILENO);
            (void)table_fit(&table, terminal_width(STDOUT_FILENO));
            table_print(out, &table, 0, colour ? "\033[1m" : "", colour ? "\033[0m" : "");
            (void)fputc('\n', out);
        }
        table_done(&table);
    } else {
        (void)fputs("No prompt was learned.\n", out);
    }
    print_tail(out, list, path);
    return status;
}

static int print_md(FILE *out, const struct prompt_list *list, const char *path)
{
    for (size_t i = 0; i < COLUMNS; i++)
        (void)fprintf(out, "| %s ", columns[i].title);
    (void)fputs("|\n", out);
    for (size_t i = 0; i < COLUMNS; i++)
        (void)fputs(columns[i].is_name ? "|:--" : "|--:", out);
    (void)fputs("|\n", out);
    for (size_t r = 0; r < list->n; r++) {
        char text[COLUMNS][PROMPT_NAME_BYTES];
        fill_cells(text, &list->row[r]);
        for (size_t i = 0; i < COLUMNS; i++) {
            (void)fputs("| ", out);
            cell_md(out, text[i]);
            (void)fputc(' ', out);
        }
        (void)fputs("|\n", out);
    }
    (void)fputc('\n', out);
    print_tail(out, list, path);
    return 0;
}

static int print_csv(FILE *out, const struct prompt_list *list, const char *path)
{
    for (size_t i = 0; i < COLUMNS; i++)
        (void)fprintf(out, "%s%s%s", i > 0 ? "," : "", columns[i].name, i >= 7 ? "_unix_nano" : "");
    (void)fputc('\n', out);
    for (size_t r = 0; r < list->n; r++) {
        const struct prompt_row *row = &list->row[r];
        (void)fprintf(out, "%016" PRIx64 ",", row->prompt);
        cell_csv(out, row->name);
        (void)fputc(',', out);
        cell_csv(out, row->version);
        (void)fprintf(out, ",%" PRIu64 ",", row->calls);
        if (row->is_learned)
            (void)fprintf(out, "%" PRIu64, row->learned.texts);
        (void)fputc(',', out);
        if (row->is_learned && row->learned.words > 0)
            (void)fprintf(out, "%.6g", (double)row->learned.constant / row->learned.words);
        (void)fputc(',', out);
        if (row->is_learned)
            (void)fprintf(out, "%u", row->learned.begins);
        if (row->calls > 0)
            (void)fprintf(out, ",%" PRIu64 ",%" PRIu64 "\n", row->first_ns, row->last_ns);
        else
            (void)fputs(",,\n", out);
    }
    print_tail(stderr, list, path);
    return 0;
}

static int print_json(FILE *out, const struct prompt_list *list, const char *path)
{
    (void)fputs("{\n  \"file\": ", out);
    cell_json(out, path);
    (void)fputs(",\n  \"rows\": [\n", out);
    for (size_t r = 0; r < list->n; r++) {
        const struct prompt_row *row = &list->row[r];
        (void)fprintf(out, "    {\"prompt\": \"%016" PRIx64 "\"", row->prompt);
        if (row->name[0] != '\0') {
            (void)fputs(", \"name\": ", out);
            cell_json(out, row->name);
        }
        if (row->version[0] != '\0') {
            (void)fputs(", \"version\": ", out);
            cell_json(out, row->version);
        }
        (void)fprintf(out, ", \"calls\": %" PRIu64, row->calls);
        if (row->is_learned)
            (void)fprintf(out, ", \"texts\": %" PRIu64 ", \"constant_beginning_words\": %u, \"settled\": %s",
                          row->learned.texts, row->learned.begins, row->learned.settled ? "true" : "false");
        if (row->is_learned && row->learned.words > 0)
            (void)fprintf(out, ", \"constant_share\": %.6g", (double)row->learned.constant / row->learned.words);
        if (row->calls > 0)
            (void)fprintf(out, ", \"first_unix_nano\": %" PRIu64 ", \"last_unix_nano\": %" PRIu64, row->first_ns,
                          row->last_ns);
        (void)fprintf(out, "}%s\n", r + 1 < list->n ? "," : "");
    }
    (void)fprintf(out, "  ],\n  \"texts_unassigned\": %" PRIu64 ",\n  \"damaged_blocks\": %" PRIu64 "\n}\n",
                  list->texts_unassigned, list->damaged);
    return 0;
}

static const struct format {
    const char *name;
    int (*print)(FILE *out, const struct prompt_list *list, const char *path);
} formats[] = {{"text", print_text}, {"md", print_md}, {"csv", print_csv}, {"json", print_json}};

static int list_prompts(const struct arguments *arguments)
{
    char buffer[PATH_MAX];
    const char *path = store_operand(arguments, buffer, sizeof(buffer));
    const char *format = arguments_value(arguments, "format");
    struct prompt_list list;
    struct runs_left left;
    size_t f = 0;
    while (format != NULL && f < sizeof(formats) / sizeof(formats[0]) && strcmp(formats[f].name, format) != 0)
        f++;
    if (f == sizeof(formats) / sizeof(formats[0])) {
        complain("--format knows text, md, csv and json, not \"%s\".", format);
        return EXIT_USAGE;
    }
    take_in_left(path, &left);
    struct store *store = open_store(path, STORE_READ);
    if (store == NULL)
        return 1;
    int status = prompt_list_read(&list, store);
    if (status != STORE_OK)
        complain_store(path, status);
    else if (formats[f].print(stdout, &list, path) < 0) {
        complain("memory ran out.");
        status = 1;
    }
    prompt_list_done(&list);
    store_close(store);
    return status == STORE_OK ? 0 : 1;
}

/* ---- what people say ---- */

/* Returns 0 or -1 after having said what is wrong. */
static int read_id(const char *text, uint64_t *ret_id)
{
    char *end = NULL;
    if (strlen(text) == ID_DIGITS && strspn(text, "0123456789abcdefABCDEF") == ID_DIGITS)
        *ret_id = strtoull(text, &end, 16);
    if (end != NULL)
        return 0;
    complain("\"%s\" is no id of a prompt: those have 16 hex digits, as `pprofctl prompts` shows them.", text);
    return -1;
}

/* The prompt that an id stands for. 0, or -1 after having said what is wrong. */
static int find_prompt(struct store *store, const char *path, const char *text, uint64_t id, uint64_t *ret_prompt)
{
    int found = store_prompt_shown(store, id, ret_prompt);
    if (found < 0)
        complain_store(path, found);
    else if (found == 0)
        complain("%s has no prompt %s; `pprofctl prompts %s` lists those that it has.", path, text, path);
    return found == 1 ? 0 : -1;
}

/* What follows the verb's word: an id, and a name or another id. */
static int say(struct store *store, const char *path, char *const *operand)
{
    const bool names = strcmp(operand[0], "name") == 0, merges = strcmp(operand[0], "merge") == 0;
    uint64_t id = 0, prompt = 0, into = 0;
    if (read_id(operand[1], &id) < 0 || (merges && read_id(operand[2], &into) < 0))
        return EXIT_USAGE;
    if (names && (operand[2][0] == '\0' || strlen(operand[2]) >= PROMPT_NAME_BYTES)) {
        complain("a name has 1 to %d bytes.", PROMPT_NAME_BYTES - 1);
        return EXIT_USAGE;
    }
    if (find_prompt(store, path, operand[1], id, &prompt) < 0 ||
        (merges && find_prompt(store, path, operand[2], into, &into) < 0))
        return 1;
    if (merges && into == prompt) {
        complain("%s and %s are one prompt already.", operand[1], operand[2]);
        return 1;
    }
    const int status = names    ? store_prompt_say(store, prompt, operand[2], 0)
                       : merges ? store_prompt_say(store, prompt, NULL, into)
                                : store_prompt_say(store, id, NULL, id);
    if (status != STORE_OK)
        complain_store(path, status);
    return status == STORE_OK ? 0 : 1;
}

/* How many operands go with the word; 0: it is none. */
static size_t operands_of(const char *word)
{
    return strcmp(word, "name") == 0 || strcmp(word, "merge") == 0 ? 3 : strcmp(word, "split") == 0 ? 2 : 0;
}

int command_prompts(const struct arguments *arguments)
{
    char buffer[PATH_MAX];
    struct arguments file = *arguments; /* what is left of the operands */
    const size_t n = arguments->n_operands > 0 ? operands_of(arguments->operand[0]) : 0;
    if (n == 0 && arguments->n_operands <= 1)
        return list_prompts(arguments);
    if (n == 0 || arguments->n_operands < n || arguments->n_operands > n + 1) {
        complain("after prompts comes FILE, or name ID NAME, merge ID ID, or split ID, and FILE; see "
                 "`pprofctl help prompts`.");
        return EXIT_USAGE;
    }
    file.operand += n;
    file.n_operands -= n;
    const char *path = store_operand(&file, buffer, sizeof(buffer));
    struct store *store = open_store(path, STORE_READ); /* none is made here */
    if (store == NULL)
        return 1;
    store_close(store);
    store = open_store(path, STORE_WRITE);
    if (store == NULL)
        return 1;
    const int code = say(store, path, arguments->operand);
    store_close(store);
    return code;
}
