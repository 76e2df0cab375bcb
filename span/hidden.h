/*
 * Characters that are not seen or turn others around: they let a text say something else than it
 * shows, or carry something that nobody sees. One list for export and for everything that pprofctl
 * prints.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* C0 and C1 controls, U+007F, marks of direction, joiners and fillers of no width, separators of
 * lines, variation selectors, tags, annotations (Unicode 15, Default_Ignorable_Code_Point,
 * Bidi_Control and general category Cc, Zl, Zp). */
bool span_hidden_character(uint32_t character);
