/*
 * Rate limits in every known spelling, see response_limits.h. A name is taken apart into kind,
 * window and part, whatever their order:
 *
 *   x-ratelimit-PART-KIND[-WINDOW]      OpenAI, Azure, Groq, xAI, Cerebras, Mistral, Fireworks,
 *                                       SambaNova; without KIND: OpenRouter, Together
 *   anthropic-ratelimit-KIND-PART       Anthropic
 *   [x-]ratelimit[bysize]-PART[-WINDOW] Mistral's and Hugging Face's gateways (Kong); "bysize"
 *                                       counts tokens
 *   x-tokenlimit-PART                   Together
 *   x-trial-endpoint-call-PART,
 *   x-endpoint-monthly-call-PART        Cohere
 *   ratelimit, ratelimit-policy         the IETF's draft: r= and t=, q=
 *   retry-after-ms, x-ms-retry-after-ms, retry-after
 *
 * Called by response_headers.c on the scribe's thread.
 */
#include "response_limits.h"

#include "header_wait.h"
#include "shim/llm/json/json_scan.h"

#include "span/span.h"

#include <string.h>
#include <strings.h>

/* Hugging Face states about 2^63 where there is no limit (Azure -1). */
#define UNLIMITED (UINT64_C(1) << 60)

struct word {
    const char *text;
    uint8_t means;
};

/* Longer ones before their own beginnings. */
static const struct word parts[] = {
    {"limit", PART_LIMIT},
    {"remaining", PART_REMAINING},
    {"reset", PART_RESET},
};
static const struct word kinds[] = {
    {"requests", LIMIT_REQUESTS},
    {"req", LIMIT_REQUESTS},
    {"input-tokens", LIMIT_INPUT_TOKENS},
    {"tokens-prompt", LIMIT_INPUT_TOKENS},
    {"prompt-tokens", LIMIT_INPUT_TOKENS},
    {"output-tokens", LIMIT_OUTPUT_TOKENS},
    {"tokens-generated", LIMIT_OUTPUT_TOKENS},
    {"tokens", LIMIT_TOKENS},
};
static const struct word windows[] = {
    {"second", WINDOW_SECOND},
    {"10-second", WINDOW_10_SECONDS},
    {"minute", WINDOW_MINUTE},
    {"hour", WINDOW_HOUR},
    {"day", WINDOW_DAY},
    {"month", WINDOW_MONTH},
    {"usage-based", WINDOW_BESIDE},
    {"usage_based", WINDOW_BESIDE},
};

static const struct {
    const char *name;
    enum limit_kind kind;
    enum limit_window window;
    enum limit_part part;
} odd_names[] = {
    {"x-ratelimit-limit-project-tokens", LIMIT_TOKENS, WINDOW_BESIDE, PART_LIMIT},
    {"x-ratelimit-remaining-project-tokens", LIMIT_TOKENS, WINDOW_BESIDE, PART_REMAINING},
    {"x-ratelimit-reset-project-tokens", LIMIT_TOKENS, WINDOW_BESIDE, PART_RESET},
    {"x-ratelimit-limit-project-requests", LIMIT_REQUESTS, WINDOW_BESIDE, PART_LIMIT},
    {"x-ratelimit-remaining-project-requests", LIMIT_REQUESTS, WINDOW_BESIDE, PART_REMAINING},
    {"x-ratelimit-reset-project-requests", LIMIT_REQUESTS, WINDOW_BESIDE, PART_RESET},
    {"x-trial-endpoint-call-limit", LIMIT_REQUESTS, WINDOW_MINUTE, PART_LIMIT},
    {"x-trial-endpoint-call-remaining", LIMIT_REQUESTS, WINDOW_MINUTE, PART_REMAINING},
    {"x-endpoint-monthly-call-limit", LIMIT_REQUESTS, WINDOW_MONTH, PART_LIMIT},
    {"x-endpoint-monthly-call-remaining", LIMIT_REQUESTS, WINDOW_MONTH, PART_REMAINING},
};

/* Takes `word` off the front of the name, with the "-" (or "_") after it, if it stands there
 * whole. */
static bool take(const char **name, size_t *bytes, const char *word)
{
    const size_t length = strlen(word);
    if (*bytes < length || strncasecmp(*name, word, length) != 0 ||
        (*bytes > length && (*name)[length] != '-' && (*name)[length] != '_'))
        return false;
    const size_t taken = length + (*bytes > length);
    *name += taken;
    *bytes -= taken;
    return true;
}

