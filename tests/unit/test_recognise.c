/* Which requests are calls: own list, hostile URLs, LIBPPROF_ENDPOINTS, fixtures, the corpus. */
#include "shim/llm/recognise/recognise.h"
#include "shim/llm/recognise/recognise_host.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "corpus.h"
#include "shim/llm/recognise/endpoint_flags.h"

static bool look(const char *method, const char *url, const char *headers, struct recognised *ret)
{
    const bool found = recognise(method, strlen(method), url, strlen(url), headers, strlen(headers), ret);
    if (found && !recognise_candidate(method, strlen(method), url, strlen(url)))
        fail_msg("recognised but no candidate: %s %s", method, url);
    return found;
}

static const struct {
    const char *method, *url, *api, *operation, *provider, *model;
    int stream; /* -1: the URL does not say */
    bool open;  /* a body must show that it is one */
} calls[] = {
    {"POST", "https://api.openai.com/v1/chat/completions", "chat-completions", "chat", "openai", "", -1, false},
    {"POST", "http://10.1.2.3:9999/x/y/chat/completions/", "chat-completions", "chat", NULL, "", -1, false},
    {"POST", "https://r.openai.azure.com/openai/deployments/my%20d/chat/completions?api-version=1", "chat-completions",
     "chat", "azure.ai.openai", "my d", -1, false},
    {"POST", "https://r.services.ai.azure.com/openai/v1/responses", "responses", "chat", "azure.ai.openai", "", -1,
     false},
    {"POST", "https://r.services.ai.azure.com/anthropic/v1/messages", "messages", "chat", "azure.ai.inference", "", -1,
     false},
    {"POST", "https://api.openai.com/v1/responses", "responses", "chat", "openai", "", -1, false},
    {"POST", "https://eastus.api.cognitive.microsoft.com/openai/deployments/d/embeddings?api-version=1", "embeddings",
     "embeddings", "azure.ai.openai", "d", -1, false},
    {"POST", "https://copilot-proxy.githubusercontent.com/v1/engines/copilot-codex/completions", "completions",
     "text_completion", "github", "copilot-codex", -1, false},
    {"POST", "http://10.1.2.3:4000/v1/embeddings", "embeddings", "embeddings", NULL, "", -1, false},
    {"POST", "http://10.1.2.3:4000/embeddings", "embeddings", "embeddings", NULL, "", -1, true},
    {"POST", "https://integrate.api.nvidia.com/v1/ranking", "rerank", "rerank", "nvidia", "", -1, false},
    {"POST", "https://forms.example.com/v1/forms/7/responses", "responses", "chat", NULL, "", -1, true},
    {"POST", "https://chat.example.com/channels/12/messages", "messages", "chat", NULL, "", -1, true},
    {"POST", "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
     "generateContent", "generate_content", "gcp.gemini", "gemini-2.5-pro", 1, false},
    {"POST", "https://gw.example.com/v1/models/google/gemini-x:generateContent", "generateContent", "generate_content",
     "gcp.gemini", "google/gemini-x", 0, false},
    {"POST",
     "https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu/publishers/anthropic/models/c@1:streamRawPredict",
     "messages", "chat", "gcp.vertex_ai", "c@1", 1, false},
    {"POST",
     "https://aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
     "count-tokens", "count_tokens", "gcp.vertex_ai", "", 0, false},
    {"POST",
     "https://aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict",
     "embeddings", "embeddings", "gcp.vertex_ai", "text-embedding-005", 0, false},
    {"POST", "https://aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/imagen-4:predict",
     "predict", "generate_content", "gcp.vertex_ai", "imagen-4", 0, false},
    {"POST",
     "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus%3A1%3Ainference-profile%2Fx/"
     "converse",
     "converse", "chat", "aws.bedrock", "arn:aws:bedrock:us:1:inference-profile/x", 0, false},
    {"POST",
     "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn:aws:bedrock:us:1:inference-profile/x/converse-stream",
     "converse", "chat", "aws.bedrock", "arn:aws:bedrock:us:1:inference-profile/x", 1, false},
    {"POST", "https://bedrock-runtime.eu-west-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke", "invoke",
     "embeddings", "aws.bedrock", "amazon.titan-embed-text-v2:0", 0, false},
    {"POST", "https://bedrock-runtime-fips.us-east-1.amazonaws.com/model/m/invoke-with-response-stream", "invoke",
     "chat", "aws.bedrock", "m", 1, false},
    {"POST", "http://localhost:11434/api/chat", "ollama-chat", "chat", "ollama", "", -1, false},
    {"POST", "http://localhost:3000/api/chat", "ollama-chat", "chat", NULL, "", -1, true},
    {"POST", "https://api.cohere.com/v2/chat", "chat", "chat", "cohere", "", -1, false},
    {"POST", "https://api.writer.com/v1/chat", "chat-completions", "chat", "writer", "", -1, false},
    {"POST", "https://x.endpoints.huggingface.cloud", "tgi-generate", "text_completion", "huggingface", "", -1, true},
    {"POST", "https://x.endpoints.huggingface.cloud/", "tgi-generate", "text_completion", "huggingface", "", -1, true},
    {"POST", "https://api-inference.huggingface.co/models/org/m", "tgi-generate", "text_completion", "huggingface",
     "org/m", -1, true},
    {"POST", "https://api-inference.huggingface.co/models/org/x-embed-large", "embeddings", "embeddings", "huggingface",
     "org/x-embed-large", -1, true},
    {"POST", "https://b.inference.pharia.ai/v1/complete", "aleph-complete", "text_completion", "aleph-alpha", "", -1,
     false},
    {"POST", "https://b.inference.pharia.ai/v1/batch_semantic_embed", "embeddings", "embeddings", "aleph-alpha", "", 0,
     false},
    {"POST", "https://router.huggingface.co/hf-inference/models/org/m/pipeline/feature-extraction", "embeddings",
     "embeddings", "huggingface", "org/m", -1, false},
    {"POST", "https://eu-de.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=1", "chat-completions", "chat",
     "ibm.watsonx.ai", "", 1, false},
    {"POST", "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/E/invocations-response-stream",
     "sagemaker-invoke", "text_completion", "aws.sagemaker", "E", 1, false},
    {"POST", "https://d.cloud.databricks.com/serving-endpoints/llama/invocations", "chat-completions", "chat",
     "databricks", "llama", -1, true},
    {"POST", "https://api.portkey.ai/v1/prompts/pp-x/completions", "chat-completions", "chat", "portkey", "", -1,
     false},
    {"POST", "https://api.minimax.io/v1/text/chatcompletion_v2", "chat-completions", "chat", "minimax", "", -1, false},
    {"POST", "https://openrouter.ai/api/v1/images", "images", "generate_content", "openrouter", "", -1, false},
    {"POST", "https://a.snowflakecomputing.com/api/v2/cortex/inference:complete", "chat-completions", "chat",
     "snowflake", "", -1, false},
    {"POST", "https://a.snowflakecomputing.com/api/v2/cortex/inference:embed", "embeddings", "embeddings", "snowflake",
     "", 0, false},
    {"POST", "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/interactions", "interactions",
     "generate_content", "gcp.vertex_ai", "", -1, false},
    {"POST", "https://generativelanguage.googleapis.com/v1beta/models/e:asyncBatchEmbedContent", "batch", "batch",
     "gcp.gemini", "e", 0, false},
    {"POST", "https://firebasevertexai.googleapis.com/v1beta/projects/p/models/gemini-x:generateContent",
     "generateContent", "generate_content", "gcp.gemini", "gemini-x", 0, false},
    {"POST", "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/123:predict", "predict",
     "generate_content", "gcp.vertex_ai", "123", 0, true},
    {"POST", "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi/chat/completions",
     "chat-completions", "chat", "gcp.vertex_ai", "", -1, false},
    {"POST",
     "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/mistralai/models/"
     "m:streamRawPredict",
     "chat-completions", "chat", "gcp.vertex_ai", "m", 1, false},
    {"POST", "https://gateway.ai.cloudflare.com/v1/a/g/google-ai-studio/v1/models/gemini-x:generateContent",
     "generateContent", "generate_content", "cloudflare", "gemini-x", 0, false},
    {"POST", "https://gateway.ai.cloudflare.com/v1/a/g/aws-bedrock/bedrock-runtime/us-east-1/model/m/invoke", "invoke",
     "chat", "cloudflare", "m", 0, false},
    {"POST", "http://localhost:4000/vertex_ai/v1/projects/p/locations/l/publishers/google/models/g:generateContent",
     "generateContent", "generate_content", "gcp.vertex_ai", "g", 0, false},
    {"POST", "http://localhost:4000/bedrock/model/m/converse", "converse", "chat", "aws.bedrock", "m", 0, false},
    {"POST", "https://ark.cn-beijing.volces.com/api/v3/chat/completions", "chat-completions", "chat", "volcengine", "",
     -1, false},
    {"POST", "https://api.braintrust.dev/v1/proxy/chat/completions", "chat-completions", "chat", "braintrust", "", -1,
     false},
    {"POST", "https://d.cloud.databricks.com/api/2.0/genie/spaces/s/conversations/c/messages", "messages", "chat",
     "databricks", "", -1, true},
    {"POST", "https://api.mistral.ai/v1/batch/jobs", "batch", "batch", "mistral_ai", "", -1, false},
    {"GET", "https://api.mistral.ai/v1/batch/jobs/j", "batch", "batch", "mistral_ai", "", -1, false},
    {"GET", "https://generativelanguage.googleapis.com/v1beta/batches/b", "batch", "batch", "gcp.gemini", "", -1,
     false},
    {"POST", "http://localhost:8080/completion", "llamacpp-completion", "text_completion", NULL, "", -1, true},
    {"", "https://api.openai.com/v1/chat/completions", "chat-completions", "chat", "openai", "", -1, true},
    {"GET", "https://api.openai.com/v1/responses/resp_1", "responses", "chat", "openai", "", -1, false},
    {"POST", "https://api.openai.com/v1/responses/resp_1/cancel", "responses", "chat", "openai", "", -1, false},
    {"GET", "http://localhost:4000/v1/responses/resp_1", "responses", "chat", NULL, "", -1, true},
    {"GET", "https://generativelanguage.googleapis.com/v1beta/interactions/i", "interactions", "generate_content",
     "gcp.gemini", "", -1, false},
    {"GET", "https://api.x.ai/v1/chat/deferred-completion/r", "chat-completions", "chat", "x_ai", "", -1, false},
    {"POST", "http://localhost:8080/v1/chat/completions/input_tokens", "count-tokens", "count_tokens", NULL, "", 0,
     false},
    {"GET", "https://api.openai.com/v1/threads/t/runs/r", "runs", "invoke_agent", "openai", "", -1, false},
    {"POST", "https://api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/meta/llama-3.1-8b", "workers-ai-run", "chat",
     "cloudflare", "@cf/meta/llama-3.1-8b", -1, false},
    {"POST", "https://gateway.ai.cloudflare.com/v1/a/g/workers-ai/@cf/meta/l/", "workers-ai-run", "chat", "cloudflare",
     "@cf/meta/l", -1, false},
    {"POST", "https://relay.example.com/ai/run/@cf/x", "workers-ai-run", "chat", "cloudflare", "@cf/x", -1, true},
    {"POST", "https://gateway.ai.cloudflare.com/v1/a//g", "cloudflare-universal", "chat", "cloudflare", "", -1, false},
    {"POST", "https://cloudcode-pa.googleapis.com/v1internal:streamGenerateContent?alt=sse", "generateContent",
     "generate_content", "gcp.gen_ai", "", 1, false},
    {"POST", "https://daily-cloudcode-pa.sandbox.googleapis.com/v1internal:generateContent", "generateContent",
     "generate_content", "gcp.gen_ai", "", 0, false},
    {"POST", "http://localhost:8317/v1internal:generateContent", "generateContent", "generate_content", "gcp.gen_ai",
     "", 0, true},
    {"POST", "https://api.replicate.com/v1/models/meta/llama/predictions", "replicate-prediction", "generate_content",
     "replicate", "meta/llama", -1, true},
    {"GET", "https://api.replicate.com/v1/predictions/p", "replicate-prediction", "generate_content", "replicate", "",
     -1, true},
    {"POST", "https://inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com/20231130/actions/chat", "oci-chat",
     "chat", "oci", "", -1, false},
    {"POST", "https://api.ai.prod.us-east-1.aws.ml.hana.ondemand.com/v2/inference/deployments/d/converse-stream",
     "converse", "chat", "sap", "", 1, false},
    {"POST",
     "https://api.ai.prod.us-east-1.aws.ml.hana.ondemand.com/v2/inference/deployments/d/models/g:generateContent",
     "generateContent", "generate_content", "sap", "g", 0, false},
    {"POST", "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/ernie-4.0-8k?access_token=x",
     "baidu-chat", "chat", "baidu", "ernie-4.0-8k", -1, false},
    {"POST", "https://hunyuan.tencentcloudapi.com", "tencent-chat", "chat", "tencent", "", -1, true},
    {"POST", "http://localhost:1234/api/v1/chat", "lmstudio-chat", "chat", NULL, "", -1, true},
    {"POST", "http://localhost:1234/api/v0/chat/completions", "chat-completions", "chat", NULL, "", -1, false},
    {"POST", "http://localhost:5001/api/extra/generate/stream", "kobold-generate", "text_completion", NULL, "", 1,
     true},
    {"POST", "http://localhost:8000/v1/score", "score", "rerank", NULL, "", -1, true},
    {"POST", "https://api.mistral.ai/v1/conversations/c/restart", "conversations", "chat", "mistral_ai", "", -1, true},
    {"POST", "https://api.mistral.ai/v1/conversations/c", "conversations", "chat", "mistral_ai", "", -1, false},
    {"POST", "https://api.perplexity.ai/v1/async/sonar", "chat-completions", "chat", "perplexity", "", -1, false},
    {"GET", "https://api.perplexity.ai/v1/async/sonar/r", "chat-completions", "chat", "perplexity", "", -1, false},
    {"POST", "https://token-plan-sgp.xiaomimimo.com/v1/chat/completions", "chat-completions", "chat", "xiaomi", "", -1,
     false},
    {"POST", "https://nano-gpt.com/api/v1/chat/completions", "chat-completions", "chat", "nano-gpt", "", -1, false},
    {"POST", "https://nano-gpt.com/api/inbox/messages", "messages", "chat", "nano-gpt", "", -1, true},
    {"POST", "https://api.cloudflare.com/client/v4/accounts/a/queues/q/messages", "messages", "chat", "cloudflare", "",
     -1, true},
};

