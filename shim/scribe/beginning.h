/*
 * What the tape holds of a request's beginning, as the exchange wants it. The scribe's thread;
 * pure.
 */
#pragma once

#include "shim/llm/header_lines.h"
#include "shim/llm/exchange.h"
#include "shim/tape/tape.h"

/*
 * False for a record that is no whole TAPE_BEGIN. What `ret_start` points to lies in the record,
 * and in `lines`, where the caller wipes the headers.
 */
bool beginning_read(const struct tape_record *record, char lines[static HEADER_LINES_BYTES_MAX],
                    struct exchange_start *ret_start, enum tape_source *ret_source);
