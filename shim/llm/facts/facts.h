/*
 * What is known so far about one exchange, in neutral terms: dialects put facts in, the exchange
 * takes a span out.
 *
 * Written by dialects from JSON callbacks, on the scribe's thread only. Fixed size, no allocation.
 * A fact that was not stated stays absent; a later statement replaces an earlier one ("last wins").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span/alias.h"
#include "shim/llm/json/json_check.h"
#include "shim/llm/json/json_scan.h"
#include "shim/llm/identity/prompt.h"

/* Token classes and times as the provider states them. The arithmetic (input includes cached,
 * output includes reasoning) is done once, at the end, from the three switches below. */
enum facts_number {
    FACT_INPUT,
    FACT_OUTPUT,
    FACT_CACHE_READ,
    FACT_CACHE_CREATION,
    FACT_CACHE_CREATION_5M,
    FACT_CACHE_CREATION_1H,
    FACT_REASONING,
    FACT_INPUT_AUDIO,
    FACT_OUTPUT_AUDIO,
    FACT_INPUT_IMAGE,
    FACT_OUTPUT_IMAGE,
    FACT_ACCEPTED_PREDICTION,
    FACT_REJECTED_PREDICTION,
    FACT_TOTAL,                /* stated total: never a span field, but serves the arithmetic of some */
    FACT_SERVER_TOOL_REQUESTS, /* usage.server_tool_use.*, summed by the dialect */
    FACT_COST_NANOUSD,
    FACT_TOOL_INPUT, /* tokens that the service's own tools added to the prompt, where they are stated beside it */
    FACT_DRAFT,
    FACT_ACCEPTED_DRAFT,
    FACT_USAGE_END, /* the ones above gather between facts_usage_begin and facts_usage_end */
    FACT_SERVER_QUEUE_NS = FACT_USAGE_END,
    FACT_SERVER_LOAD_NS,
    FACT_SERVER_PREFILL_NS,
    FACT_SERVER_DECODE_NS,
    FACT_SERVER_PROCESSING_NS,
    FACT_MAX_TOKENS,
    FACT_CHOICES_ASKED,
    FACT_NUMBER_COUNT
};

enum facts_text {
    FACT_REQUEST_MODEL,
    FACT_RESPONSE_MODEL,
    FACT_RESPONSE_ID,
    FACT_SERVICE_TIER,
    FACT_SPEED, /* that was served, beside the tier */
    FACT_ERROR_TYPE,
    FACT_ERROR_CODE,
    FACT_STATUS, /* a state of the whole answer ("completed", "queued") that stands as finish reason where no choice
                    states one */
    FACT_TEXT_COUNT
};

/* Kinds of generated content; an event can be in several. Signatures, citations, annotations,
 * pings, roles and empty deltas are none. */
enum facts_content {
    CONTENT_TEXT = 1,
    CONTENT_REASONING = 2,
    CONTENT_REFUSAL = 4,
    CONTENT_TOOL = 8,
    CONTENT_MEDIA = 16,
    CONTENT_ELSEWHERE = 32, /* the answer comes later or by another way: this exchange is not empty */
};

enum {
    FACTS_TEXT_MAX = 512,   /* as long as a span's texts: LiteLLM writes deployment and upstream's id into a response's
                               id, well over 200 bytes */
    FACTS_REASON_MAX = 40,  /* longest known finish reason: model_context_window_exceeded */
    FACTS_PARTS_MAX = 128,  /* answers whose counts are added up; of more, no count is stated */
    FACTS_CHOICES_MAX = 16, /* choices followed one by one; more are counted in nothing */
    FACTS_CALLS_MAX = 128,  /* tool calls told apart; more are counted by their index */
    FACTS_FRAGMENT_MAX = 512, /* arguments held until the call they belong to is known */
    FACTS_SCRATCH = 64,
    FACTS_STEPS_MAX = 8,
    FACTS_NO_INDEX = 0xffffffff,
};

struct secret_echo;

struct facts_choice {
    uint8_t reason_bytes;
    bool stated, seen;
    char reason[FACTS_REASON_MAX];
    struct json_check answer; /* fed with the visible text if JSON was asked for */
};

