/*
 * Prompt identity, see prompt.h: hashes of the constant parts, joined under the key when the
 * request is over.
 *
 * Runs on the scribe's thread within JSON callbacks of the request. Text must never outlive the
 * exchange, and never reach the span but for the preview that the configuration asked for, of which
 * shown.c says what may be seen.
 */
#include "prompt.h"

#include "exchange_config.h"
#include "shim/llm/privacy/secret.h"
#include "sent_texts.h"
#include "shown.h"

#include "span/alias.h"
#include "span/span.h"

#include <string.h>
#include <strings.h>

#include "prompt_begin.h"

static void to_hex(uint64_t value, unsigned digits, char *ret)
{
    for (unsigned i = 0; i < digits; i++)
        ret[i] = "0123456789abcdef"[(value >> (60 - 4 * i)) & 15];
}

/* Longest beginning of at most `max` bytes that ends with a character. */
static size_t whole_characters(const char *text, size_t bytes, size_t max)
{
    if (bytes <= max)
        return bytes;
    while (max && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

static void keep_preview(struct prompt *prompt, const char *text, size_t bytes)
{
    const size_t room = sizeof(prompt->preview) - prompt->preview_bytes;
    const size_t taken = bytes < room ? bytes : room;
    if (!prompt->config->preview_chars)
        return;
    memcpy(prompt->preview + prompt->preview_bytes, text, taken);
    prompt->preview_bytes = (uint16_t)(prompt->preview_bytes + taken);
}

static void keep_user(struct prompt *prompt, const char *text, size_t bytes)
{
    const size_t room = sizeof(prompt->user) - prompt->user_bytes;
    const size_t taken = bytes < room ? bytes : room;
    memcpy(prompt->user + prompt->user_bytes, text, taken);
    prompt->user_bytes = (uint16_t)(prompt->user_bytes + taken);
}

static void part_done(struct prompt *prompt)
{
    prompt->instruction_parts++;
    if (prompt->config->has_hash_key)
        text_features_part_end(&prompt->text);
}

static void forget_body(struct prompt *prompt)
{
    static const struct text_seed none = {1, 1}; /* the words' hashes stay here */
    const struct exchange_config *const config = prompt->config;
    text_features_init(&prompt->text, config->sent != NULL ? &config->sent->seed : &none);
    json_canon_init(&prompt->tools);
    json_canon_init(&prompt->format);
    text_hash_init(&prompt->tool_names, 4);
    prompt->instruction_parts = 0;
    prompt->torn = false;
    prompt->in_message = prompt->message_text = prompt->user_seen = prompt->preview_of_instructions = false;
    prompt->head_bytes = prompt->user_bytes = prompt->preview_bytes = prompt->tool_names_bytes = 0;
    prompt->role = PROMPT_ROLE_UNKNOWN;
}

void prompt_init(struct prompt *prompt, const struct exchange_config *config)
{
    prompt->config = config;
    prompt->said = prompt->version_said = PROMPT_SAID_NOT;
    prompt->name_bytes = prompt->version_bytes = 0;
    forget_body(prompt);
    if (config->prompt != NULL)
        prompt_said(prompt, PROMPT_SAID_ENVIRONMENT, config->prompt, strlen(config->prompt));
}

void prompt_rewind(struct prompt *prompt)
{
    forget_body(prompt);
}

void prompt_torn(struct prompt *prompt)
{
    forget_body(prompt);
    prompt->torn = true;
}

void prompt_tidy(struct prompt *prompt)
{
    prompt->head_bytes = prompt->in_message ? prompt->head_bytes : 0;
    prompt->user_bytes = prompt->instruction_parts ? 0 : prompt->user_bytes; /* it counts where there are none */
    memset(prompt->head + prompt->head_bytes, 0, sizeof(prompt->head) - prompt->head_bytes);
    memset(prompt->user + prompt->user_bytes, 0, sizeof(prompt->user) - prompt->user_bytes);
    memset(prompt->preview + prompt->preview_bytes, 0, sizeof(prompt->preview) - prompt->preview_bytes);
    memset(prompt->tool_name + prompt->tool_names_bytes, 0, sizeof(prompt->tool_name) - prompt->tool_names_bytes);
    text_features_tidy(&prompt->text);
    json_canon_tidy(&prompt->tools);
    json_canon_tidy(&prompt->format);
}

void prompt_message_begin(struct prompt *prompt)
{
    prompt->in_message = true;
    prompt->message_text = false;
    prompt->role = PROMPT_ROLE_UNKNOWN;
    prompt->head_bytes = 0;
    text_features_part_begin(&prompt->text);
}

void prompt_message_role(struct prompt *prompt, const char *role, size_t bytes)
{
    static const struct {
        const char *name;
        enum prompt_role role;
    } roles[] = {
        {"system", PROMPT_ROLE_INSTRUCTIONS},
        {"developer", PROMPT_ROLE_INSTRUCTIONS},
        {"user", PROMPT_ROLE_USER},
        {"human", PROMPT_ROLE_USER},
    };
    prompt->role = PROMPT_ROLE_OTHER;
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strlen(roles[i].name) == bytes && !strncasecmp(roles[i].name, role, bytes))
            prompt->role = roles[i].role;
}

void prompt_message_text(struct prompt *prompt, const char *text, size_t bytes)
{
    if (!prompt->in_message || prompt->role == PROMPT_ROLE_OTHER ||
        (prompt->role == PROMPT_ROLE_USER && prompt->user_seen))
        return;
    const size_t room = sizeof(prompt->head) - prompt->head_bytes;
    const size_t taken = bytes < room ? bytes : room;
    memcpy(prompt->head + prompt->head_bytes, text, taken);
    prompt->head_bytes = (uint16_t)(prompt->head_bytes + taken);
    prompt->message_text = prompt->message_text || bytes;
    if (prompt->role != PROMPT_ROLE_USER && prompt->config->has_hash_key)
        text_features_push(&prompt->text, text, bytes);
}

void prompt_message_end(struct prompt *prompt)
{
    if (prompt->in_message && prompt->message_text && prompt->role == PROMPT_ROLE_INSTRUCTIONS) {
        part_done(prompt);
        const bool first = !prompt->preview_of_instructions;
        if (first)
            prompt->preview_bytes = 0;
        prompt->preview_of_instructions = true;
        keep_preview(prompt, prompt->head, prompt->head_bytes);
        if (first)
            prompt->preview_first_bytes = prompt->preview_bytes;
    } else if (prompt->in_message && prompt->message_text && prompt->role == PROMPT_ROLE_USER && !prompt->user_seen) {
        prompt->user_seen = true;
        keep_user(prompt, prompt->head, prompt->head_bytes);
        if (!prompt->preview_of_instructions && prompt->config->preview_user)
            keep_preview(prompt, prompt->head, prompt->head_bytes);
    }
    text_features_part_drop(&prompt->text); /* nothing, where it was one */
    prompt->in_message = false;
}

void prompt_instructions(struct prompt *prompt, const struct json_value *piece)
{
    if (piece->type != JSON_STRING)
        return;
    if (piece->first) {
        prompt_message_begin(prompt);
        prompt->role = PROMPT_ROLE_INSTRUCTIONS;
    }
    prompt_message_text(prompt, piece->text, piece->bytes);
    if (piece->last)
        prompt_message_end(prompt);
}

void prompt_user(struct prompt *prompt, const struct json_value *piece)
{
    if (piece->type != JSON_STRING)
        return;
    if (piece->first) {
        prompt_message_begin(prompt);
        prompt->role = PROMPT_ROLE_USER;
    }
    prompt_message_text(prompt, piece->text, piece->bytes);
    if (piece->last)
        prompt_message_end(prompt);
}

static void canon_piece(struct json_canon *canon, const struct json_value *raw, json_handler *name, void *context)
{
    if (raw->type != JSON_RAW_BYTES)
        return;
    if (raw->first) {
        json_canon_init(canon);
        canon->name = name;
        canon->name_context = context;
    }
    json_canon_push(canon, raw->text, raw->bytes);
    if (raw->last)
        json_canon_end(canon);
}

static void on_tool_name(void *context, const struct json_value *piece)
{
    struct prompt *const prompt = context;
    text_hash_push(&prompt->tool_names, " ", piece->first);
    text_hash_push(&prompt->tool_names, piece->text, piece->bytes);
    if (piece->first && prompt->tool_names_bytes && prompt->tool_names_bytes < sizeof(prompt->tool_name))
        prompt->tool_name[prompt->tool_names_bytes++] = ' ';
    const size_t room = sizeof(prompt->tool_name) - prompt->tool_names_bytes;
    const size_t taken = piece->bytes < room ? piece->bytes : room;
    memcpy(prompt->tool_name + prompt->tool_names_bytes, piece->text, taken);
    prompt->tool_names_bytes = (uint16_t)(prompt->tool_names_bytes + taken);
}

void prompt_tools(struct prompt *prompt, const struct json_value *raw)
{
    canon_piece(&prompt->tools, raw, prompt->config->preview_chars ? on_tool_name : NULL, prompt);
}

void prompt_format(struct prompt *prompt, const struct json_value *raw)
{
    canon_piece(&prompt->format, raw, NULL, NULL);
}

static void set_name(char *to, uint16_t *to_bytes, const char *text, size_t bytes)
{
    const size_t taken = whole_characters(text, bytes, PROMPT_NAME_MAX);
    memcpy(to, text, taken);
    *to_bytes = (uint16_t)taken;
}

/* Whole it is an address, and neither part shows it: "jane.doe@example.org" is no version of a
 * prompt. */
static bool hides_address(const char *text, size_t name_bytes, size_t bytes)
{
    const char *const before = memrchr(text, '@', name_bytes);
    const char *const from = before != NULL ? before + 1 : text;
    const size_t part = name_bytes - (size_t)(from - text);
    return name_bytes < bytes && secret_address_shaped(from, bytes - (size_t)(from - text)) &&
           !secret_address_shaped(from, part) && !secret_address_shaped(text + name_bytes + 1, bytes - name_bytes - 1);
}

void prompt_said(struct prompt *prompt, enum prompt_said by, const char *text, size_t bytes)
{
    if (!bytes || by < prompt->said)
        return;
    const char *const at = memrchr(text, '@', bytes);
    const size_t name_bytes = at != NULL && at > text ? (size_t)(at - text) : bytes;
    if (by > PROMPT_SAID_ENVIRONMENT && hides_address(text, name_bytes, bytes))
        return;
    prompt->said = (uint8_t)by;
    set_name(prompt->name, &prompt->name_bytes, text, name_bytes);
    if (prompt->version_said < by)
        prompt->version_bytes = 0; /* a version said elsewhere belongs to another name */
    if (name_bytes < bytes)
        prompt_said_version(prompt, by, at + 1, bytes - name_bytes - 1);
}

void prompt_said_version(struct prompt *prompt, enum prompt_said by, const char *text, size_t bytes)
{
    if (!bytes || by < prompt->said)
        return;
    prompt->version_said = (uint8_t)by;
    set_name(prompt->version, &prompt->version_bytes, text, bytes);
}

static bool header_is(const char *name, size_t bytes, const char *literal)
{
    return strlen(literal) == bytes && !strncasecmp(name, literal, bytes);
}

void prompt_header(struct prompt *prompt, const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    if (header_is(name, name_bytes, "x-pprof-prompt") || header_is(name, name_bytes, "helicone-prompt-id"))
        prompt_said(prompt, PROMPT_SAID_HEADER, value, value_bytes);
    else if (header_is(name, name_bytes, "x-pprof-prompt-version"))
        prompt_said_version(prompt, PROMPT_SAID_HEADER, value, value_bytes);
}

/* What the fingerprint is made of, in a form that is the same on every machine. */
struct constant {
    char kind; /* i: instructions and schemas; u: beginning of the user's text; n: nothing but the name */
    size_t bytes;
    uint8_t data[8 * 8 + PROMPT_BEGIN_BYTES + PROMPT_NAME_MAX];
};

static void constant_u64(struct constant *constant, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        constant->data[constant->bytes++] = (uint8_t)(value >> 8 * i);
}

static void constant_text(struct constant *constant, const char *text, size_t bytes)
{
    memcpy(constant->data + constant->bytes, text, bytes);
    constant->bytes += bytes;
}

static bool gather(const struct prompt *prompt, struct constant *ret)
{
    const bool schemas = prompt->tools.leaves || prompt->format.leaves;
    ret->bytes = 0;
    constant_u64(ret, prompt->instruction_parts);
    constant_u64(ret, prompt->text.now.exact);
    constant_u64(ret, prompt->tools.sum[0]);
    constant_u64(ret, prompt->tools.sum[1]);
    constant_u64(ret, prompt->format.sum[0]);
    constant_u64(ret, prompt->format.sum[1]);
    ret->kind = 'i';
    if (prompt->instruction_parts)
        return true;
    if (!schemas)
        ret->kind = 'u';
    if (!schemas && prompt->said >= PROMPT_SAID_METADATA) { /* the template lies elsewhere; the text varies */
        ret->kind = 'n';
        constant_text(ret, prompt->name, prompt->name_bytes);
        return true;
    }
    if (!prompt->user_seen)
        return schemas;
    char begin[PROMPT_BEGIN_BYTES];
    constant_text(ret, begin, prompt_begin(prompt->user, prompt->user_bytes, begin));
    return true;
}

/* So few words ("You are a helpful assistant.") are anybody's: tools and response format tell
 * more. */
static bool words_are_few(const struct prompt *prompt)
{
    enum { FEW_WORDS = 16 };
    return prompt->text.now.heads < FEW_WORDS;
}

/* What texts of one prompt always share, though it is no part of them. */
static void put_scope(struct constant *constant, const struct prompt *prompt, const struct span *span)
{
    if (words_are_few(prompt))
        for (unsigned i = 0; i < 2; i++) {
            constant_u64(constant, prompt->tools.sum[i]);
            constant_u64(constant, prompt->format.sum[i]);
        }
    if (span_has(span, SPAN_operation)) {
        const struct span_text operation = span->value[SPAN_operation].text;
        constant_text(constant, operation.data,
                      operation.bytes < PROMPT_BEGIN_BYTES ? operation.bytes : PROMPT_BEGIN_BYTES);
    }
    constant_text(constant, "", 1);
    constant_text(constant, prompt->name, prompt->name_bytes);
}

/* Of instructions, and of names of tools where there are none, what several texts share, or a text
 * that came often; of the user's text, which is there only where it was asked for, all but what
 * looks like data. */
static void finish_preview(const struct prompt *prompt, struct span *span, uint64_t *ret_shown)
{
    static const char label[] = "tools: ";
    char text[sizeof(label) - 1 + PROMPT_PREVIEW_MAX];
    const struct exchange_config *const config = prompt->config;
    const bool tools = !prompt->preview_bytes && prompt->tool_names_bytes;
    const size_t before = tools ? sizeof(label) - 1 : 0;
    struct shown_text source = {.text = tools ? prompt->tool_name : prompt->preview,
                                .bytes = tools ? prompt->tool_names_bytes : prompt->preview_bytes,
                                .names = tools,
                                .asked = !tools && !prompt->preview_of_instructions,
                                .shown = ret_shown};
    if (tools)
        text_hash_end(&prompt->tool_names, source.digest);
    else
        source.digest[0] = prompt->text.now.exact;
    memcpy(text, label, before);
    const size_t bytes =
        shown_preview(config->shown, &source, config->preview_chars, text + before, sizeof(text) - before);
    if (bytes)
        span_set_text(span, SPAN_prompt_preview, text, before + bytes);
}

/* The id of all texts with these words, said name and operation: tools and response format are not
 * in it. */
static uint64_t words_id(const struct prompt *prompt, const struct span *span)
{
    struct constant constant = {.kind = 'w'};
    for (unsigned i = 0; i < 2; i++)
        constant_u64(&constant, prompt->text.now.whole[i]);
    put_scope(&constant, prompt, span);
    return span_keyed_hash(prompt->config->hash_key, constant.data, constant.bytes);
}

void prompt_peek(const struct prompt *prompt, struct span *span)
{
    struct constant constant;
    char version[8];
    const bool known = !prompt->torn && gather(prompt, &constant) && prompt->config->has_hash_key;
    uint64_t id = known ? span_keyed_hash(prompt->config->hash_key, constant.data, constant.bytes) : 0;
    if (known && prompt->instruction_parts) {
        span_set_u64(span, SPAN_prompt_text_id, id);
        id = words_id(prompt, span);
    }
    if (known)
        span_set_u64(span, SPAN_prompt_id, id);
    if (prompt->name_bytes)
        span_set_text(span, SPAN_prompt_name, prompt->name, prompt->name_bytes);
    if (prompt->version_bytes) {
        span_set_text(span, SPAN_prompt_version, prompt->version, prompt->version_bytes);
    } else if (prompt->name_bytes && known && constant.kind == 'i' &&
               (!prompt->instruction_parts || words_are_few(prompt))) { /* else the collector finds versions */
        to_hex(id, sizeof(version), version);
        span_set_text(span, SPAN_prompt_version, version, sizeof(version));
    }
}

/* Of tools and response format; 0: neither. */
static uint32_t setup_of(const struct prompt *prompt)
{
    const struct json_canon *const both[] = {&prompt->tools, &prompt->format};
    uint64_t hash = 0;
    if (!prompt->tools.leaves && !prompt->format.leaves)
        return 0;
    for (unsigned i = 0; i < 4; i++)
        hash = text_mix(&prompt->text.seed, hash, both[i / 2]->sum[i % 2]);
    return (uint32_t)(hash >> 32) ? (uint32_t)(hash >> 32) : 1;
}

#define HOUR_NS UINT64_C(3600000000000)

static uint32_t scope_of(const struct prompt *prompt, const struct span *span)
{
    struct constant constant = {.kind = 's'};
    put_scope(&constant, prompt, span);
    return (uint32_t)(span_keyed_hash(prompt->config->hash_key, constant.data, constant.bytes) >> 32);
}

/* Which words of the features' head begin those of the preview, so that it can be told what of it
 * is a slot's. Words of the first part alone: there both begin. */
static void put_preview(const struct prompt *prompt, uint64_t shown, struct prompt_features *features)
{
    uint8_t text[PROMPT_PREVIEW_MAX + TEXT_SLACK] = {0};
    const size_t bytes = prompt->preview_first_bytes;
    memcpy(text, prompt->preview, bytes);
    struct text_words words = {.at = text, .end = text + bytes};
    uint64_t hash, last = 0;
    for (unsigned i = 0; i < features->heads && text_words_next(&words, &prompt->text.seed, &hash); i++) {
        if (*words.from == '\n' ||
            (words.from > text && text_blank_end(words.from - 1, words.at, true) == words.from - 1))
            continue;
        last = UINT64_C(1) << i;
        features->preview_begins |= last;
        features->preview_shown |= shown & 1 ? last : 0;
        shown >>= 1;
    }
    if (words.at == words.end && bytes < prompt->preview_bytes) /* it may go on with the next part */
        features->preview_shown &= ~last;
    explicit_bzero(text, bytes);
}

/* The features, if this process has not sent them in the hour in which the call began, and again
 * with the first preview: the store forgets texts that did not recur. A span that is full of texts
 * leaves them to the next one. */
static void finish_features(const struct prompt *prompt, struct span *span, uint64_t shown)
{
    enum { ROOM_FOR_OTHERS = 2 * SPAN_TEXT_MAX };
    struct sent_texts *const sent = prompt->config->sent;
    struct prompt_features features;
    uint8_t data[SPAN_TEXT_MAX];
    const uint32_t setup = setup_of(prompt);
    const uint64_t hour = span_has(span, SPAN_start_ns) ? span->value[SPAN_start_ns].u64 / HOUR_NS : 0;
    const uint64_t id = span->value[SPAN_prompt_id].u64;
    const uint64_t of_hour = text_mix(&prompt->text.seed, text_mix(&prompt->text.seed, id, setup), hour);
    const uint64_t of_text = text_mix(&prompt->text.seed, of_hour, shown != 0) | 1;
    if (sent_texts_has(sent, of_text) || span->arena_used > SPAN_ARENA_BYTES - SPAN_TEXT_MAX - ROOM_FOR_OTHERS)
        return;
    text_features_get(&prompt->text, &features);
    features.scope = scope_of(prompt, span);
    features.setup = setup;
    if (shown != 0)
        put_preview(prompt, shown, &features);
    span_set_text(span, SPAN_prompt_features, (const char *)data, prompt_features_write(&features, data));
    sent_texts_put(sent, of_text);
}

void prompt_finish(struct prompt *prompt, struct span *span)
{
    uint64_t shown = 0;
    prompt_peek(prompt, span);
    if (prompt->config->preview_chars && prompt->config->shown != NULL)
        finish_preview(prompt, span, &shown);
    if (span_has(span, SPAN_prompt_text_id) && prompt->config->sent != NULL)
        finish_features(prompt, span, shown);
}
