/*
 * Alibaba Cloud's DashScope (Model Studio) by its own API: text, multimodal, applications, tasks
 * that are asked after. (Its /compatible-mode/ is OpenAI's; vectors and scores are read by
 * embeddings.c.)
 *
 * A dialect (dialect.h) that is a table alone (dialect_table.h).
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

#define MESSAGE "output.choices[].message"

/* clang-format off */
static const struct json_rule answer_rules[] = {
    RULE("request_id", TABLE_ELSE_ID, 0),
    RULE("output.task_id", ANSWER_ID, 0), /* which other requests ask after */
    RULE("output.task_status", TABLE_STATUS, 0),
    RULE("output.text", TABLE_TEXT, JSON_PIECES),
    RULE("output.finish_reason", TABLE_FINISH, 0),
    RULE("output.choices[]", TABLE_CHOICE, 0),
    RULE("output.choices[].index", TABLE_INDEX, 0),
    RULE("output.choices[].finish_reason", TABLE_FINISH, 0),
    RULE(MESSAGE ".content", TABLE_TEXT, JSON_PIECES),
    RULE(MESSAGE ".content[].text", TABLE_TEXT, JSON_PIECES),
    RULE(MESSAGE ".content[].image", TABLE_MEDIA, 0),
    RULE(MESSAGE ".reasoning_content", TABLE_REASONING, JSON_PIECES),
    RULE(MESSAGE ".tool_calls[]", TABLE_CALL, 0),
    RULE(MESSAGE ".tool_calls[].index", TABLE_CALL_INDEX, 0),
    RULE(MESSAGE ".tool_calls[].id", TABLE_CALL_ID, 0),
    RULE(MESSAGE ".tool_calls[].function.name", TABLE_CALL_NAME, 0),
    RULE(MESSAGE ".tool_calls[].function.arguments", TABLE_CALL_ARGUMENTS, JSON_PIECES),
    RULE("output.audio.data", TABLE_MEDIA, 0),
    RULE("output.audio.url", TABLE_MEDIA, 0),
    RULE("output.results[]", TABLE_MEDIA, 0),
    RULE("output.video_url", TABLE_MEDIA, 0),
    RULE("usage", ANSWER_USAGE, 0),
    ANSWER_COUNTED("usage.image_tokens", FACT_INPUT_IMAGE),
    ANSWER_COUNTED("usage.audio_tokens", FACT_INPUT_AUDIO),
    RULE("usage.models[].model_id", ANSWER_MODEL, 0), /* of an application */
    RULE("usage.models[].input_tokens", TABLE_ADDED_INPUT, 0),
    RULE("usage.models[].output_tokens", TABLE_ADDED_OUTPUT, 0),
    RULE("code", TABLE_FAILED, 0),
    RULE("output.code", TABLE_FAILED, 0),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("parameters.max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("parameters.n", REQUEST_CHOICES, 0),
    RULE("parameters.tools", REQUEST_TOOLS, JSON_RAW),
    RULE("parameters.response_format", REQUEST_FORMAT, JSON_RAW),
    RULE("input.prompt", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES("input.messages"),
};
/* clang-format on */

struct dialect dialect_dashscope = {
    .name = "dashscope",
    .apis = "dashscope-generation",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), dialect_table_value},
    .event = {JSON_RULES(answer_rules), dialect_table_value},
    .docs = "Recognised by the path's end `/services/aigc/text-generation/generation`, "
            "`/multimodal-generation/generation`, "
            "`/text2image/image-synthesis` and its kin, `/apps/A/completion` and `/tasks/T` at DashScope. The header "
            "`X-DashScope-SSE: enable` says that the answer streams.\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `output.text`, or `output.choices[].message`: `content` (text or parts), `reasoning_content`, "
            "`tool_calls[]`; pictures `output.results[]` |\n"
            "| usage | `usage.input_tokens`, `output_tokens`, `image_tokens`, `prompt_tokens_details.cached_tokens`, "
            "`output_tokens_details.reasoning_tokens`; of an application the sum of `usage.models[]` |\n"
            "| id | `output.task_id` of a task, else `request_id` |\n"
            "| finish | `finish_reason` of the choice or of `output`; of a task `output.task_status` |\n"
            "| error | `code`, also of an `error` event within a 200 |\n\n"
            "Quirks: `finish_reason` is the text `null` until the end. Without `incremental_output` each event repeats "
            "all of "
            "the text so far. Nothing but the finish reason marks the end of a stream. Tokens of a task are counted "
            "with the "
            "first answer that states them.\n\n"
            "Source: https://www.alibabacloud.com/help/en/model-studio/qwen-api-via-dashscope, "
            "https://www.alibabacloud.com/help/en/model-studio/stream.\n",
};