struct facts_call {
    uint32_t choice, index;
    uint64_t id; /* hash of the id; 0: none */
    struct json_check arguments;
};

struct facts_usage {
    uint32_t present;
    uint64_t value[FACT_USAGE_END];
};

/* What one of several answers within one response states of itself (facts_part_*). */
enum { PART_INPUT, PART_OUTPUT, PART_CACHED, PART_DRAFT, PART_ACCEPTED, PART_COUNTS };
enum { FACTS_PART_TIMES = 128 };
struct facts_part {
    uint8_t present; /* bit per PART_*, FACTS_PART_TIMES */
    uint32_t count[PART_COUNTS];
    uint32_t prefill_us, decode_us;
};

struct facts {
    /* ---- request ---- */
    bool stream_stated, stream_asked;
    bool shape_asked; /* messages, or a limit of tokens, were handed in: only language models are asked like this */
    bool json_asked;  /* the request demands JSON: response_format, format, ... */
    bool prompt_of_tokens;                /* the list of prompts is one, spelled as numbers of tokens */
    uint32_t prompts;                     /* elements of a list of prompts; 0: no list */
    uint8_t format_matched, mime_matched; /* see dialect_request.c */
    struct facts_step {
        const char *api, *shape; /* as struct recognised has them; NULL: not known */
    } step[FACTS_STEPS_MAX];     /* the calls of a list of which one is answered */
    struct prompt prompt;
    struct secret_echo *echo;        /* of the exchange: gets ids of users, which must not come back; NULL: nowhere */
    uint16_t end_user_said;          /* rule of dialect_request.h */
    char end_user[SPAN_ALIAS_BYTES]; /* hashed id of the user that the application named, "": none */

    /* ---- from here on of the answer, but for what requests state among the numbers and texts
     * (facts_forget_answer) ---- Switches that a dialect or the provider table sets: */
    bool input_excludes_cache;      /* the stated input lacks cache reads and writes (Anthropic, Converse) */
    bool output_excludes_reasoning; /* the stated output lacks reasoning (xAI chat, Gemini) */
    bool reasoning_beside;          /* always, whatever the stated total says (Perplexity) */
    bool reasoning_within;          /* never, even where it is said to be larger (OpenRouter estimates it) */
    bool total_tells;    /* what the stated total has above input and output is output that nothing names (thinking) */
    bool foreign_cost;   /* the stated cost is in another currency than dollars */
    bool count_unusable; /* a count was a fraction, negative or absurd: what only a difference would tell is not told */
    bool usage_from_timings; /* the counts come from the server's timing report: usage source "server_timings" */
    uint8_t answered;        /* which of `step` */
    const char *api;    /* the answer shows that it is another API than the path said: its name, static; NULL: no */
    bool not_inference; /* it turned out to be none: no span */
    bool shape_seen;    /* something only this API has was seen (a choice, usage, a content event): proves a shared
                           recognition */
    bool stream;        /* the answer is a stream; set by the exchange */
    bool done;          /* the stream's own end mark was seen ([DONE], message_stop, done:true, response.completed) */
    bool no_end_mark;   /* this answer shows no end mark: its end is the transport's end */
    bool error_seen;    /* an error object in the body or stream */
    bool error_closed;  /* ...in an event that is over: nothing else names it */
    struct {
        bool known, unknown; /* members of the error object under way, see failure.h */
    } error_object;
    bool refused, filtered; /* stated outright; finish reasons are looked at by quality.c */

    /* ---- numbers and texts ---- */
    uint32_t number_present; /* bit n - FACT_USAGE_END */
    uint64_t number[FACT_NUMBER_COUNT - FACT_USAGE_END];
    struct facts_usage usage, pending;
    struct facts_usage
        fallback; /* counts beside the body's own usage (headers, a relay's metrics), for answers that state none */
    bool usage_open;
    uint32_t parts; /* how many of `part` may say something */
    struct facts_part part[FACTS_PARTS_MAX];
    bool part_unseen; /* one more came than can be followed */
    struct {          /* of the documents of a plain answer that are complete */
        uint32_t present;
        uint64_t value[FACT_MAX_TOKENS];
    } earlier;
    uint32_t choice_base; /* choices of earlier documents */
    uint16_t text_bytes[FACT_TEXT_COUNT];
    char text[FACT_TEXT_COUNT][FACTS_TEXT_MAX];

