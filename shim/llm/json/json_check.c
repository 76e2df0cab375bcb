/*
 * The validator of json_check.h: one byte at a time through a table-less state machine.
 *
 * Called with generated text on the scribe's thread, only where JSON was asked for or a tool call
 * has arguments. It must never keep text.
 */
#include "json_check.h"

#include <string.h>

enum {
    EXPECT_VALUE, /* 0: what a zeroed check begins with */
    FIRST_ELEMENT,
    FIRST_KEY,
    NEXT_KEY,
    EXPECT_COLON,
    AFTER_VALUE,
    IN_STRING,
    IN_ESCAPE,
    IN_HEX,
    IN_LITERAL,
    NUMBER_MINUS,
    NUMBER_ZERO,
    NUMBER_WHOLE,
    NUMBER_POINT,
    NUMBER_FRACTION,
    NUMBER_E,
    NUMBER_E_SIGN,
    NUMBER_EXPONENT,
    LOOSE, /* below JSON_CHECK_DEPTH: brackets are counted */
    LOOSE_STRING,
    LOOSE_ESCAPE,
};

static const char *const literals[] = {"true", "false", "null"};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool in_object(const struct json_check *check)
{
    return check->depth && ((check->objects >> (check->depth - 1)) & 1);
}

static void open_level(struct json_check *check, bool object)
{
    if (check->depth == JSON_CHECK_DEPTH) {
        check->depth++;
        check->state = LOOSE;
        return;
    }
    const uint64_t bit = UINT64_C(1) << check->depth++;
    check->objects = object ? check->objects | bit : check->objects & ~bit;
    check->state = object ? FIRST_KEY : FIRST_ELEMENT;
}

static void close_level(struct json_check *check, bool object)
{
    if (!check->depth || in_object(check) != object) {
        check->bad = true;
        return;
    }
    check->depth--;
    check->state = AFTER_VALUE;
}

static void start_value(struct json_check *check, char c)
{
    if (c == '{' || c == '[') {
        open_level(check, c == '{');
    } else if (c == '"') {
        check->key = false;
        check->state = IN_STRING;
    } else if (c == '-') {
        check->state = NUMBER_MINUS;
    } else if (is_digit(c)) {
        check->state = c == '0' ? NUMBER_ZERO : NUMBER_WHOLE;
    } else if (c == 't' || c == 'f' || c == 'n') {
        check->state = IN_LITERAL;
        check->detail = (uint8_t)((c == 't' ? 0 : c == 'f' ? 1 : 2) << 4 | 1);
    } else {
        check->bad = true;
    }
}

static void after_value(struct json_check *check, char c)
{
    if (is_blank(c))
        return;
    if (c == ',' && check->depth)
        check->state = in_object(check) ? NEXT_KEY : EXPECT_VALUE;
    else if (c == '}' || c == ']')
        close_level(check, c == '}');
    else
        check->bad = true;
}

/* Numbers have no end mark: what cannot belong to one is read as what follows it. */
static void number(struct json_check *check, char c)
{
    const uint8_t state = check->state;
    const bool exponent = c == 'e' || c == 'E';
    if (is_digit(c)) {
        if (state == NUMBER_ZERO)
            check->bad = true;
        else if (state == NUMBER_MINUS)
            check->state = c == '0' ? NUMBER_ZERO : NUMBER_WHOLE;
        else if (state == NUMBER_POINT)
            check->state = NUMBER_FRACTION;
        else if (state == NUMBER_E || state == NUMBER_E_SIGN)
            check->state = NUMBER_EXPONENT;
    } else if (c == '.' && (state == NUMBER_ZERO || state == NUMBER_WHOLE)) {
        check->state = NUMBER_POINT;
    } else if (exponent && (state == NUMBER_ZERO || state == NUMBER_WHOLE || state == NUMBER_FRACTION)) {
        check->state = NUMBER_E;
    } else if ((c == '+' || c == '-') && state == NUMBER_E) {
        check->state = NUMBER_E_SIGN;
    } else if (state == NUMBER_ZERO || state == NUMBER_WHOLE || state == NUMBER_FRACTION || state == NUMBER_EXPONENT) {
        check->state = AFTER_VALUE;
        after_value(check, c);
    } else {
        check->bad = true;
    }
}

