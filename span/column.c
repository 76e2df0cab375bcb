/*
 * Encodes a numeric column: chooses transform, storage and presence form by their size. Called by
 * block.c, column_text.c (for lengths and codes) and the store's merge, on any thread. Pure but for
 * memory; must never write what column_read.c refuses.
 *
 * A value becomes a residual (FOR: distance to the minimum; DELTA: distance between neighbours;
 * DICT: position among distinct values), divided by what all residuals have in common; residuals
 * are stored packed, packed with exceptions, or as byte planes.
 */
#include "codec.h"
#include "column.h"

struct plan {
    unsigned transform;
    unsigned storage; /* ZERO, PACKED or PATCHED; PLANES is decided when it is written */
    uint64_t base;    /* FOR: minimum; DELTA: first value */
    uint64_t step;    /* DELTA: smallest difference */
    uint64_t divisor;
    const uint64_t *residual;
    size_t count;
    unsigned width;     /* of the packed part */
    unsigned width_max; /* of the largest residual */
    size_t bytes;       /* what the residuals will take */
};

size_t span_presence_count(const uint64_t *present, size_t n, unsigned *ret_form)
{
    *ret_form = SPAN_CODEC_ALL;
    if (present == NULL)
        return n;
    size_t m = 0;
    for (size_t word = 0; word * 64 < n; word++) {
        const size_t rest = n - word * 64;
        const uint64_t mask = rest >= 64 ? UINT64_MAX : (UINT64_C(1) << rest) - 1;
        m += (size_t)__builtin_popcountll(present[word] & mask);
    }
    if (m == n)
        return m;
    /* A listed row costs one byte, two when rows are more than 127 apart; 3/2 is near enough to
     * choose by. */
    const size_t bitmap = (n + 7) / 8;
    if (m * 3 / 2 + 1 < bitmap)
        *ret_form = SPAN_CODEC_FEW;
    else if ((n - m) * 3 / 2 + 1 < bitmap)
        *ret_form = SPAN_CODEC_MOST;
    else
        *ret_form = SPAN_CODEC_BITMAP;
    return m;
}

void span_presence_write(struct span_buffer *out, const uint64_t *present, size_t n, size_t m, unsigned form)
{
    if (form == SPAN_CODEC_ALL)
        return;
    if (form == SPAN_CODEC_BITMAP) {
        for (size_t i = 0; i < n; i += 8) {
            unsigned byte = (unsigned)(present[i >> 6] >> (i & 63)) & 0xff;
            if (n - i < 8)
                byte &= (1u << (n - i)) - 1;
            span_put_byte(out, byte);
        }
        return;
    }
    const bool listed = form == SPAN_CODEC_FEW;
    span_put_varint(out, listed ? m : n - m);
    size_t next = 0;
    for (size_t i = 0; i < n; i++) {
        if (span_bit(present, i) == listed) {
            span_put_varint(out, i - next);
            next = i + 1;
        }
    }
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Divides all residuals by their greatest common divisor, so that microseconds kept in nanoseconds
 * cost nothing. */
static uint64_t divide_out(uint64_t *residual, size_t count)
{
    uint64_t divisor = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t value = residual[i];
        if (value == 0)
            continue;
        if (divisor == 0 || value % divisor != 0) {
            divisor = common_divisor(value, divisor);
            if (divisor == 1)
                return 1;
        }
    }
    if (divisor == 0)
        return 1;
    /* Exact division: shift out the twos, multiply by the inverse of the odd rest modulo 2^64
     * (Newton's iteration). */
    const unsigned twos = (unsigned)__builtin_ctzll(divisor);
    const uint64_t odd = divisor >> twos;
    uint64_t inverse = odd;
    for (unsigned i = 0; i < 5; i++)
        inverse *= 2 - odd * inverse;
    for (size_t i = 0; i < count; i++)
        residual[i] = (residual[i] >> twos) * inverse;
    return divisor;
}

