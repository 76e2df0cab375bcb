/*
 * What exchanges need beside the environment: the key of the hashes and the table of what previews
 * may show. Read by the scribe when it begins, as the user that the process is then.
 */
#pragma once

#include "shim/llm/exchange.h"

/* Fills in the whole configuration. Where the key cannot be read that is said once, and ids,
 * aliases and previews are absent. */
void exchange_keys_prepare(struct exchange_config *ret_config);
/* After a call: keeps what previews learned. */
void exchange_keys_save(const struct exchange_config *config);
