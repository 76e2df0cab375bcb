/*
 * The summary of a recorded run. Called by record, after the program has ended; writes to standard
 * error only, because standard output belongs to the program.
 */
#include "summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/display.h"
#include "../../base/display_safe.h"
#include "../../query/report_columns.h"
#include "../command.h"
#include "../open_store.h"

static void print_tokens(const char *what, const struct group *group, enum group_tokens tokens)
{
    char count[DISPLAY_BYTES], stated[DISPLAY_BYTES];
    const struct group_sum *sum = &group->tokens[tokens];
    if (sum->calls == 0) {
        (void)fprintf(stderr, "%s unknown", what);
        return;
    }
    display_count(count, sum->sum);
    (void)fprintf(stderr, "%s %s", what, count);
    if (sum->calls < group->answered) {
        display_count(stated, sum->calls);
        (void)fprintf(stderr, " (stated by %s)", stated);
    }
}

static void print_time(const char *what, struct group *group, enum group_time time)
{
    char p50[DISPLAY_BYTES], p95[DISPLAY_BYTES];
    uint64_t ns;
    if (!quantiles_at(&group->time[time], 0.50, &ns)) {
        (void)fprintf(stderr, "%s unknown", what);
        return;
    }
    display_duration(p50, ns);
    (void)quantiles_at(&group->time[time], 0.95, &ns);
    display_duration(p95, ns);
    (void)fprintf(stderr, "%s p50 %s p95 %s", what, p50, p95);
}

static void print_calls(struct group *group)
{
    char calls[DISPLAY_BYTES], errors[DISPLAY_BYTES];
    display_count(calls, group->calls);
    display_count(errors, group->errors);
    (void)fprintf(stderr, "pprofctl: %s %s, %s %s; ", calls, group->calls == 1 ? "request" : "requests", errors,
                  group->errors == 1 ? "error" : "errors");
    print_tokens("input tokens", group, GROUP_INPUT);
    (void)fputs(", ", stderr);
    print_tokens("output tokens", group, GROUP_OUTPUT);
    (void)fputs("\npprofctl: ", stderr);
    print_time("time to first token", group, GROUP_TTFT);
    (void)fputs("; ", stderr);
    print_time("total", group, GROUP_TOTAL);
    (void)fputc('\n', stderr);
}

static void print_prompts(const struct grouping *grouping)
{
    char count[DISPLAY_BYTES], learned[DISPLAY_BYTES];
    uint64_t prompts = 0;
    for (size_t i = 0; i < grouping->n_groups; i++)
        prompts += grouping->group[i].id[0] != NAMES_ABSENT;
    if (prompts == 0)
        return;
    display_count(count, prompts);
    (void)fprintf(stderr, "pprofctl: %s %s", count, prompts == 1 ? "prompt" : "prompts");
    if (grouping->learned_calls > 0) {
        display_count(learned, grouping->learned_calls);
        (void)fprintf(stderr, "; %s %s under those that were learned (pprofctl prompts)", learned,
                      grouping->learned_calls == 1 ? "request stands" : "requests stand");
    }
    (void)fputc('\n', stderr);
}

/* Calls that are elsewhere, were, or may be. */
static void print_others(const struct summary *summary)
{
    if (summary->left.taken > 0)
        (void)fprintf(stderr, "pprofctl: what %" PRIu64 " earlier %s left behind was taken in as well.\n",
                      summary->left.taken, summary->left.taken == 1 ? "run" : "runs");
    if (summary->left.waiting > 0)
        (void)fprintf(stderr, "pprofctl: calls of an earlier run could not be taken in; they are kept in %s.\n",
                      summary->left.where);
    if (summary->still_running > 0)
        (void)fprintf(stderr,
                      "pprofctl: %" PRIu64 " %s still running; later calls wait in %s until the next `pprofctl report` "
                      "or `record` of %s takes them in.\n",
                      summary->still_running, summary->still_running == 1 ? "program is" : "programs are",
                      summary->folder, summary->path);
}

static void print_rest(const struct summary *summary, uint64_t calls)
{
    char loss[LOSS_SENTENCE_BYTES];
    const char *disabled = getenv("LIBPPROF_DISABLE");
    if (loss_sentence(loss, &summary->loss, "") != LOSS_NONE)
        (void)fprintf(stderr, "pprofctl: %s\n", loss);
    print_others(summary);
    if (calls > 0)
        (void)fprintf(stderr, "pprofctl: kept in %s; next: pprofctl report %s\n", display_name(summary->path),
                      display_name(summary->path));
    else if (disabled != NULL && disabled[0] != '\0' && !(disabled[0] == '0' && disabled[1] == '\0'))
        (void)fputs("pprofctl: no request was seen, because LIBPPROF_DISABLE is set.\n", stderr);
    else
        (void)fputs(
            "pprofctl: no request to a language model was seen; `pprofctl doctor -- CMD` says what can be seen of "
            "a program.\n",
            stderr);
}

int summary_print(const struct summary *summary, struct store *store)
{
    static struct grouping grouping;
    const struct key *by = key_find("prompt", strlen("prompt"));
    if (grouping_init(&grouping, &by, 1) < 0) {
        complain("memory ran out; the calls are kept in %s.", summary->path);
        return -1;
    }
    grouping.since_process_ns = summary->since_process_ns;
    int status = grouping_scan(&grouping, store);
    if (status != STORE_OK) {
        complain_store(summary->path, status);
    } else {
        if (grouping.total.calls > 0) {
            print_calls(&grouping.total);
            print_prompts(&grouping);
        }
        print_rest(summary, grouping.total.calls);
    }
    grouping_done(&grouping);
    return status == STORE_OK ? 0 : -1;
}
