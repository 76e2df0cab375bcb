/* What dump says about frames and blocks; dump.c finds them, dump_block.c describes them. One
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../span/block.h"
#include "../../span/frame.h"

struct dump {
    FILE *out;
    bool raw;        /* payloads in hex */
    bool statistics; /* only sums */
    bool damaged;
    uint64_t blocks, spans, frames;
    uint64_t field_bytes[SPAN_FIELD_NUMBER_END]; /* by wire number; 0: the store's own */
    uint64_t field_columns[SPAN_FIELD_NUMBER_END];
};

void dump_hex(const struct dump *dump, const uint8_t *data, size_t bytes);
/* One encoded column. */
void dump_column(struct dump *dump, unsigned number, const uint8_t *data, size_t bytes, uint64_t rows);
/* A whole block as it travels. Returns 0, or -1 after having said what is wrong with it. */
int dump_block(struct dump *dump, const uint8_t *data, size_t bytes);
void dump_process(const struct dump *dump, const struct span_process *process);
void dump_loss(const struct dump *dump, const struct span_loss *loss);
/* The sums over all that was dumped. */
void dump_sums(const struct dump *dump);
