/* Embeddings and rerankers on exchanges written from their services' documentation. */
#include "dialect_expect.h"

static void test_watsonx(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://us-south.ml.cloud.ibm.com/ml/v1/text/embeddings?version=2024-05-01",
        .request = "{\"model_id\":\"ibm/slate\",\"inputs\":[\"a\"],\"project_id\":\"p\"}",
        .response = "{\"model_id\":\"ibm/"
                    "slate\",\"created_at\":\"x\",\"results\":[{\"embedding\":[0.1]}],\"input_token_count\":10}"};
    EXPECT(text, {SPAN_api, "embeddings"}, {SPAN_provider, "ibm.watsonx.ai"}, {SPAN_request_model, "ibm/slate"},
           {SPAN_response_model, "ibm/slate"}, {SPAN_input_tokens, "10"});
    text.url = "https://us-south.ml.cloud.ibm.com/ml/v1/text/rerank?version=2024-05-01";
    text.response = "{\"model_id\":\"ibm/"
                    "slate\",\"results\":[{\"index\":1,\"score\":0.7}],\"created_at\":\"x\",\"input_token_count\":20}";
    EXPECT(text, {SPAN_api, "rerank"}, {SPAN_request_model, "ibm/slate"}, {SPAN_input_tokens, "20"});
    text.response_headers = "HTTP/1.1 404 X\nContent-Type: application/json\n";
    text.response =
        "{\"errors\":[{\"code\":\"model_not_supported\",\"message\":\"m\"}],\"trace\":\"t\",\"status_code\":404}";
    EXPECT(text, {SPAN_error_type, "model_not_supported"});
}

static void test_aleph_alpha(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://inference.api.pharia.example.com/v1/semantic_embed",
        .request = "{\"model\":\"luminous-base\",\"prompt\":[]}",
        .response = "{\"model_version\":\"2022-04\",\"embedding\":[0.1],\"num_tokens_prompt_total\":5}"};
    EXPECT(text, {SPAN_api, "embeddings"}, {SPAN_provider, "aleph-alpha"}, {SPAN_request_model, "luminous-base"},
           {SPAN_response_model, "2022-04"}, {SPAN_input_tokens, "5"});
    text.url = "https://inference.api.pharia.example.com/v1/complete";
    text.response = "{\"completions\":[{\"index\":0,\"completion\":\"x\",\"finish_reason\":\"maximum_tokens\"}],"
                    "\"model_version\":\"2022-04\","
                    "\"num_tokens_prompt_total\":1,\"num_tokens_generated\":7}";
    EXPECT(text, {SPAN_api, "aleph-complete"}, {SPAN_output_tokens, "7"});
}

/* Paths that nobody else has need no proof by the answer: errors and empty rankings count. */
static void test_local(void **state)
{
    (void)state;
    struct exchange_text text = {.url = "http://localhost:8080/v1/embeddings",
                                 .request = "{\"model\":\"e\",\"input\":[\"a\"]}",
                                 .response_headers = "HTTP/1.1 501 X\nContent-Type: application/json\n",
                                 .response =
                                     "{\"error\":{\"code\":501,\"message\":\"m\",\"type\":\"not_supported_error\"}}"};
    EXPECT(text, {SPAN_api, "embeddings"}, {SPAN_error_type, "not_supported_error"}, {SPAN_request_model, "e"});
    text.url = "http://localhost:8080/v1/reranking";
    text.response_headers = NULL;
    text.response =
        "{\"model\":\"e\",\"object\":\"list\",\"results\":[],\"usage\":{\"prompt_tokens\":55,\"total_tokens\":55}}";
    EXPECT(text, {SPAN_api, "rerank"}, {SPAN_input_tokens, "55"});
}

/* One path for chat and embeddings: the answer tells. */
static void test_databricks(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = "https://adb-1.2.azuredatabricks.net/serving-endpoints/databricks-gte-large-en/invocations",
        .request = "{\"input\":[\"a\"]}",
        .response = "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.1]}],"
                    "\"model\":\"gte\",\"usage\":{\"prompt_tokens\":3,"
                    "\"total_tokens\":3}}"};
    EXPECT(text, {SPAN_api, "embeddings"}, {SPAN_operation, "embeddings"},
           {SPAN_request_model, "databricks-gte-large-en"}, {SPAN_response_model, "gte"}, {SPAN_input_tokens, "3"},
           {SPAN_empty_answer, "-"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_watsonx), cmocka_unit_test(test_aleph_alpha),
                                       cmocka_unit_test(test_local), cmocka_unit_test(test_databricks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
