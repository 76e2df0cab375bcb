/* Decimal numbers as whole multiples of a power of ten, without a float in between (money). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "0.000375" with power 9: 375000 (half up). False: no number >= 0 as JSON spells them, or too
 * large. */
bool decimal_scaled(const char *text, size_t bytes, int power, uint64_t *ret);