static void knows_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct recognised got;
        if (!look(calls[i].method, calls[i].url, "", &got))
            fail_msg("not recognised: %s", calls[i].url);
        assert_string_equal(got.api, calls[i].api);
        assert_string_equal(got.operation, calls[i].operation);
        assert_string_equal(got.provider ? got.provider : "", calls[i].provider ? calls[i].provider : "");
        assert_int_equal(got.model_bytes, strlen(calls[i].model));
        assert_memory_equal(got.model, calls[i].model, got.model_bytes);
        assert_int_equal(got.stream_known ? got.stream : -1, calls[i].stream);
        assert_int_equal(got.claim != CLAIM_FIRM, calls[i].open);
    }
}

static void knows_what_is_none(void **state)
{
    static const char *const none[][2] = {
        {"GET", "https://api.openai.com/v1/models"},
        {"GET", "https://api.openai.com/v1/chat/completions/x"},
        {"GET", "https://api.openai.com/v1/chat/completions"},
        {"POST", "https://api.openai.com/v1/files"},
        {"POST", "https://api.openai.com/v1/threads/t/messages"},
        {"GET", "https://api.openai.com/v1/threads/t/runs"},
        {"GET", "https://api.openai.com/v1/responses/resp_1/input_items"},
        {"DELETE", "https://api.openai.com/v1/responses/resp_1"},
        {"DELETE", "https://api.openai.com/v1/chat/completions"},
        {"OPTIONS", "https://api.openai.com/v1/chat/completions"},
        {"POST", "https://host/x/tracing/batches"},
        {"POST", "https://host/telemetry/runs"},
        {"POST", "https://tf.example.com/v1/models/half_plus_two:predict"},
        {"POST", "https://api-inference.huggingface.co/models/org/m/pipeline/text-classification"},
        {"POST", "http://localhost:11434/api/pull"},
        {"GET", "https://api.replicate.com/v1/predictions"},
        {"POST", "https://other.example.com/v1/predictions"},
        {"POST", "https://aip.baidubce.com/rest/2.0/ocr/v1/general_basic"},
        {"POST", "https://gateway.ai.cloudflare.com/v1/account"},
        {"POST", "https://gateway.ai.cloudflare.com/v1/account/gateway/openai/files"},
        {"GET", "https://gateway.ai.cloudflare.com/v1/account/gateway"},
        {"POST", "https://cvm.tencentcloudapi.com/"},
        {"GET", "https://api.perplexity.ai/async/chat/completions"},
        {"POST", "https://inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com/20231130/actions/applyGuardrails"},
        {"POST", "https://example.com/v1internal:generateNothing"},
        {"POST", "https://api.cloudflare.com/client/v4/accounts/a/ai/models/search"},
        {"POST", "https://example.com/chat-completions/x"},
        {"POST", "http://localhost:5001/api/extra/abort"},
        {"GET", "https://jobs.example.com/v1/jobs/7"},
        {"POST", "https://api.deepgram.com/v1/speak?model=aura"},
        {"POST", "https://api.elevenlabs.io/v1/text-to-speech/v"},
        {"POST", "https://api.stability.ai/v2beta/stable-image/generate/core"},
        {"POST", "https://api.braintrust.dev/v1/function/f/invoke"},
        {"POST", "https://slack.com/api/chat.postMessage"},
        {"POST", "https://api.twilio.com/2010-04-01/Accounts/A/Messages.json"},
        {"POST", "https://a.snowflakecomputing.com/api/v2/cortex/analyst/message"},
        {"POST", "https://shop.example.com/inference:complete"},
        {"POST", "https://generativelanguage.googleapis.com/v1beta/cachedContents"},
        {"POST", "https://generativelanguage.googleapis.com/upload/v1beta/files"},
        {"POST", "https://router.huggingface.co/fal-ai/fal-ai/flux/dev"},
        {"POST", "https://example.com/"},
        {"POST", "not a url"},
        {"POST", ""},
    };
    struct recognised got;
    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        if (look(none[i][0], none[i][1], "", &got))
            fail_msg("taken for a call: %s %s", none[i][0], none[i][1]);
}

