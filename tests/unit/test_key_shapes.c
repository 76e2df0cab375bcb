/*
 * Keys and names that begin alike: "sk-", "hf_", "xai-" and their like begin keys, and people's
 * names of prompts, models and services as well. The shapes of the keys are those of the services'
 * public documents, with letters and digits made by a generator of fixed seed; no key of anybody.
 */
#include "shim/llm/privacy/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FOR(i, list) for (size_t i = 0; i < sizeof(list) / sizeof((list)[0]); i++)

static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                  base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                  hex[] = "0123456789abcdef", lower_digits[] = "abcdefghijklmnopqrstuvwxyz0123456789",
                  upper_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
                  letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static const struct {
    const char *who, *before, *alphabet;
    unsigned bytes;
    const char *behind;
} shapes[] = {
    {"OpenAI, old", "sk-", alnum, 48, ""},
    {"OpenAI, project", "sk-proj-", base64url, 156, ""},
    {"OpenAI, service account", "sk-svcacct-", base64url, 156, ""},
    {"OpenAI, session", "sess-", alnum, 40, ""},
    {"Anthropic", "sk-ant-api03-", base64url, 93, "AA"},
    {"OpenRouter", "sk-or-v1-", hex, 64, ""},
    {"DeepSeek, Moonshot, Baichuan", "sk-", hex, 32, ""},
    {"Stability", "sk-", alnum, 48, ""},
    {"ElevenLabs", "sk_", hex, 48, ""},
    {"Novita", "sk_", base64url, 43, ""},
    {"LiteLLM", "sk-", base64url, 22, ""},
    {"Hugging Face", "hf_", letters, 34, ""},
    {"Groq", "gsk_", alnum, 52, ""},
    {"xAI", "xai-", alnum, 80, ""},
    {"Perplexity", "pplx-", alnum, 48, ""},
    {"NVIDIA", "nvapi-", base64url, 64, ""},
    {"Cerebras", "csk-", lower_digits, 48, ""},
    {"Replicate", "r8_", alnum, 37, ""},
    {"Together", "tgp_v1_", base64url, 43, ""},
    {"Fireworks", "fw_", alnum, 24, ""},
    {"Jina", "jina_", alnum, 60, ""},
    {"Voyage", "pa-", base64url, 43, ""},
    {"Databricks", "dapi", hex, 32, ""},
    {"Google", "AIzaSy", base64url, 33, ""},
    {"Google, new", "AQ.", base64url, 50, ""},
    {"AWS", "AKIA", upper_digits, 16, ""},
    {"AWS, session", "ASIA", upper_digits, 16, ""},
    {"Bedrock", "ABSK", alnum, 120, "="},
    {"Alibaba", "LTAI5t", alnum, 18, ""},
    {"Tencent", "AKID", alnum, 32, ""},
    {"Baidu", "bce-v3/ALTAK-", alnum, 21, ""},
    {"Zhipu", "", hex, 32, ".Qm3xYz8Ab1Cd9Ef2"},
    {"Chutes", "cpk_", hex, 32, ""},
    {"Vercel", "vck_", alnum, 56, ""},
    {"RunPod", "rpa_", alnum, 44, ""},
    {"Friendli", "flp_", alnum, 44, ""},
    {"Upstage", "up_", alnum, 28, ""},
    {"Pinecone", "pcsk_", alnum, 60, ""},
    {"Tavily", "tvly-dev-", alnum, 32, ""},
    {"LangSmith", "lsv2_pt_", hex, 32, "_0a1b2c3d4e"},
    {"Langfuse", "sk-lf-", NULL, 0, "1b4e28ba-2fa1-11d2-883f-0016d3cca427"},
    {"Helicone", "sk-helicone-", lower_digits, 7, "-abcdefg-1234567-hijklmn"},
    {"Mistral, AssemblyAI, Azure", "", hex, 32, ""},
    {"Cohere", "", alnum, 40, ""},
    {"GitHub", "ghp_", alnum, 36, ""},
    {"GitLab", "glpat-", base64url, 20, ""},
    {"Slack", "xoxb-123456789012-", alnum, 24, ""},
    {"a token of JSON", "eyJhbGciOiJIUzI1NiJ9.", base64url, 40, ""},
    {"in a header", "Basic ", alnum, 24, "=="},
};

