/* A kept exchange (corpus.h) becomes a span, its bodies cut in one of several ways; CROWDED: and
 * its state packed and unpacked between any two pieces. */
#pragma once

#include "../../span/span.h"
#include "corpus.h"

enum cutting { WHOLE, RECORDED, SINGLE_BYTES, RANDOM, RANDOM_CRLF, CROWDED, CUTTINGS };
extern const char *const corpus_cutting_names[CUTTINGS];

/* False: no span came of it. */
bool corpus_run(const cJSON *record, enum cutting cutting, struct span *ret_span);
