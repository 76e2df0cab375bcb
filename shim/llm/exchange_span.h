/* From facts to a span: the arithmetic of tokens, the rule of error.type, completeness. For exchange.c only. */
#pragma once

#include "exchange.h"
#include "facts.h"

struct exchange_outcome {
    bool whole, cancelled; /* neither: cut */
    bool lost;             /* bytes are missing: nothing is said about what was not seen */
    uint64_t status;       /* 0: none */
};

void exchange_span_facts(struct span *span, const struct facts *facts, const struct exchange_outcome *outcome,
                         const struct exchange_end *end);
void exchange_span_transport(struct span *span, const struct exchange_end *end);
/* From W3C's header: 00-TRACE(32)-PARENT(16)-FLAGS(2); anything else changes nothing. */
void exchange_span_traceparent(struct span *span, const char *value, size_t bytes);
