/*
 * Vertex AI's predict: pictures, and the text models before Gemini. (Embedding models that are
 * asked this way are read by embeddings.c.)
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

enum rule {
    PREDICTION = ANSWER_OWN,
    TEXT,
    MEDIA,
    FILTERED,
    BLOCKED,
    INPUT,
};

/* clang-format off */
static const struct json_rule answer_rules[] = {
    RULE("model", ANSWER_MODEL, 0),
    RULE("predictions[]", PREDICTION, JSON_PIECES), /* some models answer with bare texts */
    RULE("predictions[].content", TEXT, JSON_PIECES),
    RULE("predictions[].candidates[].content", TEXT, JSON_PIECES),
    RULE("predictions[].bytesBase64Encoded", MEDIA, JSON_PIECES),
    RULE("predictions[].gcsUri", MEDIA, JSON_PIECES),
    RULE("predictions[].raiFilteredReason", FILTERED, 0),
    RULE("predictions[].safetyAttributes.blocked", BLOCKED, 0),
    RULE("predictions[].safetyAttributes[].blocked", BLOCKED, 0),
    RULE("metadata.tokenMetadata.inputTokenCount.totalTokens", INPUT, 0),
    ANSWER_COUNTED("metadata.tokenMetadata.outputTokenCount.totalTokens", FACT_OUTPUT),
};

static const struct json_rule request_rules[] = {
    RULE("parameters.maxOutputTokens", REQUEST_MAX_TOKENS, 0),
    RULE("parameters.sampleCount", REQUEST_CHOICES, 0),
    RULE("parameters.candidateCount", REQUEST_CHOICES, 0),
    RULE("instances[].context", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("instances[].prompt", REQUEST_USER, JSON_PIECES),
    RULE("instances[].content", REQUEST_USER, JSON_PIECES),
    RULE("instances[].messages[]", REQUEST_MESSAGE, 0),
    RULE("instances[].messages[].author", REQUEST_ROLE, 0),
    RULE("instances[].messages[].content", REQUEST_TEXT, JSON_PIECES),
};
/* clang-format on */

static void content(struct facts *facts, const struct json_value *value, enum facts_content kind)
{
    if (value->type != JSON_STRING)
        return;
    facts->shape_seen = true; /* a classifier's or a regression's predictions are numbers and labels elsewhere */
    facts_content(facts, kind, 0, value->text, value->bytes);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case PREDICTION:
    case TEXT:
        content(facts, value, CONTENT_TEXT);
        break;
    case MEDIA:
        content(facts, value, CONTENT_MEDIA);
        break;
    case FILTERED:
        facts->filtered = facts->filtered || (value->type == JSON_STRING && value->bytes);
        facts->shape_seen = true;
        break;
    case BLOCKED:
        facts->filtered = facts->filtered || value->type == JSON_TRUE;
        break;
    case INPUT:
        facts_set_count(facts, FACT_INPUT, value);
        facts->shape_seen = true;
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

struct dialect dialect_google_predict = {
    .name = "google_predict",
    .apis = "predict",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs =
        "Recognised by the path's end `models/M:predict` or `endpoints/E:predict` at Google's hosts or with "
        "`/publishers/` in the path; names of "
        "embedding models make it `embeddings`.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `predictions[]`: `bytesBase64Encoded` or `gcsUri` (pictures), `content`, `candidates[].content`, "
        "bare texts |\n"
        "| usage | `metadata.tokenMetadata.{inputTokenCount,outputTokenCount}.totalTokens` of text models; pictures "
        "state none |\n"
        "| filtered | `predictions[].raiFilteredReason`, `safetyAttributes.blocked` |\n"
        "| error | `error.status`, else `error.code` |\n\n"
        "Quirks: an answer from which every picture was filtered is still a 200 and has one prediction with the "
        "reason.\n\n"
        "Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api, recorded traffic.\n",
};
