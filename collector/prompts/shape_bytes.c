/*
 * Shapes as bytes, see shape.h: varints, in the order of the struct. What is read may come
 * from anybody's store. Pure; the collector's thread.
 */
#include "shape.h"

#include <string.h>

#include "../../span/buffer.h"
#include "../../span/varint.h"

enum { VERSION = 1, SPARSE = 1, MIDDLE = 1 };

static void put_lengths(struct span_buffer *out, const struct shape_lengths *lengths)
{
    span_put_varint(out, lengths->texts);
    if (lengths->texts == 0)
        return;
    span_put_varint(out, lengths->least);
    span_put_varint(out, lengths->most - lengths->least);
    span_put_varint(out, lengths->sum);
}

static void put_slot(struct span_buffer *out, const struct shape_slot *slot)
{
    span_put_varint(out, slot->after);
    span_put_varint(out, slot->is_middle ? MIDDLE : 0);
    span_put_varint(out, slot->empty);
    for (unsigned k = 0; k < SHAPE_KINDS; k++)
        span_put_varint(out, slot->kind[k]);
    put_lengths(out, &slot->value);
}

void shape_write(const struct prompt_shape *shape, struct span_buffer *out)
{
    const uint64_t numbers[] = {VERSION,           shape->texts,      shape->is_sparse ? SPARSE : 0,
                                shape->words,      shape->slots,      shape->lines,
                                shape->seen_bytes, shape->seen_tokens};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        span_put_varint(out, numbers[i]);
    put_lengths(out, &shape->whole);
    put_lengths(out, &shape->begin);
    put_lengths(out, &shape->front);
    put_lengths(out, &shape->before_lines);
    for (unsigned i = 0; i < shape->words; i++) {
        span_put_varint(out, shape->word[i].hash);
        span_put_varint(out, shape->word[i].kinds);
        span_put_varint(out, shape->word[i].least);
        span_put_varint(out, shape->word[i].most);
    }
    for (unsigned i = 0; i < shape->slots; i++)
        put_slot(out, &shape->slot[i]);
    for (unsigned i = 0; i < shape->lines; i++) {
        span_put_varint(out, shape->line[i].hash);
        put_lengths(out, &shape->line[i].place);
        put_lengths(out, &shape->line[i].after);
    }
}

/* Of at most `most`. */
static uint64_t get(struct span_reader *in, uint64_t most)
{
    const uint64_t value = span_take_varint(in);
    in->bad |= value > most;
    return in->bad ? 0 : value;
}

static void get_lengths(struct span_reader *in, struct shape_lengths *ret)
{
    ret->texts = (uint32_t)get(in, UINT32_MAX);
    if (ret->texts == 0)
        return;
    ret->least = (uint32_t)get(in, UINT32_MAX);
    ret->most = ret->least + (uint32_t)get(in, UINT32_MAX - ret->least);
    ret->sum = get(in, (uint64_t)UINT32_MAX * ret->texts);
}

static void get_slot(struct span_reader *in, struct shape_slot *ret, unsigned least, unsigned words)
{
    ret->after = (uint16_t)get(in, words);
    in->bad |= ret->after < least;
    ret->is_middle = get(in, MIDDLE) != 0;
    ret->empty = (uint32_t)get(in, UINT32_MAX);
    for (unsigned k = 0; k < SHAPE_KINDS; k++)
        ret->kind[k] = (uint32_t)get(in, UINT32_MAX);
    get_lengths(in, &ret->value);
}

static void get_head(struct span_reader *in, struct prompt_shape *ret)
{
    in->bad |= get(in, UINT64_MAX) != VERSION;
    ret->texts = (uint32_t)get(in, UINT32_MAX);
    ret->is_sparse = get(in, SPARSE) != 0;
    ret->words = (uint16_t)get(in, MINER_WORDS);
    ret->slots = (uint16_t)get(in, SHAPE_SLOTS);
    ret->lines = (uint16_t)get(in, SHAPE_LINES);
    ret->seen_bytes = get(in, UINT64_MAX >> 16);
    ret->seen_tokens = get(in, UINT64_MAX >> 16);
    get_lengths(in, &ret->whole);
    get_lengths(in, &ret->begin);
    get_lengths(in, &ret->front);
    get_lengths(in, &ret->before_lines);
}

int shape_read(struct prompt_shape *ret, const uint8_t *data, size_t bytes)
{
    struct span_reader in = {data, data + bytes, data == NULL};
    memset(ret, 0, sizeof(*ret));
    if (in.bad)
        return -1;
    get_head(&in, ret);
    for (unsigned i = 0; i < ret->words; i++) {
        ret->word[i].hash = (uint32_t)get(&in, UINT32_MAX);
        ret->word[i].kinds = (uint16_t)get(&in, UINT16_MAX);
        ret->word[i].least = (uint8_t)get(&in, UINT8_MAX);
        ret->word[i].most = (uint8_t)get(&in, UINT8_MAX);
    }
    for (unsigned i = 0; i < ret->slots; i++)
        get_slot(&in, &ret->slot[i], i > 0 ? ret->slot[i - 1].after + 1U : 0, ret->words);
    for (unsigned i = 0; i < ret->lines; i++) {
        ret->line[i].hash = (uint32_t)get(&in, UINT32_MAX);
        in.bad |= i > 0 && ret->line[i].hash <= ret->line[i - 1].hash;
        get_lengths(&in, &ret->line[i].place);
        get_lengths(&in, &ret->line[i].after);
    }
    return in.bad || in.at != in.end ? -1 : 0;
}
