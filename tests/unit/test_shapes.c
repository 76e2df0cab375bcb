/*
 * Paths that calls of a model share with others: on hosts that nobody knows, and on platforms that
 * serve much else, only an answer of the API's own shape makes a span (on platforms also a request
 * that only a language model gets). Answers of others are written after their documentation.
 */
#include "dialect_expect.h"

#define JSON_HEAD "HTTP/1.1 200 OK\nContent-Type: application/json\n"

static const struct exchange_text others[] = {
    /* ".../messages" of mail, chat and telephony */
    {.url = "https://api.mailgun.net/v3/mg.example.com/messages",
     .response = "{\"id\":\"<1@mg>\",\"message\":\"Queued. Thank you.\"}"},
    {.url = "https://discord.com/api/v10/channels/1/messages",
     .response =
         "{\"id\":\"1\",\"type\":0,\"content\":\"hi\",\"channel_id\":\"2\",\"author\":{\"id\":\"3\"},\"embeds\":[]}"},
    {.url = "https://graph.facebook.com/v19.0/1/messages",
     .response = "{\"messaging_product\":\"whatsapp\",\"contacts\":[],\"messages\":[{\"id\":\"wamid.x\"}]}"},
    {.url = "https://desk.example.com/api/v1/messages",
     .response = "{\"id\":1,\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"role\":\"assistant\"}"},
    {.url = "https://d.cloud.databricks.com/api/2.0/genie/spaces/S/conversations/C/messages",
     .request = "{\"content\":\"how many?\"}",
     .response = "{\"id\":\"m\",\"space_id\":\"S\",\"content\":\"how many?\",\"status\":\"SUBMITTED\"}"},
    {.url = "https://graphs.example.com/threads/T/runs",
     .response =
         "{\"run_id\":\"r\",\"thread_id\":\"T\",\"assistant_id\":\"a\",\"status\":\"pending\",\"metadata\":{}}"},
    /* chats of web applications, whatever their request looks like */
    {.url = "https://app.example.com/api/chat",
     .request = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
     .response = "{\"message\":{\"role\":\"assistant\",\"content\":\"x\"},\"id\":\"1\"}"},
    {.url = "https://app.example.com/api/chat", .response = "{\"message\":\"sent\",\"done\":true}"},
    {.url = "https://app.example.com/api/chat",
     .response_headers = SSE_HEAD,
     .response = "data: {\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"Hi\"}\n\ndata: "
                 "{\"type\":\"finish\"}\n\ndata: [DONE]\n\n"},
    {.url = "https://app.example.com/v1/chat", .response = "{\"response\":\"hello\",\"conversation_id\":\"c1\"}"},
    {.url = "https://app.example.com/v2/chat", .response = "{\"message\":{\"id\":\"1\",\"text\":\"x\"},\"id\":\"3\"}"},
    /* reports, tasks, courses, forms, media */
    {.url = "https://report.example.com/generate", .response = "{\"outputs\":[\"a.pdf\"]}"},
    {.url = "https://report.example.com/generate",
     .response = "{\"id\":\"x\",\"model\":\"m\",\"usage\":{\"total_tokens\":3}}"},
    {.url = "https://report.example.com/v1/generate", .response = "{\"id\":\"r1\",\"text\":\"hello\"}"},
    {.url = "https://report.example.com/api/generate", .response = "{\"response\":\"ok\",\"done\":true}"},
    {.url = "https://tasks.example.com/complete", .response = "{\"completions\":[{\"id\":3}]}"},
    {.url = "https://tasks.example.com/v1/complete", .response = "{\"completion\":\"done\",\"stop_reason\":null}"},
    {.url = "https://lms.example.com/courses/1/completions", .response = "{\"id\":1,\"usage\":{\"total_tokens\":1}}"},
    {.url = "https://forms.example.com/v1/forms/F/responses",
     .response = "{\"id\":\"1\",\"status\":\"completed\",\"output\":\"x\"}"},
    {.url = "https://video.example.com/embed", .response = "{\"html\":\"<iframe>\",\"type\":\"video\"}"},
    {.url = "https://video.example.com/api/embed", .response = "{\"embedding\":\"<iframe>\"}"},
    {.url = "https://video.example.com/v1/embed", .response = "{\"embeddings\":{\"html\":\"x\"}}"},
    {.url = "https://shop.example.com/embeddings", .response = "{\"data\":[{\"id\":1,\"name\":\"x\"}]}"},
    {.url = "https://shop.example.com/rerank", .response = "{\"results\":[{\"title\":\"x\"}]}"},
    {.url = "https://shop.example.com/moderations", .response = "{\"results\":[{\"id\":1}]}"},
    {.url = "https://shop.example.com/images/edits", .response = "{\"data\":[{\"url\":\"http://x\"}]}"},
    {.url = "https://shop.example.com/audio/transcriptions", .response = "{\"text\":\"x\"}"},
    {.url = "https://shop.example.com/v1/batches",
     .response = "{\"id\":\"b\",\"object\":\"batch\",\"request_counts\":3}"},
    {.url = "https://shop.example.com/v1beta/interactions", .response = "{\"id\":\"1\",\"status\":\"completed\"}"},
    {.url = "https://api.openai.com/v1/uploads/upload_1/complete",
     .request = "{\"part_ids\":[\"p\"]}",
     .response = "{\"id\":\"upload_1\",\"object\":\"upload\",\"status\":\"completed\",\"file\":{\"id\":\"f\"}}"},
    /* models that are none of language */
    {.url = "https://x.endpoints.huggingface.cloud/",
     .request = "{\"inputs\":\"I like you\"}",
     .response = "[{\"label\":\"POSITIVE\",\"score\":0.99}]"},
    {.url = "https://api-inference.huggingface.co/models/org/sdxl",
     .request = "{\"inputs\":\"a cat\"}",
     .response_headers = "HTTP/1.1 200 OK\nContent-Type: image/jpeg\n",
     .response = "\xff\xd8\xff\xe0"},
    {.url = "https://router.huggingface.co/replicate/v1/models/org/flux/predictions",
     .request = "{\"input\":{\"prompt\":\"x\"}}",
     .response = "{\"id\":\"x\",\"model\":\"m\",\"output\":null,\"status\":\"starting\"}"},
    {.url = "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/xgboost/invocations",
     .request = "1,2,3",
     .response = "0.93\n"},
    {.url = "https://d.cloud.databricks.com/serving-endpoints/churn/invocations",
     .request = "{\"dataframe_records\":[{\"a\":1}]}",
     .response = "{\"predictions\":[0.93]}"},
    {.url = "https://ml.example.com/endpoints/E/invocations",
     .request = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
     .response = "{\"error\":\"no such endpoint\"}"},
    {.url = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/123:predict",
     .request = "{\"instances\":[[1,2]]}",
     .response = "{\"predictions\":[{\"classes\":[\"a\"],\"scores\":[0.1]}],\"deployedModelId\":\"1\"}"},
    {.url = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/123:predict",
     .request = "{\"instances\":[[1,2]]}",
     .response = "{\"predictions\":[{\"embeddings\":[0.1]},{\"embeddings\":null}],\"deployedModelId\":\"1\"}"},
    /* what stands where the API's own would, of another type */
    {.url = "https://media.example.com/audio/speech",
     .request = "{\"model\":\"m\"}",
     .response_headers = "HTTP/1.1 200 OK\nX-Content-Type: audio/mpeg\nContent-Typed: audio/mpeg\n",
     .response = "ID3"},
    {.url = "https://media.example.com/audio/speech",
     .request = "{\"model\":\"m\"}",
     .response_headers = "HTTP/1.1 200 OK\nContent-Type: video/mp4\n",
     .response = "ID3"},
    {.url = "https://media.example.com/embed", .response = "{\"data\":[{\"embedding\":null,\"score\":\"high\"}]}"},
    {.url = "https://media.example.com/embed", .response = "{\"embedding\":{\"html\":\"x\"},\"embeddings\":\"x\"}"},
    {.url = "https://media.example.com/embed", .response = "{\"error_code\":0}"},
    {.url = "https://app.example.com/api/chat", .response = "{\"model\":\"m\",\"done\":\"yes\"}"},
};

