/*
 * The last look at a span's texts before it leaves the exchange: what is no word of the services,
 * no documented shape, or an echo of the request, goes. The one place where texts from outside are
 * judged; secret.h and words.h say how.
 *
 * Called by exchange_close on the scribe's thread.
 */
#pragma once

#include "shim/llm/facts/facts.h"
#include "shim/llm/privacy/secret.h"

struct span;

void span_clean(struct span *span, const struct facts *facts, const struct secret_echo *echo);
