/*
 * Response headers as rows of tables. Precedence of times: what the body states; then the rows of
 * time_headers[] from top to bottom (the server that ran the model before proxies, proxies from the
 * inner to the outer); a row under a relay's prefix comes after the same row without it, because it
 * times the upstream of whoever answered.
 *
 * Called by the exchange on the scribe's thread, for the headers of the last response only.
 */
#include "response_headers.h"

#include "shim/llm/json/decimal.h"

#include "span/span.h"

#include <string.h>
#include <strings.h>

/* Texts lie in the tables, so that nothing is relocated at start. */
static const struct {
    char name[36];
    enum header_time time;
    double unit_ns;
} time_headers[] = {
    {"openai-processing-ms", HEADER_PROCESSING, 1e6},
    {"x-amzn-bedrock-invocation-latency", HEADER_PROCESSING, 1e6},
    {"x-metrics-e2e-ms", HEADER_PROCESSING, 1e6}, /* xAI */
    {"x-total-time", HEADER_PROCESSING, 1e6},     /* TGI */
    {"ms-azureml-model-time", HEADER_PROCESSING, 1e6},
    {"fireworks-server-processing-time", HEADER_PROCESSING, 1e9}, /* docs.fireworks.ai, performance metrics */
    {"cmp-upstream-response-duration", HEADER_PROCESSING, 1e6},   /* Azure */
    {"server-timing", HEADER_PROCESSING, 1e6},                    /* see server_timing */
    {"x-litellm-response-duration-ms", HEADER_PROCESSING, 1e6},
    {"x-envoy-upstream-service-time", HEADER_PROCESSING, 1e6},
    {"x-kong-upstream-latency", HEADER_PROCESSING, 1e6},
    {"x-compute-time", HEADER_PROCESSING, 1e9}, /* TGI: seconds, of all requests of a batch */
    {"x-inference-time", HEADER_PROCESSING,
     1e6},                               /* TGI: the total without waiting; prefill and decode, not told apart */
    {"x-queue-time", HEADER_QUEUE, 1e6}, /* TGI */
    {"fireworks-prefill-queue-duration", HEADER_QUEUE, 1e9},
};

/* Counts that stand in where the body states none. */
static const struct {
    char name[48];
    enum facts_number fact;
} count_headers[] = {
    {"x-amzn-bedrock-input-token-count", FACT_INPUT}, /* older families state none in the body */
    {"x-amzn-bedrock-output-token-count", FACT_OUTPUT},
    {"x-amzn-bedrock-cache-read-input-token-count", FACT_CACHE_READ},
    {"x-amzn-bedrock-cache-write-input-token-count", FACT_CACHE_CREATION},
    {"x-prompt-tokens", FACT_INPUT}, /* TGI without details */
    {"x-generated-tokens", FACT_OUTPUT},
    {"fireworks-prompt-tokens", FACT_INPUT}, /* streams whose client asked for no usage */
    {"fireworks-cached-prompt-tokens", FACT_CACHE_READ},
    {"internal-input-tokens", FACT_INPUT}, /* Vertex */
    {"internal-output-tokens", FACT_OUTPUT},
};

static const char tier_headers[][32] = {"azureai-processed-tier", "x-gemini-service-tier",
                                        "x-amzn-bedrock-service-tier"};

/* Put before the upstream's own names by LiteLLM. */
static const char relay_prefix[] = "llm_provider-";

static bool is(const char *name, size_t bytes, const char *literal)
{
    return strlen(literal) == bytes && !strncasecmp(literal, name, bytes);
}

static bool name_of_metric(const char *metric, size_t bytes, const char *name)
{
    return bytes > strlen(name) && !strncasecmp(metric, name, strlen(name)) &&
           (metric[strlen(name)] == ';' || metric[strlen(name)] == ' ');
}

/* "dur=MS" among the parameters of one metric. */
static bool duration(const char *metric, size_t bytes, double *ret_ms)
{
    const char *const at = memmem(metric, bytes, "dur=", 4), *const end = metric + bytes;
    bool whole;
    uint64_t integer;
    if (at == NULL)
        return false;
    const char *stop = at + 4;
    while (stop < end && *stop != ';' && *stop != ' ')
        stop++;
    return json_number_parse(at + 4, (size_t)(stop - at - 4), ret_ms, &whole, &integer);
}

/* "name;dur=MS, other;desc=..": the front ends of Google and Anthropic, and who calls it the total.
 * Most other metrics are of caches. */
static bool server_timing(const char *value, size_t bytes, double *ret_ms)
{
    static const char *const metrics[] = {"gfet4t7", "x-originResponse", "total"};
    const char *const end = value + bytes;
    for (const char *p = value; p < end;) {
        const char *const comma = memchr(p, ',', (size_t)(end - p));
        const char *const stop = comma != NULL ? comma : end;
        while (p < stop && *p == ' ')
            p++;
        for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
            if (name_of_metric(p, (size_t)(stop - p), metrics[i]) && duration(p, (size_t)(stop - p), ret_ms))
                return true;
        p = stop + (comma != NULL);
    }
    return false;
}

