/*
 * Takes from a span what must not leave the process, see span_clean.h: free text stands in errors,
 * finish reasons, tiers, ids and models' names, and servers echo keys and addresses there. What is
 * dropped is absent, or replaced by what the exchange states otherwise (an error's HTTP status).
 *
 * Called by exchange_close on the scribe's thread. Must never make a text that nobody stated.
 */
#include "span_clean.h"

#include "span/span.h"
#include "shim/llm/privacy/words.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* OpenTelemetry's word for a value that is known to be there and not which. */
static const char other[] = "_OTHER";

static struct span_text text_of(const struct span *span, enum span_field field)
{
    return span_has(span, field) ? span->value[field].text : (struct span_text){"", 0};
}

static void clean_word(struct span *span, enum span_field field)
{
    const struct span_text text = text_of(span, field);
    if (text.bytes && !words_known(text.data, text.bytes))
        span_clear(span, field);
}

static bool same(struct span_text a, struct span_text b)
{
    return a.bytes == b.bytes && !memcmp(a.data, b.data, a.bytes);
}

/* A name that the application gave stays if the server says it again. */
static void clean_models(struct span *span, const struct secret_echo *echo)
{
    const struct span_text asked = text_of(span, SPAN_request_model), answered = text_of(span, SPAN_response_model);
    const bool asked_free =
        asked.bytes && secret_free_name(asked.data, asked.bytes) && !secret_echoed_name(echo, asked.data, asked.bytes);
    const bool free = same(asked, answered) ? asked_free
                                            : secret_free_answered_name(answered.data, answered.bytes) &&
                                                  !secret_echoed(echo, answered.data, answered.bytes);
    if (answered.bytes && !free)
        span_clear(span, SPAN_response_model);
    if (asked.bytes && !asked_free)
        span_clear(span, SPAN_request_model);
}

static void clean_host(struct span *span, const struct secret_echo *echo)
{
    char host[SPAN_TEXT_MAX];
    const struct span_text whole = text_of(span, SPAN_host);
    const size_t bytes = secret_mask_host(whole.data, whole.bytes, echo, host, sizeof(host));
    if (!same(whole, (struct span_text){host, (uint32_t)bytes}))
        span_set_text(span, SPAN_host, host, bytes);
}

static void clean_id(struct span *span, const struct secret_echo *echo)
{
    const struct span_text id = text_of(span, SPAN_response_id);
    if (id.bytes && (!secret_free_id(id.data, id.bytes) || secret_echoed_id(echo, id.data, id.bytes)))
        span_clear(span, SPAN_response_id);
}

static void clean_finish(struct span *span)
{
    char list[SPAN_TEXT_MAX];
    const struct span_text text = text_of(span, SPAN_finish_reasons);
    if (!span_has(span, SPAN_finish_reasons))
        return;
    memcpy(list, text.data, text.bytes);
    span_clear(span, SPAN_finish_reasons);
    for (size_t at = 0; at <= text.bytes;) {
        const char *const end = at < text.bytes ? memchr(list + at, 0x1f, text.bytes - at) : NULL;
        const size_t bytes = (end != NULL ? (size_t)(end - list) : text.bytes) - at;
        const bool keep = !bytes || words_known(list + at, bytes);
        span_list_add(span, SPAN_finish_reasons, keep ? list + at : other, keep ? bytes : sizeof(other) - 1);
        at += bytes + 1;
    }
}

/* The type that the body states, else its code, else the status. curl's own names and statuses
 * stand untouched. */
static void clean_error(struct span *span, const struct facts *facts)
{
    static const enum facts_text sources[] = {FACT_ERROR_TYPE, FACT_ERROR_CODE};
    const struct span_text text = text_of(span, SPAN_error_type);
    bool stated = false;
    if (!text.bytes)
        return;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        const struct span_text source = {facts->text[sources[i]], facts->text_bytes[sources[i]]};
        stated = stated || (source.bytes && same(source, text));
    }
    if (!stated || words_known(text.data, text.bytes))
        return;
    if (words_known(facts->text[FACT_ERROR_CODE], facts->text_bytes[FACT_ERROR_CODE])) {
        span_set_text(span, SPAN_error_type, facts->text[FACT_ERROR_CODE], facts->text_bytes[FACT_ERROR_CODE]);
        return;
    }
    const uint64_t status = span_has(span, SPAN_status) ? span->value[SPAN_status].u64 : 0;
    char digits[24];
    const int bytes = snprintf(digits, sizeof(digits), "%u", (unsigned)status);
    span_set_text(span, SPAN_error_type, status >= 400 ? digits : other,
                  status >= 400 ? (size_t)bytes : sizeof(other) - 1);
}

/* "gzip, br": content codings that are registered; else "_OTHER". */
static void clean_encoding(struct span *span)
{
    static const char *const known[] = {"gzip", "x-gzip",   "deflate",  "br",
                                        "zstd", "compress", "identity", "aws-chunked"};
    const struct span_text text = text_of(span, SPAN_content_encoding);
    bool all = true;
    for (size_t at = 0; at < text.bytes && all;) {
        size_t bytes = 0;
        bool found = false;
        while (at + bytes < text.bytes && text.data[at + bytes] != ',' && text.data[at + bytes] != ' ')
            bytes++;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            found = found || (strlen(known[i]) == bytes && !strncasecmp(known[i], text.data + at, bytes));
        all = found || !bytes;
        at += bytes + 1;
    }
    if (!all)
        span_set_text(span, SPAN_content_encoding, other, sizeof(other) - 1);
}

/* Names of prompts are given on purpose; keys and addresses stay out all the same. */
static void clean_prompt(struct span *span, const struct secret_echo *echo)
{
    static const enum span_field fields[] = {SPAN_prompt_name, SPAN_prompt_version};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct span_text text = text_of(span, fields[i]);
        if (text.bytes && (!secret_free_name(text.data, text.bytes) || secret_echoed_name(echo, text.data, text.bytes)))
            span_clear(span, fields[i]);
    }
}

void span_clean(struct span *span, const struct facts *facts, const struct secret_echo *echo)
{
    clean_host(span, echo);
    clean_models(span, echo);
    clean_id(span, echo);
    clean_word(span, SPAN_service_tier);
    clean_word(span, SPAN_speed);
    clean_finish(span);
    clean_error(span, facts);
    clean_encoding(span);
    clean_prompt(span, echo);
}
