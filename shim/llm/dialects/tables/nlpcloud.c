/*
 * NLP Cloud's own API.
 *
 * A dialect (dialect.h): tables, read on the scribe's thread.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

/* clang-format off */
static const struct json_rule answer_rules[] = {
    RULE("generated_text", TABLE_TEXT, JSON_PIECES),
    RULE("generated_code", TABLE_TEXT, JSON_PIECES),
    RULE("summary_text", TABLE_TEXT, JSON_PIECES),
    RULE("paraphrased_text", TABLE_TEXT, JSON_PIECES),
    RULE("response", TABLE_TEXT, JSON_PIECES),
    RULE("answer", TABLE_TEXT, JSON_PIECES),
    ANSWER_COUNTED("nb_input_tokens", FACT_INPUT),
    ANSWER_COUNTED("nb_generated_tokens", FACT_OUTPUT),
};

static const struct json_rule request_rules[] = {
    RULE("text", REQUEST_PROMPTED, JSON_PIECES),
    RULE("input", REQUEST_PROMPTED, JSON_PIECES),
    RULE("question", REQUEST_PROMPTED, JSON_PIECES),
    RULE("instruction", REQUEST_PROMPTED, JSON_PIECES),
    RULE("context", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("max_length", REQUEST_MAX_TOKENS, 0),
    RULE("num_return_sequences", REQUEST_CHOICES, 0),
    RULE("stream", REQUEST_STREAM, 0),
};
/* clang-format on */

struct dialect dialect_nlpcloud = {
    .name = "nlpcloud",
    .apis = "nlpcloud-chatbot nlpcloud-generation",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), dialect_table_value},
    .event = {JSON_RULES(answer_rules), dialect_table_value},
    .docs =
        "Recognised at NLP Cloud by POST to `/v1/gpu/M/generation`, `code-generation`, `summarization`, "
        "`paraphrasing`, `chatbot`, `question`; `M` is the model, a language may stand before it.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `generated_text`, `generated_code`, `summary_text`, `paraphrased_text`, `response`, `answer` |\n"
        "| usage | `nb_input_tokens`, `nb_generated_tokens`, where stated |\n"
        "| error | the status; `detail` is free text |\n\n"
        "Quirks: no id, no finish reason.\n\n"
        "Source: https://docs.nlpcloud.com.\n",
};
