/*
 * Which prompt was that? Said names first, else a keyed fingerprint of what is constant in the
 * request: of the instructions' words, those with digits in them being one another's like; of tools
 * and response format, or of the beginning of the user's text, where there are no instructions.
 * Beside it the id of the exact text, and, once per text and process, the features by which the
 * collector learns which texts are one template (span/prompt_features.h).
 *
 * Fed by dialects from the request's JSON on the scribe's thread. Prompt text is hashed as it
 * passes and forgotten; only `preview` keeps some of it, and only if the configuration asks; of
 * that, shown.h decides what is seen. Nothing here depends on how the body was cut, on JSON white
 * space, on escapes, nor on the order of keys: instructions, tools and response format are hashed
 * apart and joined at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json_canon.h"
#include "shim/llm/json/json_scan.h"
#include "text_features.h"

enum {
    PROMPT_NAME_MAX = 128,
    PROMPT_PREVIEW_MAX = 200 * 4, /* characters times the longest UTF-8 sequence */
    PROMPT_HEAD_BYTES = 256,      /* kept of the first user text until the role is known */
};

struct exchange_config;

enum prompt_role { PROMPT_ROLE_UNKNOWN, PROMPT_ROLE_INSTRUCTIONS, PROMPT_ROLE_USER, PROMPT_ROLE_OTHER };

/* Who gave the name; a higher one wins. */
enum prompt_said {
    PROMPT_SAID_NOT,
    PROMPT_SAID_ENVIRONMENT,
    PROMPT_SAID_METADATA,
    PROMPT_SAID_BODY,
    PROMPT_SAID_HEADER
};

struct prompt {
    const struct exchange_config *config;
    struct json_canon tools, format; /* order-independent sums */
    struct text_hash tool_names;     /* only where a preview may be asked for */
    uint32_t instruction_parts;
    enum prompt_role role;
    bool in_message, message_text, user_seen;
    bool torn;
    uint8_t said, version_said; /* enum prompt_said */
    uint16_t name_bytes, version_bytes, head_bytes, user_bytes, preview_bytes, tool_names_bytes;
    bool preview_of_instructions;
    uint16_t preview_first_bytes; /* of it, those of the first part */
    char name[PROMPT_NAME_MAX], version[PROMPT_NAME_MAX];
    char head[PROMPT_PREVIEW_MAX]; /* beginning of the message under way */
    char user[PROMPT_HEAD_BYTES];  /* beginning of the first user text */
    char preview[PROMPT_PREVIEW_MAX];
    char tool_name[PROMPT_PREVIEW_MAX]; /* names of tools, a blank between them */
    struct text_features text;          /* of the instructions; only where there is a key */
};

void prompt_init(struct prompt *prompt, const struct exchange_config *config);
/* The request body comes again from its beginning; what headers said stays. */
void prompt_rewind(struct prompt *prompt);

/* Pieces of the body are missing: no fingerprint, no preview; names that were said stay. */
void prompt_torn(struct prompt *prompt);

/* One message (an element of messages[], contents[], input[]): role and text may come in any order
 * and in pieces. */
void prompt_message_begin(struct prompt *prompt);
void prompt_message_role(struct prompt *prompt, const char *role,
                         size_t bytes); /* system, developer: instructions; user, human: user */
void prompt_message_text(struct prompt *prompt, const char *text, size_t bytes);
void prompt_message_end(struct prompt *prompt);

/* A part of the same kind outside of messages: Anthropic "system", Responses "instructions", Ollama
 * "system". Pieces as json_value gives them. */
void prompt_instructions(struct prompt *prompt, const struct json_value *piece);
/* User text outside of messages: "prompt", a string "input". */
void prompt_user(struct prompt *prompt, const struct json_value *piece);

/* Tool schemas, response format: rules with JSON_RAW. */
void prompt_tools(struct prompt *prompt, const struct json_value *raw);
void prompt_format(struct prompt *prompt, const struct json_value *raw);

/* Said names. `text` is name or name@version; what is a mail address and not the user's own setting
 * is neither. */
void prompt_said(struct prompt *prompt, enum prompt_said by, const char *text, size_t bytes);
void prompt_said_version(struct prompt *prompt, enum prompt_said by, const char *text, size_t bytes);
/* A request header, if it is one that names prompts. */
void prompt_header(struct prompt *prompt, const char *name, size_t name_bytes, const char *value, size_t value_bytes);

/* Zeroes what no longer matters of texts. */
void prompt_tidy(struct prompt *prompt);

struct span;
/* Puts prompt_id, prompt_text_id, prompt_name and prompt_version into the span, as far as known by
 * now. */
void prompt_peek(const struct prompt *prompt, struct span *span);
/* And prompt_features and prompt_preview. The span says its operation already. */
void prompt_finish(struct prompt *prompt, struct span *span);
