/*
 * What calls can be grouped by. Called by group.c for each row of a scan: a dictionary's text is
 * looked up once per block, a number once per distinct value, so that a row costs a few table
 * look-ups.
 */
#include "keys.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/display.h"

#define PROCESS(member) .kind = KEY_PROCESS, .offset = offsetof(struct span_process, member)
#define TEXT(ident) .kind = KEY_TEXT, .field = SPAN_##ident
#define NUMBER(ident) .kind = KEY_NUMBER, .field = SPAN_##ident

const struct key keys[] = {
    {"prompt", "prompt", "the prompt: its name@version, else \"the beginning of its instructions\", else its id",
     .kind = KEY_PROMPT},
    {"model", "model", "the model asked for, else the one that answered", .kind = KEY_MODEL},
    {"response_model", "answered by", "the model that answered", TEXT(response_model)},
    {"provider", "provider", "who served it", TEXT(provider)},
    {"service", "service", "the service that called (LIBPPROF_SERVICE, OTEL_SERVICE_NAME)", PROCESS(service)},
    {"host", "host", "the machine that called", PROCESS(host)},
    {"server", "server", "the host name that was called", TEXT(host)},
    {"path", "path", "the path that was called", TEXT(path)},
    {"status", "status", "the HTTP status", NUMBER(status)},
    {"error", "error", "the error's type; - for calls that succeeded", TEXT(error_type)},
    {"team", "team", "the team that pays (LIBPPROF_TEAM)", PROCESS(team)},
    {"api", "api", "the shape of the API", TEXT(api)},
    {"operation", "operation", "chat, embeddings and so on", TEXT(operation)},
    {"executable", "executable", "the program that called", PROCESS(executable)},
    {"pid", "pid", "the process that called", .kind = KEY_PID},
    {"container", "container", "the container that called", PROCESS(container)},
    {"labels", "labels", "the labels of the process (OTEL_RESOURCE_ATTRIBUTES)", PROCESS(labels)},
    {"version", "version", "the prompt's version, said or found", TEXT(prompt_version)},
    {"variant", "variant", "which of a few texts the prompt had", TEXT(prompt_variant)},
    {"key", "key", "the API key: a keyed hash, never the key", TEXT(key_alias)},
    {"user", "user", "the user whose id the request names: a keyed hash, never the id", TEXT(user_alias)},
    {"finish", "finish", "why the answer ended", TEXT(finish_reasons)},
    {"completeness", "completeness", "whole, cancelled, cut or killed", TEXT(completeness)},
    {"stream", "stream", "whether the answer was a stream", .kind = KEY_BOOL, .field = SPAN_response_stream},
    {"tier", "tier", "the service tier", TEXT(service_tier)},
    {"http", "http", "the HTTP version", TEXT(http_version)},
    {"day", "day", "the day, local time", .kind = KEY_DAY},
    {"hour", "hour", "the day and hour, local time", .kind = KEY_HOUR},
};
const size_t n_keys = sizeof(keys) / sizeof(keys[0]);

enum { CODE_UNASKED = -1, EVERY_BLOCK = 1 };

const struct key *key_find(const char *name, size_t bytes)
{
    for (size_t i = 0; i < n_keys; i++)
        if (strlen(keys[i].name) == bytes && memcmp(keys[i].name, name, bytes) == 0)
            return &keys[i];
    return NULL;
}

size_t key_fields(const struct key *key, enum span_field *fields, size_t n)
{
    switch (key->kind) {
    case KEY_TEXT:
    case KEY_NUMBER:
    case KEY_BOOL:
        fields[n++] = key->field;
        break;
    case KEY_PROMPT:
        fields[n++] = SPAN_prompt_id;
        fields[n++] = SPAN_prompt_name;
        fields[n++] = SPAN_prompt_version;
        fields[n++] = SPAN_prompt_preview;
        break;
    case KEY_MODEL:
        fields[n++] = SPAN_request_model;
        fields[n++] = SPAN_response_model;
        break;
    case KEY_PROCESS:
    case KEY_PID:
    case KEY_DAY:
    case KEY_HOUR:
        break;
    }
    return n;
}

