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

/* All that lies behind is zero. */
static size_t touched_end(const struct text_features *features)
{
    return features->used > features->touched ? features->used : features->touched;
}

void text_features_init(struct text_features *features, const struct text_seed *seed)
{
    memset(features->buffer, 0, touched_end(features));
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

static void add_exact(struct text_features *features, uint64_t hash)
{
    features->now.exact = text_mix(&features->seed, features->now.exact, hash);
}

/* What stands for blanks and line ends that belong to no line, but are bytes; 0: none. */
static uint64_t blanks_hash(const uint8_t *from, size_t bytes, const struct text_seed *seed)
{
    if (bytes < 8)
        return text_load_some(from, bytes) | (uint64_t)bytes << 56;
    return text_groups_hash(from, bytes, seed).exact;
}

static void take_line(struct text_features *features, uint64_t blanks, const uint8_t *from, size_t bytes)
{
    struct text_state *const now = &features->now;
    const bool near = now->lines_taken < TEXT_SHORT_LINES;
    const struct text_hash_pair of_bytes = text_groups_hash(from, bytes, &features->seed);
    const bool masked = near && of_bytes.digits && now->digit_lines < TEXT_DIGIT_LINES;
    const uint64_t hash = masked ? text_lines_masked(from, bytes, &features->seed) : of_bytes.alike;
    if (now->heads < PROMPT_FEATURES_HEAD)
        take_head(features, from, bytes);
    now->digit_lines = (uint16_t)(now->digit_lines + masked);
    add_exact(features, blanks + of_bytes.exact);
    add_whole(features, hash);
    if (bytes == 1 && from[0] == '\n') { /* behind a full stop, which ended the line before */
        now->line_end = hash;
        return;
    }
    const uint64_t at = now->bytes + features->moved + (size_t)(from - features->buffer) - TEXT_SLACK;
    text_pairs_add(&now->pairs, pair_of(features, hash), at);
    if (now->line_end != 0) {
        now->before = now->line_end; /* also where what stands before varies */
        text_pairs_add(&now->pairs, pair_of(features, hash), at);
        now->line_end = 0;
    }
    now->before = hash;
    now->lines_taken = (uint16_t)(now->lines_taken + near);
}

/* Takes whole lines; what is left, too, where it is the `last`. Where the next line begins stays
 * out of memory meanwhile: every line waits for it. */
static void take_lines(struct text_features *features, bool last)
{
    const uint8_t *at = features->buffer + features->at, *const end = features->buffer + features->used;
    bool after_line = features->after_line;
    struct text_lines lines;
    text_lines_init(&lines, at, end);
    for (;;) {
        const uint8_t *const from = text_blank_end(at, end, after_line);
        const uint64_t blanks = blanks_hash(at, (size_t)(from - at), &features->seed);
        const bool far = features->now.lines_taken >= TEXT_SHORT_LINES;
        struct text_line line = {0};
        at = from;
        if (at < end)
            line = text_lines_next(&lines, at, far ? TEXT_FAR_LINE_BYTES : 0);
        if (!line.bytes || (!line.ended && !last && at + line.bytes == end)) {
            if (blanks)
                add_exact(features, blanks);
            break;
        }
        take_line(features, blanks, at, line.bytes);
        at += line.bytes;
        after_line = at[-1] == '\n';
    }
    features->at = (uint16_t)(at - features->buffer);
    features->after_line = after_line;
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
    now->line_end = 0;
    if (now->heads < PROMPT_FEATURES_HEAD)
        add_head(now, mark, prompt_word_look(PROMPT_WORD_LINE, 0));
    else
        add_tail(now, mark, prompt_word_look(PROMPT_WORD_LINE, 0));
}

void text_features_part_begin(struct text_features *features)
{
    features->used = features->at = features->tail_from = TEXT_SLACK;
    features->tail_whole = true;
}

static void buffer_is_full(struct text_features *features)
{
    if (!features->has_before) {
        features->before = features->now;
        features->has_before = true;
        begin_part(features);
    }
    features->touched = features->used;
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
        from += taken;
        bytes -= taken;
        if (taken == room)
            buffer_is_full(features);
    }
}