static void test_others(void **state)
{
    static struct span span;
    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        for (size_t step = 0; step < 2; step++) {
            struct exchange_text text = others[i];
            text.step = step;
            if (exchange_run(&config, &text, &span))
                fail_msg("a span came of %s: %s", text.url, text.response);
        }
}

/* The least that servers and gateways under any name answer with. */
static const struct {
    const char *path, *response, *api;
} calls[] = {
    {"/messages", "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}",
     "messages"},
    {"/messages", "{\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}", "messages"},
    {"/v1/complete", "{\"type\":\"completion\",\"completion\":\" x\",\"stop_reason\":\"stop_sequence\"}",
     "text-complete"},
    {"/complete", "{\"completions\":[{\"completion\":\"x\"}]}", "aleph-complete"},
    {"/completions", "{\"choices\":[{\"text\":\"x\"}]}", "completions"},
    {"/api/chat", "{\"model\":\"m\",\"message\":{\"content\":\"x\"},\"done\":true}", "ollama-chat"},
    {"/api/generate", "{\"response\":\"x\",\"done\":false,\"model\":\"m\"}", "ollama-generate"},
    {"/generate", "{\"generated_text\":\"x\"}", "tgi-generate"},
    {"/responses", "{\"object\":\"response\",\"output\":[{\"type\":\"message\"}]}", "responses"},
    {"/api/embed", "{\"embeddings\":[[0.1]]}", "embeddings"},
    {"/api/embeddings", "{\"embedding\":[0.1]}", "embeddings"},
    {"/v1/embeddings", "{\"data\":[{\"embedding\":\"AAAA\"}]}", "embeddings"},
    {"/v2/embed", "{\"embeddings\":{\"float\":[[0.1]]}}", "embeddings"},
    {"/embed", "[[0.1,0.2]]", "embeddings"},
    {"/rerank", "{\"results\":[{\"index\":0,\"relevance_score\":0.9}]}", "rerank"},
    {"/rerank", "[{\"index\":0,\"score\":0.9}]", "rerank"},
    {"/v1/rerank", "{\"data\":[{\"relevance_score\":0.9,\"index\":0}]}", "rerank"},
    {"/moderations", "{\"results\":[{\"flagged\":false}]}", "moderations"},
    {"/images/generations", "{\"created\":1,\"data\":[{\"url\":\"http://x\"}]}", "images"},
    {"/images/edits", "{\"data\":[{\"b64_json\":\"AAAA\"}]}", "images"},
    {"/audio/transcriptions", "{\"text\":\"x\"}", "audio"},
    {"/audio/speech", "{\"audio_data\":\"AAAA\"}", "audio"},
    {"/v1/complete", "data: {\"type\":\"completion\",\"completion\":\" x\",\"stop_reason\":null}\n\n", "text-complete"},
    {"/v1beta/interactions", "{\"object\":\"interaction\",\"status\":\"in_progress\"}", "interactions"},
    {"/v1beta/interactions", "{\"steps\":[{\"type\":\"model_output\"}]}", "interactions"},
    {"/api/chat", "{\"done\":true,\"model\":\"m\"}", "ollama-chat"},
    {"/v1/text/chatcompletion_v2", "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}", "chat-completions"},
};