int key_reader_init(struct key_reader *reader, const struct key *key, struct names *names)
{
    *reader = (struct key_reader){.key = key, .names = names};
    return 0;
}

void key_reader_done(struct key_reader *reader)
{
    free(reader->by_code);
    free(reader->by_code_else);
    *reader = (struct key_reader){0};
}

/* Forgets the ids of the last block's dictionary. */
static int forget(uint32_t **by_code, size_t *capacity, const struct store_rows *rows, enum span_field field)
{
    if (!rows->has[field])
        return 0;
    size_t n = rows->column[field]->n_dict;
    if (n > *capacity) {
        uint32_t *grown = realloc(*by_code, n * sizeof(*grown));
        if (grown == NULL)
            return -1;
        *by_code = grown;
        *capacity = n;
    }
    if (n > 0)
        memset(*by_code, 0xff, n * sizeof(**by_code));
    return 0;
}

/* The one or two text fields that the key reads. */
static bool text_fields(const struct key *key, enum span_field *ret_first, enum span_field *ret_second)
{
    *ret_second = SPAN_FIELD_COUNT;
    if (key->kind == KEY_TEXT) {
        *ret_first = key->field;
    } else if (key->kind == KEY_PROMPT) {
        *ret_first = SPAN_prompt_name;
    } else if (key->kind == KEY_MODEL) {
        *ret_first = SPAN_request_model;
        *ret_second = SPAN_response_model;
    } else {
        return false;
    }
    return true;
}

int key_reader_begin(struct key_reader *reader, const struct store_rows *rows)
{
    enum span_field first, second;
    reader->process = NULL; /* a process may lie elsewhere in the next block */
    reader->block++;
    if (!text_fields(reader->key, &first, &second))
        return 0;
    if (forget(&reader->by_code, &reader->by_code_capacity, rows, first) < 0)
        return -1;
    return second == SPAN_FIELD_COUNT ? 0 : forget(&reader->by_code_else, &reader->by_code_else_capacity, rows, second);
}

static bool row_has(const struct store_rows *rows, enum span_field field, size_t row)
{
    return rows->has[field] && span_bit(rows->column[field]->present, row);
}

/* A list is shown with commas. */
static uint32_t list_id(struct names *names, struct span_text text)
{
    char joined[SPAN_TEXT_MAX];
    size_t n = text.bytes < sizeof(joined) ? text.bytes : sizeof(joined);
    for (size_t i = 0; i < n; i++)
        joined[i] = text.data[i] == 0x1f ? ',' : text.data[i];
    return names_id(names, (struct span_text){joined, (uint32_t)n});
}

static uint32_t text_id(struct key_reader *reader, uint32_t *by_code, const struct store_rows *rows,
                        enum span_field field, size_t row)
{
    const struct span_column *column = rows->column[field];
    uint32_t code = column->code[row];
    if (by_code[code] == (uint32_t)CODE_UNASKED)
        by_code[code] = span_fields[field].type == SPAN_LIST ? list_id(reader->names, column->dict[code])
                                                             : names_id(reader->names, column->dict[code]);
    return by_code[code];
}

static uint32_t literal_id(struct names *names, const char *text)
{
    return names_id(names, (struct span_text){text, (uint32_t)strlen(text)});
}

/* The place in the cache for a value; *ret_known says whether it holds it. */
static uint32_t *cached(struct key_reader *reader, uint64_t value, uint64_t scope, bool *ret_known)
{
    size_t at = (size_t)((value * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - KEYS_CACHE_BITS));
    *ret_known = reader->cache[at].scope == scope && reader->cache[at].value == value;
    reader->cache[at].scope = scope;
    reader->cache[at].value = value;
    return &reader->cache[at].id;
}

static uint32_t number_id(struct key_reader *reader, uint64_t number)
{
    bool known;
    uint32_t *id = cached(reader, number, EVERY_BLOCK, &known);
    if (!known) {
        char text[DISPLAY_BYTES];
        (void)snprintf(text, sizeof(text), "%" PRIu64, number);
        *id = literal_id(reader->names, text);
    }
    return *id;
}