/* Nothing that came before is among the last words. */
static void begin_tail(struct text_state *now)
{
    memset(now->tail, 0, sizeof(now->tail));
    memset(now->tail_look, 0, sizeof(now->tail_look));
    now->tails = now->tail_at = 0;
    now->has_between = true;
}

/* If the last bytes of [from, end) hold as many words as are kept and the one before them: those
 * are the tail. */
static bool take_last_words(struct text_features *features, const uint8_t *from, const uint8_t *end)
{
    enum { ENOUGH_BYTES = 192 };
    uint64_t word[ENOUGH_BYTES];
    uint8_t look[ENOUGH_BYTES];
    size_t n = 0;
    if (end - from <= ENOUGH_BYTES)
        return false;
    from = text_words_start(end - ENOUGH_BYTES, end);
    for (struct text_words words = {.at = from, .end = end}; text_words_next(&words, &features->seed, &word[n]); n++) {
        look[n] = text_word_look(&words, from, &features->seed);
        from = words.at;
    }
    if (n <= PROMPT_FEATURES_TAIL)
        return false;
    begin_tail(&features->now);
    for (size_t i = n - PROMPT_FEATURES_TAIL; i < n; i++)
        add_tail(&features->now, word[i], look[i]);
    return true;
}

/* The words at the part's end follow those of the part before, unless something lies between. */
static void take_tail(struct text_features *features)
{
    const uint8_t *const end = features->buffer + features->used, *from = features->buffer + features->tail_from;
    const bool whole = features->tail_whole && end - from <= TEXT_TAIL_BYTES;
    uint64_t word;
    if (features->now.heads < PROMPT_FEATURES_HEAD)
        return;
    from = whole ? text_blank_end(from, end, from[-1] == '\n') : text_words_start(end - TEXT_TAIL_BYTES, end);
    if (take_last_words(features, from, end))
        return;
    if (!whole)
        begin_tail(&features->now);
    for (struct text_words words = {.at = from, .end = end}; text_words_next(&words, &features->seed, &word);) {
        add_tail(&features->now, word, text_word_look(&words, from, &features->seed));
        from = words.at;
    }
}

/* No text stays. */
static void forget_part(struct text_features *features)
{
    memset(features->buffer, 0, touched_end(features));
    if (features->has_before)
        memset(&features->before, 0, sizeof(features->before));
    features->has_before = features->after_line = features->tail_whole = false;
    features->used = features->at = features->tail_from = features->touched = 0;
    features->part_bytes = features->moved = 0;
}

void text_features_part_end(struct text_features *features)
{
    if (!features->has_before)
        begin_part(features);
    take_lines(features, true);
    add_exact(features, features->part_bytes);
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
        text_pairs_add(&now.pairs, pair_of(features, END_MARK), now.bytes);
    text_pairs_narrow(&now.pairs);
    *ret = (struct prompt_features){
        .bytes = now.bytes < UINT32_MAX ? (uint32_t)now.bytes : UINT32_MAX,
        .heads = now.heads,
        .tails = now.tails,
        .lines = (uint8_t)now.pairs.count,
        .has_between = now.has_between,
    };
    memcpy(ret->head, now.head, sizeof(ret->head));
    memcpy(ret->head_look, now.head_look, sizeof(ret->head_look));
    for (unsigned i = 0; i < now.pairs.count; i++) {
        ret->line[i] = text_pair_hash(now.pairs.pair[i]);
        ret->line_place[i] = (uint8_t)now.pairs.pair[i];
    }
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
    if (features->now.pairs.count > PROMPT_FEATURES_LINES)
        text_pairs_narrow(&features->now.pairs);
    if (features->before.pairs.count > PROMPT_FEATURES_LINES)
        text_pairs_narrow(&features->before.pairs);
}
