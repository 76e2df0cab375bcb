/*
 * The scanner of json_scan.h: a small state machine over matched containers; everything unmatched
 * goes through skip().
 *
 * Runs on the scribe's thread. It must never allocate, recurse, or read beyond the pushed bytes;
 * its stack of frames holds matched levels only, which the tables bound, so depth of the input is
 * no matter.
 */
#include "json_scan.h"

#include "json_find.h"
#include "json_rules.h"

#include <string.h>

enum state { AT_VALUE, AT_KEY, AT_COLON, AFTER_VALUE, IN_STRING, IN_LITERAL, IN_SKIP };

enum { PIECE_DIRECT = 256 }; /* longer runs go to the handler without a copy, shorter ones are gathered first */

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ';
}

static inline bool ends_literal(char c)
{
    static const bool ends[256] = {[0 ... ' '] = true, [','] = true, [':'] = true, ['"'] = true,
                                   ['{'] = true,       ['}'] = true, ['['] = true, [']'] = true};
    return ends[(unsigned char)c];
}

static void value_init(const struct json_scan *scan, struct json_value *value, enum json_type type)
{
    value->rule = json_nodes[scan->node].rule;
    value->type = (uint8_t)type;
    value->first = value->last = true;
    value->cut = value->has_u64 = value->has_number = false;
    value->indexes = 0;
    for (unsigned i = 0; i < scan->depth; i++)
        if (scan->frame[i].array && value->indexes < JSON_INDEX_MAX)
            value->index[value->indexes++] = scan->frame[i].index;
    value->text = "";
    value->bytes = 0;
    value->key = scan->any_bytes ? scan->any : NULL;
    value->key_bytes = scan->any_bytes;
}

static void report(struct json_scan *scan, enum json_type type)
{
    if (!json_nodes[scan->node].rule)
        return;
    struct json_value value;
    value_init(scan, &value, type);
    scan->handler(scan->context, &value);
}

static void report_text(struct json_scan *scan, enum json_type type, const char *text, size_t bytes, bool cut)
{
    struct json_value value;
    value_init(scan, &value, type);
    value.text = text;
    value.bytes = bytes;
    value.cut = cut;
    const bool may_be_number =
        bytes && !cut && bytes <= JSON_KEY_MAX && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
    if (may_be_number && type != JSON_RAW_BYTES)
        value.has_number = json_number_parse(text, bytes, &value.number, &value.has_u64, &value.u64);
    if (type == JSON_NUMBER && !value.has_number && !cut)
        return; /* NaN and other garbage states nothing */
    scan->handler(scan->context, &value);
}

static void report_piece(struct json_scan *scan, enum json_type type, const char *text, size_t bytes, bool last)
{
    struct json_value value;
    value_init(scan, &value, type);
    value.text = text;
    value.bytes = bytes;
    value.first = scan->piece_first;
    value.last = last;
    scan->piece_first = false;
    scan->handler(scan->context, &value);
}

/* The value under way is over. */
static void value_done(struct json_scan *scan)
{
    if (scan->depth) {
        scan->state = AFTER_VALUE;
        return;
    }
    scan->state = AT_VALUE;
    scan->node = scan->root;
    scan->documents++;
    if (scan->document != NULL)
        scan->document(scan->context);
}

static void close_container(struct json_scan *scan)
{
    const struct json_frame frame = scan->frame[--scan->depth];
    scan->node = frame.node;
    report(scan, frame.array ? JSON_ARRAY_END : JSON_OBJECT_END);
    value_done(scan);
}

static void start_skip(struct json_scan *scan)
{
    scan->state = IN_SKIP;
    scan->skip_depth = 0;
    scan->skip_string = scan->escape = false;
    scan->piece_first = true;
}

