/*
 * Embeddings and reranking, whoever serves them: vectors or scores go past unread, only the
 * accounts are of interest.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <string.h>

enum rule {
    PRODUCT = ANSWER_OWN,
    DATUM,
    VECTORS,
    SCORE,
    SHAPE,
    DOCUMENT,
    BILLED_INPUT,
    BATCH_INPUT,
    TOTAL_NS,
    LOAD_NS,
    ERROR_NAME,
    BARE_SCORE,
    FAILED,
    ELSE_ID,
};

/* clang-format off */
static const struct json_rule answer_rules[] = {
    ANSWER_IDENTITY,
    ANSWER_FLAT_ERRORS,
    RULE("usage", ANSWER_USAGE, 0),
    /* OpenAI and its relatives, Voyage: data[]; Cohere, Ollama, Gemini: embeddings, embedding;
     * Vertex: predictions[]; rerankers: results[]; a bare list of lists or numbers, or of scores:
     * text-embeddings-inference. */
    RULE("", DOCUMENT, 0),
    RULE("data[]", PRODUCT, 0),
    RULE("data[].embedding", DATUM, 0),
    RULE("data[].relevance_score", SCORE, 0),
    RULE("data[].score", SCORE, 0), /* vLLM's /score, and its /pooling and /classify */
    RULE("data[].data", DATUM, 0),
    RULE("data[].probs", DATUM, 0),
    RULE("data[].predictions[].score", SCORE, 0), /* Jina's classifier, and Cohere's */
    RULE("classifications[].confidences[]", SCORE, 0),
    RULE("scores[]", PRODUCT, 0), /* SGLang */
    RULE("documentRanks[].relevanceScore", SCORE, 0), /* Oracle */
    RULE("output.embeddings[].embedding", DATUM, 0), /* DashScope */
    RULE("output.results[].relevance_score", SCORE, 0),
    RULE("Response.Data[].Embedding", DATUM, 0), /* Tencent */
    ANSWER_COUNTED("Response.Usage.PromptTokens", FACT_INPUT),
    RULE("Response.RequestId", ANSWER_ID, 0),
    RULE("Response.Error.Code", FAILED, 0),
    ANSWER_COUNTED("usage.tokens", FACT_INPUT), /* Vercel's gateway */
    ANSWER_COUNTED("numTokens", FACT_INPUT), /* Yandex */
    ANSWER_COUNTED("input_tokens", FACT_INPUT), /* DeepInfra */
    RULE("modelId", ANSWER_MODEL, 0),
    RULE("request_id", ELSE_ID, 0),
    RULE("error_code", FAILED, 0), /* Baidu, with status 200 */
    RULE("embeddings", VECTORS, 0),
    RULE("embeddings.*", VECTORS, 0),
    RULE("embedding", VECTORS, 0),
    RULE("embedding.values", VECTORS, 0),
    RULE("results[]", PRODUCT, 0),
    RULE("rankings[]", PRODUCT, 0), /* NVIDIA */
    RULE("results[].index", SCORE, 0),
    RULE("results[].relevance_score", SCORE, 0),
    RULE("score", BARE_SCORE, 0),
    RULE("predictions[]", PRODUCT, 0),
    RULE("predictions[].embeddings", SHAPE, 0),
    RULE("predictions[].embeddings.statistics.token_count", BATCH_INPUT, 0),
    ANSWER_COUNTED("meta.tokens.input_tokens", FACT_INPUT),
    RULE("meta.billed_units.input_tokens", BILLED_INPUT, 0),
    ANSWER_COUNTED("meta.billed_units.image_tokens", FACT_INPUT_IMAGE),
    ANSWER_COUNTED("usageMetadata.promptTokenCount", FACT_INPUT),
    ANSWER_COUNTED("prompt_eval_count", FACT_INPUT),
    ANSWER_COUNTED("inputTextTokenCount", FACT_INPUT), /* Titan */
    ANSWER_COUNTED("input_token_count", FACT_INPUT), /* watsonx */
    ANSWER_COUNTED("num_tokens_prompt_total", FACT_INPUT), /* Aleph Alpha */
    RULE("model_id", ANSWER_MODEL, 0), /* watsonx */
    RULE("model_version", ANSWER_MODEL, 0),
    RULE("error_type", ERROR_NAME, 0), /* text-embeddings-inference */
    FAILURE_ERROR("errors[]"),
    RULE("total_duration", TOTAL_NS, 0),
    RULE("load_duration", LOAD_NS, 0),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("model_id", REQUEST_MODEL, 0), /* watsonx */
    RULE("servingMode.modelId", REQUEST_MODEL, 0), /* Oracle */
    REQUEST_END_USERS(""),
};
/* clang-format on */

