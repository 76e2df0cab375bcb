/*
 * Each allocation of an exchange fails: our own fixtures through the dialects, alone and in a crowd
 * that has to be packed. Nothing is read that is not there, nothing leaks, and what a span then
 * says is what it says otherwise, or it is absent.
 */
#include "failing.h"

#include "shim/llm/desk.h"
#include "shim/llm/exchange.h"
#include "corpus.h"

static const struct exchange_config config = {.hash_key = {1, 2, 3}, .has_hash_key = true, .preview_chars = 60};

/* An exchange as the fixture has it, in memory of its own. */
struct kept {
    const char *method, *url;
    char headers[4096], response[4096];
    struct corpus_bytes asked, answered;
    bool crowd; /* every desk is wanted by another one between any two pieces */
    struct span whole;
    bool made;
};

struct counts {
    unsigned long exchanges, runs, made;
};

static void lines(char *to, size_t room, const cJSON *headers, const char *end)
{
    const cJSON *header;
    cJSON_ArrayForEach(header, headers)
    {
        const size_t used = strlen(to);
        if (cJSON_IsString(header))
            assert_true((size_t)snprintf(to + used, room - used, "%s: %s%s", header->string, header->valuestring, end) <
                        room - used);
    }
}

static struct exchange *open_one(const char *method, const char *url, bool *ret_no_memory)
{
    const struct exchange_start start = {.wall_ns = UINT64_C(1700000000000000000),
                                         .method = method,
                                         .method_bytes = strlen(method),
                                         .url = url,
                                         .url_bytes = strlen(url),
                                         .decoded = true};
    return exchange_open(&config, &start, ret_no_memory);
}

static struct exchange *crowd[DESKS];

static void crowd_comes(bool comes)
{
    bool no_memory;
    for (unsigned i = 0; i < DESKS; i++)
        crowd[i] = comes ? open_one("POST", "https://api.openai.com/v1/chat/completions", &no_memory) : NULL;
}

static void crowd_leaves(void)
{
    static struct span span;
    const struct exchange_end end = {EXCHANGE_END_UNKNOWN};
    for (unsigned i = 0; i < DESKS; i++)
        if (crowd[i] != NULL)
            (void)exchange_close(crowd[i], &end, &span);
}

static void drive_out(void)
{
    for (unsigned i = 0; i < DESKS; i++)
        if (crowd[i] != NULL)
            exchange_pause(crowd[i], 1);
}

enum { PIECE = 700 };

static void feed(struct exchange *exchange, struct corpus_bytes body, bool asked)
{
    for (size_t at = 0; at < body.count; at += PIECE) {
        const size_t bytes = body.count - at < PIECE ? body.count - at : PIECE;
        (asked ? exchange_request_body : exchange_response_body)(exchange, 1000 + at, body.data + at, bytes);
        drive_out();
    }
}

/* Whether a span came of it; *ret_refused: it could not even begin, and said so. */
static bool run(const struct kept *kept, struct span *ret_span, bool *ret_refused)
{
    const struct exchange_end end = {.time_ns = UINT64_C(1) << 40, EXCHANGE_END_UNKNOWN, .how = EXCHANGE_ENDED};
    bool no_memory = false, made = false;
    crowd_comes(kept->crowd);
    struct exchange *const exchange = open_one(kept->method, kept->url, &no_memory);
    *ret_refused = exchange == NULL && no_memory;
    if (exchange != NULL) {
        feed(exchange, kept->asked, true);
        exchange_request_headers(exchange, kept->headers, strlen(kept->headers));
        for (const char *line = kept->response; *line;) {
            const char *const next = strchr(line, '\n') + 1;
            exchange_response_header(exchange, 500, line, (size_t)(next - line));
            line = next;
        }
        drive_out();
        feed(exchange, kept->answered, false);
        made = exchange_close(exchange, &end, ret_span);
    }
    crowd_leaves();
    return made;
}

static bool same(const struct span *a, const struct span *b, enum span_field field)
{
    if (span_fields[field].type <= SPAN_ID64)
        return a->value[field].u64 == b->value[field].u64;
    return a->value[field].text.bytes == b->value[field].text.bytes &&
           !memcmp(a->value[field].text.data, b->value[field].text.data, a->value[field].text.bytes);
}

/* How sure the span is may change, and what was counted up to the failure; no fact may. */
static bool is_of_the_way(enum span_field field)
{
    return field == SPAN_completeness;
}

static void with_failure(void *context, long at, bool more)
{
    static struct span span;
    const struct kept *const kept = context;
    bool refused;
    failing_begin(at, more);
    const bool made = run(kept, &span, &refused);
    failing_end();
    if (failing.failed == 0)
        assert_int_equal(made, kept->made);
    if (!made) {
        assert_true(refused || !kept->made || failing.failed > 0);
        return;
    }
    for (unsigned f = 0; kept->made && f < SPAN_FIELD_COUNT; f++) {
        const enum span_field field = (enum span_field)f;
        if (!span_has(&span, field) || is_of_the_way(field))
            continue;
        if (!span_has(&kept->whole, field) || !same(&span, &kept->whole, field))
            fail_msg("%s %s with allocation %ld%s failing: %s differs", kept->method, kept->url, at,
                     more ? " and all behind it" : "", span_fields[f].ident);
    }
}

static void each(void *context, const cJSON *record, bool negative)
{
    static struct kept kept;
    struct counts *const counts = context;
    const cJSON *const request = cJSON_GetObjectItem(record, "request");
    const cJSON *const response = cJSON_GetObjectItem(record, "response");
    bool refused;
    (void)negative;
    memset(&kept, 0, sizeof(kept));
    kept.method = cJSON_GetObjectItem(request, "method")->valuestring;
    kept.url = cJSON_GetObjectItem(request, "url")->valuestring;
    kept.asked = corpus_body(request);
    kept.answered = corpus_body(response);
    lines(kept.headers, sizeof(kept.headers), cJSON_GetObjectItem(request, "headers"), "\n");
    snprintf(kept.response, sizeof(kept.response), "HTTP/1.1 %d X\r\n",
             cJSON_GetObjectItem(response, "status")->valueint);
    lines(kept.response, sizeof(kept.response), cJSON_GetObjectItem(response, "headers"), "\r\n");
    kept.made = run(&kept, &kept.whole, &refused);
    assert_false(refused);
    kept.crowd = counts->exchanges % 16 == 0;
    counts->made += kept.made;
    counts->runs += (unsigned long)each_allocation(with_failure, &kept, 1);
    counts->exchanges++;
    free(kept.asked.data);
    free(kept.answered.data);
}

static void test_every_allocation_of_every_exchange(void **state)
{
    (void)state;
    struct counts counts = {0};
    (void)corpus_each(CORPUS_FIXTURES, each, &counts);
    print_message("%lu exchanges, %lu of them spans; %lu runs with failures\n", counts.exchanges, counts.made,
                  counts.runs);
    nothing_leaked();
    assert_true(counts.made > 100 && counts.runs > 2 * counts.made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation_of_every_exchange)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
