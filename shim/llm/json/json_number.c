/*
 * Numbers as JSON spells them, without the C locale (a host that called setlocale would make strtod
 * want a comma).
 *
 * Called by the scanner on the scribe's thread for values that a rule names. Pure.
 */
#include "json_scan.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exponents beyond this are infinity or zero for everything we read. */
enum { EXPONENT_MAX = 400, EXPONENT_STEPS = 9, U64_DIGITS = 19 };

static double scale(double value, int exponent)
{
    static const double power[EXPONENT_STEPS] = {1e1, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128, 1e256};
    const bool down = exponent < 0;
    unsigned left = (unsigned)(down ? -exponent : exponent);
    for (unsigned i = 0; i < EXPONENT_STEPS && left; i++, left >>= 1)
        if (left & 1)
            value = down ? value / power[i] : value * power[i];
    return value;
}

/* The whole number mantissa * 10^exponent, if it is one and fits. */
static bool whole(uint64_t mantissa, int exponent, uint64_t *ret)
{
    for (; exponent < 0 && mantissa; exponent++, mantissa /= 10)
        if (mantissa % 10)
            return false;
    for (; exponent > 0 && mantissa; exponent--)
        if (__builtin_mul_overflow(mantissa, (uint64_t)10, &mantissa))
            return false;
    *ret = mantissa;
    return true;
}

struct digits {
    uint64_t mantissa;
    int exponent;
    bool any, lost; /* lost: a digit other than 0 did not fit in the mantissa */
};

static const char *read_digits(const char *p, const char *end, bool fraction, struct digits *digits)
{
    uint64_t bigger;
    for (; p < end && is_digit(*p); p++) {
        const unsigned digit = (unsigned)(*p - '0');
        digits->any = true;
        if (!digits->lost && !__builtin_mul_overflow(digits->mantissa, (uint64_t)10, &bigger) &&
            !__builtin_add_overflow(bigger, (uint64_t)digit, &bigger)) {
            digits->mantissa = bigger;
            digits->exponent -= fraction;
            continue;
        }
        digits->lost = true;
        digits->exponent += !fraction;
    }
    return p;
}

bool json_number_parse(const char *text, size_t bytes, double *ret_number, bool *ret_whole, uint64_t *ret_u64)
{
    const char *p = text, *const end = text + bytes;
    const bool minus = p < end && *p == '-';
    struct digits digits = {0};
    p = read_digits(p + minus, end, false, &digits);
    if (p < end && *p == '.' && digits.any)
        p = read_digits(p + 1, end, true, &digits);
    if (!digits.any)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        const bool negative = p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        if (p == end)
            return false;
        int exponent = 0;
        for (; p < end && is_digit(*p); p++)
            exponent = exponent < 100000 ? exponent * 10 + (*p - '0') : exponent;
        digits.exponent += negative ? -exponent : exponent;
    }
    if (p != end)
        return false;
    int exponent = digits.exponent > EXPONENT_MAX ? EXPONENT_MAX : digits.exponent;
    exponent = exponent < -EXPONENT_MAX ? -EXPONENT_MAX : exponent;
    const double value = scale((double)digits.mantissa, exponent);
    *ret_number = minus ? -value : value;
    *ret_whole = !digits.lost && (!minus || !digits.mantissa) && whole(digits.mantissa, exponent, ret_u64);
    return true;
}

bool json_text_is(const struct json_value *value, const char *literal)
{
    const size_t bytes = strlen(literal);
    return value->type == JSON_STRING && value->bytes == bytes && !memcmp(value->text, literal, bytes);
}
