/* What requests of several dialects have in common. For dialects only. */
#pragma once

#include "facts.h"

/* Ids of the rules that dialect_request_value understands; a dialect's own begin at REQUEST_OWN. */
enum {
    REQUEST_MODEL = 1,
    REQUEST_STREAM,
    REQUEST_MAX_TOKENS,
    REQUEST_CHOICES,
    REQUEST_TOOLS,
    REQUEST_FORMAT,
    REQUEST_SCHEMA, /* that it is there asks for JSON */
    REQUEST_MESSAGE,
    REQUEST_ROLE,
    REQUEST_TEXT,
    REQUEST_INSTRUCTIONS,
    REQUEST_USER,
    REQUEST_PROMPTED, /* as REQUEST_USER, and only language models are asked with it */
    REQUEST_PROMPT_ID,
    REQUEST_PROMPT_VERSION,
    REQUEST_META_NAME,
    REQUEST_META_VERSION,
    REQUEST_END_USER, /* of several ids of a user the later of these counts */
    REQUEST_END_USER_ID,
    REQUEST_END_USER_SAFE,
    REQUEST_OWN = 32,
};

/* clang-format off */
/* messages[] as OpenAI, Anthropic and Ollama write them. */
#define REQUEST_MESSAGES(list) \
    RULE(list "[]", REQUEST_MESSAGE, 0), \
    RULE(list "[].role", REQUEST_ROLE, 0), \
    RULE(list "[].content", REQUEST_TEXT, JSON_PIECES), \
    RULE(list "[].content[]", REQUEST_TEXT, JSON_PIECES), \
    RULE(list "[].content[].text", REQUEST_TEXT, JSON_PIECES)

#define REQUEST_METADATA \
    RULE("metadata.prompt", REQUEST_META_NAME, 0), \
    RULE("metadata.prompt_name", REQUEST_META_NAME, 0), \
    RULE("metadata.prompt_version", REQUEST_META_VERSION, 0)

/* Whose call the application says it is; hashed. The application's own id of a user (OpenAI's older
 * and newer name, Anthropic's, Z.ai's and Baidu's, Azure's). */
#define REQUEST_END_USERS(at) \
    RULE(at "user", REQUEST_END_USER, 0), \
    RULE(at "safety_identifier", REQUEST_END_USER_SAFE, 0), \
    RULE(at "user_id", REQUEST_END_USER_ID, 0), \
    RULE(at "metadata.user_id", REQUEST_END_USER_ID, 0), \
    RULE(at "user_security_context.end_user_id", REQUEST_END_USER_ID, 0)
/* clang-format on */

void dialect_request_value(struct facts *facts, const struct json_value *value);