static bool take_word(const char **name, size_t *bytes, const struct word *words, size_t count, uint8_t *ret_means)
{
    for (size_t i = 0; i < count; i++)
        if (take(name, bytes, words[i].text)) {
            *ret_means = words[i].means;
            return true;
        }
    return false;
}

#define TAKE(name, bytes, words, ret) take_word(name, bytes, words, sizeof(words) / sizeof((words)[0]), ret)

struct place {
    uint8_t kind, window, part;
};

/* False: no such name. A kind without a field here (images, audio) is no such name either. */
static bool take_apart(const char *name, size_t bytes, struct place *ret)
{
    *ret = (struct place){LIMIT_REQUESTS, WINDOW_UNSTATED, 0};
    for (size_t i = 0; i < sizeof(odd_names) / sizeof(odd_names[0]); i++)
        if (strlen(odd_names[i].name) == bytes && !strncasecmp(name, odd_names[i].name, bytes)) {
            *ret = (struct place){(uint8_t)odd_names[i].kind, (uint8_t)odd_names[i].window, (uint8_t)odd_names[i].part};
            return true;
        }
    if (take(&name, &bytes, "anthropic-ratelimit"))
        return TAKE(&name, &bytes, kinds, &ret->kind) && TAKE(&name, &bytes, parts, &ret->part) && !bytes;
    take(&name, &bytes, "x");
    if (take(&name, &bytes, "ratelimitbysize") || take(&name, &bytes, "tokenlimit"))
        ret->kind = LIMIT_TOKENS;
    else if (!take(&name, &bytes, "ratelimit"))
        return false;
    if (!TAKE(&name, &bytes, parts, &ret->part))
        return false;
    TAKE(&name, &bytes, kinds, &ret->kind);
    TAKE(&name, &bytes, windows, &ret->window);
    return !bytes;
}

static void state(struct response_limits *limits, struct place place, uint64_t value, bool relayed)
{
    struct limit_stated *const stated = &limits->stated[place.kind][place.window];
    if (relayed && (stated->parts & place.part & ~stated->relayed))
        return; /* who answered says it himself */
    stated->parts |= place.part;
    stated->relayed = (uint8_t)(relayed ? stated->relayed | place.part : stated->relayed & ~place.part);
    if (place.part == PART_LIMIT)
        stated->limit = value;
    else if (place.part == PART_REMAINING)
        stated->remaining = value;
    else
        stated->reset_ns = value;
}

static void state_number(struct response_limits *limits, struct place place, const char *value, size_t bytes,
                         bool relayed)
{
    double number;
    bool whole;
    uint64_t integer;
    const char *const more = memchr(value, ',', bytes); /* the draft's "100, 100;w=60", or a header that came twice */
    bytes = more != NULL ? (size_t)(more - value) : bytes;
    if (!json_number_parse(value, bytes, &number, &whole, &integer))
        return;
    if (number < 0 || (whole && integer >= UNLIMITED) || number >= (double)UNLIMITED)
        limits->stated[place.kind][place.window].parts |= PART_UNLIMITED;
    else if (whole)
        state(limits, place, integer, relayed);
}

/* `"default";r=50;t=30`, or the older `limit=100, remaining=50, reset=30`: the value after one of
 * two keys. */
static bool parameter(const char *value, size_t bytes, const char *key, const char *old_key, const char **ret,
                      size_t *ret_bytes)
{
    const char *const end = value + bytes;
    while (value < end) {
        while (value < end && (*value == ' ' || *value == ';' || *value == ','))
            value++;
        const char *stop = value;
        while (stop < end && *stop != ';' && *stop != ',')
            stop++;
        const char *const equals = memchr(value, '=', (size_t)(stop - value));
        const size_t name = equals != NULL ? (size_t)(equals - value) : 0;
        if (name && ((strlen(key) == name && !memcmp(key, value, name)) ||
                     (strlen(old_key) == name && !memcmp(old_key, value, name)))) {
            *ret = equals + 1;
            *ret_bytes = (size_t)(stop - equals - 1);
            return true;
        }
        value = stop;
    }
    return false;
}

static void draft_header(struct response_limits *limits, const char *value, size_t bytes, uint64_t wall_ns,
                         bool relayed)
{
    const struct place place = {LIMIT_REQUESTS, WINDOW_UNSTATED, 0};
    const char *text;
    size_t text_bytes;
    uint64_t ns;
    if (parameter(value, bytes, "q", "limit", &text, &text_bytes))
        state_number(limits, (struct place){place.kind, place.window, PART_LIMIT}, text, text_bytes, relayed);
    if (parameter(value, bytes, "r", "remaining", &text, &text_bytes))
        state_number(limits, (struct place){place.kind, place.window, PART_REMAINING}, text, text_bytes, relayed);
    if (parameter(value, bytes, "t", "reset", &text, &text_bytes) &&
        response_header_wait(text, text_bytes, wall_ns, &ns))
        state(limits, (struct place){place.kind, place.window, PART_RESET}, ns, relayed);
}

