/*
 * The table of dialects: one small file per API shape, each of them rules, handlers and a page of
 * documentation.
 *
 * Under the rules of each dialect's answers lie the common ones for usage and errors
 * (dialect_answer.h).
 *
 * A dialect only reads JSON values and puts facts into struct facts (facts.h); decoding, framing,
 * counting of events, timing, errors of the transport and the span are the exchange's business.
 * Handlers run on the scribe's thread; they must not keep pointers to values. Adding one:
 * CONTRIBUTING.md.
 */
#pragma once

#include "shim/llm/facts/facts.h"
#include "shim/llm/json/json_scan.h"

/* Rules and the handler that gets their values; the handler's context is the struct facts. */
struct dialect_scan {
    struct json_rules rules;
    json_handler *value;
};

struct dialect {
    const char *name;            /* of the file */
    const char *apis;            /* names of API shapes (pprof.api) that it reads, separated by one blank */
    struct dialect_scan request; /* JSON request bodies */
    struct dialect_scan plain;   /* a JSON answer that is no stream, errors included */
    struct dialect_scan
        event; /* the JSON of each event of a stream, errors included; may use the same table and handler as `plain` */
    const char *envelopes;        /* keys below which the whole answer, or event, may stand; separated by one blank */
    const char *request_envelope; /* the same of requests */
    bool lines;                   /* a stream without content-type is one of JSON lines */
    bool lines_as_json;           /* and so is one that calls itself JSON */
    bool array; /* a top-level array, where a stream was asked for, is a stream of its elements (Gemini without alt=sse)
                 */
    bool repeats; /* (true of every call that asks after an earlier one:) the usage of one id is stated again to whoever
                     asks again: it counts once (counted.h) */
    bool text_chunks; /* events of AWS named "chunk" hold text, not an event of their own */
    bool kept;        /* answers can be fetched again: their ids are remembered */
    /* All optional (NULL). */
    void (*open)(struct facts *facts, const char *api, const char *provider); /* before anything else */
    void (*response_header)(struct facts *facts, const char *name, size_t name_bytes, const char *value,
                            size_t value_bytes);
    /* name: SSE "event:" or AWS ":event-type", "" if none; given before the event's data where the
     * framing allows it (AWS always; SSE when the line stands before data:, as everybody writes
     * it). */
    void (*event_begin)(struct facts *facts, const char *name, size_t name_bytes);
    void (*event_end)(struct facts *facts);
    void (*sum)(struct facts *facts); /* puts counts that the dialect's state holds into usage and numbers, and changes
                                          nothing else: before `close`, and for a look at what is known so far */
    void (*close)(struct facts *facts); /* everything was seen; last chance before the span is made */
    bool compiled;                      /* dialect_by_api's */
    const char *docs;                   /* Markdown: how recognised, where each fact is read, quirks, source */
};

/* NULL-terminated; their rules as they are written, not as they are matched. */
extern struct dialect *const dialects[];

/* The dialect that reads an API shape, its rules compiled, or NULL. Scribe's thread. */
struct dialect *dialect_by_api(const char *api);
