/*
 * What is told of a shape: sizes, slots, a preview without values; see shape.h. Everything in
 * bytes and tokens is an estimate. The collector's thread; pure.
 */
#include "shape_inner.h"

#include <string.h>

enum { TEXTS_TO_TELL = 8 }; /* that a date which never was another one is always this one */

const char *shape_kind_name(enum shape_kind kind)
{
    static const char *const names[SHAPE_KINDS] = {"date", "number", "id", "name", "text"};
    return names[kind];
}

static unsigned seen(const struct shape_word *word, unsigned kind)
{
    return word->kinds >> kind & 3U; /* of its two values of the lowest bit */
}

bool shape_word_varies(const struct prompt_shape *shape, const struct shape_word *word)
{
    const unsigned kinds[] = {PROMPT_WORD_DATE, PROMPT_WORD_NUMBER, PROMPT_WORD_ID};
    unsigned values = 0;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        values += (unsigned)__builtin_popcount(seen(word, kinds[k]));
    const bool is_number = seen(word, PROMPT_WORD_NUMBER) != 0;
    return values > 1 || word->least != word->most || (values == 1 && !is_number && shape->texts < TEXTS_TO_TELL);
}

static uint32_t mean(const struct shape_lengths *lengths)
{
    return lengths->texts ? (uint32_t)(lengths->sum / lengths->texts) : 0;
}

/* ---- going through it from begin to end ---- */

struct walk {
    const struct prompt_shape *shape;
    struct shape_told *told;
    uint64_t at;    /* bytes so far, in a typical text */
    unsigned joins; /* constant words since the last slot, if they are what joins parts of a date */
    unsigned join_bytes;
    unsigned numbers, slashes; /* in the last slot */
    bool joinable, varied;
    uint64_t varying; /* bytes of the middle */
};

static void note_begin(struct walk *walk, uint64_t bytes)
{
    if (!walk->varied)
        walk->told->begin_bytes = (uint32_t)bytes;
    walk->varied = true;
}

static struct shape_told_slot *add_slot(struct walk *walk, enum shape_kind kind, uint64_t after)
{
    struct shape_told *const told = walk->told;
    if (told->slots == SHAPE_SLOTS)
        return NULL;
    told->slot[told->slots] = (struct shape_told_slot){.kind = kind, .after_bytes = (uint32_t)after};
    return &told->slot[told->slots++];
}

/* "5", " ", "May", "2026": parts of one date, as is "10", ":", "30". */
static bool join_slot(struct walk *walk, enum shape_kind kind, uint32_t least, uint32_t typical, uint32_t most)
{
    struct shape_told_slot *const last = walk->told->slots ? &walk->told->slot[walk->told->slots - 1] : NULL;
    if (last == NULL || !walk->joinable || (kind != SHAPE_DATE && kind != SHAPE_NUMBER))
        return false;
    walk->numbers += kind == SHAPE_NUMBER;
    if (kind == SHAPE_DATE || walk->numbers >= 3 || (walk->numbers == 2 && walk->slashes))
        last->kind = SHAPE_DATE;
    last->least += least + walk->join_bytes;
    last->typical += typical + walk->join_bytes;
    last->most += most + walk->join_bytes;
    return true;
}

static void vary(struct walk *walk, enum shape_kind kind, const uint32_t length[3], bool is_optional)
{
    note_begin(walk, walk->at);
    if (!join_slot(walk, kind, length[0], length[1], length[2])) {
        struct shape_told_slot *const slot = add_slot(walk, kind, walk->at);
        if (slot != NULL) {
            slot->least = is_optional ? 0 : length[0];
            slot->typical = length[1];
            slot->most = length[2];
            slot->is_optional = is_optional;
        }
        walk->numbers = kind == SHAPE_NUMBER;
        walk->slashes = 0;
    }
    walk->at += length[1];
    walk->joinable = kind == SHAPE_DATE || kind == SHAPE_NUMBER;
    walk->joins = walk->join_bytes = 0;
}

static void stay(struct walk *walk, const struct shape_word *word)
{
    const unsigned bytes = (word->least + word->most) / 2U;
    const bool slash = word->kinds == 1U << PROMPT_WORD_SLASH;
    const bool joint = slash || word->kinds == 1U << PROMPT_WORD_JOINT;
    walk->told->constant_bytes += bytes;
    walk->told->constant_words++;
    walk->told->begin_words = (uint16_t)(walk->told->begin_words + !walk->varied);
    walk->at += bytes;
    walk->join_bytes += bytes;
    walk->slashes += slash;
    walk->joinable = walk->joinable && joint && ++walk->joins <= 1;
}

/* Of nearly all values, else it is text. */
static enum shape_kind kind_of(const struct shape_slot *slot)
{
    uint64_t all = 0;
    unsigned best = SHAPE_TEXT;
    for (unsigned k = 0; k < SHAPE_KINDS; k++) {
        all += slot->kind[k];
        best = slot->kind[k] > slot->kind[best] ? k : best;
    }
    return (uint64_t)slot->kind[best] * 4 >= all * 3 ? (enum shape_kind)best : SHAPE_TEXT;
}

