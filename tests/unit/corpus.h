/* Exchanges kept as JSON lines: our own in tests/fixtures/exchanges (format:
 * tests/fixtures/README.md), and the recorded corpus where it is. */
#pragma once

#include <cjson/cJSON.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORPUS_FIXTURES PPROF_SOURCE_DIR "/tests/fixtures/exchanges"

/* Exit code of a test that could not run. */
enum { CORPUS_SKIPPED = 77 };

struct corpus_bytes {
    uint8_t *data;
    size_t count;
};

typedef void corpus_visit(void *context, const cJSON *record, bool negative);

/* $LIBPPROF_CORPUS, else ../shared/corpus beside the source tree; NULL, and a loud word, if there
 * is none. It is never part of the tree. */
const char *corpus_directory(void);

/* Calls visit for each exchange of the directory's *.jsonl, or of one such file. Returns how many
 * there were. A line that is none ends the program with a failure. */
size_t corpus_each(const char *directory, corpus_visit *visit, void *context);

/* What a base64 text says. Free data. A text that is none ends the program with a failure. */
struct corpus_bytes corpus_base64(const char *text);

/* The body of a record's request or response, however it is written. Free data. */
struct corpus_bytes corpus_body(const cJSON *part);
