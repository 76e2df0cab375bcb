/*
 * Lines and words of instructions become features, see text_features.h: a buffer that is worked on
 * when it is full or a part has ended, so that no cut shows; lines begin where text alone says.
 *
 * Called by prompt.c on the scribe's thread. Must wipe text when a part ends, and never read beyond
 * the buffer and its slack.
 */
#include "text_features.h"

#include <string.h>

#include "word_look.h"

enum { PART_MARK = 1, END_MARK = 2 };

/* 1 to 2^24 - 1 */
static uint32_t cut(uint64_t hash)
{
    const uint32_t top = (uint32_t)(hash >> (64 - PROMPT_FEATURES_BITS));
    return top ? top : 1;
}

void text_features_init(struct text_features *features, const struct text_seed *seed)
{
    memset(features->buffer, 0, features->touched);
    memset(features, 0, offsetof(struct text_features, buffer));
    features->seed = *seed;
}

static void add_whole(struct text_features *features, uint64_t hash)
{
    uint64_t *const whole = features->now.whole;
    whole[0] = text_mix(&features->seed, whole[0], hash);
    whole[1] = text_mix(&features->seed, whole[1] + hash, whole[0]);
}

static void add_head(struct text_state *now, uint64_t word, uint8_t look)
{
    now->head[now->heads] = cut(word);
    now->head_look[now->heads++] = look;
}

static void add_tail(struct text_state *now, uint64_t word, uint8_t look)
{
    if (now->tails < PROMPT_FEATURES_TAIL) {
        now->tail[now->tails] = cut(word);
        now->tail_look[now->tails++] = look;
        return;
    }
    now->has_between = true;
    now->tail[now->tail_at] = cut(word);
    now->tail_look[now->tail_at] = look;
    now->tail_at = (uint8_t)((now->tail_at + 1) % PROMPT_FEATURES_TAIL);
}

/* Keeps the lowest, in order. No branch tells where among them it belongs: that is anywhere. */
static void add_line(struct text_state *now, uint32_t hash, uint64_t place)
{
    const unsigned full = PROMPT_FEATURES_LINES;
    unsigned below = 0, same = 0;
    if (now->lines == full && hash >= now->line[full - 1])
        return;
    for (unsigned i = 0; i < full; i++) {
        below += (int32_t)now->line[i] < (int32_t)hash;
        same += now->line[i] == hash;
    }
    if (same)
        return;
    const unsigned at = below - (full - now->lines); /* what is not there yet is 0 */
    now->lines = (uint8_t)(now->lines + (now->lines < full));
    memmove(now->line + at + 1, now->line + at, (now->lines - 1U - at) * sizeof(now->line[0]));
    memmove(now->line_place + at + 1, now->line_place + at, now->lines - 1U - at);
    now->line[at] = hash;
    now->line_place[at] = prompt_place(place);
}

/* Of the line before and the one that has this hash. */
static uint32_t pair_of(const struct text_features *features, uint64_t hash)
{
    return cut(text_mix(&features->seed, ~features->now.before, hash));
}

/* Words of the line, as long as the head has room. */
static void take_head(struct text_features *features, const uint8_t *from, size_t bytes)
{
    struct text_state *const now = &features->now;
    struct text_words words = {.at = from, .end = from + bytes};
    const uint8_t *before = features->buffer + features->tail_from; /* where the last word ended */
    uint64_t word;
    while (now->heads < PROMPT_FEATURES_HEAD && text_words_next(&words, &features->seed, &word)) {
        add_head(now, word, text_word_look(&words, before, &features->seed));
        before = words.at;
        features->tail_from = (uint16_t)(words.at - features->buffer);
        features->tail_whole = true;
    }
}

static void take_line(struct text_features *features, struct text_lines *lines, const struct text_line *line)
{
    struct text_state *const now = &features->now;
    const struct text_seed *const seed = &features->seed;
    const uint8_t *const from = features->buffer + features->at;
    const bool near = now->lines_taken < TEXT_SHORT_LINES;
    const bool masked = near && line->digits && now->digit_lines < TEXT_DIGIT_LINES;
    const uint64_t hash = text_lines_hash(lines, features->at, line, masked, seed);
    if (now->heads < PROMPT_FEATURES_HEAD)
        take_head(features, from, line->bytes);
    now->digit_lines = (uint16_t)(now->digit_lines + masked);
    add_whole(features, hash);
    add_line(now, pair_of(features, hash), now->bytes + features->moved + features->at - TEXT_SLACK);
    now->before = hash;
    now->lines_taken = (uint16_t)(now->lines_taken + (now->lines_taken < TEXT_SHORT_LINES));
    features->at = (uint16_t)(features->at + line->bytes);
    features->after_line = from[line->bytes - 1] == '\n';
}

/* Takes whole lines; what is left, too, where it is the `last`. */
static void take_lines(struct text_features *features, bool last)
{
    const uint8_t *const buffer = features->buffer, *const end = buffer + features->used;
    struct text_lines lines;
    text_lines_init(&lines, buffer, features->used);
    for (;;) {
        features->at = (uint16_t)(text_blank_end(buffer + features->at, end, features->after_line) - buffer);
        if (features->at == features->used)
            return;
        const bool far = features->now.lines_taken >= TEXT_SHORT_LINES;
        const struct text_line line = text_lines_next(&lines, features->at, far ? TEXT_FAR_LINE_BYTES : 0);
        if (!line.ended && !last && features->at + line.bytes == features->used)
            return;
        take_line(features, &lines, &line);
    }
}

