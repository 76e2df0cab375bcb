/*
 * The pages of help that are made from lists: the keys of report (keys.c), the fields of export
 * (span/fields.def), the environment (span/env.def). docs/fields.md and docs/environment.md are
 * these pages (scripts/bless).
 */
#include "help.h"

#include <string.h>

#include "../../span/sketch.h"
#include "../cli/cells.h"
#include "../cli/wrap.h"
#include "../query/keys.h"

struct variable {
    const char *name;
    const char *otherwise;
    const char *meaning;
};
static const struct variable variables[] = {
#define ENV(ident, name, otherwise, meaning) {name, otherwise, meaning},
#include "../../span/env.def"
#undef ENV
};

void help_keys(FILE *out)
{
    (void)fputs("  pprofctl report --by prompt,model\n  pprofctl report --by day,status\n\n"
                "Keys of `report --by`, several with commas:\n\n",
                out);
    for (size_t i = 0; i < n_keys; i++)
        (void)fprintf(out, "  %-14s %s\n", keys[i].name, keys[i].meaning);
}

static const char *type_name(const struct span_field_info *field)
{
    switch (field->type) {
    case SPAN_U64:
        return "integer";
    case SPAN_BOOL:
        return "true or false";
    case SPAN_ID64:
        return "16 hex digits";
    case SPAN_STR:
        return "text";
    case SPAN_LIST:
        return "array of texts";
    case SPAN_BLOB:
        return "bytes";
    }
    return "";
}

static const char *unit_name(const struct span_field_info *field)
{
    switch (field->unit) {
    case SPAN_NS:
        return ", ns";
    case SPAN_BYTES:
        return ", bytes";
    case SPAN_TOKENS:
        return ", tokens";
    case SPAN_NANOUSD:
        return ", 1e-9 USD";
    case SPAN_NONE:
    case SPAN_COUNT:
        return "";
    }
    return "";
}

/* What export derives instead of reading it from a field of its own (span/json.c). */
static const struct {
    const char *name, *type, *meaning;
} derived[] = {
    {"trace_id", "32 hex digits", "the application's traceparent, else derived from the process and the call's number"},
    {"span_id", "16 hex digits", "derived from the process and the call's number"},
    {"end_time_unix_nano", "integer, ns", "start and total time together"},
    {"service.name", "text", "LIBPPROF_SERVICE, OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES"},
    {"host.name", "text", "the machine that called"},
    {"process.pid", "integer", "the process that called"},
    {"process.executable.name", "text", "its program"},
#define X(name, meaning, q) {name, (q) < 0 ? "integer" : "integer, ns", meaning},
    SPAN_GAP_FACTS(X)
#undef X
};

static void field_row(FILE *out, bool md, const char *name, const char *type, const char *unit, const char *meaning)
{
    if (md) {
        (void)fprintf(out, "| `%s` | %s%s | ", name, type, unit);
        cell_md(out, meaning);
        (void)fputs(" |\n", out);
        return;
    }
    (void)fprintf(out, "%s (%s%s)\n", name, type, unit);
    if (meaning[0] != '\0')
        wrap_text(out, meaning, 4, WRAP_WIDTH);
}

static const char *const meanings[SPAN_FIELD_COUNT] = {
#define FIELD(number, ident, type, unit, name, meaning) meaning,
#include "../../span/fields.def"
#undef FIELD
};

void help_fields(FILE *out, bool md)
{
    if (md)
        (void)fputs("# Fields of an exported call\n\n<!-- Made by scripts/bless from span/fields.def. -->\n\n", out);
    wrap_text(out,
              "`pprofctl export` writes one JSON object per call and line. A key is absent when its fact was not seen; "
              "integers are integers. Input tokens include cached ones, output tokens include reasoning.",
              0, WRAP_WIDTH);
    (void)fputc('\n', out);
    if (md)
        (void)fputs("| key | type | meaning |\n|---|---|---|\n", out);
    for (size_t i = 0; i < sizeof(derived) / sizeof(derived[0]); i++)
        field_row(out, md, derived[i].name, derived[i].type, "", derived[i].meaning);
    for (size_t i = 0; i < SPAN_FIELD_COUNT; i++)
        if (span_fields[i].name[0] != '\0')
            field_row(out, md, span_fields[i].name, type_name(&span_fields[i]), unit_name(&span_fields[i]),
                      meanings[i]);
}

void help_environment(FILE *out, bool md)
{
    if (md)
        (void)fputs("# Environment\n\n<!-- Made by scripts/bless from span/env.def. -->\n\n", out);
    wrap_text(out,
              "libpprof.so reads these once, when the program starts. Programs with raised privileges (setuid, file "
              "capabilities) ignore them.",
              0, WRAP_WIDTH);
    (void)fputs(md ? "\n| variable | default | meaning |\n|---|---|---|\n" : "\n", out);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const struct variable *variable = &variables[i];
        if (md) {
            (void)fprintf(out, "| `%s` | ", variable->name);
            cell_md(out, variable->otherwise);
            (void)fputs(" | ", out);
            cell_md(out, variable->meaning);
            (void)fputs(" |\n", out);
            continue;
        }
        (void)fprintf(out, "%s\n", variable->name);
        wrap_text(out, variable->meaning, 4, WRAP_WIDTH);
        (void)fprintf(out, "    Default: %s\n", variable->otherwise);
    }
}
