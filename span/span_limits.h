/* Every bound of the span format in one place, each with its reason. */
#pragma once

enum {
    /* Longest text in a span: the features of a prompt (prompt_features.c) need most of it. Models,
     * ids, paths and reasons are far shorter; longer ones are cut at a character boundary. */
    SPAN_TEXT_MAX = 700,
    /* All texts of one span together, so that a span under construction has a fixed size. */
    SPAN_ARENA_BYTES = 4096,
    /* Spans in a block as the shim cuts it: past 256 compression gains little (shared figures: 10 %
     * from 64 to 4096) and a block would wait too long. */
    SPAN_BLOCK_ROWS_SHIM = 256,
    /* Different hours in which the spans of a block as it travels may begin: it holds what ended
     * within moments, and hardly a call lasts for hours. Each hour costs the collector a group. */
    SPAN_BLOCK_HOURS_MAX = 16,
    /* Spans in a block after the store's merge. */
    SPAN_BLOCK_ROWS_MAX = 65536,
    /* Largest frame payload a reader accepts; a shim block of 256 spans is below 64 KiB. */
    SPAN_FRAME_PAYLOAD_MAX = 4 * 1024 * 1024,
    /* zstd levels: 1 inside the application, 3 in the collector. */
    SPAN_ZSTD_LEVEL_SHIM = 1,
    SPAN_ZSTD_LEVEL_STORE = 3,
};
