/*
 * `pprofctl prompts --prompt WHAT`: all that is known of each version of a prompt, in each format.
 * Called by prompts.c. Everything in bytes and tokens is an estimate, and says so by "~".
 */
#include "../query/prompt_details.h"

#include <inttypes.h>
#include <string.h>

#include "../base/display.h"
#include "../cli/cells.h"
#include "prompts.h"

static const struct shape_told *told_of(const struct prompt_details *details)
{
    return details->is_known && details->told.is_measured ? &details->told : NULL;
}

static void print_size(FILE *out, const char *what, uint32_t bytes, uint32_t tokens, const char *behind)
{
    char count[2][DISPLAY_BYTES];
    display_count(count[0], bytes);
    display_count(count[1], tokens);
    (void)fprintf(out, "  %-14s~%s bytes, ~%s tokens%s\n", what, count[0], count[1], behind);
}

static void print_slot(FILE *out, const struct shape_told_slot *slot)
{
    char count[3][DISPLAY_BYTES];
    display_count(count[0], slot->after_bytes);
    display_count(count[1], slot->least);
    display_count(count[2], slot->most);
    (void)fprintf(out, "    %-12safter ~%s bytes: %s to %s bytes%s\n", shape_kind_name(slot->kind), count[0], count[1],
                  count[2], slot->is_optional ? ", not in all texts" : "");
}

static void print_text(FILE *out, const struct prompts_detail *detail)
{
    const struct prompt_row *row = detail->row;
    const struct shape_told *told = told_of(detail->details);
    char text[3][DISPLAY_BYTES], behind[DISPLAY_BYTES + 4];
    (void)fprintf(out, "%016" PRIx64, row->prompt);
    if (row->version != NAMES_ABSENT)
        (void)fprintf(out, " version %s", prompt_text(detail->list, row->version));
    if (row->name != NAMES_ABSENT)
        (void)fprintf(out, ", %s", prompt_text(detail->list, row->name));
    display_count(text[0], row->calls);
    display_time(text[1], row->first_ns);
    display_time(text[2], row->last_ns);
    (void)fprintf(out, "\n  %-14s%s, first %s, last %s\n", "calls", text[0], text[1], text[2]);
    if (!row->is_learned) {
        (void)fputs("  nothing was learned of it\n\n", out);
        return;
    }
    if (detail->details->preview[0] != '\0')
        (void)fprintf(out, "  %-14s\"%s\"\n", "preview", detail->details->preview);
    display_count(text[0], row->learned.texts);
    (void)fprintf(out, "  %-14s%s\n", "texts", text[0]);
    if (told != NULL) {
        const double share = told->bytes > 0 ? (double)told->constant_bytes / told->bytes : 0;
        display_share(text[0], share);
        (void)snprintf(behind, sizeof(behind), " (%s)", text[0]);
        print_size(out, "length", told->bytes, told->tokens, "");
        print_size(out, "constant", told->constant_bytes, told->constant_tokens, behind);
        print_size(out, "begins with", told->begin_bytes, told->begin_tokens, " that never vary");
        (void)fputs(told->slots > 0 ? "  slots:\n" : "  no slots\n", out);
        for (unsigned i = 0; i < told->slots; i++)
            print_slot(out, &told->slot[i]);
    }
    if (detail->details->n_variants > 0)
        (void)fputs("  variants:\n", out);
    for (size_t i = 0; i < detail->details->n_variants; i++) {
        const struct prompt_variant *variant = &detail->details->variant[i];
        display_count(text[0], variant->calls);
        display_time(text[1], variant->first_ns);
        display_time(text[2], variant->last_ns);
        (void)fprintf(out, "    %-12s%s %s, first %s, last %s\n", variant->name, text[0],
                      variant->calls == 1 ? "call" : "calls", text[1], text[2]);
    }
    (void)fputc('\n', out);
}