/* ---- the tables: sorted, and nobody in another's shadow ---- */

static const struct {
    const char *name, *host;
} hosts[] = {
#define PROVIDER(name, host) {name, host},
#define PLATFORM PROVIDER
#include "shim/llm/recognise/providers.def"
#undef PROVIDER
#undef PLATFORM
};
enum { HOSTS = sizeof(hosts) / sizeof(hosts[0]) };

/* A host that the pattern stands for. */
static void example_of(const char *pattern, char *to)
{
    if (pattern[0] == '.')
        *to++ = 'x';
    for (; *pattern; pattern++)
        if (*pattern != '*')
            *to++ = *pattern;
        else if (pattern[1] == '.' || !pattern[1])
            to += sprintf(to, "eu-1");
    *to = '\0';
}

static void hosts_are_sorted_and_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < HOSTS; i++) {
        char url[256] = "https://", host[128];
        struct recognised got;
        const int by_name = i ? strcmp(hosts[i - 1].name, hosts[i].name) : -1;
        if (by_name > 0 || (!by_name && strcmp(hosts[i - 1].host, hosts[i].host) >= 0))
            fail_msg("not sorted: %s %s", hosts[i].name, hosts[i].host);
        example_of(hosts[i].host, host);
        strcat(strcat(url, host), "/v1/chat/completions");
        assert_true(look("POST", url, "", &got));
        if (got.provider == NULL ||
            (strcmp(got.provider, hosts[i].name) != 0 && strcmp(hosts[i].name, "azure.ai.inference") != 0))
            fail_msg("%s: %s, not %s", url, got.provider ? got.provider : "nobody", hosts[i].name);
    }
}