/* Finds the width at which packed bits and listed exceptions are smallest together. */
static void choose_width(struct plan *plan)
{
    uint32_t histogram[65] = {0};
    for (size_t i = 0; i < plan->count; i++)
        histogram[span_bit_length(plan->residual[i])]++;
    unsigned top = 64;
    while (top > 0 && histogram[top] == 0)
        top--;
    plan->width_max = top;
    plan->width = top;
    plan->storage = top == 0 ? SPAN_CODEC_ZERO : SPAN_CODEC_PACKED;
    plan->bytes = span_packed_bytes(plan->count, top);
    size_t exceptions = 0;
    size_t exception_bytes = 0;
    for (unsigned width = top; width-- > 0;) {
        exceptions += histogram[width + 1];
        if (exceptions * 8 > plan->count + 8)
            return;
        /* Position about 1.5 bytes, and the high bits as a varint. */
        exception_bytes = 0;
        for (unsigned wide = width + 1; wide <= top; wide++)
            exception_bytes += histogram[wide] * (size_t)((wide - width + 6) / 7);
        const size_t bytes = span_packed_bytes(plan->count, width) + exception_bytes + exceptions * 3 / 2 + 1;
        if (bytes < plan->bytes) {
            plan->bytes = bytes;
            plan->width = width;
            plan->storage = SPAN_CODEC_PATCHED;
        }
    }
}

/* Residual memory, or NULL. */
static uint64_t *residuals(struct span_buffer *out, enum span_slot slot, size_t count)
{
    uint64_t *memory = span_codec_scratch(out->codec, slot, count * sizeof(uint64_t));
    if (memory == NULL)
        out->failed = true;
    return memory;
}

static void plan_for(struct span_buffer *out, struct plan *plan, const uint64_t *values, size_t m)
{
    uint64_t min = values[0];
    uint64_t max = values[0];
    for (size_t i = 1; i < m; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
    }
    *plan =
        (struct plan){.transform = SPAN_CODEC_FOR, .storage = SPAN_CODEC_ZERO, .base = min, .divisor = 1, .count = m};
    if (min == max)
        return;
    if (span_bit_length(max - min) == 64)
        plan->base = min = 0; /* random bits: a base would only cost */
    uint64_t *residual = residuals(out, SPAN_SLOT_RESIDUAL, m);
    if (residual == NULL)
        return;
    for (size_t i = 0; i < m; i++)
        residual[i] = values[i] - min;
    plan->divisor = divide_out(residual, m);
    plan->residual = residual;
    choose_width(plan);
}

/* Replaces the plan when differences between neighbours are smaller than the values. */
static void plan_delta(struct span_buffer *out, struct plan *plan, const uint64_t *values, size_t m)
{
    if (m < 3)
        return;
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;
    for (size_t i = 1; i < m; i++) {
        const int64_t delta = (int64_t)(values[i] - values[i - 1]);
        min = delta < min ? delta : min;
        max = delta > max ? delta : max;
    }
    if (span_bit_length((uint64_t)max - (uint64_t)min) >= plan->width_max + span_bit_length(plan->divisor))
        return;
    uint64_t *residual = residuals(out, SPAN_SLOT_DELTA, m);
    if (residual == NULL)
        return;
    struct plan delta = {
        .transform = SPAN_CODEC_DELTA, .base = values[0], .step = (uint64_t)min, .residual = residual, .count = m - 1};
    for (size_t i = 1; i < m; i++)
        residual[i - 1] = values[i] - values[i - 1] - delta.step;
    delta.divisor = divide_out(residual, m - 1);
    choose_width(&delta);
    if (delta.bytes + 2 < plan->bytes)
        *plan = delta;
}

static void write_patched(struct span_buffer *out, const struct plan *plan)
{
    size_t exceptions = 0;
    for (size_t i = 0; i < plan->count; i++)
        exceptions += plan->residual[i] >> plan->width != 0;
    span_put_varint(out, exceptions);
    size_t next = 0;
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->residual[i] >> plan->width != 0) {
            span_put_varint(out, i - next);
            span_put_varint(out, plan->residual[i] >> plan->width);
            next = i + 1;
        }
    }
}

static void write_packed(struct span_buffer *out, const struct plan *plan)
{
    span_put_byte(out, plan->width);
    if (plan->storage == SPAN_CODEC_PATCHED)
        write_patched(out, plan);
    const size_t bytes = span_packed_bytes(plan->count, plan->width);
    uint8_t *to = span_buffer_reserve(out, bytes + 8);
    if (to != NULL) {
        span_bits_pack(to, plan->residual, plan->count, plan->width);
        span_buffer_commit(out, bytes);
    }
}

