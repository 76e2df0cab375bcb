/*
 * The simulated language model after tests/servers/model_server: what it was asked, and its answer
 * as timed pieces.
 *
 * SIMULATED: there is no model. Text comes from a fixed stock, tokens are counted by a rule of
 * thumb (model_tokens), and the pace is computed from the table in model_text.c. The bytes on the
 * wire follow the providers' documented formats.
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What all dialects have in common once a request is read. Texts point into the request's JSON. */
struct model_request {
    const cJSON *body;
    const char *model;
    bool stream;
    bool wants_json;
    bool wants_tool; /* tools were given and the user's text calls for one */
    const char *tool_name;
    long max_tokens; /* 0: not said */
    size_t instruction_tokens, input_tokens, cached_tokens;
};

/* One piece of the body, sent `due_s` seconds after the request was complete. */
struct model_piece {
    double due_s;
    char *data;
    size_t bytes;
};

struct model_answer {
    unsigned status;
    const char *content_type;
    struct model_piece *pieces;
    size_t n_pieces, capacity;
    double clock_s; /* where the next piece goes */
    char header_name[4][40];
    char header_value[4][40];
    unsigned n_headers;
};

/* How fast the simulated model is. */
struct model_speed {
    double queue_s, load_s, prefill_tokens_per_s, decode_tokens_per_s;
};

struct model_speed model_speed_of(const char *model);
size_t model_tokens(const char *text);
/* The words of the answer, one token each, `count` of them from a place that depends on the
 * prompt. */
const char *model_word(uint64_t seed, size_t index);
/* How many tokens the answer to this request has; *ret_cut when the limit ended it. */
size_t model_answer_tokens(const struct model_request *request, uint64_t seed, bool *ret_cut);
uint64_t model_seed(const char *text);
/* Tokens of this prefix that an earlier request left in the simulated prompt cache; remembers it.
 * Any thread. */
size_t model_cache_lookup(const char *prefix, size_t tokens);
extern bool model_cache_on; /* set once before the server starts */

void model_answer_init(struct model_answer *answer);
void model_answer_done(struct model_answer *answer);
/* Appends a formatted piece at answer->clock_s. */
void model_say(struct model_answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends `prefix`, the JSON of `object` (which it frees) and `suffix`. */
void model_say_json(struct model_answer *answer, const char *prefix, cJSON *object, const char *suffix);
void model_header(struct model_answer *answer, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void model_openai_chat(const struct model_request *request, struct model_answer *answer);
void model_openai_embeddings(const struct model_request *request, struct model_answer *answer);
void model_anthropic_messages(const struct model_request *request, struct model_answer *answer);
void model_ollama_chat(const struct model_request *request, struct model_answer *answer);
void model_ollama_generate(const struct model_request *request, struct model_answer *answer);
