/* Any bytes in any cutting: the scanner reads nothing beyond them, ends in a sane state, and tells
 * the same however it was cut. */
#include "shim/llm/identity/json_canon.h"
#include "shim/llm/json/json_check.h"
#include "shim/llm/json/json_scan.h"

#include <stdlib.h>
#include <string.h>

static const struct json_rule table[] = {{"a", 1, 0},        {"b", 2, JSON_PIECES},     {"c", 3, JSON_RAW},
                                         {"d[].e", 4, 0},    {"f.*.g", 5, JSON_PIECES}, {"", 6, 0},
                                         {"h[][].i.j", 7, 0}};
static struct json_rules rules = JSON_RULES(table);

static void on_value(void *context, const struct json_value *value)
{
    struct text_hash *const hash = context;
    if (value->first)
        text_hash_push(hash, &value->rule, sizeof(value->rule));
    if (value->bytes && !value->text)
        abort();
    text_hash_push(hash, value->text, value->bytes);
    text_hash_push(hash, value->index, value->first ? value->indexes * sizeof(value->index[0]) : 0);
}

static void scan(const char *data, size_t bytes, size_t step, uint64_t digest[2])
{
    struct text_hash hash;
    struct json_scan scan;
    text_hash_init(&hash, 0);
    json_scan_init(&scan, &rules, on_value, &hash, true);
    for (size_t at = 0; at < bytes; at += step) {
        const size_t piece = step < bytes - at ? step : bytes - at;
        char *const copy = malloc(piece);
        memcpy(copy, data + at, piece);
        json_scan_push(&scan, copy, piece);
        free(copy);
    }
    (void)json_scan_end(&scan);
    text_hash_end(&hash, digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint64_t whole[2], cut[2];
    struct json_check check;
    struct json_canon canon;
    if (!bytes)
        return 0;
    json_rules_compile(&rules);
    scan((const char *)data, bytes, bytes, whole);
    scan((const char *)data, bytes, data[0] % 17u + 1, cut);
    if (memcmp(whole, cut, sizeof(whole)) != 0)
        abort();
    json_check_init(&check);
    json_check_push(&check, (const char *)data, bytes);
    (void)json_check_valid(&check);
    json_canon_init(&canon);
    json_canon_push(&canon, (const char *)data, bytes);
    json_canon_end(&canon);
    return 0;
}
