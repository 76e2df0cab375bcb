/*
 * What tells one text of instructions from another without its words: keyed hashes of its first and
 * last words and of the lines between them. The scribe makes it once an hour for each distinct text
 * of a process (shim/llm/identity/text_features.c), it travels in the span that brought the text
 * (SPAN_prompt_features), and the collector learns templates from it (collector/prompts/).
 *
 * Pure; any thread. No text can be read from it without the key; it never leaves the collector.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span_limits.h"

enum {
    PROMPT_FEATURES_HEAD = 64,  /* words at the beginning */
    PROMPT_FEATURES_TAIL = 24,  /* words at the end */
    PROMPT_FEATURES_LINES = 76, /* the lowest hashes of pairs of neighbouring lines */
    PROMPT_FEATURES_BITS = 24,  /* of each hash */
};

struct prompt_features {
    uint32_t scope;   /* hash of what must be equal: the name that was said, how many parts there are */
    uint32_t setup;   /* hash of tools and response format; 0: none. An edit of them is a version */
    uint32_t bytes;   /* of the text */
    uint8_t heads;    /* words in head[] */
    uint8_t tails;    /* words in tail[]; 0 where the head holds the whole text */
    uint8_t lines;    /* hashes in line[] */
    bool has_between; /* words lie between head and tail: lines alone tell of them */
    uint32_t head[PROMPT_FEATURES_HEAD]; /* 1 to 2^24 - 1 */
    uint32_t tail[PROMPT_FEATURES_TAIL];
    uint32_t line[PROMPT_FEATURES_LINES]; /* ascending; when full, what is above the last one is not known */
};

/* Writes at most SPAN_TEXT_MAX bytes; the same features always give the same bytes. */
size_t prompt_features_write(const struct prompt_features *features, uint8_t ret_data[SPAN_TEXT_MAX]);
/* 0, or -1 where the bytes are not what prompt_features_write makes: they come from any program. */
int prompt_features_read(struct prompt_features *ret_features, const void *data, size_t bytes);