static void test_unknown_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        char url[96];
        snprintf(url, sizeof(url), "http://10.0.0.7:8000%s", calls[i].path);
        const struct exchange_text text = {
            .url = url, .request = "{\"model\":\"m\"}", .response_headers = JSON_HEAD, .response = calls[i].response};
        EXPECT(text, {SPAN_api, calls[i].api}, {SPAN_request_model, "m"});
    }
}

/* Sound says by its type alone that a model spoke. */
static void test_types(void **state)
{
    static const char *const types[] = {"Content-Type: audio/mpeg", "content-type: Audio/x", "Content-Type: text/vtt",
                                        "Content-Type: application/x-subrip; charset=utf-8"};
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        char head[96];
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\n%s\n", types[i]);
        const struct exchange_text text = {.url = "http://10.0.0.7:8000/audio/speech",
                                           .request = "{\"model\":\"m\"}",
                                           .response_headers = head,
                                           .response = "ID3"};
        EXPECT(text, {SPAN_api, "audio"});
    }
}

/* On a platform the request proves it as well, so that errors are seen. */
static void test_platforms(void **state)
{
    static const char limited[] = "{\"error_code\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"x\"}";
    (void)state;
    struct exchange_text text = {.url = "https://d.cloud.databricks.com/serving-endpoints/llama/invocations",
                                 .request = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                                 .response_headers = "HTTP/1.1 429 X\n",
                                 .response = limited};
    EXPECT(text, {SPAN_status, "429"}, {SPAN_request_model, "llama"}, {SPAN_provider, "databricks"});
    text = (struct exchange_text){.url = "https://api-inference.huggingface.co/models/org/m",
                                  .request = "{\"inputs\":\"x\",\"parameters\":{\"temperature\":0.5}}",
                                  .response_headers = "HTTP/1.1 404 X\n",
                                  .response = "Not Found"};
    EXPECT(text, {SPAN_status, "404"}, {SPAN_api, "tgi-generate"}, {SPAN_request_model, "org/m"});
    text = (struct exchange_text){.url = "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/E/invocations",
                                  .request = "{\"inputs\":\"x\",\"parameters\":{\"max_new_tokens\":5}}",
                                  .response_headers = "HTTP/1.1 424 X\n",
                                  .response = "{\"message\":\"x\"}"};
    EXPECT(text, {SPAN_status, "424"}, {SPAN_max_tokens, "5"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_others), cmocka_unit_test(test_unknown_hosts),
                                       cmocka_unit_test(test_platforms), cmocka_unit_test(test_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