static const struct {
    const char *before, *last, *tail, *provider, *api;
    unsigned flags;
} endpoint_rows[] = {
#define ENDPOINT(before, last, provider, api, hint, flags) {before, last, "", provider, api, flags},
#define TAIL(before, last, tail, provider, api, hint, flags)                                                           \
    {before, last, (tail) == '@' ? "/org/name" : "/id", provider, api, flags},
#include "shim/llm/recognise/endpoints.def"
#undef ENDPOINT
#undef TAIL
};

static const char *host_of(const char *provider, char *to)
{
    strcpy(to, "relay.example.com");
    for (size_t i = 0; provider[0] && i < HOSTS; i++)
        if (!strcmp(hosts[i].name, provider)) {
            example_of(hosts[i].host, to);
            break;
        }
    return to;
}

static void no_endpoint_is_in_anothers_shadow(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(endpoint_rows) / sizeof(endpoint_rows[0]); i++) {
        char url[300], host[128], before[128] = "";
        struct recognised got;
        for (size_t k = 0; k < i; k++)
            if (!strcmp(endpoint_rows[k].before, endpoint_rows[i].before) &&
                !strcmp(endpoint_rows[k].last, endpoint_rows[i].last) &&
                !strcmp(endpoint_rows[k].tail, endpoint_rows[i].tail) &&
                !strcmp(endpoint_rows[k].provider, endpoint_rows[i].provider))
                fail_msg("twice: %s/%s", endpoint_rows[i].before, endpoint_rows[i].last);
        for (const char *p = endpoint_rows[i].before; *p; p++)
            strcat(before, *p == '*' ? "id" : *p == '@' ? "name" : (char[2]){*p, '\0'});
        snprintf(url, sizeof(url), "https://%s/%s/%s%s", host_of(endpoint_rows[i].provider, host), before,
                 endpoint_rows[i].last, endpoint_rows[i].tail);
        if (!look(endpoint_rows[i].flags & GET ? "GET" : "POST", url, "", &got))
            fail_msg("not found: %s", url);
        if (strcmp(got.api, endpoint_rows[i].api) != 0 || got.stream != ((endpoint_rows[i].flags & STREAM) != 0) ||
            (got.claim == CLAIM_SHARED_BARE || got.claim == CLAIM_PLATFORM_BARE) !=
                ((endpoint_rows[i].flags & BARE) != 0) ||
            (got.claim != CLAIM_FIRM && (endpoint_rows[i].flags & FIRM)))
            fail_msg("%s: another entry's, %s", url, got.api);
    }
}

