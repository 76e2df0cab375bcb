/*
 * The list of `pprofctl prompts` in each format. Called by prompts.c.
 */
#include "prompts.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "../base/display.h"
#include "../base/display_safe.h"
#include "../cli/cells.h"
#include "../cli/table.h"
#include "../cli/terminal.h"

enum { COLUMNS = 10, MOVED_FOR_PEOPLE = 20, CELL_BYTES = PROMPT_NAME_BYTES * 2 };

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
                      {"slots", "slots", false, 5},
                      {"first", "first call", false, 4},
                      {"last", "last call", false, 4}};

/* Each kind once, in the order of the text. */
static void fill_kinds(char text[CELL_BYTES], const struct shape_told *told)
{
    unsigned seen = 0;
    size_t used = 0;
    for (unsigned i = 0; i < told->slots; i++) {
        if (seen >> told->slot[i].kind & 1)
            continue;
        seen |= 1U << told->slot[i].kind;
        used += (size_t)snprintf(text + used, CELL_BYTES - used, "%s%s", used > 0 ? ", " : "",
                                 shape_kind_name(told->slot[i].kind));
    }
    if (told->slots == 0)
        (void)snprintf(text, CELL_BYTES, "none");
}

/* What cannot be read is not known; `check` says why. */
static void read_details(struct prompt_details *ret, const struct prompts_shown *shown, size_t row)
{
    if (prompt_details_read(ret, shown->store, &shown->list->row[row]) != STORE_OK)
        *ret = (struct prompt_details){0};
}

/* For people; "-" for what is not known. */
static void fill_cells(char text[COLUMNS][CELL_BYTES], const struct prompt_list *list, const struct prompt_row *row,
                       const struct prompt_details *details)
{
    for (size_t i = 0; i < COLUMNS; i++)
        (void)snprintf(text[i], CELL_BYTES, "-");
    if (row->prompt != 0)
        display_id(text[0], row->prompt);
    if (row->name != NAMES_ABSENT)
        (void)snprintf(text[1], CELL_BYTES, "%s", prompt_text(list, row->name));
    else if (details->preview[0] != '\0') {
        char begin[CELL_BYTES - 2];
        display_safe(begin, sizeof(begin), (struct span_text){details->preview, (uint32_t)strlen(details->preview)});
        (void)snprintf(text[1], CELL_BYTES, "\"%s\"", begin);
    }
    if (row->version != NAMES_ABSENT)
        (void)snprintf(text[2], CELL_BYTES, "%s", prompt_text(list, row->version));
    display_count(text[3], row->calls);
    if (row->is_learned) {
        display_count(text[4], row->learned.texts);
        if (row->learned.words > 0)
            display_share(text[5], (double)row->learned.constant / row->learned.words);
        (void)snprintf(text[6], CELL_BYTES, "%u %s", row->learned.begins, row->learned.begins == 1 ? "word" : "words");
    }
    if (details->is_known && details->told.is_measured) {
        char count[DISPLAY_BYTES];
        display_count(count, details->told.begin_tokens);
        (void)snprintf(text[6], CELL_BYTES, "~%s tokens", count);
        fill_kinds(text[7], &details->told);
    }
    display_time(text[8], row->first_ns);
    display_time(text[9], row->last_ns);
}

static void print_moved(FILE *out, const struct prompt_list *list)
{
    for (size_t i = 0; i < list->n_moved && i < MOVED_FOR_PEOPLE; i++) {
        const struct prompt_moved *moved = &list->moved[i];
        (void)fprintf(out, "%016" PRIx64 " %s %016" PRIx64 ".\n", moved->prompt,
                      moved->said ? "was merged into" : "turned out to be", moved->shown);
    }
    if (list->n_moved > MOVED_FOR_PEOPLE)
        (void)fprintf(out, "%zu more are parts of others; --format json lists them.\n",
                      list->n_moved - MOVED_FOR_PEOPLE);
}