static uint32_t time_id(struct key_reader *reader, uint64_t start_ns)
{
    uint64_t hour = start_ns / UINT64_C(900000000000) * UINT64_C(900000000000); /* no zone divides quarter hours */
    bool known;
    uint32_t *id = cached(reader, hour, EVERY_BLOCK, &known);
    if (!known) {
        char text[DISPLAY_BYTES];
        display_time(text, hour);
        text[reader->key->kind == KEY_DAY ? 10 : 13] = '\0';
        *id = literal_id(reader->names, text);
    }
    return *id;
}

static uint32_t process_id(struct key_reader *reader, const struct span_process *process)
{
    if (process != reader->process) {
        const char *text = (const char *)process + reader->key->offset;
        reader->process = process;
        reader->process_id = text[0] != '\0' ? literal_id(reader->names, text) : NAMES_ABSENT;
    }
    return reader->process_id;
}

static struct span_text row_text(const struct store_rows *rows, enum span_field field, size_t row)
{
    const struct span_column *column = rows->column[field];
    return column->dict[column->code[row]];
}

/* name@version, looked up by the pair of dictionary positions. */
static uint32_t named_prompt_id(struct key_reader *reader, const struct store_rows *rows, size_t row)
{
    if (!row_has(rows, SPAN_prompt_version, row))
        return text_id(reader, reader->by_code, rows, SPAN_prompt_name, row);
    bool known;
    uint64_t pair =
        (uint64_t)rows->column[SPAN_prompt_name]->code[row] << 32 | rows->column[SPAN_prompt_version]->code[row];
    uint32_t *id = cached(reader, pair, EVERY_BLOCK + reader->block, &known);
    if (!known) {
        struct span_text name = row_text(rows, SPAN_prompt_name, row);
        struct span_text version = row_text(rows, SPAN_prompt_version, row);
        char text[2 * SPAN_TEXT_MAX + 2];
        int bytes =
            snprintf(text, sizeof(text), "%.*s@%.*s", (int)name.bytes, name.data, (int)version.bytes, version.data);
        *id = names_id(reader->names, (struct span_text){text, (uint32_t)bytes});
    }
    return *id;
}

/* An unnamed prompt is grouped by its id; the report shows the preview that `group` keeps for
 * it. */
static uint32_t prompt_id(struct key_reader *reader, const struct store_rows *rows, size_t row)
{
    if (row_has(rows, SPAN_prompt_name, row))
        return named_prompt_id(reader, rows, row);
    if (!row_has(rows, SPAN_prompt_id, row))
        return NAMES_ABSENT;
    uint64_t hash = rows->column[SPAN_prompt_id]->u64[row];
    bool known;
    uint32_t *id = cached(reader, hash, EVERY_BLOCK, &known);
    if (!known) {
        char text[DISPLAY_BYTES];
        display_id(text, hash);
        *id = literal_id(reader->names, text);
    }
    return *id;
}

uint32_t key_reader_id(struct key_reader *reader, const struct store_rows *rows, size_t row)
{
    enum span_field field = reader->key->field;
    switch (reader->key->kind) {
    case KEY_TEXT:
        return row_has(rows, field, row) ? text_id(reader, reader->by_code, rows, field, row) : NAMES_ABSENT;
    case KEY_NUMBER:
        return row_has(rows, field, row) ? number_id(reader, rows->column[field]->u64[row]) : NAMES_ABSENT;
    case KEY_BOOL:
        if (!row_has(rows, field, row))
            return NAMES_ABSENT;
        return literal_id(reader->names, rows->column[field]->u64[row] != 0 ? "yes" : "no");
    case KEY_PROCESS:
        return process_id(reader, rows->process[row]);
    case KEY_PID:
        return number_id(reader, rows->process[row]->pid);
    case KEY_PROMPT:
        return prompt_id(reader, rows, row);
    case KEY_MODEL:
        if (row_has(rows, SPAN_request_model, row))
            return text_id(reader, reader->by_code, rows, SPAN_request_model, row);
        if (row_has(rows, SPAN_response_model, row))
            return text_id(reader, reader->by_code_else, rows, SPAN_response_model, row);
        return NAMES_ABSENT;
    case KEY_DAY:
    case KEY_HOUR:
        return time_id(reader, rows->column[SPAN_start_ns]->u64[row]);
    }
    return NAMES_ABSENT;
}
