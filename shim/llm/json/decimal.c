/*
 * Decimal text times a power of ten, exactly: digits are shifted, never multiplied as floats. See
 * decimal.h.
 *
 * Called for costs that providers state, on the scribe's thread. Pure.
 */
#include "decimal.h"

enum { DIGITS_MAX = 40, EXPONENT_MAX = 10000 };

struct digits {
    uint8_t digit[DIGITS_MAX]; /* without leading zeros; what does not fit cannot matter */
    int count;
    int point; /* the number is 0.DIGITS * 10^point */
    bool any;
};

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *read_digits(const char *p, const char *end, bool fraction, struct digits *digits)
{
    for (; is_digit(p, end); p++) {
        digits->any = true;
        if (!digits->count && *p == '0') {
            digits->point -= fraction;
            continue;
        }
        digits->point += !fraction;
        if (digits->count < DIGITS_MAX)
            digits->digit[digits->count++] = (uint8_t)(*p - '0');
    }
    return p;
}

static const char *read_exponent(const char *p, const char *end, int *ret)
{
    const bool minus = p < end && *p == '-';
    int value = 0;
    p += p < end && (*p == '-' || *p == '+');
    if (!is_digit(p, end))
        return end + 1;
    for (; is_digit(p, end); p++)
        value = value < EXPONENT_MAX ? value * 10 + (*p - '0') : value;
    *ret = minus ? -value : value;
    return p;
}

bool decimal_scaled(const char *text, size_t bytes, int power, uint64_t *ret)
{
    const char *p = text, *const end = text + bytes;
    struct digits digits = {.count = 0};
    int exponent = 0;
    p = read_digits(p, end, false, &digits);
    if (p < end && *p == '.' && digits.any)
        p = read_digits(p + 1, end, true, &digits);
    if (digits.any && p < end && (*p == 'e' || *p == 'E'))
        p = read_exponent(p + 1, end, &exponent);
    if (!digits.any || p != end)
        return false;
    uint64_t value = 0;
    const int places = digits.point + exponent + power;
    for (int i = 0; digits.count && i < places; i++) {
        const unsigned digit = i < digits.count ? digits.digit[i] : 0;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    if (places >= 0 && places < digits.count && digits.digit[places] >= 5 &&
        __builtin_add_overflow(value, (uint64_t)1, &value))
        return false;
    *ret = value;
    return true;
}