static void write_plane(struct span_buffer *out, const uint8_t *plane, size_t count, int zstd_level)
{
    if (memcmp(plane, plane + 1, count - 1) == 0) {
        span_put_byte(out, SPAN_PLANE_FILL);
        span_put_byte(out, plane[0]);
        return;
    }
    const size_t mode_at = out->bytes;
    span_put_byte(out, SPAN_PLANE_ZSTD);
    if (span_zstd_append(out, plane, count, zstd_level, true) == 0 && !out->failed) {
        out->data[mode_at] = SPAN_PLANE_RAW;
        span_buffer_append(out, plane, count);
    }
}

static void write_planes(struct span_buffer *out, const struct plan *plan, int zstd_level)
{
    uint8_t *plane = span_codec_scratch(out->codec, SPAN_SLOT_BYTES, plan->count);
    if (plane == NULL) {
        out->failed = true;
        return;
    }
    const unsigned planes = (plan->width_max + 7) / 8;
    span_put_byte(out, planes);
    for (unsigned p = 0; p < planes && !out->failed; p++) {
        for (size_t i = 0; i < plan->count; i++)
            plane[i] = (uint8_t)(plan->residual[i] >> (p * 8));
        write_plane(out, plane, plan->count, zstd_level);
    }
}

/* Planes only pay in large blocks: each carries a table of byte frequencies. Narrow values lie
 * several to a byte already. */
static bool planes_may_pay(const struct plan *plan, int zstd_level)
{
    enum { ROWS_MIN = 1024, WIDTH_MIN = 5 };
    return zstd_level > 0 && plan->count >= ROWS_MIN && plan->width_max >= WIDTH_MIN;
}

static void write_transform(struct span_buffer *out, const struct plan *plan)
{
    span_put_varint(out, plan->base);
    if (plan->transform == SPAN_CODEC_DELTA)
        span_put_varint(out, span_zigzag(plan->step));
    if (plan->storage != SPAN_CODEC_ZERO)
        span_put_varint(out, plan->divisor);
}

/* Replaces the body that begins at body_at by its zstd frame if that is smaller. */
static void squeeze_body(struct span_buffer *out, size_t codec_at, size_t body_at, int zstd_level)
{
    /* Short packed bodies gain a few bytes at most, for a third of the time of the whole block. */
    enum { BYTES_MIN = 512 };
    const size_t bytes = out->bytes - body_at;
    if (out->failed || zstd_level <= 0 || bytes < BYTES_MIN)
        return;
    uint8_t *copy = span_codec_scratch(out->codec, SPAN_SLOT_BYTES, bytes);
    if (copy == NULL)
        return;
    memcpy(copy, out->data + body_at, bytes);
    out->bytes = body_at;
    if (span_zstd_append(out, copy, bytes, zstd_level, false) != 0)
        out->data[codec_at] |= SPAN_CODEC_ZSTD;
    else
        span_buffer_append(out, copy, bytes);
}

static void write_plan(struct span_buffer *out, struct plan *plan, unsigned presence, const uint64_t *present, size_t n,
                       size_t m, int zstd_level)
{
    const size_t codec_at = out->bytes;
    span_put_byte(out, plan->transform | plan->storage | presence);
    span_presence_write(out, present, n, m, presence);
    const size_t body_at = out->bytes;
    write_transform(out, plan);
    if (plan->storage == SPAN_CODEC_ZERO || out->failed)
        return;
    if (planes_may_pay(plan, zstd_level)) {
        const size_t planes_at = out->bytes;
        write_planes(out, plan, zstd_level);
        if (out->failed || out->bytes - planes_at < plan->bytes) {
            if (!out->failed)
                out->data[codec_at] = (uint8_t)(plan->transform | SPAN_CODEC_PLANES | presence);
            return;
        }
        out->bytes = planes_at;
        write_packed(out, plan);
        return; /* noise: zstd had its chance at the planes */
    }
    write_packed(out, plan);
    squeeze_body(out, codec_at, body_at, zstd_level);
}