static void print_md(FILE *out, const struct prompts_detail *detail)
{
    const struct shape_told *told = told_of(detail->details);
    (void)fprintf(out, "**%016" PRIx64 "** ", detail->row->prompt);
    cell_md(out, prompt_text(detail->list, detail->row->name));
    (void)fputs(" version ", out);
    cell_md(out, detail->row->version != NAMES_ABSENT ? prompt_text(detail->list, detail->row->version) : "-");
    (void)fprintf(out, ", %" PRIu64 " calls", detail->row->calls);
    if (told != NULL)
        (void)fprintf(out,
                      ": ~%" PRIu32 " bytes, ~%" PRIu32 " tokens, of which ~%" PRIu32
                      " tokens never vary, and ~%" PRIu32 " tokens before the first that does",
                      told->bytes, told->tokens, told->constant_tokens, told->begin_tokens);
    (void)fputs("\n\n", out);
    if (detail->details->preview[0] != '\0') {
        cell_md(out, detail->details->preview);
        (void)fputs("\n\n", out);
    }
    if (told != NULL && told->slots > 0)
        (void)fputs("| slot | after bytes | bytes from | typically | to | in all texts |\n|:--|--:|--:|--:|--:|:--|\n",
                    out);
    for (unsigned i = 0; told != NULL && i < told->slots; i++)
        (void)fprintf(out, "| %s | ~%" PRIu32 " | %" PRIu32 " | %" PRIu32 " | %" PRIu32 " | %s |\n",
                      shape_kind_name(told->slot[i].kind), told->slot[i].after_bytes, told->slot[i].least,
                      told->slot[i].typical, told->slot[i].most, told->slot[i].is_optional ? "no" : "yes");
    if (detail->details->n_variants > 0)
        (void)fputs("\n| variant | calls |\n|:--|--:|\n", out);
    for (size_t i = 0; i < detail->details->n_variants; i++) {
        (void)fputs("| ", out);
        cell_md(out, detail->details->variant[i].name);
        (void)fprintf(out, " | %" PRIu64 " |\n", detail->details->variant[i].calls);
    }
    (void)fputc('\n', out);
}

static void csv_begin(FILE *out, const struct prompts_detail *detail, const char *part)
{
    (void)fprintf(out, "%016" PRIx64 ",", detail->row->prompt);
    cell_csv(out, prompt_text(detail->list, detail->row->version));
    (void)fprintf(out, ",%s,", part);
}

static void print_csv(FILE *out, const struct prompts_detail *detail)
{
    const struct shape_told *told = told_of(detail->details);
    if (detail->is_first)
        (void)fputs("prompt,version,part,value,after_bytes,least_bytes,typical_bytes,most_bytes,optional,calls,"
                    "first_unix_nano,last_unix_nano\n",
                    out);
    csv_begin(out, detail, "version");
    cell_csv(out, detail->details->preview);
    (void)fputs(",,,", out);
    if (told != NULL)
        (void)fprintf(out, "%" PRIu32, told->bytes);
    (void)fprintf(out, ",,,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", detail->row->calls, detail->row->first_ns,
                  detail->row->last_ns);
    if (told != NULL) {
        csv_begin(out, detail, "beginning");
        (void)fprintf(out, ",0,,%" PRIu32 ",,,,,\n", told->begin_bytes);
        csv_begin(out, detail, "constant");
        (void)fprintf(out, ",,,%" PRIu32 ",,,,,\n", told->constant_bytes);
    }
    for (unsigned i = 0; told != NULL && i < told->slots; i++) {
        csv_begin(out, detail, "slot");
        (void)fprintf(out, "%s,%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%s,,,\n",
                      shape_kind_name(told->slot[i].kind), told->slot[i].after_bytes, told->slot[i].least,
                      told->slot[i].typical, told->slot[i].most, told->slot[i].is_optional ? "true" : "false");
    }
    for (size_t i = 0; i < detail->details->n_variants; i++) {
        csv_begin(out, detail, "variant");
        cell_csv(out, detail->details->variant[i].name);
        (void)fprintf(out, ",,,,,,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", detail->details->variant[i].calls,
                      detail->details->variant[i].first_ns, detail->details->variant[i].last_ns);
    }
}

