/*
 * Numbers and texts as people read them in a terminal. Pure functions on the caller's memory, for the commands of
 * pprofctl; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../span/span.h"
#include "../base/display_safe.h"

enum { DISPLAY_BYTES = 32 }; /* enough for every number below */

/* "0.85us" … "12.3ms", "1.23s", "4m05s", "3h07m", "2d04h": three digits that count. */
void display_duration(char out[DISPLAY_BYTES], uint64_t ns);
/* "1,234,567"; from ten million on "12.3M", "4.56G". */
void display_count(char out[DISPLAY_BYTES], uint64_t count);
/* "812 B", "4.1 KiB", "17.0 MiB". */
void display_size(char out[DISPLAY_BYTES], uint64_t bytes);
/* A share from 0 to 1: "0%", "<1%", "37%". */
void display_share(char out[DISPLAY_BYTES], double share);
/* "0.52", "8.1", "134", with as many digits as say something. */
void display_rate(char out[DISPLAY_BYTES], double rate);
/* "2026-11-24 05:00:17", local time. */
void display_time(char out[DISPLAY_BYTES], uint64_t ns);
/* 16 hex digits. */
void display_id(char out[DISPLAY_BYTES], uint64_t id);

/* Columns that the UTF-8 text takes in a terminal. */
size_t display_width(const char *text);
/* How many bytes of the text fit `columns`; *ret_columns says how many they take. */
size_t display_cut(const char *text, size_t columns, size_t *ret_columns);

/*
 * A cell of each format, such that what reads the format takes it for text: csv quoted where it must be and never a
 * formula (a cell that begins like one gets an apostrophe; numbers stay numbers), md without links, images, HTML or
 * other markup, JSON with its quotes and all that is not seen as \uXXXX.
 */
void display_csv(FILE *out, const char *text);
void display_md(FILE *out, const char *text);
void display_json(FILE *out, const char *text);

/* The width of the terminal on this descriptor (or $COLUMNS), 0 when it is none; whether colours are wanted there. */
size_t display_terminal_width(int fd);
bool display_wants_colour(int fd);