static bool take_time(struct response_headers *headers, const char *name, size_t name_bytes, const char *value,
                      size_t bytes, bool relayed)
{
    for (size_t i = 0; i < sizeof(time_headers) / sizeof(time_headers[0]); i++) {
        double number;
        bool whole;
        uint64_t integer;
        if (!is(name, name_bytes, time_headers[i].name))
            continue;
        const bool known = is(name, name_bytes, "server-timing")
                               ? server_timing(value, bytes, &number)
                               : json_number_parse(value, bytes, &number, &whole, &integer);
        const enum header_time time = time_headers[i].time;
        const uint8_t rank = (uint8_t)(2 * i + 1 + relayed);
        uint64_t ns;
        if (known && header_ns(number, time_headers[i].unit_ns, FACTS_TIME_NS_MAX, &ns) &&
            (!headers->time_rank[time] || rank <= headers->time_rank[time])) {
            headers->time_rank[time] = rank;
            headers->time_ns[time] = ns;
        }
        return true;
    }
    return false;
}

static bool take_count(struct facts *facts, const char *name, size_t name_bytes, const char *value, size_t bytes)
{
    for (size_t i = 0; i < sizeof(count_headers) / sizeof(count_headers[0]); i++) {
        struct json_value count = {.type = JSON_NUMBER, .text = value, .bytes = bytes};
        if (!is(name, name_bytes, count_headers[i].name))
            continue;
        count.has_number = json_number_parse(value, bytes, &count.number, &count.has_u64, &count.u64);
        facts_fallback(facts, count_headers[i].fact, &count);
        return true;
    }
    return false;
}

static void take_text(struct response_headers *headers, struct facts *facts, const char *name, size_t name_bytes,
                      const char *value, size_t bytes)
{
    for (size_t i = 0; i < sizeof(tier_headers) / sizeof(tier_headers[0]); i++)
        if (is(name, name_bytes, tier_headers[i]) && bytes <= sizeof(headers->tier)) {
            memcpy(headers->tier, value, bytes);
            headers->tier_bytes = (uint8_t)bytes;
        }
    if (is(name, name_bytes, "x-litellm-response-cost"))
        headers->has_cost =
            decimal_scaled(value, bytes, 9, &headers->cost_nanousd) && headers->cost_nanousd <= FACTS_COST_NANOUSD_MAX;
    if (is(name, name_bytes, "x-amzn-errortype")) {
        /* "namespace#Name:address"; the name counts
         * (https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html)
         */
        const char *const colon = memchr(value, ':', bytes);
        const size_t named = colon != NULL ? (size_t)(colon - value) : bytes;
        const char *const hash = memrchr(value, '#', named);
        const char *const from = hash != NULL ? hash + 1 : value;
        facts_set_text(facts, FACT_ERROR_TYPE, from, (size_t)(value + named - from));
    }
}

uint64_t response_status_of_line(const char *line, size_t bytes)
{
    const char *const blank = memchr(line, ' ', bytes);
    uint64_t status = 0;
    for (const char *p = blank != NULL ? blank + 1 : line + bytes;
         p < line + bytes && *p >= '0' && *p <= '9' && status < 1000; p++)
        status = status * 10 + (uint64_t)(*p - '0');
    return status;
}

void response_headers_init(struct response_headers *headers, struct facts *facts)
{
    memset(headers, 0, sizeof(*headers));
    facts->fallback.present = 0;
}

void response_headers_line(struct response_headers *headers, struct facts *facts, const char *name, size_t name_bytes,
                           const char *value, size_t value_bytes, uint64_t wall_ns)
{
    const size_t prefix = sizeof(relay_prefix) - 1;
    const bool relayed = name_bytes > prefix && !strncasecmp(name, relay_prefix, prefix);
    if (relayed) {
        name += prefix;
        name_bytes -= prefix;
    }
    if (response_limits_header(&headers->limits, name, name_bytes, value, value_bytes, wall_ns, relayed) ||
        take_time(headers, name, name_bytes, value, value_bytes, relayed) ||
        take_count(facts, name, name_bytes, value, value_bytes))
        return;
    take_text(headers, facts, name, name_bytes, value, value_bytes);
}

void response_headers_finish(const struct response_headers *headers, struct facts *facts, struct span *span)
{
    static const enum facts_number fact[HEADER_TIMES] = {FACT_SERVER_PROCESSING_NS, FACT_SERVER_QUEUE_NS};
    for (size_t i = 0; i < HEADER_TIMES; i++)
        if (headers->time_rank[i] && !facts_has_number(facts, fact[i]))
            facts_set_number(facts, fact[i], headers->time_ns[i]);
    if (headers->has_cost && !facts_has_number(facts, FACT_COST_NANOUSD))
        facts_set_number(facts, FACT_COST_NANOUSD, headers->cost_nanousd);
    if (headers->tier_bytes && !facts_has_text(facts, FACT_SERVICE_TIER))
        facts_set_text(facts, FACT_SERVICE_TIER, headers->tier, headers->tier_bytes);
    response_limits_finish(&headers->limits, span);
}
