/*
 * What learning keeps in memory from one lesson to the next: which texts wait, and by which few
 * features each known template is found. All of it can be read again from the store. See
 * store_study.c.
 */
#pragma once

#include "../../prompts/miner.h"
#include "../../prompts/template_index.h"
#include "../../prompts/waiting.h"
#include "../store_inner.h"

enum { STORE_AGED_MAX = 4096 };

struct store_study {
    uint64_t lessons;    /* STORE_META_LESSONS when it was made; another number: others learned since */
    uint64_t times_away; /* the store's */
    struct template_index *index;
    struct waiting *waiting;
    int64_t mark;     /* texts up to this number were read */
    int64_t looked;   /* up to this one for their age, round and round */
    bool read_to_end; /* no text above the mark waits */
    /* When the calls of texts began that were settled in this transaction. */
    struct store_stretch {
        int64_t first_ns, last_ns;
    } * stretch;
    size_t stretches, stretches_room;
    struct store_waits {
        int64_t number, last_ns;
        uint64_t prompt; /* 0: none */
        uint32_t version;
    } aged[STORE_AGED_MAX]; /* while it is seen who waits too long */
    size_t n_aged;
};

/* All in the transaction that is open. store->prompts.study is as the store is now. 0 or
 * store_status. */
int store_study_begin(struct store *store);
/* Reads some of the texts that came since into the list of those that wait, as far as there is
 * room. */
int store_study_read(struct store *store);
/* Gives up some of those that wait longest: too long, or too many. What is assigned already is then
 * decided: it stays so, and the text is forgotten. */
int store_study_give_up(struct store *store, bool *ret_more);
/* It is an hour since that was done, so that it is done though nobody calls. */
bool store_study_is_due(const struct store *store);
/* What a template (settled, for good) is found by. */
int store_study_know(struct store_study *study, uint64_t prompt, const struct feature_set *set);
/* A text belongs to a template for good. Then, for all of a transaction: blocks that were merged
 * before that was known are to be merged again. */
int store_text_settle(struct store *store, int64_t text, uint64_t prompt, uint32_t version);
int store_study_unsettle(struct store *store);
/* By what texts of a version of a prompt that is not settled are kept together. */
uint32_t store_bound(uint64_t prompt, uint32_t version);
/* The number of lessons so far, and one more. */
int store_lessons(struct store *store, uint64_t *ret_lessons);
int store_lessons_put(struct store *store, uint64_t lessons);

/* ---- lessons ---- */

/* Slots for prompts that a lesson asks for, each of which brings a template at least: a quarter of
 * them would be more memory than a lesson may have. */
enum { STORE_PROMPTS_ASKED = 16384 };

struct store_lesson {
    struct store *store; /* but while it runs */
    struct miner *miner;
    int failed;             /* what running it returned */
    uint64_t lessons;       /* that there were before */
    struct known_template { /* as it was */
        uint64_t sum;
        uint64_t prompt;
        uint32_t version;
        uint16_t words, lines;
        bool settled;
    } * known;
    size_t n_known, known_room;
    struct miner_template *unsettled; /* of prompts that are looked at: made anew, or known */
    size_t n_unsettled, unsettled_room;
    struct open_text { /* what else a text's row says */
        int64_t number;
        uint32_t version;
        uint64_t prompt; /* 0: none */
        bool is_settled; /* its template */
    } * open;
    size_t n_texts;
    uint64_t asked[STORE_PROMPTS_ASKED]; /* prompts whose templates were read; open addressing, 0 is free */
    bool is_cut;                         /* some were left out */
};

/* store_learn.c: whether a template changed. */
uint64_t store_template_sum(const struct miner_template *template);
/* store_learn.c: writes what was found, in the transaction that is open; then, when it is
 * committed, what is in memory becomes as what was written. */
int store_lesson_save(struct store_lesson *lesson);
/* store_shape.c: what the versions look like that the lesson found, before its texts are
 * settled. */
int store_shapes_save(struct store_lesson *lesson);
int store_lesson_keep(struct store_lesson *lesson);
