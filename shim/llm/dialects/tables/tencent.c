/*
 * Tencent Cloud's Hunyuan by its own API. (api.hunyuan.cloud.tencent.com is OpenAI's.)
 *
 * A dialect (dialect.h) that is a table alone (dialect_table.h). Plain answers stand below
 * "Response", events bare.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

/* clang-format off */
#define PARTS(at) \
    RULE(at ".Content", TABLE_TEXT, JSON_PIECES), \
    RULE(at ".ReasoningContent", TABLE_REASONING, JSON_PIECES), \
    RULE(at ".ToolCalls[]", TABLE_CALL, 0), \
    RULE(at ".ToolCalls[].Index", TABLE_CALL_INDEX, 0), \
    RULE(at ".ToolCalls[].Id", TABLE_CALL_ID, 0), \
    RULE(at ".ToolCalls[].Function.Name", TABLE_CALL_NAME, 0), \
    RULE(at ".ToolCalls[].Function.Arguments", TABLE_CALL_ARGUMENTS, JSON_PIECES)

static const struct json_rule answer_rules[] = {
    RULE("Id", ANSWER_ID, 0),
    RULE("RequestId", TABLE_ELSE_ID, 0),
    RULE("Choices[]", TABLE_CHOICE, 0),
    RULE("Choices[].Index", TABLE_INDEX, 0),
    RULE("Choices[].FinishReason", TABLE_FINISH, 0),
    PARTS("Choices[].Message"),
    PARTS("Choices[].Delta"),
    RULE("Usage", ANSWER_USAGE, 0),
    ANSWER_COUNTED("Usage.PromptTokens", FACT_INPUT),
    ANSWER_COUNTED("Usage.CompletionTokens", FACT_OUTPUT),
    ANSWER_COUNTED("Usage.TotalTokens", FACT_TOTAL),
    ANSWER_COUNTED("Usage.PromptTokensDetails.CachedTokens", FACT_CACHE_READ),
    ANSWER_COUNTED("Usage.CompletionTokensDetails.ReasoningTokens", FACT_REASONING),
    RULE("Error.Code", TABLE_FAILED, 0),
    RULE("ErrorMsg.Code", TABLE_FAILED, 0),
};

static const struct json_rule request_rules[] = {
    RULE("Model", REQUEST_MODEL, 0),
    RULE("Stream", REQUEST_STREAM, 0),
    RULE("MaxTokens", REQUEST_MAX_TOKENS, 0),
    RULE("Tools", REQUEST_TOOLS, JSON_RAW),
    TABLE_MESSAGES("Messages", "Role", "Content"),
    RULE("Messages[].Contents[].Text", REQUEST_TEXT, JSON_PIECES),
};
/* clang-format on */

struct dialect dialect_tencent = {
    .name = "tencent",
    .apis = "tencent-chat",
    .envelopes = "Response",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), dialect_table_value},
    .event = {JSON_RULES(answer_rules), dialect_table_value},
    .docs = "Recognised by the hosts `hunyuan.*tencentcloudapi.com` and `lkeap.*tencentcloudapi.com` with the header "
            "`X-TC-Action: ChatCompletions` (`GetEmbedding`: see embeddings); without the header if the answer has the "
            "shape.\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `Response.Choices[].Message`; in a stream `Choices[].Delta`: `Content`, `ReasoningContent`, "
            "`ToolCalls[]` |\n"
            "| usage | `Usage.PromptTokens`, `CompletionTokens`; in a stream so far, in each event |\n"
            "| id, finish | `Id`; `Choices[].FinishReason` |\n"
            "| error | `Response.Error.Code`, with status 200; in a stream `ErrorMsg.Code` |\n\n"
            "Quirks: every call goes to the root of its host. Old streams end without `[DONE]`.\n\n"
            "Source: https://cloud.tencent.com/document/api/1729/105701.\n",
};
