/*
 * Every exchange of our own fixtures or of the recorded corpus becomes the span that its `truth`
 * states, however its body is cut: whole, as it came from the socket, byte by byte, at random; and
 * event streams with other line ends. Negatives make no span. Each API has a fixture.
 *
 * test_corpus [fixtures]: without an argument the corpus is read. That is other people's data and
 * not part of this repository; where it is not there this test says so and is reported as skipped.
 * CORPUS_ONLY=text picks records by id or API.
 */
#include "corpus_truth.h"

#include "shim/llm/facts/counted.h"
#include "shim/llm/dialects/dialect.h"
#include "corpus_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const apis[] = {
#define API(name, operation) name,
#include "shim/llm/recognise/apis.def"
#undef API
};
enum { APIS = sizeof(apis) / sizeof(apis[0]) };

struct totals {
    unsigned long exchanges, runs, facts, wrong, exact, skipped;
    bool seen[APIS];
};

static bool has_framing(const cJSON *record, const char *framing)
{
    const cJSON *const is = cJSON_GetObjectItem(cJSON_GetObjectItem(record, "truth"), "framing");
    return cJSON_IsString(is) && !strcmp(is->valuestring, framing);
}

static void check(void *context, const cJSON *record, bool negative)
{
    struct totals *const totals = context;
    const char *const id = cJSON_GetObjectItem(record, "id")->valuestring;
    const cJSON *const api = cJSON_GetObjectItem(record, "api");
    const char *const only = getenv("CORPUS_ONLY");
    if (only != NULL && strstr(id, only) == NULL && !(cJSON_IsString(api) && !strcmp(api->valuestring, only)))
        return;
    if (!negative && dialect_by_api(api->valuestring) == NULL) {
        totals->skipped++;
        return;
    }
    for (size_t i = 0; i < APIS; i++)
        totals->seen[i] = totals->seen[i] || (!negative && !strcmp(api->valuestring, apis[i]));
    unsigned wrong = 0;
    totals->exchanges++;
    for (enum cutting cutting = WHOLE; cutting < CUTTINGS; cutting++) {
        static struct span span;
        if (cutting == RANDOM_CRLF && !negative && !has_framing(record, "sse"))
            continue;
        totals->runs++;
        counted_forget(); /* each run is the first that asks */
        const bool made = corpus_run(record, cutting, &span);
        if (made == negative) {
            fprintf(stderr, "%s (%s): %s\n", id, corpus_cutting_names[cutting],
                    negative ? "a span came of a negative" : "no span");
            wrong++;
        } else if (made) {
            wrong += corpus_compare(record, &span, corpus_cutting_names[cutting], &totals->facts);
        }
    }
    totals->wrong += wrong;
    totals->exact += !wrong;
}

/* Our own fixtures leave no API out. */
static unsigned long unseen(const struct totals *totals)
{
    unsigned long count = totals->skipped;
    for (size_t i = 0; i < APIS; i++) {
        if (totals->seen[i])
            continue;
        fprintf(stderr, "no fixture for %s\n", apis[i]);
        count++;
    }
    return count;
}

int main(int count, char **arguments)
{
    const bool fixtures = count == 2 && !strcmp(arguments[1], "fixtures");
    if (!fixtures && count != 1) {
        fprintf(stderr, "usage: test_corpus [fixtures]\n");
        return 2;
    }
    static struct totals totals;
    const char *const directory = fixtures ? CORPUS_FIXTURES : corpus_directory();
    if (directory == NULL)
        return CORPUS_SKIPPED;
    corpus_each(directory, check, &totals);
    if (fixtures && getenv("CORPUS_ONLY") == NULL)
        totals.wrong += unseen(&totals);
    printf("%lu exchanges, %lu of them exact, fed in %lu ways; %lu facts compared, %lu wrong; %lu exchanges of APIs "
           "without dialect\n",
           totals.exchanges, totals.exact, totals.runs, totals.facts, totals.wrong, totals.skipped);
    return totals.wrong || !totals.exchanges ? 1 : 0;
}