static const char *const names[] = {
    "xai-chat-stream-usage-in-every-chunk",
    "sk-summary-of-calls-v2",
    "sk-proj-summary-of-quarterly-reports",
    "sk_customer_support_escalation",
    "pk-onboarding-email-draft-2024-08-06",
    "pk_translate_english_to_german",
    "hf_summarization_pipeline_v3",
    "hf_sentence-transformers_all-MiniLM-L6-v2",
    "gsk_pharma_extraction_pipeline",
    "gsk_llama-3.3-70b-versatile",
    "pplx-70b-online-with-citations",
    "nvapi-nemotron-340b-instruct-eval",
    "csk-retrieval-answer-grounded",
    "r8_flux-schnell-background-remover",
    "fw_llama-v3p1-405b-instruct-long",
    "jina_embeddings-v3-text-matching",
    "pa-weekly-status-report-for-the-team",
    "dapi-gateway-llama-3-3-70b-instruct",
    "Asia-Pacific-Market-Summary-2024",
    "asia-southeast1-gemini-2.0-flash-lite",
    "Akia-translation-helper-for-staff",
    "eval-answers-of-gpt-4o-mini-2024-07-18",
    "key-insights-from-board-meetings",
    "key-facts-extraction-20240806123456",
    "secret-santa-planner-with-reminders",
    "secret_admirer_letter_writer_de",
    "api-key-rotation-helper-for-admins",
    "sess-summary-after-every-session",
    "basic summary of internationalization",
    "Basic chat with misunderstandings",
    "npm_release_notes_writer_for_packages",
    "pypi-description-improver-version-12",
    "up_next_recommendation_generator",
    "as-a-service-descriptions-in-french",
    "ak-47-museum-catalogue-descriptions",
    "as-Llama-3.3-70B-Instruct-Turbo",
    "sk-claude-3-7-sonnet-20250219-thinking",
    "sk-gpt-4o-mini-2024-07-18-classifier",
    "rk_rerank-multilingual-v3.0-evaluation",
    "sbp_sql_explainer_postgres16_dialect",
    "pk-checkout-assistant-OpenAI-ChatGPT",
    "lin_api_issue_triage_and_labelling",
    "whsec_security_bulletin_summarizer",
    "xai-chat-completions-13d80f7d55b4",
    "xai-responses-1a2b3c4d5e6f",
    "sk-summary-of-calls-9f86d08",
    "hf_answers_0a1b2c3d",
    "shpat_product_description_generator",
};

static uint64_t seed = 20240613;

static unsigned any_of(unsigned count)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % count;
}

/* 200 keys of each shape: none is a name, alone or within a text. Dashes may cut a generated text
 * into what looks like words: of each shape, 4 of 200 at most pass here, and the request's own key
 * never passes the search for echoes. */
static void test_keys_are_told(void **state)
{
    (void)state;
    FOR(i, shapes)
    for (unsigned n = 0, missed = 0; n < 200; n++) {
        char key[256], text[320], letters_of_it[200] = "";
        for (unsigned at = 0; at < shapes[i].bytes; at++)
            letters_of_it[at] = shapes[i].alphabet[any_of((unsigned)strlen(shapes[i].alphabet))];
        snprintf(key, sizeof(key), "%s%s%s", shapes[i].before, letters_of_it, shapes[i].behind);
        snprintf(text, sizeof(text), "the key %s.", key);
        missed += secret_free_name(key, strlen(key)) || !secret_key_shaped(text, strlen(text));
        if (missed > 4)
            fail_msg("%s: %s is a key", shapes[i].who, key);
    }
}

static void test_names_stay(void **state)
{
    (void)state;
    FOR(i, names)
    if (!secret_free_name(names[i], strlen(names[i])))
        fail_msg("%s is a name", names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys_are_told), cmocka_unit_test(test_names_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
