/*
 * Numbers and times as people read them, wherever that is. Pure functions on the caller's memory;
 * any thread. Texts that came from outside: display_safe.h.
 */
#pragma once

#include <stdint.h>

enum { DISPLAY_BYTES = 32 }; /* enough for every number below */

/* "0.85us" … "12.3ms", "1.23s", "4m05s", "3h07m", "2d04h": three digits that count. */
void display_duration(char out[DISPLAY_BYTES], uint64_t ns);
/* "1,234,567"; from ten million on "12.3M", "4.56G". */
void display_count(char out[DISPLAY_BYTES], uint64_t count);
/* "812 B", "4.1 KiB", "17.0 MiB". */
void display_size(char out[DISPLAY_BYTES], uint64_t bytes);
/* A share from 0 to 1: "0%", "<1%", "37%". */
void display_share(char out[DISPLAY_BYTES], double share);
/* "0.52", "8.1", "134", with as many digits as say something. */
void display_rate(char out[DISPLAY_BYTES], double rate);
/* "2026-11-24 05:00:17", local time. */
void display_time(char out[DISPLAY_BYTES], uint64_t ns);
/* 16 hex digits. */
void display_id(char out[DISPLAY_BYTES], uint64_t id);
