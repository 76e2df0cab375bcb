/*
 * What fits a terminal: how wide texts and the terminal itself are, whether colours are wanted. For
 * the commands; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Columns that the UTF-8 text takes in a terminal. */
size_t terminal_columns(const char *text);
/* How many bytes of the text fit `columns`; *ret_columns says how many they take. */
size_t terminal_cut(const char *text, size_t columns, size_t *ret_columns);

/* The width of the terminal on this descriptor (or $COLUMNS), 0 when it is none; whether colours
 * are wanted there. */
size_t terminal_width(int fd);
bool terminal_wants_colour(int fd);