/* Makes room; the tail stays, the line under way, and what its reader may look at. */
static void move_on(struct text_features *features)
{
    const unsigned tail = features->used - TEXT_TAIL_BYTES;
    const unsigned keep = features->at < tail ? features->at : tail;
    const unsigned gone = keep - TEXT_SLACK;
    memmove(features->buffer, features->buffer + gone, features->used - gone);
    features->used = (uint16_t)(features->used - gone);
    features->moved += gone;
    features->at = (uint16_t)(features->at - gone);
    features->digested = (uint16_t)(features->digested - gone);
    features->tail_whole = features->tail_whole && features->tail_from >= keep;
    features->tail_from = (uint16_t)(features->tail_from >= keep ? features->tail_from - gone : TEXT_SLACK);
}

/* Its first words are next: a mark stands between parts. */
static void begin_part(struct text_features *features)
{
    struct text_state *const now = &features->now;
    if (!features->parts)
        return;
    const uint64_t mark = text_mix(&features->seed, PART_MARK, features->seed.b);
    add_whole(features, mark);
    now->before = mark;
    if (now->heads < PROMPT_FEATURES_HEAD)
        add_head(now, mark, prompt_word_look(PROMPT_WORD_LINE, 0));
    else
        add_tail(now, mark, prompt_word_look(PROMPT_WORD_LINE, 0));
}

void text_features_part_begin(struct text_features *features)
{
    features->used = features->at = features->tail_from = features->digested = TEXT_SLACK;
    features->tail_whole = true;
}

/* All bytes up to here. */
static void add_exact(struct text_features *features)
{
    const size_t bytes = (size_t)features->used - features->digested;
    if (!bytes)
        return;
    const uint64_t digest = text_digest(features->buffer + features->digested, bytes, &features->seed);
    features->now.exact = text_mix(&features->seed, features->now.exact, digest);
    features->digested = features->used;
}

static void buffer_is_full(struct text_features *features)
{
    if (!features->has_before) {
        features->before = features->now;
        features->has_before = true;
        begin_part(features);
    }
    add_exact(features);
    take_lines(features, false);
    move_on(features);
}

void text_features_push(struct text_features *features, const void *text, size_t bytes)
{
    const uint8_t *from = text;
    features->part_bytes += bytes;
    while (bytes) {
        const size_t room = TEXT_SLACK + TEXT_BUFFER_BYTES - (size_t)features->used;
        const size_t taken = bytes < room ? bytes : room;
        memcpy(features->buffer + features->used, from, taken);
        features->used = (uint16_t)(features->used + taken);
        features->touched = features->used > features->touched ? features->used : features->touched;
        from += taken;
        bytes -= taken;
        if (taken == room)
            buffer_is_full(features);
    }
}

/* The words at the part's end follow those of the part before, unless something lies between. */
static void take_tail(struct text_features *features)
{
    struct text_state *const now = &features->now;
    const uint8_t *const end = features->buffer + features->used, *from = features->buffer + features->tail_from;
    uint64_t word;
    if (now->heads < PROMPT_FEATURES_HEAD)
        return;
    if (features->tail_whole && end - from <= TEXT_TAIL_BYTES) {
        from = text_blank_end(from, end, from[-1] == '\n');
    } else {
        from = text_words_start(end - TEXT_TAIL_BYTES, end);
        memset(now->tail, 0, sizeof(now->tail));
        memset(now->tail_look, 0, sizeof(now->tail_look));
        now->tails = now->tail_at = 0;
        now->has_between = true;
    }
    for (struct text_words words = {.at = from, .end = end}; text_words_next(&words, &features->seed, &word);) {
        add_tail(now, word, text_word_look(&words, from, &features->seed));
        from = words.at;
    }
}

/* No text stays. */
static void forget_part(struct text_features *features)
{
    memset(features->buffer, 0, features->touched);
    if (features->has_before)
        memset(&features->before, 0, sizeof(features->before));
    features->has_before = features->after_line = features->tail_whole = false;
    features->used = features->at = features->tail_from = features->digested = features->touched = 0;
    features->part_bytes = features->moved = 0;
}

void text_features_part_end(struct text_features *features)
{
    if (!features->has_before)
        begin_part(features);
    add_exact(features);
    features->now.exact = text_mix(&features->seed, features->now.exact, features->part_bytes);
    take_lines(features, true);
    take_tail(features);
    features->now.bytes += features->part_bytes;
    features->parts++;
    forget_part(features);
}

void text_features_part_drop(struct text_features *features)
{
    if (features->has_before)
        features->now = features->before;
    forget_part(features);
}

void text_features_get(const struct text_features *features, struct prompt_features *ret)
{
    struct text_state now = features->now;
    if (features->parts) /* so that what is appended changes a line */
        add_line(&now, pair_of(features, END_MARK), now.bytes);
    *ret = (struct prompt_features){
        .bytes = now.bytes < UINT32_MAX ? (uint32_t)now.bytes : UINT32_MAX,
        .heads = now.heads,
        .tails = now.tails,
        .lines = now.lines,
        .has_between = now.has_between,
    };
    memcpy(ret->head, now.head, sizeof(ret->head));
    memcpy(ret->line, now.line, sizeof(ret->line));
    memcpy(ret->head_look, now.head_look, sizeof(ret->head_look));
    memcpy(ret->line_place, now.line_place, sizeof(ret->line_place));
    for (unsigned i = 0; i < now.tails; i++) {
        const unsigned at = (now.tail_at + i) % PROMPT_FEATURES_TAIL;
        ret->tail[i] = now.tail[at];
        ret->tail_look[i] = now.tail_look[at];
    }
}

void text_features_tidy(struct text_features *features)
{
    if (features->touched > features->used)
        memset(features->buffer + features->used, 0, (size_t)features->touched - features->used);
    features->touched = features->used;
}
