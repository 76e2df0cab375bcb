/*
 * Learning what a version of a prompt looks like, see shape.h: a text's words are laid beside
 * those that all texts have, and what stands between is measured.
 *
 * The collector's thread. Pure. Must keep no hash of what is not in all texts.
 */
#include "shape_inner.h"

#include <string.h>

static uint64_t add_row(struct shape_row *row, const uint32_t *hash, const uint8_t *look, unsigned count)
{
    uint64_t bytes = 0;
    memcpy(row->hash + row->words, hash, count * sizeof(*hash));
    memcpy(row->look + row->words, look, count);
    row->words += count;
    for (unsigned i = 0; i < count; i++)
        bytes += prompt_word_bytes(look[i]);
    return bytes;
}

void shape_row_of(struct shape_row *row, const struct prompt_features *text)
{
    row->words = 0;
    uint64_t seen = add_row(row, text->head, text->head_look, text->heads);
    if (text->has_between) {
        row->hash[row->words] = 0;
        row->look[row->words++] = 0;
    }
    seen += add_row(row, text->tail, text->tail_look, text->tails);
    row->middle_bytes = text->has_between && text->bytes > seen ? (uint32_t)(text->bytes - seen) : 0;
}

static uint32_t word_bytes(const struct shape_row *row, unsigned at)
{
    return row->hash[at] == 0 ? row->middle_bytes : prompt_word_bytes(row->look[at]);
}