/* `p` is at an opening bracket; returns where to go on (a skip starts at the bracket itself). */
static const char *open_container(struct json_scan *scan, const char *p)
{
    const struct json_node *node = &json_nodes[scan->node];
    const bool array = *p == '[';
    if (!(node->flags & JSON_RAW))
        report(scan, array ? JSON_ARRAY_BEGIN : JSON_OBJECT_BEGIN);
    const bool leads_on = array ? node->element != 0 : node->child || node->any;
    if ((node->flags & JSON_RAW) || !leads_on || scan->depth == JSON_PATH_DEPTH) {
        start_skip(scan);
        scan->in_skipped_array = array;
        return p;
    }
    scan->frame[scan->depth++] = (struct json_frame){.node = scan->node, .array = array, .index = 0};
    scan->node = node->element;
    scan->state = array ? AT_VALUE : AT_KEY;
    return p + 1;
}

static const char *skip(struct json_scan *scan, const char *p, const char *end)
{
    const char *const from = p;
    bool done = false, string = false;
    while (p < end && !done) {
        if (scan->escape) {
            scan->escape = false;
            p++;
        } else if (scan->skip_string) {
            p = json_find_string_end(p, end);
            if (p == end)
                break;
            scan->escape = *p == '\\';
            scan->skip_string = *p != '"';
            done = string = !scan->skip_string && !scan->skip_depth;
            p++;
        } else {
            p = json_find_structural(p, end);
            if (p == end)
                break;
            const char c = *p++;
            if (c == '"')
                scan->skip_string = true;
            else if (c == '{' || c == '[')
                scan->skip_depth++;
            else
                done = scan->skip_depth <= 1 || !--scan->skip_depth;
        }
    }
    const struct json_node *node = &json_nodes[scan->node];
    if ((node->flags & JSON_RAW) && node->rule)
        report_piece(scan, JSON_RAW_BYTES, from, (size_t)(p - from), done);
    if (done) {
        if (!string && !(node->flags & JSON_RAW))
            report(scan, scan->in_skipped_array ? JSON_ARRAY_END : JSON_OBJECT_END);
        value_done(scan);
    }
    return p;
}

static void key_done(struct json_scan *scan, const char *key, size_t bytes, bool too_long)
{
    const uint16_t parent = scan->frame[scan->depth - 1].node;
    bool any = false;
    scan->node = too_long ? json_nodes[parent].any : json_node_child(parent, key, bytes, &any);
    if (scan->node && (any || too_long)) {
        scan->any_bytes = (uint16_t)(bytes < JSON_KEY_MAX ? bytes : JSON_KEY_MAX);
        memcpy(scan->any, key, scan->any_bytes);
    }
    scan->state = AT_COLON;
}

/* ---- strings that are not whole in one push, or have escapes ---- */

static void text_flush(struct json_scan *scan, bool last)
{
    if (scan->text_bytes || last)
        report_piece(scan, JSON_STRING, scan->text, scan->text_bytes, last);
    scan->text_bytes = 0;
}

static void text_append_piece(struct json_scan *scan, const char *text, size_t bytes)
{
    if (bytes > PIECE_DIRECT || scan->text_bytes + bytes > JSON_CAPTURE_MAX)
        text_flush(scan, false);
    if (bytes > PIECE_DIRECT) {
        report_piece(scan, JSON_STRING, text, bytes, false);
        return;
    }
    memcpy(scan->text + scan->text_bytes, text, bytes);
    scan->text_bytes = (uint16_t)(scan->text_bytes + bytes);
}

static void text_append(struct json_scan *scan, const char *text, size_t bytes)
{
    if (!bytes)
        return;
    if (scan->state == IN_STRING && !scan->key_string && (json_nodes[scan->node].flags & JSON_PIECES)) {
        text_append_piece(scan, text, bytes);
        return;
    }
    char *const buffer = scan->key_string ? scan->key : scan->text;
    uint16_t *const used = scan->key_string ? &scan->key_bytes : &scan->text_bytes;
    const size_t room = (scan->key_string ? (size_t)JSON_KEY_MAX : (size_t)JSON_CAPTURE_MAX) - *used;
    if (bytes > room) {
        bytes = room;
        scan->cut = true;
    }
    memcpy(buffer + *used, text, bytes);
    *used = (uint16_t)(*used + bytes);
}