    /* ---- choices, calls ---- */
    uint32_t choices; /* highest index + 1, at most FACTS_CHOICES_MAX */
    struct facts_choice choice[FACTS_CHOICES_MAX];
    uint32_t calls, calls_followed; /* counted; told apart in call[] */
    struct facts_call call[FACTS_CALLS_MAX];
    uint64_t server_calls;    /* calls seen that the service ran itself */
    bool server_calls_stated; /* 0 is a statement here, not ignorance */
    uint64_t other_calls;     /* counted without telling apart (facts_tool_calls_add) */

    /* the tool call fragment under way, between facts_call_begin and facts_call_end */
    struct {
        bool open, spilled;
        bool listed, named; /* an element of a list of calls; it states a name */
        uint32_t choice, index;
        uint64_t id;
        bool content; /* a name or a piece of arguments was seen */
        uint16_t bytes;
        char arguments[FACTS_FRAGMENT_MAX];
        struct facts_call *target; /* where spilled pieces go */
    } fragment;

    /* ---- events ---- */
    uint8_t event_kinds;   /* of the event under way; cleared by the exchange */
    uint8_t kinds;         /* of the whole answer */
    uint64_t answer_bytes; /* visible text seen */

    void *owner;                     /* the body that these facts are read from */
    uint64_t scratch[FACTS_SCRATCH]; /* the dialect's own, all zero at first */
};

struct exchange_config;
/* `*facts` is all zero bytes. */
void facts_init(struct facts *facts, const struct exchange_config *config);
/* Another response to the same request: all that the one before stated is forgotten, and the
 * switches stand as at first. */
void facts_forget_answer(struct facts *facts);

/* Zeroes what no longer matters of texts. */
void facts_tidy(struct facts *facts);
/* Makes all bytes zero again; parts and calls that nobody told of are. */
void facts_wipe(struct facts *facts);

/* Texts: empty ones change nothing. */
void facts_set_text(struct facts *facts, enum facts_text which, const char *text, size_t bytes);
/* The same from a JSON string (or number, as spelled); other types change nothing. */
void facts_set_value(struct facts *facts, enum facts_text which, const struct json_value *value);
bool facts_has_text(const struct facts *facts, enum facts_text which);

/*
 * Numbers. facts_set_number replaces. facts_set_count takes has_u64 values only, others change
 * nothing. Services repeat usage within one answer as it grows, and leave names out or state 0
 * where an earlier object had more to say: a later count of usage replaces an earlier one, but 0
 * and a missing name erase nothing. Between facts_usage_begin and _end the counts of one object
 * gather and are then laid over the former by that rule; of several names for one number within an
 * object the largest counts (relays state 0 or a part under those that they do not use). An object
 * that facts_usage_drop ends never was.
 */
#define FACTS_TOKENS_MAX ((uint64_t)1 << 40) /* a larger count changes nothing */
void facts_set_number(struct facts *facts, enum facts_number which, uint64_t value);
void facts_set_count(struct facts *facts, enum facts_number which, const struct json_value *value);
void facts_add_count(struct facts *facts, enum facts_number which, const struct json_value *value);
/* value times ns_per_unit, fractions kept: seconds 1e9, milliseconds 1e6, nanoseconds 1. What no
 * call or job can last changes nothing: batches, the longest of them, are given up after two
 * days. */
#define FACTS_TIME_NS_MAX (UINT64_C(7) * 86400 * 1000000000)
void facts_set_time(struct facts *facts, enum facts_number which, const struct json_value *value, double ns_per_unit);
#define FACTS_COST_NANOUSD_MAX (UINT64_C(1000000) * 1000000000) /* a million dollars: a larger cost changes nothing */
/* A cost (number, or text that spells one) times 10^power is nano-dollars: 9 for dollars, -1 for
 * xAI's ticks (1e10 of them are a dollar). Exact. */