static void failed(struct facts *facts, const struct json_value *value)
{
    if ((value->type != JSON_NUMBER && value->type != JSON_STRING) || !value->bytes || failure_is_well(value))
        return;
    facts_error_seen(facts);
    facts_set_value(facts, FACT_ERROR_CODE, value);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case PRODUCT:
        if (value->type != JSON_NULL)
            dialect_answer_content(facts);
        break;
    case DATUM: /* numbers, their bytes in base64, or lists by kind of number */
        if (value->type != JSON_NULL)
            dialect_answer_product(facts);
        break;
    case VECTORS: /* an embedded video is a text or an object */
        if (value->type == JSON_ARRAY_BEGIN)
            dialect_answer_product(facts);
        else if (value->type != JSON_NULL)
            dialect_answer_content(facts);
        break;
    case SCORE:
        if (value->has_number)
            dialect_answer_product(facts);
        break;
    case BARE_SCORE: /* of text-embeddings-inference; where the path says score itself, anybody's answer may */
        if (value->has_number && !facts->scratch[0])
            dialect_answer_product(facts);
        break;
    case FAILED:
        failed(facts, value);
        break;
    case ELSE_ID:
        if (!facts_has_text(facts, FACT_RESPONSE_ID))
            facts_set_value(facts, FACT_RESPONSE_ID, value);
        break;
    case SHAPE:
        if (value->type == JSON_OBJECT_BEGIN)
            dialect_answer_product(facts);
        break;
    case DOCUMENT:
        if (value->type == JSON_ARRAY_BEGIN || value->type == JSON_NUMBER)
            dialect_answer_product(facts);
        break;
    case BILLED_INPUT: /* gives way to meta.tokens, wherever that stands */
        if (!facts_has_number(facts, FACT_INPUT))
            facts_set_count(facts, FACT_INPUT, value);
        break;
    case BATCH_INPUT:
        facts_add_count(facts, FACT_INPUT, value);
        break;
    case ERROR_NAME:
        facts->shape_seen = true;
        facts_set_value(facts, FACT_ERROR_TYPE, value);
        break;
    case TOTAL_NS:
        facts_set_time(facts, FACT_SERVER_PROCESSING_NS, value, 1);
        break;
    case LOAD_NS:
        facts_set_time(facts, FACT_SERVER_LOAD_NS, value, 1);
        break;
    case FAILURE_MEMBER: /* as llama.cpp and its relatives name it at bare paths */
        facts->shape_seen = facts->shape_seen || (failure_is_type(value) && dialect_answer_names_error(value));
        dialect_answer_value(facts, value);
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

static void on_open(struct facts *facts, const char *api, const char *provider)
{
    (void)provider;
    facts->scratch[0] = !strcmp(api, "score") || !strcmp(api, "classify");
}

struct dialect dialect_embeddings = {
    .name = "embeddings",
    .apis = "embeddings rerank score classify",
    .open = on_open,
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs =
        "Recognised by the path's end: `/embeddings` (OpenAI, Azure, Mistral, Voyage, vLLM, Ollama and all their "
        "relatives, old "
        "`engines/M/embeddings`, Voyage's `multimodalembeddings` and `contextualizedembeddings`), Ollama's "
        "`/api/embed` and `/api/embeddings`, "
        "Cohere's `/v1/embed` and `/v2/embed`, `:embedContent`, `:batchEmbedContents` and `:predict` of embedding "
        "models at Google, "
        "`pipeline/feature-extraction` and models named so at Hugging Face, `/embed` and `/embedding` of local "
        "servers, Titan's, Nova's and Cohere's "
        "embeddings within Bedrock's `/invoke`, Aleph Alpha's `/semantic_embed` and its kin, `/rerank` and "
        "`/reranking` at any, NVIDIA's `/ranking`, vLLM's `/score`, `/pooling` and `/classify`, Nomic's "
        "`/embedding/text`, DashScope's, Tencent's, Baidu's, Yandex's and Oracle's own, Vercel's "
        "`/ai/embedding-model`.\n\n"
        "| fact | where |\n|---|---|\n"
        "| model | request `model` (watsonx `model_id`), else the path (Google, Bedrock, Azure's deployment); answer "
        "`model`, `model_id`, `model_version` |\n"
        "| input | `usage.prompt_tokens` or `input_tokens`; Cohere `meta.tokens`, else `meta.billed_units`; Vertex the "
        "sum of "
        "`predictions[].embeddings.statistics.token_count`; Gemini `usageMetadata.promptTokenCount`; Ollama "
        "`prompt_eval_count`; "
        "Titan `inputTextTokenCount`; Tencent `Response.Usage.PromptTokens`; Yandex `numTokens`; watsonx "
        "`input_token_count`; Aleph Alpha `num_tokens_prompt_total` |\n"
        "| image tokens | `meta.billed_units.image_tokens`, details of `usage` |\n"
        "| output | only where stated (vLLM and Mistral write `completion_tokens` 0) |\n"
        "| server times | Ollama's `total_duration`, `load_duration` |\n"
        "| error | `error.type`, Google's `error.status`, `error.code`, Mistral's flat `type`; Voyage's `detail` and "
        "Cohere's `message` name none |\n\n"
        "Quirks: Voyage and some rerankers state `total_tokens` alone; that is no statement about input by name, so "
        "input stays absent. Cohere "
        "bills rerankers by search units, which are no tokens. Gemini before `gemini-embedding-2` and Ollama's old "
        "`/api/embeddings` state "
        "nothing. Embedded texts make no prompt: they are data, each another.\n\n"
        "Source: https://platform.openai.com/docs/api-reference/embeddings, https://docs.cohere.com/reference/embed, "
        "https://docs.voyageai.com/reference/embeddings-api, "
        "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api, "
        "https://ai.google.dev/api/embeddings, https://github.com/ollama/ollama/blob/main/docs/api.md, "
        "https://docs.vllm.ai/en/latest/models/pooling_models.html, https://docs.nomic.ai/reference/api/embed-text, "
        "https://www.alibabacloud.com/help/en/model-studio/text-embedding-synchronous-api, recorded "
        "traffic.\n",
};