static void print_tail(FILE *out, const struct prompts_shown *shown)
{
    const struct prompt_list *list = shown->list;
    char count[DISPLAY_BYTES];
    if (shown->n_rows < list->n) {
        display_count(count, list->n - shown->n_rows);
        (void)fprintf(out, "%s more %s not shown; --limit 0 shows all.\n", count,
                      list->n - shown->n_rows == 1 ? "row is" : "rows are");
    }
    if (list->more_calls > 0) {
        display_count(count, list->more_calls);
        (void)fprintf(out, "%s calls are in no row because there are more than %d rows.\n", count, PROMPT_ROWS_MAX);
    }
    if (list->texts_unassigned > 0)
        (void)fprintf(out, "%" PRIu64 " %s of instructions %s to no prompt yet.\n", list->texts_unassigned,
                      list->texts_unassigned == 1 ? "text" : "texts",
                      list->texts_unassigned == 1 ? "belongs" : "belong");
    if (list->damaged > 0)
        (void)fprintf(out, "Damaged: %" PRIu64 " %s could not be read; `pprofctl check %s` says which.\n",
                      list->damaged, list->damaged == 1 ? "block" : "blocks", display_name(shown->path));
}

static int print_table(FILE *out, const struct prompts_shown *shown)
{
    struct table table;
    int status = 0;
    table_init(&table);
    for (size_t i = 0; i < COLUMNS; i++)
        table_add_column(&table, columns[i].title, columns[i].is_name, columns[i].priority);
    for (size_t r = 0; status == 0 && r < shown->n_rows; r++) {
        char text[COLUMNS][CELL_BYTES];
        const char *cell[COLUMNS];
        struct prompt_details details;
        read_details(&details, shown, r);
        fill_cells(text, shown->list, &shown->list->row[r], &details);
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
    return status;
}

static int print_text(FILE *out, const struct prompts_shown *shown)
{
    int status = 0;
    if (shown->list->n > 0)
        status = print_table(out, shown);
    else
        (void)fputs("No call has a prompt that is known.\n", out);
    print_moved(out, shown->list);
    print_tail(out, shown);
    return status;
}

static int print_md(FILE *out, const struct prompts_shown *shown)
{
    for (size_t i = 0; i < COLUMNS; i++)
        (void)fprintf(out, "| %s ", columns[i].title);
    (void)fputs("|\n", out);
    for (size_t i = 0; i < COLUMNS; i++)
        (void)fputs(columns[i].is_name ? "|:--" : "|--:", out);
    (void)fputs("|\n", out);
    for (size_t r = 0; r < shown->n_rows; r++) {
        char text[COLUMNS][CELL_BYTES];
        struct prompt_details details;
        read_details(&details, shown, r);
        fill_cells(text, shown->list, &shown->list->row[r], &details);
        for (size_t i = 0; i < COLUMNS; i++) {
            (void)fputs("| ", out);
            cell_md(out, text[i]);
            (void)fputc(' ', out);
        }
        (void)fputs("|\n", out);
    }
    (void)fputc('\n', out);
    print_moved(out, shown->list);
    print_tail(out, shown);
    return 0;
}

static void csv_row(FILE *out, const struct prompt_list *list, const struct prompt_row *row,
                    const struct prompt_details *details)
{
    const struct shape_told *told = details->is_known && details->told.is_measured ? &details->told : NULL;
    char kinds[CELL_BYTES] = "";
    if (row->prompt != 0)
        (void)fprintf(out, "%016" PRIx64, row->prompt);
    (void)fputc(',', out);
    cell_csv(out, prompt_text(list, row->name));
    (void)fputc(',', out);
    cell_csv(out, prompt_text(list, row->version));
    (void)fprintf(out, ",%" PRIu64 ",", row->calls);
    if (row->is_learned)
        (void)fprintf(out, "%" PRIu64, row->learned.texts);
    (void)fputc(',', out);
    if (row->is_learned && row->learned.words > 0)
        (void)fprintf(out, "%.6g", (double)row->learned.constant / row->learned.words);
    (void)fputc(',', out);
    if (row->is_learned)
        (void)fprintf(out, "%u", row->learned.begins);
    (void)fputc(',', out);
    if (told != NULL && told->slots > 0)
        fill_kinds(kinds, told);
    cell_csv(out, kinds);
    (void)fprintf(out, ",%" PRIu64 ",%" PRIu64, row->first_ns, row->last_ns);
    if (told != NULL)
        (void)fprintf(out, ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",", told->tokens, told->constant_tokens,
                      told->begin_tokens, told->begin_bytes);
    else
        (void)fputs(",,,,,", out);
    cell_csv(out, details->preview);
    (void)fputc('\n', out);
}

static int print_csv(FILE *out, const struct prompts_shown *shown)
{
    for (size_t i = 0; i < COLUMNS; i++)
        (void)fprintf(out, "%s%s%s", i > 0 ? "," : "", columns[i].name, i >= 8 ? "_unix_nano" : "");
    (void)fputs(",tokens_about,constant_tokens_about,constant_beginning_tokens_about,constant_beginning_bytes_about,"
                "preview\n",
                out);
    for (size_t r = 0; r < shown->n_rows; r++) {
        struct prompt_details details;
        read_details(&details, shown, r);
        csv_row(out, shown->list, &shown->list->row[r], &details);
    }
    print_tail(stderr, shown);
    return 0;
}

static void json_row(FILE *out, const struct prompt_list *list, const struct prompt_row *row,
                     const struct prompt_details *details)
{
    const struct {
        const char *key;
        uint32_t name;
    } texts[] = {{"name", row->name}, {"version", row->version}};
    (void)fputs("    {", out);
    if (row->prompt != 0)
        (void)fprintf(out, "\"prompt\": \"%016" PRIx64 "\", ", row->prompt);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].name != NAMES_ABSENT) {
            (void)fprintf(out, "\"%s\": ", texts[i].key);
            cell_json(out, prompt_text(list, texts[i].name));
            (void)fputs(", ", out);
        }
    (void)fprintf(out, "\"calls\": %" PRIu64, row->calls);
    if (row->is_learned)
        (void)fprintf(out, ", \"texts\": %" PRIu64 ", \"constant_beginning_words\": %u, \"settled\": %s",
                      row->learned.texts, row->learned.begins, row->learned.settled ? "true" : "false");
    if (row->is_learned && row->learned.words > 0)
        (void)fprintf(out, ", \"constant_share\": %.6g", (double)row->learned.constant / row->learned.words);
    prompts_json_sizes(out, details);
    (void)fprintf(out, ", \"first_unix_nano\": %" PRIu64 ", \"last_unix_nano\": %" PRIu64 "}", row->first_ns,
                  row->last_ns);
}