static void sessions_are_told_apart(void **state)
{
    static const struct {
        const char *url;
        bool http, socket; /* is it one, asked by HTTP or over a socket */
    } urls[] = {
        {"api.openai.com/v1/realtime", true, true},
        {"https://api.openai.com/v1/realtime/client_secrets", true, true},
        {"https://api.openai.com/v1/realtime/calls", true, true},
        {"https://r.openai.azure.com/openai/realtime", true, true},
        {"http://127.0.0.1:9/v1/realtime", true, true},
        {"https://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1beta.GenerativeService."
         "BidiGenerateContent",
         true, true},
        {"https://dashscope.aliyuncs.com/api-ws/v1/realtime", true, true},
        {"https://dashscope-intl.aliyuncs.com/api-ws/inference", true, true},
        {"https://spark-api.xf-yun.com/v3.5/chat", false, true},
        {"https://api.openai.com/v1/responses", false, true},
        {"https://relay.example.com/v1/chat/completions", false, true},
        {"https://api.openai.com/v1/models", false, true},
        {"https://quotes.example.com/realtime", false, false},
        {"https://quotes.example.com/realtime/sessions", false, false},
        {"https://quotes.example.com/v2/stream", false, false},
        {"https://chat.example.com/socket", false, false},
        {"", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const size_t bytes = strlen(urls[i].url);
        if (recognise_session(urls[i].url, bytes, false) != urls[i].http ||
            recognise_session(urls[i].url, bytes, true) != urls[i].socket)
            fail_msg("%s", urls[i].url);
    }
}

static void headers_name_model_and_stream(void **state)
{
    struct recognised got;
    (void)state;
    assert_true(look("POST", "https://ai-gateway.vercel.sh/v3/ai/language-model",
                     "ai-language-model-streaming: true\nAI-Language-Model-Id:  openai/gpt \n", &got));
    assert_true(got.stream_known && got.stream);
    assert_int_equal(got.model_bytes, 10);
    assert_memory_equal(got.model, "openai/gpt", 10);
    assert_true(look("POST", "https://ai-gateway.vercel.sh/v3/ai/language-model",
                     "ai-language-model-streaming: false\nai-model-id: m", &got));
    assert_true(got.stream_known && !got.stream);
    assert_int_equal(got.model_bytes, 1);
    assert_true(look("POST", "https://dashscope.aliyuncs.com/api/v1/services/aigc/text-generation/generation",
                     "X-DashScope-SSE: enable\n", &got));
    assert_true(got.stream);
    assert_true(look("POST", "https://hunyuan.tencentcloudapi.com/", "X-TC-Action: GetEmbedding\n", &got));
    assert_string_equal(got.api, "embeddings");
    assert_int_equal(got.claim, CLAIM_FIRM);
    assert_true(look("POST", "https://hunyuan.tencentcloudapi.com/", "X-TC-Action: SubmitHunyuanTo3DJob\n", &got));
    assert_int_equal(got.claim, CLAIM_SHARED_BARE); /* only an answer of a chat's shape could make it one */
    recognise_headers("X-TC-Action: ChatCompletions\n", 29, &got);
    assert_int_equal(got.claim, CLAIM_FIRM);
}

static void header_proves_messages(void **state)
{
    struct recognised got;
    (void)state;
    assert_true(look("POST", "http://relay/v1/messages", "X: y\nAnthropic-Version: 2023-06-01\n", &got));
    assert_int_equal(got.claim, CLAIM_FIRM);
}

static void endpoints(void **state)
{
    struct recognised got;
    (void)state;
    assert_null(recognise_configure("gw.corp:8443/llm=messages,corp; h=chat-completions;[::1]:9=embeddings"));
    assert_true(look("POST", "https://GW.corp:8443/llm/anything", "", &got));
    assert_string_equal(got.api, "messages");
    assert_string_equal(got.provider, "corp");
    assert_int_equal(got.claim, CLAIM_FIRM);
    assert_false(look("POST", "https://gw.corp:8443/llmx", "", &got));
    assert_false(look("POST", "https://gw.corp:8444/llm", "", &got));
    assert_false(look("GET", "https://gw.corp:8443/llm", "", &got));
    assert_true(look("POST", "http://h/go", "", &got));
    assert_string_equal(got.api, "chat-completions");
    assert_true(look("POST", "http://h/v1/embeddings", "", &got));
    assert_string_equal(got.api, "embeddings"); /* known paths keep their shape */
    assert_int_equal(got.claim, CLAIM_FIRM);
    assert_true(look("POST", "http://[::1]:9/", "", &got));

    assert_null(recognise_configure(" gw.corp/llm = messages , corp ;\n"));
    assert_true(look("POST", "https://gw.corp/llm", "", &got));
    assert_string_equal(got.provider, "corp");
    assert_string_equal(recognise_configure("*.corp=messages"),
                        "LIBPPROF_ENDPOINTS: \"*.corp=messages\" has a '*' (hosts and paths are compared as they "
                        "stand) and is ignored");
    assert_non_null(recognise_configure("h:0x=messages"));
    static const char longest[] = {[0 ... 1 << 16] = ';', '\0'};
    assert_non_null(strstr(recognise_configure(longest), "is longer than"));
    assert_non_null(recognise_configure("h:65536=messages"));
    assert_non_null(recognise_configure("h/p?q=1=messages"));
    assert_non_null(strstr(recognise_configure("h=nonsense;ok=messages"), "nonsense"));
    assert_true(look("POST", "http://ok/", "", &got));
    static const char *const wrong[] = {"h", "=messages", "h=messages,"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_non_null(recognise_configure(wrong[i]));
    assert_null(recognise_configure(""));
    assert_null(recognise_configure(NULL));
    assert_false(look("POST", "http://ok/", "", &got));
}

/* Cut and damaged at every byte: no read outside (ASan), and whatever recognise accepts is a
 * candidate (look). */
static void hostile(void **state)
{
    struct recognised got;
    char url[512];
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        const size_t bytes = strlen(calls[i].url);
        for (size_t at = 0; at < bytes; at++) {
            memcpy(url, calls[i].url, bytes + 1);
            url[at] = '\0';
            (void)look(calls[i].method, url, "", &got);
            for (const char *with = "/:%@?#["; *with; with++) {
                url[at] = *with;
                (void)look(calls[i].method, url, "", &got);
            }
        }
    }
}

struct record {
    const char *api, *method, *url, *model; /* "": none */
    const char *headers;
};

static unsigned compare(const struct record *record)
{
    struct recognised got;
    const bool found = look(record->method, record->url, record->headers, &got);
    if (!record->api[0] && found && got.claim == CLAIM_FIRM) {
        print_error("no call: %s %s\n", record->method, record->url);
        return 1;
    }
    if (record->api[0] && (!found || strcmp(got.api, record->api) != 0)) {
        print_error("%s but %s: %s %s\n", record->api, found ? got.api : "nothing", record->method, record->url);
        return 1;
    }
    /* The body may say it again, with "models/" before it; the corpus left some URLs' models
     * out. */
    const char *const model = strncmp(record->model, "models/", 7) ? record->model : record->model + 7;
    if (found && record->api[0] && got.model_bytes && model[0] && strstr(record->url, "/deployments/") == NULL &&
        (strlen(model) != got.model_bytes || memcmp(model, got.model, got.model_bytes) != 0)) {
        print_error("model %s but %.*s: %s\n", record->model, (int)got.model_bytes, got.model, record->url);
        return 1;
    }
    return 0;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *const item = cJSON_GetObjectItem(object, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static void compare_record(void *context, const cJSON *record, bool negative)
{
    const cJSON *const request = cJSON_GetObjectItem(record, "request");
    const cJSON *flag, *header;
    char headers[4096] = "";
    cJSON_ArrayForEach(flag,
                       cJSON_GetObjectItem(record, "flags")) if (!strcmp(flag->valuestring, "api_from_body")) return;
    cJSON_ArrayForEach(header, cJSON_GetObjectItem(request, "headers"))
    {
        const size_t used = strlen(headers);
        if (cJSON_IsString(header))
            snprintf(headers + used, sizeof(headers) - used, "%s: %s\n", header->string, header->valuestring);
    }
    const struct record wanted = {.api = text_of(record, "api"),
                                  .method = text_of(request, "method"),
                                  .url = text_of(request, "url"),
                                  .headers = headers,
                                  .model = text_of(cJSON_GetObjectItem(record, "truth"), "model_requested")};
    unsigned *const wrong = context;
    assert_int_equal(negative, !wanted.api[0]);
    *wrong += compare(&wanted);
}

static void compare_all(const char *directory, size_t at_least)
{
    unsigned wrong = 0;
    const size_t seen = corpus_each(directory, compare_record, &wrong);
    print_message("%zu URLs of %s, %u wrong\n", seen, directory, wrong);
    assert_true(seen >= at_least);
    assert_int_equal(wrong, 0);
}

static void fixtures(void **state)
{
    (void)state;
    compare_all(CORPUS_FIXTURES, 100);
}

static void corpus(void **state)
{
    const char *const directory = corpus_directory();
    (void)state;
    if (directory == NULL)
        skip();
    compare_all(directory, 1000);
}

static void is_cheap(void **state)
{
    static const char *const urls[] = {
        "https://api.openai.com/v1/chat/completions", "https://registry.npmjs.org/some/package/-/p.tgz",
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-lite-v1%3A0/converse"};
    enum { ROUNDS = 100000 };
    struct timespec from, to;
    volatile unsigned hits = 0;
    (void)state;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const char *const url = urls[i % 3];
        hits = hits + recognise_candidate("POST", 4, url, strlen(url));
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    const double ns = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / ROUNDS;
    print_message("recognise_candidate: %.0f ns\n", ns);
    assert_int_equal(hits, ROUNDS * 2 / 3 + 1);
    assert_true(ns < 5000); /* sanitizers included; the goal without them is 150 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(knows_calls),
                                       cmocka_unit_test(knows_what_is_none),
                                       cmocka_unit_test(hosts_are_sorted_and_alone),
                                       cmocka_unit_test(no_endpoint_is_in_anothers_shadow),
                                       cmocka_unit_test(sessions_are_told_apart),
                                       cmocka_unit_test(headers_name_model_and_stream),
                                       cmocka_unit_test(header_proves_messages),
                                       cmocka_unit_test(endpoints),
                                       cmocka_unit_test(hostile),
                                       cmocka_unit_test(fixtures),
                                       cmocka_unit_test(corpus),
                                       cmocka_unit_test(is_cheap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