static void literal(struct json_check *check, char c)
{
    const char *const word = literals[check->detail >> 4];
    const unsigned at = check->detail & 15u;
    if (word[at] != c) {
        check->bad = true;
        return;
    }
    check->detail++;
    if (!word[at + 1])
        check->state = AFTER_VALUE;
}

static void in_string(struct json_check *check, char c)
{
    if (c == '\\')
        check->state = IN_ESCAPE;
    else if (c == '"')
        check->state = check->key ? EXPECT_COLON : AFTER_VALUE;
    else if ((unsigned char)c < ' ')
        check->bad = true;
}

static void in_escape(struct json_check *check, char c)
{
    if (check->state == IN_HEX) {
        const char folded = (char)(c | 0x20);
        check->bad = !is_digit(c) && (folded < 'a' || folded > 'f');
        if (!--check->detail)
            check->state = IN_STRING;
    } else if (c == 'u') {
        check->state = IN_HEX;
        check->detail = 4;
    } else {
        check->bad = !c || strchr("\"\\/bfnrt", c) == NULL;
        check->state = IN_STRING;
    }
}

static void key_or_colon(struct json_check *check, char c)
{
    if (is_blank(c))
        return;
    if (check->state == EXPECT_COLON) {
        check->bad = c != ':';
        check->state = EXPECT_VALUE;
    } else if (c == '"') {
        check->key = true;
        check->state = IN_STRING;
    } else if (c == '}' && check->state == FIRST_KEY) {
        close_level(check, true);
    } else {
        check->bad = true;
    }
}

static void loose(struct json_check *check, char c)
{
    if (check->state == LOOSE_ESCAPE)
        check->state = LOOSE_STRING;
    else if (check->state == LOOSE_STRING)
        check->state = c == '\\' ? LOOSE_ESCAPE : c == '"' ? LOOSE : LOOSE_STRING;
    else if (c == '"')
        check->state = LOOSE_STRING;
    else if (c == '{' || c == '[')
        check->depth += check->depth < UINT32_MAX;
    else if ((c == '}' || c == ']') && --check->depth == JSON_CHECK_DEPTH)
        check->state = AFTER_VALUE;
}

static void take(struct json_check *check, char c)
{
    switch (check->state) {
    case EXPECT_VALUE:
    case FIRST_ELEMENT:
        if (is_blank(c))
            return;
        check->begun = true;
        if (c == ']' && check->state == FIRST_ELEMENT)
            close_level(check, false);
        else
            start_value(check, c);
        return;
    case FIRST_KEY:
    case NEXT_KEY:
    case EXPECT_COLON:
        key_or_colon(check, c);
        return;
    case AFTER_VALUE:
        after_value(check, c);
        return;
    case IN_STRING:
        in_string(check, c);
        return;
    case IN_ESCAPE:
    case IN_HEX:
        in_escape(check, c);
        return;
    case IN_LITERAL:
        literal(check, c);
        return;
    case LOOSE:
    case LOOSE_STRING:
    case LOOSE_ESCAPE:
        loose(check, c);
        return;
    default:
        number(check, c);
        return;
    }
}

void json_check_init(struct json_check *check)
{
    *check = (struct json_check){.state = EXPECT_VALUE};
}

void json_check_push(struct json_check *check, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && !check->bad; i++)
        take(check, text[i]);
}

bool json_check_valid(const struct json_check *check)
{
    if (check->bad || !check->begun || check->depth)
        return false;
    const uint8_t state = check->state;
    return state == AFTER_VALUE || state == NUMBER_ZERO || state == NUMBER_WHOLE || state == NUMBER_FRACTION ||
           state == NUMBER_EXPONENT;
}
