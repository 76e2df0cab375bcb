/* What the traffic itself tells of an answer's quality: ended at the limit, refused, filtered, not
 * the JSON that was asked for, nothing at all. */
#pragma once

#include "facts.h"

struct span;

/* `whole`: the answer came to its end without an error and without loss: only then can what is
 * missing be said to be missing. `silent`: there was nothing at all, not even a shape. */
void quality_finish(const struct facts *facts, bool whole, bool silent, struct span *span);
