/* Compares a span with what an exchange of the corpus states about itself; see test_corpus.c. */
#pragma once

#include "../../span/span.h"

#include <cjson/cJSON.h>

/* Prints each fact that disagrees with `id` and `how` it was fed. Returns how many did; adds the
 * facts compared to *compared. */
unsigned corpus_compare(const cJSON *record, const struct span *span, const char *how, unsigned long *compared);
