/* Request bodies, see request.h. Called by exchange.c on the scribe's thread. */
#include "request.h"

#include <string.h>

#include "shim/llm/framing/decode.h"

enum { UNDECIDED, JSON, FORM };

static void on_field(void *context, const char *name, size_t name_bytes, const char *value, size_t bytes, bool cut)
{
    struct request *const request = context;
    const struct json_rules *const rules = &request->dialect->request.rules;
    struct json_value as_json = {
        .type = JSON_STRING, .first = true, .last = true, .cut = cut, .text = value, .bytes = bytes};
    as_json.has_number = json_number_parse(value, bytes, &as_json.number, &as_json.has_u64, &as_json.u64);
    if (json_text_is(&as_json, "true") || json_text_is(&as_json, "True"))
        as_json.type = JSON_TRUE;
    if (json_text_is(&as_json, "false") || json_text_is(&as_json, "False"))
        as_json.type = JSON_FALSE;
    for (unsigned i = 0; i < rules->count; i++) {
        const struct json_rule *const rule = &rules->rule[i];
        if (strlen(rule->path) != name_bytes || memcmp(rule->path, name, name_bytes) != 0 || (rule->flags & JSON_RAW))
            continue;
        as_json.rule = rule->id;
        request->dialect->request.value(request->facts, &as_json);
    }
}

static const struct multipart_handler form_handler = {on_field, NULL};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* JSON does not begin with a dash and something else than a digit; forms begin with two dashes. */
static void push_plain(void *context, const char *data, size_t bytes)
{
    struct request *const request = context;
    size_t at = 0;
    while (request->kind == UNDECIDED && at < bytes)
        if (is_blank(data[at]))
            at++;
        else
            request->kind = data[at] == '-' ? FORM : JSON;
    if (request->kind == FORM)
        multipart_push(&request->form, data + at, bytes - at);
    else if (request->kind == JSON)
        json_scan_push(&request->scan, data + at, bytes - at);
}

/* 1: begins with `magic`, 0: does not, -1: too short to say. */
static int begins(const struct request *request, const char *magic, size_t bytes)
{
    const size_t both = request->head_bytes < bytes ? request->head_bytes : bytes;
    if (memcmp(request->head, magic, both) != 0)
        return 0;
    return both == bytes ? 1 : -1;
}

/* True: known now. */
static bool decide(struct request *request)
{
    const int gzip = begins(request, "\x1f\x8b\x08", 3), zstd = begins(request, "\x28\xb5\x2f\xfd", 4);
    if (gzip < 0 || zstd < 0)
        return false;
    request->decided = true;
    request->encoding = gzip ? DECODE_GZIP : zstd ? DECODE_ZSTD : DECODE_NONE;
    return true;
}

/* Members of gzip and frames of zstd may follow one another; what else follows is no part of the
 * body. */
static void push_encoded(struct request *request, const uint8_t *data, size_t bytes)
{
    const uint8_t begins = request->encoding == DECODE_GZIP ? 0x1f : 0x28;
    if (request->decode == NULL && (request->torn || data[0] == begins))
        request->decode = decode_open((enum decode_kind)request->encoding, push_plain, request);
    if (request->decode == NULL)
        return;
    request->torn = !decode_push(request->decode, data, bytes) || !decode_complete(request->decode);
    if (request->torn)
        return;
    decode_close(request->decode);
    request->decode = NULL;
}

static void push(struct request *request, const uint8_t *data, size_t bytes)
{
    if (request->encoding == DECODE_NONE)
        push_plain(request, (const char *)data, bytes);
    else
        push_encoded(request, data, bytes);
}

void request_init(struct request *request, struct dialect *dialect, struct facts *facts)
{
    request->dialect = dialect;
    request->facts = facts;
    request->decode = NULL;
    request_reset(request);
}

void request_reset(struct request *request)
{
    decode_close(request->decode);
    request->decode = NULL;
    request->kind = UNDECIDED;
    request->head_bytes = 0;
    request->decided = false;
    request->encoding = DECODE_NONE;
    request->torn = false;
    json_scan_init(&request->scan, &request->dialect->request.rules, request->dialect->request.value, request->facts,
                   false);
    multipart_init(&request->form, &form_handler, request);
}

void request_tidy(struct request *request)
{
    json_scan_tidy(&request->scan);
}

void request_push(struct request *request, const uint8_t *data, size_t bytes)
{
    while (!request->decided && bytes) {
        request->head[request->head_bytes++] = *data++;
        bytes--;
        if (decide(request)) {
            request->torn = request->encoding != DECODE_NONE;
            push(request, request->head, request->head_bytes);
        }
    }
    if (bytes)
        push(request, data, bytes);
}

bool request_end(struct request *request)
{
    if (!request->decided && request->head_bytes)
        push(request, request->head, request->head_bytes);
    decode_close(request->decode);
    request->decode = NULL;
    if (request->kind == FORM)
        return multipart_complete(&request->form);
    (void)json_scan_end(&request->scan);
    return !request->torn && json_scan_documents(&request->scan) > 0;
}
