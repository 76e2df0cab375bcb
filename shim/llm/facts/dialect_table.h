/* Dialects that are tables alone: what answers of chats and completions state, whatever they call
 * it. For dialects only; what the smaller APIs share (ids, models, errors, usage) is in
 * dialect_answer.h and understood here as well. */
#pragma once

#include "dialect_answer.h"

/* Ids of the rules that dialect_table_value understands beside those of dialect_answer.h; a
 * dialect's own begin at TABLE_OWN and are handled before the rest is handed on. */
enum {
    TABLE_CHOICE =
        ANSWER_OWN,  /* an element of the list of choices, or the object that is the only one: proves the shape */
    TABLE_ITEM,      /* the same, and anybody's lists look so */
    TABLE_INDEX,     /* of the choice under way, where its place does not tell it */
    TABLE_TEXT,      /* JSON_PIECES */
    TABLE_REASONING, /* JSON_PIECES */
    TABLE_MEDIA,     /* anything but null and empty texts */
    TABLE_FINISH,    /* of the choice under way, else of the first */
    TABLE_STATUS,    /* a state of the whole answer: stands as finish reason where no choice states one; one on
                        the way says that the answer comes by another request */
    TABLE_ELSE_ID,   /* an id, where there is none yet */
    TABLE_CALL,      /* the object of a tool call of the choice under way */
    TABLE_CALL_INDEX,
    TABLE_CALL_ID,
    TABLE_CALL_NAME,
    TABLE_CALL_ARGUMENTS, /* JSON_PIECES: JSON in a text */
    TABLE_CALL_WHOLE,     /* an element or an object: a whole call whose arguments are no text */
    TABLE_SHAPE,          /* that it is there, and not null, proves the shape */
    TABLE_VECTOR,         /* the answer is embeddings */
    TABLE_SCORE,          /* ...or an order of documents */
    TABLE_DONE,           /* true: nothing follows in this stream */
    TABLE_FAILED,         /* an error within a 200: its name or number ("" and 0 are none), or that it is there */
    TABLE_SUCCESS,        /* false is an error */
    TABLE_PROCESSING_S,   /* the server's own times */
    TABLE_ADDED_INPUT,    /* counts of parts that add up */
    TABLE_ADDED_OUTPUT,
    TABLE_OWN = 52,
};
_Static_assert((int)TABLE_ADDED_OUTPUT < (int)TABLE_OWN, "room for all");

/* clang-format off */
/* A list of messages, with the names of its members; REQUEST_MESSAGES (dialect_request.h) is the
 * usual one. */
#define TABLE_MESSAGES(list, role, content) \
    RULE(list "[]", REQUEST_MESSAGE, 0), \
    RULE(list "[]." role, REQUEST_ROLE, 0), \
    RULE(list "[]." content, REQUEST_TEXT, JSON_PIECES)
/* clang-format on */

/* Words of facts->scratch that belong to this file; a dialect's own state stands after them. */
enum { TABLE_SCRATCH = 8 };

/* As a json_handler: a dialect without rules of its own names it in its table. `context` is the
 * struct facts. */
void dialect_table_value(void *context, const struct json_value *value);

/* Same for requests: all that dialect_request.h knows. */
void dialect_table_request(void *context, const struct json_value *value);

/* The choice that texts belong to right now. */
void dialect_table_choice(struct facts *facts, uint32_t choice);