static void text_append_code(struct json_scan *scan, uint32_t code)
{
    char utf8[4];
    size_t bytes = 0;
    if (code < 0x80) {
        utf8[bytes++] = (char)code;
    } else if (code < 0x800) {
        utf8[bytes++] = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        utf8[bytes++] = (char)(0xe0 | code >> 12);
        utf8[bytes++] = (char)(0x80 | (code >> 6 & 0x3f));
    } else {
        utf8[bytes++] = (char)(0xf0 | code >> 18);
        utf8[bytes++] = (char)(0x80 | (code >> 12 & 0x3f));
        utf8[bytes++] = (char)(0x80 | (code >> 6 & 0x3f));
    }
    if (code >= 0x80)
        utf8[bytes++] = (char)(0x80 | (code & 0x3f));
    text_append(scan, utf8, bytes);
}

/* A high surrogate that nothing completed. */
static void high_flush(struct json_scan *scan)
{
    if (scan->high)
        text_append_code(scan, 0xfffd);
    scan->high = 0;
}

static void unicode_done(struct json_scan *scan)
{
    const uint16_t unit = scan->hex;
    if (scan->high && unit >= 0xdc00 && unit <= 0xdfff) {
        text_append_code(scan, 0x10000u + ((scan->high - 0xd800u) << 10) + (unit - 0xdc00u));
        scan->high = 0;
        return;
    }
    high_flush(scan);
    if (unit >= 0xd800 && unit <= 0xdbff)
        scan->high = unit;
    else
        text_append_code(scan, unit >= 0xdc00 && unit <= 0xdfff ? 0xfffd : unit);
}

/* One byte of \uXXXX. False: it is none of it and is to be read again. */
static bool hex_digit(struct json_scan *scan, char c)
{
    const unsigned folded = (unsigned)(unsigned char)c | 0x20u;
    unsigned digit;
    if (c >= '0' && c <= '9') {
        digit = (unsigned)(c - '0');
    } else if (folded >= 'a' && folded <= 'f') {
        digit = folded - 0x57u; /* 'a' is ten */
    } else {
        scan->hex_left = 0;
        high_flush(scan);
        text_append_code(scan, 0xfffd);
        return false;
    }
    scan->hex = (uint16_t)((unsigned)scan->hex << 4 | digit);
    if (!--scan->hex_left)
        unicode_done(scan);
    return true;
}

