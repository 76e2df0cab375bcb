/*
 * Pictures: generations, edits, variations, as OpenAI writes them (Azure, xAI, Together and others
 * copy it).
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Pictures themselves
 * pass unread.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

enum rule { PICTURE = ANSWER_OWN, LINK, PARTIAL, CREATED, TYPE };

/* clang-format off */
/* The answer, and events image_generation.partial_image, image_generation.completed, image_edit.*
 * (each one object with the picture in it). */
static const struct json_rule plain_rules[] = {
    ANSWER_IDENTITY,
    ANSWER_NAMED_ERRORS,
    RULE("usage", ANSWER_USAGE, 0),
    RULE("data[].b64_json", PICTURE, JSON_PIECES),
    RULE("data[].url", LINK, JSON_PIECES),
    RULE("created", CREATED, 0),
};

static const struct json_rule event_rules[] = {
    ANSWER_IDENTITY,
    RULE("code", ANSWER_TOP_CODE, 0),
    RULE("usage", ANSWER_USAGE, 0),
    RULE("type", TYPE, 0),
    RULE("b64_json", PARTIAL, JSON_PIECES),
    RULE("url", PARTIAL, JSON_PIECES),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("n", REQUEST_CHOICES, 0),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    REQUEST_END_USERS(""),
};
/* clang-format on */

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case PICTURE:
    case PARTIAL:
        if (value->type == JSON_STRING && value->bytes)
            dialect_answer_product(facts);
        break;
    case LINK: /* anybody answers with links; only these say when they were made as well */
        if (value->type == JSON_STRING && value->bytes)
            dialect_answer_content(facts);
        break;
    case CREATED:
        facts->shape_seen = facts->shape_seen || value->has_u64;
        break;
    case TYPE:
        if (json_text_is(value, "error"))
            facts_error_seen(facts);
        if (json_text_is(value, "image_generation.completed") || json_text_is(value, "image_edit.completed"))
            facts->done = facts->shape_seen = true;
        break;
    default:
        dialect_answer_value(facts, value);
        break;
    }
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

struct dialect dialect_images = {
    .name = "images",
    .apis = "images",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .docs = "Recognised by the path's end: `/images/generations`, `/images/edits`, `/images/variations`, whoever "
            "serves it.\n\n"
            "| fact | where |\n|---|---|\n"
            "| model, n, stream | of the request: JSON, or parts of a form (edits, variations) |\n"
            "| content | `data[].b64_json` or `data[].url`; in a stream `b64_json` of each partial and each finished "
            "picture |\n"
            "| usage | `usage.input_tokens`, `output_tokens`, `input_tokens_details`, `output_tokens_details` (image "
            "and text tokens); in a stream in "
            "`image_generation.completed` or `image_edit.completed` |\n"
            "| cost | `usage.cost_in_usd_ticks` (xAI), `usage.cost` |\n"
            "| error | `error.type`, `error.code`; event `error` |\n\n"
            "Quirks: dall-e models state no usage. A picture's URL is fetched from elsewhere; that is no call.\n\n"
            "Source: https://platform.openai.com/docs/api-reference/images, "
            "https://platform.openai.com/docs/api-reference/images-streaming, "
            "https://docs.x.ai/docs/guides/image-generations, recorded traffic.\n",
};