void prompts_json_sizes(FILE *out, const struct prompt_details *details)
{
    const struct shape_told *told = told_of(details);
    if (details->preview[0] != '\0') {
        (void)fputs(", \"preview\": ", out);
        cell_json(out, details->preview);
    }
    if (told == NULL)
        return;
    (void)fprintf(
        out,
        ", \"bytes_about\": %" PRIu32 ", \"constant_bytes_about\": %" PRIu32
        ", \"constant_beginning_bytes_about\": %" PRIu32 ", \"tokens_about\": %" PRIu32
        ", \"constant_tokens_about\": %" PRIu32 ", \"constant_beginning_tokens_about\": %" PRIu32 ", \"slots\": [",
        told->bytes, told->constant_bytes, told->begin_bytes, told->tokens, told->constant_tokens, told->begin_tokens);
    for (unsigned i = 0; i < told->slots; i++)
        (void)fprintf(out,
                      "%s{\"kind\": \"%s\", \"after_bytes\": %" PRIu32 ", \"least_bytes\": %" PRIu32
                      ", \"typical_bytes\": %" PRIu32 ", \"most_bytes\": %" PRIu32 ", \"optional\": %s}",
                      i > 0 ? ", " : "", shape_kind_name(told->slot[i].kind), told->slot[i].after_bytes,
                      told->slot[i].least, told->slot[i].typical, told->slot[i].most,
                      told->slot[i].is_optional ? "true" : "false");
    (void)fputc(']', out);
}

static void print_json(FILE *out, const struct prompts_detail *detail)
{
    const struct prompt_row *row = detail->row;
    (void)fprintf(out, "%s  {\"prompt\": \"%016" PRIx64 "\"", detail->is_first ? "[\n" : ",\n", row->prompt);
    if (row->name != NAMES_ABSENT) {
        (void)fputs(", \"name\": ", out);
        cell_json(out, prompt_text(detail->list, row->name));
    }
    if (row->version != NAMES_ABSENT) {
        (void)fputs(", \"version\": ", out);
        cell_json(out, prompt_text(detail->list, row->version));
    }
    (void)fprintf(out, ", \"calls\": %" PRIu64 ", \"first_unix_nano\": %" PRIu64 ", \"last_unix_nano\": %" PRIu64,
                  row->calls, row->first_ns, row->last_ns);
    if (row->is_learned)
        (void)fprintf(out, ", \"texts\": %" PRIu64, row->learned.texts);
    prompts_json_sizes(out, detail->details);
    (void)fputs(", \"variants\": [", out);
    for (size_t i = 0; i < detail->details->n_variants; i++) {
        const struct prompt_variant *variant = &detail->details->variant[i];
        (void)fputs(i > 0 ? ", {\"variant\": " : "{\"variant\": ", out);
        cell_json(out, variant->name);
        (void)fprintf(out,
                      ", \"calls\": %" PRIu64 ", \"first_unix_nano\": %" PRIu64 ", \"last_unix_nano\": %" PRIu64 "}",
                      variant->calls, variant->first_ns, variant->last_ns);
    }
    (void)fprintf(out, "]}%s", detail->is_last ? "\n]\n" : "");
}

void prompts_print_detail(FILE *out, const char *format, const struct prompts_detail *detail)
{
    static const struct {
        const char *name;
        void (*print)(FILE *out, const struct prompts_detail *detail);
    } formats[] = {{"text", print_text}, {"md", print_md}, {"csv", print_csv}, {"json", print_json}};
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(formats[i].name, format) == 0)
            formats[i].print(out, detail);
}
