/*
 * Kinds of faults that people reported of tools like this one: each exchange of a kind states the
 * right values of the exported keys in `expect`, and its span says just these, however its bodies
 * are cut.
 *
 * test_kinds FILE: one kind, a file of tests/fixtures/kinds (format: tests/fixtures/README.md).
 * test_kinds reports: all that lies in $LIBPPROF_REPORTS, else ../shared/reports beside the source
 * tree; that is other people's data and no part of this repository, and where it is not there this
 * test says so and is reported as skipped. KINDS_ONLY=text picks exchanges by id.
 */
#include "shim/llm/facts/counted.h"
#include "corpus_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct totals {
    enum cutting cutting;
    unsigned long runs, facts, wrong;
    char session[64]; /* exchanges of one session are of one process, in the order of the file */
};

static void disagree(struct totals *totals, const cJSON *record, const char *key, const char *expected, const char *got)
{
    totals->wrong++;
    fprintf(stderr, "%s (%s): %s: expected %s, got %s\n", cJSON_GetObjectItem(record, "id")->valuestring,
            corpus_cutting_names[totals->cutting], key, expected, got);
}

/* A field as the texts of `expect` spell it; lists joined by ", ". */
static void text_of(const struct span *span, enum span_field field, char *to)
{
    strcpy(to, "__absent__");
    if (!span_has(span, field))
        return;
    const union span_value value = span->value[field];
    switch (span_fields[field].type) {
    case SPAN_U64:
        sprintf(to, "%llu", (unsigned long long)value.u64);
        break;
    case SPAN_BOOL:
        sprintf(to, "%s", value.u64 ? "true" : "false");
        break;
    case SPAN_ID64:
        sprintf(to, "%016llx", (unsigned long long)value.u64);
        break;
    case SPAN_STR:
    case SPAN_LIST:
    case SPAN_BLOB:
        *to = '\0';
        for (uint32_t i = 0; i < value.text.bytes; i++)
            if (value.text.data[i] == '\x1f')
                strcat(to, ", ");
            else
                strncat(to, &value.text.data[i], 1);
        break;
    }
}

static void expected_text(const cJSON *value, char *to)
{
    const cJSON *item;
    *to = '\0';
    if (cJSON_IsNumber(value))
        sprintf(to, "%.0f", value->valuedouble);
    else if (cJSON_IsBool(value))
        sprintf(to, "%s", cJSON_IsTrue(value) ? "true" : "false");
    else if (cJSON_IsString(value))
        strcpy(to, value->valuestring);
    cJSON_ArrayForEach(item, value)
    {
        strcat(to, item != value->child ? ", " : "");
        strcat(to, cJSON_IsString(item) ? item->valuestring : "");
    }
}

static void compare(struct totals *totals, const cJSON *record, const cJSON *expect, const struct span *span)
{
    const cJSON *value;
    cJSON_ArrayForEach(value, expect)
    {
        char expected[4 * SPAN_TEXT_MAX], got[4 * SPAN_TEXT_MAX];
        const enum span_field field = span_field_by_name(value->string, strlen(value->string));
        totals->facts++;
        if (field == SPAN_FIELD_COUNT) {
            disagree(totals, record, value->string, "a field of this name", "none");
            continue;
        }
        expected_text(value, expected);
        text_of(span, field, got);
        if (strcmp(expected, got) != 0)
            disagree(totals, record, value->string, expected, got);
    }
}

static void check(void *context, const cJSON *record, bool negative)
{
    struct totals *const totals = context;
    static struct span span;
    const cJSON *const expect = cJSON_GetObjectItem(record, "expect");
    const cJSON *const session = cJSON_GetObjectItem(record, "session");
    const char *const only = getenv("KINDS_ONLY");
    (void)negative;
    if (only != NULL && strstr(cJSON_GetObjectItem(record, "id")->valuestring, only) == NULL)
        return;
    if (!cJSON_IsString(session) || strcmp(session->valuestring, totals->session) != 0)
        counted_forget();
    snprintf(totals->session, sizeof(totals->session), "%s", cJSON_IsString(session) ? session->valuestring : "");
    totals->runs++;
    const bool made = corpus_run(record, totals->cutting, &span);
    if (made == cJSON_IsString(expect))
        disagree(totals, record, "span", made ? "none" : "one", made ? "one" : "none");
    else if (made)
        compare(totals, record, expect, &span);
}

int main(int count, char **arguments)
{
    static struct totals totals;
    if (count != 2) {
        fprintf(stderr, "usage: test_kinds FILE|reports\n");
        return 2;
    }
    const char *const said = getenv("LIBPPROF_REPORTS");
    const char *const folder = said != NULL && said[0] ? said : PPROF_SOURCE_DIR "/../shared/reports";
    const bool reports = !strcmp(arguments[1], "reports");
    for (enum cutting cutting = WHOLE; cutting < CUTTINGS; cutting++) {
        totals.cutting = cutting;
        if (cutting != RANDOM_CRLF) /* not every body is lines */
            corpus_each(reports ? folder : arguments[1], check, &totals);
    }
    if (reports && !totals.runs) {
        fprintf(stderr,
                "\n*** THE REPORTS ARE NOT THERE (%s): nothing was checked against them.\n"
                "*** Set LIBPPROF_REPORTS to their directory.\n\n",
                folder);
        return CORPUS_SKIPPED;
    }
    printf("%lu runs, %lu facts compared, %lu wrong\n", totals.runs, totals.facts, totals.wrong);
    return totals.wrong || !totals.runs ? 1 : 0;
}