/* ---- the middle, of which lines alone are known ---- */

/* Numbers of the lines that all have, in the order in which they stand in a text. */
static unsigned sort_lines(const struct prompt_shape *shape, uint8_t ret_line[SHAPE_LINES])
{
    unsigned count = 0;
    for (unsigned i = 0; i < shape->lines; i++) {
        unsigned at = count;
        if (shape->line[i].place.texts == 0)
            continue;
        for (; at > 0 && mean(&shape->line[ret_line[at - 1]].place) > mean(&shape->line[i].place); at--)
            ret_line[at] = ret_line[at - 1];
        ret_line[at] = (uint8_t)i;
        count++;
    }
    return count;
}

struct run {
    uint64_t texts, sum;
    uint32_t least, most, after;
};

static void end_run(struct walk *walk, struct run *run)
{
    struct shape_told_slot *const slot = run->texts && run->most ? add_slot(walk, SHAPE_TEXT, run->after) : NULL;
    if (slot != NULL) {
        slot->is_optional = run->texts < walk->shape->texts;
        slot->least = slot->is_optional ? 0 : run->least;
        slot->typical = (uint32_t)(run->sum / run->texts);
        slot->most = run->most;
        walk->varying += run->sum / walk->shape->texts;
    }
    *run = (struct run){0};
}

static void add_to_run(struct run *run, const struct shape_lengths *lengths, uint32_t after)
{
    if (lengths->texts == 0)
        return;
    if (run->texts == 0)
        *run = (struct run){.least = lengths->least, .after = after};
    run->least = lengths->least < run->least ? lengths->least : run->least;
    run->most = lengths->most > run->most ? lengths->most : run->most;
    run->texts += lengths->texts;
    run->sum += lengths->sum;
}

/* Words that stand before what the lines tell belong to it. */
static void widen_run(struct run *run, const struct shape_lengths *words, uint32_t after)
{
    if (words->most == 0)
        return;
    if (run->texts == 0) {
        add_to_run(run, words, after);
        return;
    }
    run->least += words->least;
    run->most += words->most;
    run->sum += run->texts * mean(words);
}

/* Where a text has more lines than are kept, it is another one in each text that stands before one
 * and the same slot: those that belong together are in no more texts than there are. */
static void tell_lines(struct walk *walk)
{
    const struct prompt_shape *const shape = walk->shape;
    uint8_t sorted[SHAPE_LINES];
    const unsigned count = sort_lines(shape, sorted);
    struct run run = {0};
    add_to_run(&run, &shape->before_lines, (uint32_t)walk->at);
    widen_run(&run, &shape->front, (uint32_t)walk->at);
    for (unsigned i = 0; i < count; i++) {
        const struct shape_line *const line = &shape->line[sorted[i]];
        if (line->after.texts == 0)
            continue;
        if (run.texts && (!shape->is_sparse || run.texts + line->after.texts > shape->texts))
            end_run(walk, &run);
        add_to_run(&run, &line->after, mean(&line->place));
    }
    end_run(walk, &run);
}

/* Returns whether it was told: without a line that all have it is a slot as any other. */
static bool tell_middle(struct walk *walk, const struct shape_slot *slot)
{
    const struct prompt_shape *const shape = walk->shape;
    const uint32_t bytes = mean(&slot->value);
    bool any = false;
    for (unsigned i = 0; i < shape->lines; i++)
        any |= shape->line[i].place.texts > 0;
    if (!slot->is_middle || !any)
        return false;
    if (shape->begin.texts > 0 && !walk->varied)
        note_begin(walk, shape->begin.least);
    else
        note_begin(walk, walk->at);
    walk->varying = 0;
    tell_lines(walk);
    walk->told->constant_bytes += (uint32_t)(walk->varying < bytes ? bytes - walk->varying : 0);
    walk->at += bytes;
    walk->joinable = false;
    return true;
}

/* ---- all of it ---- */

static void tell_slot(struct walk *walk, const struct shape_slot *slot)
{
    if (slot->value.texts == 0 || tell_middle(walk, slot))
        return;
    const uint32_t length[3] = {slot->value.least, mean(&slot->value), slot->value.most};
    vary(walk, kind_of(slot), length, slot->empty > 0);
}

static enum shape_kind kind_of_digits(const struct shape_word *word)
{
    return seen(word, PROMPT_WORD_DATE) ? SHAPE_DATE : seen(word, PROMPT_WORD_ID) ? SHAPE_ID : SHAPE_NUMBER;
}

static uint32_t tokens(const struct prompt_shape *shape, uint64_t bytes)
{
    enum { BYTES_A_TOKEN = 4 };
    return (uint32_t)(shape->seen_bytes ? bytes * shape->seen_tokens / shape->seen_bytes : bytes / BYTES_A_TOKEN);
}

