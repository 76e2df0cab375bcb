/*
 * YandexGPT by its own API (foundationModels). Its /v1/chat/completions is OpenAI's.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Answers and lines of a
 * stream stand below "result"; each line has the text so far.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

enum rule { STATE = TABLE_OWN };

/* clang-format off */
static const struct json_rule answer_rules[] = {
    RULE("alternatives[]", TABLE_CHOICE, 0),
    RULE("alternatives[].message.text", TABLE_TEXT, JSON_PIECES),
    RULE("alternatives[].message.toolCallList.toolCalls[]", TABLE_CALL_WHOLE, 0),
    RULE("alternatives[].status", STATE, 0),
    RULE("usage", ANSWER_USAGE, 0),
    ANSWER_COUNTED("usage.inputTextTokens", FACT_INPUT),
    ANSWER_COUNTED("usage.completionTokensDetails.reasoningTokens", FACT_REASONING),
    RULE("id", ANSWER_ID, 0), /* of an operation */
    RULE("done", TABLE_DONE, 0),
    RULE("code", ANSWER_TOP_CODE, 0),
};

static const struct json_rule request_rules[] = {
    RULE("modelUri", REQUEST_MODEL, 0),
    RULE("completionOptions.stream", REQUEST_STREAM, 0),
    RULE("completionOptions.maxTokens", REQUEST_MAX_TOKENS, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("jsonSchema", REQUEST_SCHEMA, JSON_RAW),
    TABLE_MESSAGES("messages", "role", "text"),
};
/* clang-format on */

/* "gpt://FOLDER/MODEL/VERSION": the folder is an account's. */
static void on_request(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    const char *model = value->text, *const end = value->text + value->bytes;
    if (value->rule != REQUEST_MODEL || value->type != JSON_STRING || value->cut) {
        dialect_request_value(facts, value);
        return;
    }
    for (unsigned slashes = 0; model < end && slashes < 3; model++)
        slashes += *model == '/';
    facts_set_text(facts, FACT_REQUEST_MODEL, model, (size_t)(end - model));
}

static void on_answer(void *context, const struct json_value *value)
{
    struct json_value as = *value;
    if (value->rule == STATE) {
        if (json_text_is(value, "ALTERNATIVE_STATUS_PARTIAL"))
            return; /* of what comes on */
        as.rule = TABLE_FINISH;
    }
    dialect_table_value(context, &as);
}

struct dialect dialect_yandex = {
    .name = "yandex",
    .apis = "yandex-completion",
    .lines = true,
    .lines_as_json = true,
    .envelopes = "result response",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs =
        "Recognised by the path's end `/foundationModels/v1/completion` and `completionAsync` (`textEmbedding`: see "
        "embeddings).\n\n"
        "| fact | where |\n|---|---|\n"
        "| model | request `modelUri` without its folder; answers state a version alone |\n"
        "| content | `result.alternatives[].message.text`, `toolCallList` |\n"
        "| usage | `result.usage`: `inputTextTokens`, `completionTokens`, `completionTokensDetails.reasoningTokens`, "
        "numbers as texts |\n"
        "| finish | `alternatives[].status` (`ALTERNATIVE_STATUS_FINAL`) |\n"
        "| error | `error.grpcCode`, else `code` |\n\n"
        "Quirks: a stream is JSON lines, each with the text so far.\n\n"
        "Source: https://yandex.cloud/en/docs/foundation-models/text-generation/api-ref/TextGeneration/completion.\n",
};
