/* From facts to a span: the arithmetic of tokens, the rule of error.type, completeness. For
 * exchange.c only. */
#pragma once

#include "exchange_ends.h"
#include "shim/llm/facts/facts.h"
#include "outcome.h"
#include "span/span.h"

void exchange_span_facts(struct span *span, const struct facts *facts, const struct outcome *outcome,
                         const struct exchange_end *end);
void exchange_span_transport(struct span *span, const struct exchange_end *end);
/* From W3C's header: 00-TRACE(32)-PARENT(16)-FLAGS(2); anything else changes nothing. */
void exchange_span_traceparent(struct span *span, const char *value, size_t bytes);