void shape_tell(const struct prompt_shape *shape, struct shape_told *ret)
{
    struct walk walk = {.shape = shape, .told = ret};
    unsigned slot = 0;
    memset(ret, 0, sizeof(*ret));
    ret->texts = shape->texts;
    ret->is_measured = shape->seen_bytes > 0;
    ret->bytes = mean(&shape->whole);
    for (unsigned i = 0; i <= shape->words; i++) {
        while (slot < shape->slots && shape->slot[slot].after == i)
            tell_slot(&walk, &shape->slot[slot++]);
        if (i == shape->words)
            break;
        const struct shape_word *const word = &shape->word[i];
        const uint32_t length[3] = {word->least, (word->least + word->most) / 2U, word->most};
        if (shape_word_varies(shape, word))
            vary(&walk, kind_of_digits(word), length, false);
        else
            stay(&walk, word);
    }
    note_begin(&walk, ret->bytes);
    ret->words = (uint16_t)(ret->constant_words + ret->slots);
    ret->constant_bytes = ret->constant_bytes < ret->bytes ? ret->constant_bytes : ret->bytes;
    ret->begin_bytes = ret->begin_bytes < ret->constant_bytes ? ret->begin_bytes : ret->constant_bytes;
    ret->tokens = tokens(shape, ret->bytes);
    ret->constant_tokens = tokens(shape, ret->constant_bytes);
    ret->begin_tokens = tokens(shape, ret->begin_bytes);
}

/* ---- previews ---- */

/* A bit for each of the first words of a text that all texts have just so. */
static uint64_t constant_heads(const struct prompt_shape *shape, const struct prompt_features *text)
{
    struct shape_row row;
    int place[MINER_WORDS];
    uint64_t constant = 0;
    shape_row_of(&row, text);
    shape_align(shape, &row, place);
    for (unsigned i = 0; i < shape->words; i++)
        if (place[i] >= 0 && place[i] < text->heads && !shape_word_varies(shape, &shape->word[i]))
            constant |= UINT64_C(1) << place[i];
    return constant;
}

struct line {
    char *text;
    size_t bytes, room;
    bool gap;
};

static void put(struct line *line, const char *text, size_t bytes)
{
    const size_t blank = line->bytes > 0;
    if (line->bytes + blank + bytes > line->room)
        return;
    if (blank)
        line->text[line->bytes++] = ' ';
    memcpy(line->text + line->bytes, text, bytes);
    line->bytes += bytes;
}

static const char gap[] = "\xe2\x80\xa6";

static bool is_gap(const char *word, size_t bytes)
{
    return bytes == sizeof(gap) - 1 && memcmp(word, gap, bytes) == 0;
}

/* The next word of [at, end). Returns its bytes. */
static size_t next_word(const char **at, const char *end)
{
    while (*at < end && **at == ' ')
        (*at)++;
    const char *const blank = memchr(*at, ' ', (size_t)(end - *at));
    return (size_t)((blank != NULL ? blank : end) - *at);
}

/* All words of the text's that one of the preview is made of: up to where the next one begins. */
static uint64_t parts_of(const struct prompt_features *text, unsigned word)
{
    const uint64_t later = word < 63 ? text->preview_begins & UINT64_MAX << (word + 1) : 0;
    const uint64_t all = text->heads < 64 ? (UINT64_C(1) << text->heads) - 1 : UINT64_MAX;
    return (later != 0 ? (later & -later) - 1 : all) & UINT64_MAX << word;
}

size_t shape_preview(const struct prompt_shape *shape, const struct prompt_features *text, const char *preview,
                     size_t preview_bytes, char *ret_text, size_t room)
{
    const char *at = preview, *const end = preview + preview_bytes;
    const uint64_t constant = constant_heads(shape, text);
    struct line line = {.text = ret_text, .room = room};
    uint64_t left = text->preview_shown;
    bool any = false;
    for (size_t bytes; (bytes = next_word(&at, end)) > 0; at += bytes) {
        const unsigned word = left != 0 ? (unsigned)__builtin_ctzll(left) : 64;
        const bool known = word < 64 && !is_gap(at, bytes);
        const uint64_t parts = known ? parts_of(text, word) : 0;
        /* Of a word that goes on beyond the head, not all is known. */
        const bool is_whole = text->heads < PROMPT_FEATURES_HEAD || (parts >> 63) == 0;
        const bool shows = known && is_whole && (parts & ~constant) == 0;
        left = known ? left & (left - 1) : left;
        if (shows && line.gap)
            put(&line, gap, sizeof(gap) - 1);
        if (shows)
            put(&line, at, bytes);
        any |= shows;
        line.gap = !shows;
    }
    if (any && line.gap)
        put(&line, gap, sizeof(gap) - 1);
    return left == 0 && any ? line.bytes : 0;
}