static uint32_t cut(uint64_t bytes)
{
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

static void measure(struct shape_lengths *lengths, uint64_t bytes)
{
    const uint32_t length = cut(bytes);
    if (lengths->texts == UINT32_MAX)
        return;
    lengths->least = lengths->texts == 0 || length < lengths->least ? length : lengths->least;
    lengths->most = length > lengths->most ? length : lengths->most;
    lengths->texts++;
    lengths->sum += length;
}

/* ---- where the words that all have are in a text ---- */

/* How many words from `at` on stand together. */
unsigned shape_run(const struct prompt_shape *shape, unsigned at)
{
    unsigned end = shape->words;
    for (unsigned s = 0; s < shape->slots; s++)
        if (shape->slot[s].after > at && shape->slot[s].after < end)
            end = shape->slot[s].after;
    return end - at;
}

static int find_run(const struct prompt_shape *shape, unsigned at, unsigned run, const struct shape_row *row, int from,
                    int to)
{
    for (int i = from; i + (int)run <= to; i++) {
        unsigned k = 0;
        while (k < run && row->hash[i + (int)k] == shape->word[at + k].hash)
            k++;
        if (k == run)
            return i;
    }
    return SHAPE_NOT_THERE;
}

static void place_run(const struct prompt_shape *shape, unsigned at, unsigned run, const struct shape_row *row,
                      int from, int to, int *ret_place)
{
    const int found = find_run(shape, at, run, row, from, to);
    for (unsigned k = 0; k < run; k++)
        ret_place[at + k] = found == SHAPE_NOT_THERE ? SHAPE_NOT_THERE : found + (int)k;
}

/* Long runs first, as they are surely what they look like; short ones between those that were
 * found. */
void shape_align(const struct prompt_shape *shape, const struct shape_row *row, int ret_place[MINER_WORDS])
{
    int from = 0;
    for (unsigned at = 0, run; at < shape->words; at += run) {
        run = shape_run(shape, at);
        ret_place[at] = SHAPE_NOT_THERE;
        if (run >= SHAPE_LONG_RUN)
            place_run(shape, at, run, row, from, (int)row->words, ret_place);
        if (ret_place[at] != SHAPE_NOT_THERE)
            from = ret_place[at] + (int)run;
    }
    from = 0;
    for (unsigned at = 0, run; at < shape->words; at += run) {
        int to = (int)row->words;
        run = shape_run(shape, at);
        if (run < SHAPE_LONG_RUN) {
            for (unsigned next = at + run, width; next < shape->words; next += width) {
                width = shape_run(shape, next);
                if (width >= SHAPE_LONG_RUN && ret_place[next] != SHAPE_NOT_THERE) {
                    to = ret_place[next];
                    break;
                }
            }
            place_run(shape, at, run, row, from, to, ret_place);
        }
        if (ret_place[at] != SHAPE_NOT_THERE)
            from = ret_place[at] + (int)run;
    }
}

/* ---- slots ---- */

/* The slot before the word `after`, made if need be; NULL: there are too many. */
struct shape_slot *shape_slot_at(struct prompt_shape *shape, unsigned after)
{
    unsigned at = 0;
    while (at < shape->slots && shape->slot[at].after < after)
        at++;
    if (at < shape->slots && shape->slot[at].after == after)
        return &shape->slot[at];
    if (shape->slots == SHAPE_SLOTS)
        return NULL;
    memmove(&shape->slot[at + 1], &shape->slot[at], (shape->slots - at) * sizeof(shape->slot[0]));
    shape->slot[at] = (struct shape_slot){.after = (uint16_t)after};
    shape->slots++;
    return &shape->slot[at];
}

/* Words [at, at + run) vary: what stood before and behind them is one slot. */
void shape_drop(struct prompt_shape *shape, unsigned at, unsigned run)
{
    struct shape_slot joined = {.after = (uint16_t)at};
    uint64_t least = 0, typical = 0, most = 0;
    unsigned kept = 0;
    bool placed = false;
    for (unsigned i = at; i < at + run; i++) {
        least += shape->word[i].least;
        most += shape->word[i].most;
    }
    typical = (least + most) / 2;
    for (unsigned s = 0; s < shape->slots; s++) {
        const struct shape_slot *const slot = &shape->slot[s];
        if (slot->after < at || slot->after > at + run)
            continue;
        least += slot->empty ? 0 : slot->value.least;
        typical += slot->value.texts ? slot->value.sum / slot->value.texts : 0;
        most += slot->value.most;
        joined.is_middle |= slot->is_middle;
    }
    joined.kind[SHAPE_TEXT] = shape->texts; /* together they are no value of one kind */
    joined.value = (struct shape_lengths){shape->texts, cut(least), cut(most), typical * shape->texts};
    for (unsigned s = 0; s < shape->slots; s++) {
        struct shape_slot slot = shape->slot[s];
        if (slot.after >= at && slot.after <= at + run) {
            if (placed)
                continue;
            slot = joined;
            placed = true;
        } else if (slot.after > at) {
            slot.after = (uint16_t)(slot.after - run);
        }
        shape->slot[kept++] = slot;
    }
    shape->slots = (uint16_t)kept;
    memmove(&shape->word[at], &shape->word[at + run], (shape->words - at - run) * sizeof(shape->word[0]));
    shape->words = (uint16_t)(shape->words - run);
    if (!placed) {
        struct shape_slot *const slot = shape_slot_at(shape, at);
        if (slot != NULL)
            *slot = joined;
    }
}

static bool is_of_date(unsigned kind)
{
    return (kind & ~1U) == PROMPT_WORD_NUMBER || kind == PROMPT_WORD_JOINT || kind == PROMPT_WORD_SLASH ||
           kind == PROMPT_WORD_CALENDAR;
}

/* Of words in a row that are no text that is seen by lines alone. */
static enum shape_kind kind_of(const uint8_t *look, unsigned words)
{
    unsigned count[16] = {0}, date_words = 0, small = 0;
    for (unsigned i = 0; i < words; i++) {
        const unsigned kind = prompt_word_kind(look[i]);
        count[kind >= PROMPT_WORD_DATE ? kind & ~1U : kind]++;
        date_words += is_of_date(kind);
        small += kind == PROMPT_WORD_LETTERS && prompt_word_bytes(look[i]) <= 4; /* van, de, of */
    }
    const unsigned numbers = count[PROMPT_WORD_NUMBER], joints = count[PROMPT_WORD_JOINT];
    const unsigned names = count[PROMPT_WORD_CAPITAL] + count[PROMPT_WORD_CALENDAR];
    if (count[PROMPT_WORD_DATE] == 1 && count[PROMPT_WORD_DATE] + date_words == words)
        return SHAPE_DATE;
    if (date_words == words &&
        (count[PROMPT_WORD_CALENDAR] || numbers >= 3 || (numbers == 2 && count[PROMPT_WORD_SLASH] == 1)))
        return SHAPE_DATE;
    if (numbers && numbers <= 2 && numbers + joints + count[PROMPT_WORD_MARK] == words && words <= 4)
        return SHAPE_NUMBER;
    if ((count[PROMPT_WORD_ID] && words <= 5 && names + count[PROMPT_WORD_LETTERS] + count[PROMPT_WORD_WIDE] <= 2) ||
        (count[PROMPT_WORD_AT] == 1 && !count[PROMPT_WORD_LINE] && words <= 12))
        return SHAPE_ID;
    if (names && words <= 8 && prompt_word_kind(look[0]) == PROMPT_WORD_CAPITAL && names + joints + small == words &&
        small <= names)
        return SHAPE_NAME;
    return SHAPE_TEXT;
}

static void measure_slot(struct prompt_shape *shape, struct shape_slot *slot, const struct shape_row *row, int from,
                         int to)
{
    uint64_t bytes = 0, front = 0;
    bool middle = false;
    if (from >= to) {
        slot->empty++;
        return;
    }
    for (int i = from; i < to; i++) {
        if (row->hash[i] == 0) {
            middle = true;
            front = bytes;
        }
        bytes += word_bytes(row, (unsigned)i);
    }
    slot->is_middle |= middle;
    slot->kind[middle ? SHAPE_TEXT : kind_of(row->look + from, (unsigned)(to - from))]++;
    measure(&slot->value, bytes);
    if (middle)
        measure(&shape->front, front);
}

/* ---- lines ---- */

static int line_number(const struct prompt_shape *shape, uint32_t hash)
{
    unsigned from = 0, to = shape->lines;
    while (from < to) {
        const unsigned middle = (from + to) / 2;
        if (shape->line[middle].hash < hash)
            from = middle + 1;
        else
            to = middle;
    }
    return from < shape->lines && shape->line[from].hash == hash ? (int)from : SHAPE_NOT_THERE;
}

/* Numbers of the text's lines beyond `from`, in the order in which they stand there. Where
 * there are more than are kept, of those alone that all texts keep. */
static unsigned sort_lines(const struct prompt_shape *shape, const struct prompt_features *text, uint64_t from,
                           uint8_t ret_line[SHAPE_LINES])
{
    const bool sparse = text->lines == PROMPT_FEATURES_LINES && shape->lines > 0;
    const uint32_t last = sparse ? shape->line[shape->lines - 1].hash : UINT32_MAX;
    unsigned count = 0;
    for (unsigned i = 0; i < text->lines; i++) {
        unsigned at = count;
        if (text->line[i] > last || text->line_place[i] < prompt_place(from))
            continue;
        for (; at > 0 && text->line_place[ret_line[at - 1]] > text->line_place[i]; at--)
            ret_line[at] = ret_line[at - 1];
        ret_line[at] = (uint8_t)i;
        count++;
    }
    return count;
}

/* Of lines that are at one place as far as is known, those first that go on as the line before. */
static void settle_ties(const struct prompt_shape *shape, const struct prompt_features *text, uint8_t *line,
                        unsigned count)
{
    bool same = true;
    for (unsigned i = 0; i < count; i++) {
        unsigned next = i;
        while (next < count && text->line_place[line[next]] == text->line_place[line[i]] &&
               (line_number(shape, text->line[line[next]]) != SHAPE_NOT_THERE) != same)
            next++;
        if (next < count && text->line_place[line[next]] == text->line_place[line[i]]) {
            const uint8_t moved = line[next];
            memmove(line + i + 1, line + i, next - i);
            line[i] = moved;
        }
        same = line_number(shape, text->line[line[i]]) != SHAPE_NOT_THERE;
    }
}

static uint64_t place_of(const struct prompt_features *text, unsigned line)
{
    const uint8_t place = text->line_place[line];
    const uint64_t at =
        ((uint64_t)prompt_place_byte(place) + prompt_place_byte((uint8_t)(place < 255 ? place + 1 : 255))) / 2;
    return at < text->bytes ? at : text->bytes;
}

/* What the lines of the middle tell: how many all have, what varies between those, and (from the
 * very begin on) how far nothing does. A pair is not known where either of its lines is new: what
 * varies goes from the first such place to the last. */
static void measure_lines(struct prompt_shape *shape, const struct prompt_features *text, uint64_t head_bytes,
                          bool from_begin)
{
    uint8_t sorted[SHAPE_LINES];
    const unsigned count = sort_lines(shape, text, head_bytes, sorted);
    const bool sparse = text->lines == PROMPT_FEATURES_LINES;
    settle_ties(shape, text, sorted, count);
    struct shape_lengths *after = &shape->before_lines;
    uint64_t same_until = head_bytes;
    bool began = false;
    shape->is_sparse |= sparse;
    for (unsigned i = 0; i < count;) {
        const int known = line_number(shape, text->line[sorted[i]]);
        const uint64_t at = place_of(text, sorted[i]);
        if (known != SHAPE_NOT_THERE) {
            measure(&shape->line[known].place, at);
            after = &shape->line[known].after;
            same_until = at;
            i++;
            continue;
        }
        if (from_begin && !began)
            measure(&shape->begin, sparse ? (same_until + at) / 2 : at);
        began = true;
        unsigned end = i + 1;
        while (end < count && line_number(shape, text->line[sorted[end]]) == SHAPE_NOT_THERE)
            end++;
        const uint64_t last = end < count && sparse ? place_of(text, sorted[end]) : place_of(text, sorted[end - 1]);
        measure(after, last > at ? last - at : 0);
        i = end;
    }
    if (from_begin && !began)
        measure(&shape->begin, text->bytes);
}

/* ---- texts ---- */

static unsigned tokens_of(const struct shape_row *row, unsigned at)
{
    enum { LETTERS_A_TOKEN = 8, DIGITS_A_TOKEN = 3 };
    const unsigned kind = prompt_word_kind(row->look[at]), bytes = word_bytes(row, at);
    return kind >= PROMPT_WORD_DATE                                     ? 1 + bytes / DIGITS_A_TOKEN
           : kind == PROMPT_WORD_LETTERS || kind == PROMPT_WORD_CAPITAL ? 1 + (bytes ? bytes - 1 : 0) / LETTERS_A_TOKEN
                                                                        : 1;
}

static void measure_words(struct prompt_shape *shape, const struct shape_row *row, const int *place)
{
    for (unsigned i = 0; i < row->words; i++)
        if (row->hash[i] != 0) {
            shape->seen_bytes += word_bytes(row, i);
            shape->seen_tokens += tokens_of(row, i);
        }
    for (unsigned i = 0; i < shape->words; i++) {
        struct shape_word *const word = &shape->word[i];
        if (place[i] == SHAPE_NOT_THERE)
            continue;
        const uint8_t bytes = (uint8_t)word_bytes(row, (unsigned)place[i]);
        word->least = word->kinds == 0 || bytes < word->least ? bytes : word->least;
        word->most = bytes > word->most ? bytes : word->most;
        word->kinds |= (uint16_t)(1U << prompt_word_kind(row->look[place[i]]));
    }
}

static void measure_text(struct prompt_shape *shape, const struct prompt_features *text, const struct shape_row *row,
                         const int *place)
{
    shape->texts++;
    measure(&shape->whole, text->bytes);
    measure_words(shape, row, place);
    for (unsigned s = 0; s < shape->slots; s++) {
        const unsigned after = shape->slot[s].after;
        const int before = after == 0 ? -1 : place[after - 1];
        const int behind = after == shape->words ? (int)row->words : place[after];
        if ((after == 0 || before != SHAPE_NOT_THERE) && behind != SHAPE_NOT_THERE)
            measure_slot(shape, &shape->slot[s], row, before + 1, behind);
    }
    uint64_t head_bytes = 0;
    for (unsigned i = 0; i < text->heads; i++)
        head_bytes += word_bytes(row, i);
    /* The middle is what follows words that all stand at the begin. */
    const unsigned begins = shape->slots > 0 ? shape->slot[0].after : shape->words;
    const bool from_begin = text->has_between && begins == text->heads && place[begins - 1] == (int)begins - 1;
    if (text->has_between)
        measure_lines(shape, text, head_bytes, from_begin);
}

/* A text that lacks what is surely common is an odd one, and tells nothing of the rest. */
static bool is_odd(const struct prompt_shape *shape, const int *place)
{
    for (unsigned at = 0, run; at < shape->words; at += run) {
        run = shape_run(shape, at);
        if (run >= SHAPE_LONG_RUN && place[at] == SHAPE_NOT_THERE)
            return true;
    }
    return false;
}

void shape_join(struct prompt_shape *shape, const struct prompt_features *text)
{
    struct shape_row row;
    int place[MINER_WORDS];
    shape_row_of(&row, text);
    shape_align(shape, &row, place);
    for (unsigned at = 0; at < shape->words && !is_odd(shape, place);) {
        const unsigned run = shape_run(shape, at);
        if (run < SHAPE_LONG_RUN && place[at] == SHAPE_NOT_THERE) {
            shape_drop(shape, at, run); /* it looked as if all had it */
            shape_align(shape, &row, place);
            at = 0;
        } else {
            at += run;
        }
    }
    measure_text(shape, text, &row, place);
}