void facts_set_cost(struct facts *facts, const struct json_value *value, int power);
bool facts_has_number(const struct facts *facts, enum facts_number which);
uint64_t facts_number(const struct facts *facts, enum facts_number which); /* 0 if absent */
/* A count that stands only where the body's own usage does not state it, or states 0. */
void facts_fallback(struct facts *facts, enum facts_number which, const struct json_value *value);
void facts_fallback_use(struct facts *facts);
void facts_usage_begin(struct facts *facts);
void facts_usage_end(struct facts *facts);
void facts_usage_drop(struct facts *facts);

/*
 * Several answers in one response.
 *
 * A stream may state usage of each by itself, each time as it stands, when it is under way or ends
 * (llama.cpp, for several prompts or choices): facts_part is such a statement, the last of an index
 * counts, and facts_parts_end lays their sums over the usage. Input of the choices of one prompt is
 * one input.
 *
 * A plain body may be a list of answers: facts_document_end says that one is complete; what the
 * next one states is added to it. facts_documents_end makes the sums at the end.
 */
void facts_part(struct facts *facts, uint32_t index, const struct facts_part *part);
/* True: more than one stated something. */
bool facts_parts_end(struct facts *facts);
/* A look at the counts while more may come: between the two, usage and numbers may be finished as
 * if this were the end (a dialect's `sum`, facts_fallback_use); facts_peek_end undoes that. A usage
 * object under way states nothing yet. */
struct facts_peek {
    struct facts_usage usage;
    uint32_t number_present;
    uint64_t number[FACT_NUMBER_COUNT - FACT_USAGE_END];
    bool usage_open, usage_from_timings;
};
void facts_peek_begin(struct facts *facts, struct facts_peek *ret_peek);
void facts_peek_end(struct facts *facts, const struct facts_peek *peek);
void facts_document_end(struct facts *facts);
void facts_documents_end(struct facts *facts);
/* How many answers the request asks for: prompts times choices, at least 1. */
uint64_t facts_answers_asked(const struct facts *facts);

/* As many as were asked for, and all that were seen, state how they ended. */
bool facts_answers_ended(const struct facts *facts);

/* Choices: seen at all; finish reason ("" and null state none). */
void facts_choice_seen(struct facts *facts, uint32_t choice);
void facts_finish(struct facts *facts, uint32_t choice, const struct json_value *value);

/*
 * Generated content of the event (or plain answer) under way. Empty pieces count for nothing.
 * Visible text (CONTENT_TEXT) also goes to the JSON check of its choice when JSON was asked for.
 */
void facts_content(struct facts *facts, enum facts_content kind, uint32_t choice, const char *text, size_t bytes);

/*
 * Tool calls that the client is to run, from fragments or whole: begin at the call's object, say
 * what is known in any order, end. Calls are told apart by (choice, index); without an index, or
 * with an index that stays the same, by a new id.
 */
void facts_call_begin(struct facts *facts, uint32_t choice);
void facts_call_index(struct facts *facts, uint64_t index);
void facts_call_id(struct facts *facts, const struct json_value *value);
void facts_call_name(struct facts *facts, const struct json_value *value);
void facts_call_arguments(struct facts *facts, const char *text, size_t bytes); /* JSON text, decoded */
void facts_call_free_input(struct facts *facts); /* a piece of input that is no JSON (custom tools) */
void facts_call_end(struct facts *facts);
/* A whole call with arguments that need no check (objects in the body). */
void facts_call_whole(struct facts *facts);

void facts_server_call(struct facts *facts);

/* Whether the text is one of the words, whatever the case of letters. They stand in one text,
 * separated by one blank: a table of pointers would be relocated at the start of every program. */
bool facts_is_word(const char *words, const char *text, size_t bytes);

/* An error object or text. `type` wins over `code` in error.type. */
void facts_error_seen(struct facts *facts);
/* What an event of a stream calls itself is an error's name only if that event is an error; the
 * first error names the answer's. */
static inline void facts_error_event_begin(struct facts *facts)
{
    if (!facts->error_seen)
        facts->text_bytes[FACT_ERROR_TYPE] = facts->text_bytes[FACT_ERROR_CODE] = 0;
}
static inline void facts_error_event_end(struct facts *facts)
{
    facts->error_closed = facts->error_seen;
}

/* ---- the request ---- */
void facts_stream_asked(struct facts *facts, const struct json_value *value); /* true or false, else nothing */
