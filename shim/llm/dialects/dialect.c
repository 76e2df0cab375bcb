/*
 * The table of dialects and look-up by API shape.
 *
 * Called by the exchange on the scribe's thread, by the generator of docs/dialects.md and by tests. A table is
 * read-only once compiled.
 */
#include "dialect.h"

#include <string.h>

extern struct dialect dialect_openai_chat, dialect_anthropic_messages, dialect_ollama, dialect_openai_responses,
    dialect_bedrock, dialect_google_generate;
extern struct dialect dialect_embeddings, dialect_count_tokens, dialect_moderations, dialect_openai_runs,
    dialect_batches, dialect_images, dialect_audio;
extern struct dialect dialect_cohere, dialect_bedrock_agent, dialect_clarifai, dialect_nlpcloud;
extern struct dialect dialect_ai_sdk, dialect_baidu, dialect_cloudflare_universal, dialect_dashscope, dialect_dify,
    dialect_kobold, dialect_lmstudio, dialect_mistral_conversations, dialect_naver, dialect_oci, dialect_reka,
    dialect_replicate, dialect_runpod, dialect_coze, dialect_tencent, dialect_workers_ai, dialect_yandex;
extern struct dialect dialect_google_interactions, dialect_google_predict, dialect_tgi, dialect_watsonx,
    dialect_llamacpp, dialect_aleph_alpha;

struct dialect *const dialects[] = {
    &dialect_openai_chat,
    &dialect_anthropic_messages,
    &dialect_ollama,
    &dialect_openai_responses,
    &dialect_bedrock,
    &dialect_bedrock_agent,
    &dialect_google_generate,
    &dialect_embeddings,
    &dialect_count_tokens,
    &dialect_moderations,
    &dialect_openai_runs,
    &dialect_batches,
    &dialect_images,
    &dialect_audio,
    &dialect_cohere,
    &dialect_google_interactions,
    &dialect_google_predict,
    &dialect_tgi,
    &dialect_watsonx,
    &dialect_llamacpp,
    &dialect_aleph_alpha,
    &dialect_ai_sdk,
    &dialect_baidu,
    &dialect_clarifai,
    &dialect_cloudflare_universal,
    &dialect_dashscope,
    &dialect_dify,
    &dialect_kobold,
    &dialect_lmstudio,
    &dialect_mistral_conversations,
    &dialect_naver,
    &dialect_nlpcloud,
    &dialect_oci,
    &dialect_reka,
    &dialect_replicate,
    &dialect_runpod,
    &dialect_coze,
    &dialect_tencent,
    &dialect_workers_ai,
    &dialect_yandex,
    NULL,
};

/* At the first call that needs it: all tables together would take the first call of a process milliseconds. */
static void compile(struct dialect *dialect)
{
    if (dialect->compiled)
        return;
    json_rules_compile(&dialect->request.rules);
    json_rules_compile(&dialect->plain.rules);
    json_rules_compile(&dialect->event.rules);
    if (dialect->envelopes) {
        json_rules_envelopes(&dialect->plain.rules, dialect->envelopes);
        json_rules_envelopes(&dialect->event.rules, dialect->envelopes);
    }
    if (dialect->request_envelope)
        json_rules_envelopes(&dialect->request.rules, dialect->request_envelope);
    dialect->compiled = true;
}

struct dialect *dialect_by_api(const char *api)
{
    const size_t bytes = strlen(api);
    for (struct dialect *const *dialect = dialects; *dialect; dialect++) {
        const char *p = (*dialect)->apis;
        while (*p) {
            const size_t word = strcspn(p, " ");
            if (word == bytes && !memcmp(p, api, bytes)) {
                compile(*dialect);
                return *dialect;
            }
            p += word + (p[word] == ' ');
        }
    }
    return NULL;
}