/* Fills codes[] and distinct[] and returns how many are distinct, or 0 when more than `max` are. */
static size_t find_distinct(struct span_codec *codec, const uint64_t *values, size_t m, size_t max, uint64_t *codes,
                            uint64_t *distinct)
{
    size_t slots = 16;
    while (slots < max * 2)
        slots *= 2;
    uint32_t *table = span_codec_scratch(codec, SPAN_SLOT_TABLE, slots * sizeof(*table));
    if (table == NULL)
        return 0;
    memset(table, 0, slots * sizeof(*table));
    size_t found = 0;
    for (size_t i = 0; i < m; i++) {
        size_t slot = (values[i] * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (slots - 1);
        while (table[slot] != 0 && distinct[table[slot] - 1] != values[i])
            slot = (slot + 1) & (slots - 1);
        if (table[slot] == 0) {
            if (found == max)
                return 0;
            distinct[found++] = values[i];
            table[slot] = (uint32_t)found;
        }
        codes[i] = table[slot] - 1;
    }
    return found;
}

/* Writes the column as distinct values and their positions if that is smaller; false: nothing was
 * written. */
static bool write_dict(struct span_buffer *out, const struct plan *plan, const uint64_t *values, size_t m,
                       unsigned presence, const uint64_t *present, size_t n, int zstd_level)
{
    enum { WIDTH_MIN = 17, ROWS_MIN = 4, PROBE = 64, PROBE_DISTINCT_MAX = 60 };
    const unsigned width = plan->width_max;
    if (m < ROWS_MIN || width < WIDTH_MIN || plan->bytes * 8 < m * WIDTH_MIN)
        return false;
    uint64_t *codes = residuals(out, SPAN_SLOT_CODES, 2 * m);
    if (codes == NULL)
        return false;
    uint64_t *distinct = codes + m;
    /* Most wide columns are all distinct: the first rows tell. */
    if (m > PROBE && find_distinct(out->codec, values, PROBE, PROBE_DISTINCT_MAX, codes, distinct) == 0)
        return false;
    const size_t found = find_distinct(out->codec, values, m, m / 2, codes, distinct);
    const size_t bytes = found * 8 + span_packed_bytes(m, span_bit_length(found)) + 4;
    if (found == 0 || bytes >= plan->bytes)
        return false;
    struct plan dict = {.transform = SPAN_CODEC_DICT, .divisor = 1, .residual = codes, .count = m};
    choose_width(&dict);
    const size_t codec_at = out->bytes;
    span_put_byte(out, SPAN_CODEC_DICT | dict.storage | presence);
    span_presence_write(out, present, n, m, presence);
    span_put_varint(out, found);
    for (size_t i = 0; i < found; i++) {
        uint8_t value[8];
        span_store64(value, distinct[i]);
        span_buffer_append(out, value, sizeof(value));
    }
    if (dict.storage == SPAN_CODEC_ZERO)
        return true;
    if (planes_may_pay(&dict, zstd_level) && !out->failed) {
        const size_t codes_at = out->bytes;
        write_planes(out, &dict, zstd_level);
        if (!out->failed && out->bytes - codes_at < dict.bytes) {
            out->data[codec_at] = (uint8_t)(SPAN_CODEC_DICT | SPAN_CODEC_PLANES | presence);
            return true;
        }
        out->bytes = codes_at;
    }
    write_packed(out, &dict);
    return true;
}

/* The values of the rows that are present, without gaps; `values` itself when all are. */
static const uint64_t *gather(struct span_buffer *out, const uint64_t *values, const uint64_t *present, size_t n,
                              size_t m)
{
    if (m == n)
        return values;
    uint64_t *dense = residuals(out, SPAN_SLOT_DENSE, m + 1);
    if (dense == NULL)
        return NULL;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        dense[at] = values[i]; /* overwritten unless present: no branch to mispredict */
        at += span_bit(present, i);
    }
    return dense;
}

int span_column_encode_u64(struct span_buffer *out, const uint64_t *values, const uint64_t *present, size_t n,
                           int zstd_level)
{
    if (n == 0 || n > SPAN_BLOCK_ROWS_MAX || span_buffer_codec(out) == NULL)
        return -1;
    unsigned presence;
    const size_t m = span_presence_count(present, n, &presence);
    struct plan plan = {.transform = SPAN_CODEC_FOR, .storage = SPAN_CODEC_ZERO};
    if (m > 0) {
        const uint64_t *dense = gather(out, values, present, n, m);
        if (dense == NULL)
            return -1;
        plan_for(out, &plan, dense, m);
        if (plan.storage != SPAN_CODEC_ZERO) {
            plan_delta(out, &plan, dense, m);
            if (write_dict(out, &plan, dense, m, presence, present, n, zstd_level))
                return out->failed ? -1 : 0;
        }
    }
    write_plan(out, &plan, presence, present, n, m, zstd_level);
    return out->failed ? -1 : 0;
}