static int print_json(FILE *out, const struct prompts_shown *shown)
{
    const struct prompt_list *list = shown->list;
    (void)fputs("{\n  \"file\": ", out);
    cell_json(out, shown->path);
    (void)fputs(",\n  \"rows\": [\n", out);
    for (size_t r = 0; r < shown->n_rows; r++) {
        struct prompt_details details;
        read_details(&details, shown, r);
        json_row(out, list, &list->row[r], &details);
        (void)fputs(r + 1 < shown->n_rows ? ",\n" : "\n", out);
    }
    (void)fputs("  ],\n  \"merged\": [", out);
    for (size_t i = 0; i < list->n_moved; i++)
        (void)fprintf(out, "%s\n    {\"prompt\": \"%016" PRIx64 "\", \"into\": \"%016" PRIx64 "\", \"said\": %s}",
                      i > 0 ? "," : "", list->moved[i].prompt, list->moved[i].shown,
                      list->moved[i].said ? "true" : "false");
    (void)fprintf(out,
                  "%s],\n  \"rows_left_out\": %zu,\n  \"calls_beyond_rows\": %" PRIu64
                  ",\n  \"texts_unassigned\": %" PRIu64 ",\n  \"damaged_blocks\": %" PRIu64 "\n}\n",
                  list->n_moved > 0 ? "\n  " : "", list->n - shown->n_rows, list->more_calls, list->texts_unassigned,
                  list->damaged);
    return 0;
}

static const struct prompts_format formats[] = {
    {"text", print_text, true}, {"md", print_md, true}, {"csv", print_csv, false}, {"json", print_json, false}};

const struct prompts_format *prompts_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}
