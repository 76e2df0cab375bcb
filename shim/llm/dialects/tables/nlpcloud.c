/*
 * NLP Cloud's own API.
 *
 * A dialect (dialect.h): tables, read on the scribe's thread.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

static const struct json_rule answer_rules[] = {
    {"generated_text", TABLE_TEXT, JSON_PIECES},   {"generated_code", TABLE_TEXT, JSON_PIECES},
    {"summary_text", TABLE_TEXT, JSON_PIECES},     {"paraphrased_text", TABLE_TEXT, JSON_PIECES},
    {"response", TABLE_TEXT, JSON_PIECES},         {"answer", TABLE_TEXT, JSON_PIECES},
    ANSWER_COUNTED("nb_input_tokens", FACT_INPUT), ANSWER_COUNTED("nb_generated_tokens", FACT_OUTPUT),
};

static const struct json_rule request_rules[] = {
    {"text", REQUEST_PROMPTED, JSON_PIECES},        {"input", REQUEST_PROMPTED, JSON_PIECES},
    {"question", REQUEST_PROMPTED, JSON_PIECES},    {"instruction", REQUEST_PROMPTED, JSON_PIECES},
    {"context", REQUEST_INSTRUCTIONS, JSON_PIECES}, {"max_length", REQUEST_MAX_TOKENS, 0},
    {"num_return_sequences", REQUEST_CHOICES, 0},   {"stream", REQUEST_STREAM, 0},
};

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
