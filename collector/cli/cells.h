/*
 * A cell of each format, such that what reads the format takes it for text. For the commands; any
 * thread.
 */
#pragma once

#include <stdio.h>

/* Quoted where it must be, and never a formula: a cell that begins like one gets an apostrophe;
 * numbers stay numbers. */
void cell_csv(FILE *out, const char *text);
/* Without links, images, HTML or other markup. */
void cell_md(FILE *out, const char *text);
/* With its quotes, and all that is not seen as \uXXXX. */
void cell_json(FILE *out, const char *text);
