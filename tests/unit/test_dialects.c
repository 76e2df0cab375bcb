/* The dialects' tables: no rule stands twice, none repeats a common one, the common ones hold in
 * all. */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static unsigned count_twice(const struct dialect *dialect, const char *what, const struct json_rules *rules)
{
    unsigned twice = 0;
    for (unsigned i = 0; i < rules->count; i++)
        for (unsigned j = 0; j < i; j++)
            if (strcmp(rules->rule[i].path, rules->rule[j].path) == 0) {
                print_error("%s: its rules of %s name %s twice\n", dialect->name, what, rules->rule[i].path);
                twice++;
            }
    return twice;
}

static bool has_rules_below(const struct json_rules *rules, const char *path)
{
    const size_t bytes = strlen(path);
    for (unsigned i = 0; i < rules->count; i++)
        if (strncmp(rules->rule[i].path, path, bytes) == 0 && rules->rule[i].path[bytes] == '.')
            return true;
    return false;
}

static bool usage_knows(const char *name, unsigned fact)
{
    static struct facts facts;
    const struct json_value value = {
        .rule = USAGE_NAMED, .type = JSON_NUMBER, .has_u64 = true, .u64 = 1, .key = name, .key_bytes = strlen(name)};
    memset(&facts, 0, sizeof(facts));
    return dialect_usage_value(&facts, &value) && fact < FACT_NUMBER_COUNT &&
           facts_has_number(&facts, (enum facts_number)fact);
}

/* What the common rules say without it: the rule itself, or a count of "usage" by a name that is
 * known. */
static bool is_common(const struct json_rules *rules, const struct json_rule *rule)
{
    for (unsigned i = 0; i < dialect_answer_common.count; i++) {
        const struct json_rule *common = &dialect_answer_common.rule[i];
        if (strcmp(common->path, rule->path) == 0 && common->id == rule->id && common->flags == rule->flags)
            return true;
    }
    const char *name = rule->path + strlen("usage.");
    if (strncmp(rule->path, "usage.", strlen("usage.")) != 0 || strpbrk(name, ".[") != NULL ||
        has_rules_below(rules, rule->path))
        return false;
    return rule->id >= ANSWER_COUNT && usage_knows(name, rule->id - ANSWER_COUNT);
}

static unsigned count_common(const struct dialect *dialect, const char *what, const struct json_rules *rules)
{
    unsigned common = 0;
    for (unsigned i = 0; i < rules->count; i++)
        if (is_common(rules, &rules->rule[i])) {
            print_error("%s: its rules of %s repeat the common one for %s\n", dialect->name, what, rules->rule[i].path);
            common++;
        }
    return common;
}

static void no_common_rule_is_repeated(void **state)
{
    (void)state;
    unsigned repeated = 0;
    assert_true(dialect_answer_common.count > 10);
    for (size_t i = 0; dialects[i] != NULL; i++)
        repeated += count_common(dialects[i], "answers", &dialects[i]->plain.rules) +
                    count_common(dialects[i], "events", &dialects[i]->event.rules);
    assert_int_equal(repeated, 0);
}

/* Common rules hold in every dialect, plain and in a stream; where a dialect reads the path itself,
 * its own counts. */
static void common_rules_hold_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; dialects[i] != NULL; i++) {
        char api[32];
        (void)snprintf(api, sizeof(api), "%.*s", (int)strcspn(dialects[i]->apis, " "), dialects[i]->apis);
        const struct dialect *dialect = dialect_by_api(api);
        const struct dialect_scan *scans[] = {&dialect->plain, &dialect->event};
        for (unsigned s = 0; s < 2; s++) {
            static struct facts facts;
            static struct json_scan scan;
            static const char answer[] = "{\"usage\":{\"prompt_tokens\":7,\"cached_tokens\":3},"
                                         "\"error\":{\"type\":\"overloaded\"}}";
            memset(&facts, 0, sizeof(facts));
            if (dialect->open != NULL)
                dialect->open(&facts, api, "");
            json_scan_init(&scan, &scans[s]->rules, scans[s]->value, &facts, false);
            json_scan_push(&scan, answer, strlen(answer));
            if (!facts.error_seen)
                fail_msg("%s: an error is not seen (%s)", dialect->name, s == 0 ? "plain" : "event");
            if (!facts_has_number(&facts, FACT_CACHE_READ))
                fail_msg("%s: counts are not seen (%s)", dialect->name, s == 0 ? "plain" : "event");
        }
    }
}

static void no_rule_stands_twice(void **state)
{
    (void)state;
    unsigned twice = 0;
    for (size_t i = 0; dialects[i] != NULL; i++)
        twice += count_twice(dialects[i], "requests", &dialects[i]->request.rules) +
                 count_twice(dialects[i], "answers", &dialects[i]->plain.rules) +
                 count_twice(dialects[i], "events", &dialects[i]->event.rules);
    assert_int_equal(twice, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rule_stands_twice),
        cmocka_unit_test(no_common_rule_is_repeated),
        cmocka_unit_test(common_rules_hold_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