static bool retry(struct response_limits *limits, const char *name, size_t name_bytes, const char *value, size_t bytes,
                  uint64_t wall_ns)
{
    static const struct {
        const char *name;
        uint8_t rank;
    } names[] = {{"retry-after", 1}, {"x-ms-retry-after-ms", 2}, {"retry-after-ms", 3}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        double number;
        bool whole;
        uint64_t ns, integer;
        if (strlen(names[i].name) != name_bytes || strncasecmp(name, names[i].name, name_bytes) != 0)
            continue;
        bool known;
        if (names[i].rank == 1) {
            known = response_header_wait(value, bytes, wall_ns, &ns);
        } else {
            known = json_number_parse(value, bytes, &number, &whole, &integer) &&
                    header_ns(number, 1e6, HEADER_WAIT_NS_MAX, &ns);
        }
        if (known && limits->retry_rank <= names[i].rank) {
            limits->retry_ns = ns;
            limits->retry_rank = names[i].rank;
        }
        return true;
    }
    return false;
}

bool response_limits_header(struct response_limits *limits, const char *name, size_t name_bytes, const char *value,
                            size_t value_bytes, uint64_t wall_ns, bool relayed)
{
    struct place place;
    uint64_t ns;
    if (retry(limits, name, name_bytes, value, value_bytes, wall_ns))
        return true;
    if ((name_bytes == 9 && !strncasecmp(name, "ratelimit", 9)) ||
        (name_bytes == 16 && !strncasecmp(name, "ratelimit-policy", 16))) {
        draft_header(limits, value, value_bytes, wall_ns, relayed);
        return true;
    }
    if (!take_apart(name, name_bytes, &place))
        return false;
    if (place.part != PART_RESET)
        state_number(limits, place, value, value_bytes, relayed);
    else if (response_header_wait(value, value_bytes, wall_ns, &ns))
        state(limits, place, ns, relayed);
    return true;
}

static bool tighter(const struct limit_stated *a, const struct limit_stated *b)
{
    if ((a->parts ^ b->parts) & PART_REMAINING)
        return a->parts & PART_REMAINING;
    if (a->parts & PART_REMAINING)
        return a->remaining < b->remaining;
    if ((a->parts ^ b->parts) & PART_LIMIT)
        return a->parts & PART_LIMIT;
    return (a->parts & PART_LIMIT) && a->limit < b->limit;
}

void response_limits_finish(const struct response_limits *limits, struct span *span)
{
    static const struct {
        enum span_field limit, remaining, reset;
    } fields[LIMIT_KINDS] = {
        [LIMIT_REQUESTS] = {SPAN_limit_requests, SPAN_limit_requests_remaining, SPAN_limit_requests_reset_ns},
        [LIMIT_TOKENS] = {SPAN_limit_tokens, SPAN_limit_tokens_remaining, SPAN_limit_tokens_reset_ns},
        [LIMIT_INPUT_TOKENS] = {SPAN_limit_input_tokens, SPAN_limit_input_tokens_remaining,
                                SPAN_limit_input_tokens_reset_ns},
        [LIMIT_OUTPUT_TOKENS] = {SPAN_limit_output_tokens, SPAN_limit_output_tokens_remaining,
                                 SPAN_limit_output_tokens_reset_ns},
    };
    for (size_t kind = 0; kind < LIMIT_KINDS; kind++) {
        const struct limit_stated *best = NULL;
        for (size_t window = 0; window < LIMIT_WINDOWS; window++) {
            const struct limit_stated *const stated = &limits->stated[kind][window];
            const uint8_t counts = stated->parts & (PART_LIMIT | PART_REMAINING);
            if (stated->parts && (counts || !(stated->parts & PART_UNLIMITED)) &&
                (best == NULL || tighter(stated, best)))
                best = stated;
        }
        if (best != NULL && (best->parts & PART_LIMIT))
            span_set_u64(span, fields[kind].limit, best->limit);
        if (best != NULL && (best->parts & PART_REMAINING))
            span_set_u64(span, fields[kind].remaining, best->remaining);
        if (best != NULL && (best->parts & PART_RESET))
            span_set_u64(span, fields[kind].reset, best->reset_ns);
    }
    if (limits->retry_rank)
        span_set_u64(span, SPAN_retry_after_ns, limits->retry_ns);
}
