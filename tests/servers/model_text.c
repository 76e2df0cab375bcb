/*
 * Text, tokens, pace and prompt cache of the simulated model (see model.h). Any thread; the prompt
 * cache has its own lock.
 */
#include "model.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
    "The",      " answer",    " depends",      " on",   " what",   " you",   " measure", ":",       " a",
    " request", " first",     " waits",        ",",     " then",   " the",   " model",   " reads",  " the",
    " prompt",  ",",          " and",          " only", " then",   " does",  " it",      " begin",  " to",
    " write",   ".",          " Most",         " of",   " the",    " time",  " a",       " person", " sees",
    " is",      " the",       " time",         " to",   " the",    " first", " token",   ".",       "\n\n",
    "If",       " that",      " is",           " long", ",",       " look",  " at",      " the",    " length",
    " of",      " the",       " instructions", ";",     " if",     " the",   " gaps",    " are",    " long",
    ",",        " look",      " at",           " the",  " server", ".",      " Caching", " helps",  " when",
    " the",     " beginning", " stays",        " the",  " same",   " –",     " byte",    " for",    " byte",
    ".",
};
enum { WORDS = sizeof(words) / sizeof(words[0]) };

const char *model_word(uint64_t seed, size_t index)
{
    return words[(seed % 7 + index) % WORDS];
}

uint64_t model_seed(const char *text)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a */
    for (const char *c = text != NULL ? text : ""; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return hash;
}

/* The usual rule of thumb for English text: four characters a token. */
size_t model_tokens(const char *text)
{
    size_t bytes = text != NULL ? strlen(text) : 0;
    return (bytes + 3) / 4;
}

struct model_speed model_speed_of(const char *model)
{
    static const struct {
        const char *prefix;
        struct model_speed speed;
    } table[] = {
        {"gpt-4o-mini", {0.010, 0, 9000, 110}},  {"gpt", {0.020, 0, 5000, 70}},
        {"claude-haiku", {0.010, 0, 8000, 120}}, {"claude", {0.030, 0, 4000, 60}},
        {"llama", {0, 0.040, 1500, 45}},         {"", {0.015, 0, 5000, 80}},
    };
    for (size_t i = 0;; i++)
        if (strncmp(model, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].speed;
}

size_t model_answer_tokens(const struct model_request *request, uint64_t seed, bool *ret_cut)
{
    size_t natural = 24 + (size_t)(seed >> 8) % 56;
    *ret_cut = request->max_tokens > 0 && (size_t)request->max_tokens < natural;
    return *ret_cut ? (size_t)request->max_tokens : natural;
}

bool model_cache_on = true;

size_t model_cache_lookup(const char *prefix, size_t tokens)
{
    enum { SLOTS = 1024, TOKENS_MIN = 64 };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t seen[SLOTS];
    if (tokens < TOKENS_MIN || !model_cache_on)
        return 0;
    uint64_t hash = model_seed(prefix);
    pthread_mutex_lock(&lock);
    bool hit = seen[hash % SLOTS] == hash;
    seen[hash % SLOTS] = hash;
    pthread_mutex_unlock(&lock);
    return hit ? tokens / TOKENS_MIN * TOKENS_MIN : 0;
}

void model_answer_init(struct model_answer *answer)
{
    *answer = (struct model_answer){.status = 200, .content_type = "application/json"};
}

void model_answer_done(struct model_answer *answer)
{
    for (size_t i = 0; i < answer->n_pieces; i++)
        free(answer->pieces[i].data);
    free(answer->pieces);
    *answer = (struct model_answer){0};
}

/* Takes ownership of data. */
static void add_piece(struct model_answer *answer, char *data)
{
    if (answer->n_pieces == answer->capacity) {
        size_t capacity = answer->capacity ? answer->capacity * 2 : 16;
        struct model_piece *pieces = realloc(answer->pieces, capacity * sizeof(*pieces));
        if (pieces == NULL)
            abort(); /* a test server may */
        answer->pieces = pieces;
        answer->capacity = capacity;
    }
    answer->pieces[answer->n_pieces++] =
        (struct model_piece){.due_s = answer->clock_s, .data = data, .bytes = strlen(data)};
}

void model_say(struct model_answer *answer, const char *format, ...)
{
    char *data = NULL;
    va_list args;
    va_start(args, format);
    int bytes = vasprintf(&data, format, args);
    va_end(args);
    if (bytes < 0)
        abort();
    add_piece(answer, data);
}

void model_say_json(struct model_answer *answer, const char *prefix, cJSON *object, const char *suffix)
{
    char *json = cJSON_PrintUnformatted(object);
    model_say(answer, "%s%s%s", prefix, json, suffix);
    cJSON_free(json);
    cJSON_Delete(object);
}

void model_header(struct model_answer *answer, const char *name, const char *format, ...)
{
    unsigned i = answer->n_headers++;
    snprintf(answer->header_name[i], sizeof(answer->header_name[i]), "%s", name);
    va_list args;
    va_start(args, format);
    vsnprintf(answer->header_value[i], sizeof(answer->header_value[i]), format, args);
    va_end(args);
}