static void escaped(struct json_scan *scan, char c)
{
    scan->escape = false;
    if (c == 'u') {
        scan->hex_left = 4;
        scan->hex = 0;
        return;
    }
    static const char control[256] = {['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    const char meant = control[(unsigned char)c];
    high_flush(scan);
    text_append(scan, meant ? &meant : &c, 1);
}

static void cut_at_character(const char *text, uint16_t *bytes)
{
    uint16_t start = *bytes;
    while (start && *bytes - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (!start)
        return;
    const unsigned char lead = (unsigned char)text[start - 1];
    const int need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (need > *bytes - start)
        *bytes = (uint16_t)(start - 1);
}

static void string_done(struct json_scan *scan)
{
    high_flush(scan);
    if (scan->key_string) {
        scan->key_string = false;
        key_done(scan, scan->key, scan->key_bytes, scan->cut);
        return;
    }
    if (json_nodes[scan->node].flags & JSON_PIECES) {
        text_flush(scan, true);
    } else {
        if (scan->cut)
            cut_at_character(scan->text, &scan->text_bytes);
        report_text(scan, JSON_STRING, scan->text, scan->text_bytes, scan->cut);
    }
    value_done(scan);
}

static const char *string(struct json_scan *scan, const char *p, const char *end)
{
    while (p < end) {
        if (scan->hex_left) {
            p += hex_digit(scan, *p);
            continue;
        }
        if (scan->escape) {
            escaped(scan, *p++);
            continue;
        }
        const char *const q = json_find_string_end(p, end);
        if (q > p)
            high_flush(scan);
        text_append(scan, p, (size_t)(q - p));
        p = q;
        if (p == end)
            break;
        if (*p++ == '"') {
            string_done(scan);
            return p;
        }
        scan->escape = true;
    }
    /* What has come is told now, not with the next push: somebody may be timing it. */
    if (p == end && !scan->key_string && (json_nodes[scan->node].flags & JSON_PIECES))
        text_flush(scan, false);
    return p;
}

static void start_string(struct json_scan *scan, bool key)
{
    scan->state = IN_STRING;
    scan->key_string = key;
    scan->escape = scan->cut = false;
    scan->hex_left = 0;
    scan->high = 0;
    scan->piece_first = true;
    if (key)
        scan->key_bytes = 0;
    else
        scan->text_bytes = 0;
}

/* `p` is after the opening quote. Most strings are whole and without escapes: no copy is made of
 * those. */
static const char *open_string(struct json_scan *scan, const char *p, const char *end, bool key)
{
    const char *const q = json_find_string_end(p, end);
    const size_t bytes = (size_t)(q - p);
    const bool pieces = !key && (json_nodes[scan->node].flags & JSON_PIECES);
    if (q == end || *q != '"' || bytes > (key ? (size_t)JSON_KEY_MAX : pieces ? SIZE_MAX : (size_t)JSON_CAPTURE_MAX)) {
        start_string(scan, key);
        return p;
    }
    if (key) {
        key_done(scan, p, bytes, false);
        return q + 1;
    }
    scan->piece_first = true;
    if (pieces)
        report_piece(scan, JSON_STRING, p, bytes, true);
    else
        report_text(scan, JSON_STRING, p, bytes, false);
    value_done(scan);
    return q + 1;
}

/* ---- literals ---- */

static void literal_done(struct json_scan *scan, const char *text, size_t bytes, bool cut)
{
    if (!json_nodes[scan->node].rule) {
        value_done(scan);
        return;
    }
    if (json_nodes[scan->node].flags & JSON_RAW) {
        scan->piece_first = true;
        report_piece(scan, JSON_RAW_BYTES, text, bytes, true);
    } else if (bytes == 4 && !memcmp(text, "null", 4)) {
        report(scan, JSON_NULL);
    } else if (bytes == 4 && !memcmp(text, "true", 4)) {
        report(scan, JSON_TRUE);
    } else if (bytes == 5 && !memcmp(text, "false", 5)) {
        report(scan, JSON_FALSE);
    } else {
        report_text(scan, JSON_NUMBER, text, bytes, cut);
    }
    value_done(scan);
}

static const char *literal(struct json_scan *scan, const char *p, const char *end)
{
    const char *q = p;
    while (q < end && !ends_literal(*q))
        q++;
    if (q < end && !scan->text_bytes && (size_t)(q - p) <= JSON_CAPTURE_MAX) {
        literal_done(scan, p, (size_t)(q - p), false);
        return q;
    }
    text_append(scan, p, (size_t)(q - p));
    if (q < end)
        literal_done(scan, scan->text, scan->text_bytes, scan->cut);
    return q;
}

/* ---- between values ---- */

static void next_element(struct json_scan *scan)
{
    struct json_frame *const frame = &scan->frame[scan->depth - 1];
    frame->index++;
    scan->node = json_nodes[frame->node].element;
    scan->state = AT_VALUE;
}

/* A comma or a closing bracket where a value or what follows one is expected. True: it was one. */
static bool separator(struct json_scan *scan, char c)
{
    if (c != ',' && c != '}' && c != ']')
        return false;
    if (!scan->depth)
        scan->in_array = scan->in_array && c != ']';
    else if (c != ',')
        close_container(scan);
    else if (scan->frame[scan->depth - 1].array)
        next_element(scan);
    else
        scan->state = AT_KEY;
    return true;
}

static const char *value(struct json_scan *scan, const char *p, const char *end)
{
    const char c = *p;
    if (ends_literal(c) && c != '"' && c != '{' && c != '[' && (is_blank(c) || c == ':' || separator(scan, c)))
        return p + 1;
    if (c == '[' && !scan->depth && scan->elements && !scan->in_array) {
        scan->in_array = true;
        return p + 1;
    }
    const struct json_node *const node = &json_nodes[scan->node];
    if (c == '{' || c == '[')
        return open_container(scan, p);
    if (c == '"') {
        if (node->rule && !(node->flags & JSON_RAW))
            return open_string(scan, p + 1, end, false);
        start_skip(scan);
        return skip(scan, p, end);
    }
    start_string(scan, false);
    scan->state = IN_LITERAL;
    return literal(scan, p, end);
}

static const char *key(struct json_scan *scan, const char *p, const char *end)
{
    while (p < end && *p != '"' && *p != '}' && *p != ']')
        p++;
    if (p == end)
        return p;
    if (*p == '"')
        return open_string(scan, p + 1, end, true);
    close_container(scan);
    return p + 1;
}

static const char *colon(struct json_scan *scan, const char *p)
{
    if (is_blank(*p))
        return p + 1;
    if (separator(scan, *p))
        return p + 1;
    scan->state = AT_VALUE;
    return p + (*p == ':');
}

static const char *after_value(struct json_scan *scan, const char *p, const char *end)
{
    while (p < end && !separator(scan, *p))
        p++;
    return p + (p < end);
}

void json_scan_push(struct json_scan *scan, const char *data, size_t bytes)
{
    const char *p = data, *const end = data + bytes;
    while (p < end) {
        switch ((enum state)scan->state) {
        case AT_VALUE:
            p = value(scan, p, end);
            break;
        case AT_KEY:
            p = key(scan, p, end);
            break;
        case AT_COLON:
            p = colon(scan, p);
            break;
        case AFTER_VALUE:
            p = after_value(scan, p, end);
            break;
        case IN_STRING:
            p = string(scan, p, end);
            break;
        case IN_LITERAL:
            p = literal(scan, p, end);
            break;
        case IN_SKIP:
            p = skip(scan, p, end);
            break;
        }
    }
}

void json_scan_init(struct json_scan *scan, const struct json_rules *rules, json_handler *handler, void *context,
                    bool elements)
{
    scan->handler = handler;
    scan->document = NULL;
    scan->context = context;
    scan->root = rules->root;
    scan->elements = elements;
    json_scan_reset(scan);
}

void json_scan_reset(struct json_scan *scan)
{
    scan->state = AT_VALUE;
    scan->depth = 0;
    scan->in_array = scan->key_string = scan->escape = false;
    scan->node = scan->root;
    scan->documents = 0;
    scan->any_bytes = scan->text_bytes = scan->key_bytes = 0;
}

bool json_scan_at_rest(const struct json_scan *scan)
{
    return scan->state == AT_VALUE && !scan->depth && !scan->in_array;
}

void json_scan_tidy(struct json_scan *scan)
{
    const bool text = scan->state == IN_LITERAL || (scan->state == IN_STRING && !scan->key_string);
    scan->text_bytes = text ? scan->text_bytes : 0;
    scan->key_bytes = scan->state == IN_STRING && scan->key_string ? scan->key_bytes : 0;
    memset(scan->text + scan->text_bytes, 0, sizeof(scan->text) - scan->text_bytes);
    memset(scan->key + scan->key_bytes, 0, sizeof(scan->key) - scan->key_bytes);
    memset(scan->any + scan->any_bytes, 0, sizeof(scan->any) - scan->any_bytes);
    memset(scan->frame + scan->depth, 0, sizeof(scan->frame) - scan->depth * sizeof(scan->frame[0]));
}

bool json_scan_end(struct json_scan *scan)
{
    if (scan->state == IN_LITERAL && !scan->depth)
        literal_done(scan, scan->text, scan->text_bytes, scan->cut);
    return scan->state == AT_VALUE && !scan->depth;
}
