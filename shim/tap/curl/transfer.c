/*
 * Beginning and end of a recorded transfer (transfer.h). Called by the hooks on the application's
 * thread, once each per request.
 *
 * Reads the application's memory when libcurl is about to do so and not before: the URL object and
 * a body in memory when libcurl begins the transfer, the list of headers when it makes the request.
 * Must never fail the transfer, log, or touch a handle whose making we did not see.
 */
#include "transfer.h"

#include "transfer_headers.h"
#include "capture.h"
#include "shim/base/say.h"
#include "form.h"
#include "shim/llm/header_lines.h"
#include "shim/llm/exchange.h"
#include "shim/llm/recognise/recognise.h"
#include "shim/scribe/scribe.h"
#include "shim/tape/tally.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* By number, because the headers may be older than the libcurl that runs. */
enum { INFO_QUEUE_TIME_T = CURLINFO_OFF_T + 65, INFO_POSTTRANSFER_TIME_T = CURLINFO_OFF_T + 67 };

/* The first record of a transfer. */
struct opening {
    uint64_t time_ns;
    struct tape_begin begin;
    char text[HEADER_LINES_BYTES_MAX];
};

static _Atomic uint64_t last_transfer;

static uint64_t declared_bytes(const struct shadow *shadow)
{
    curl_off_t declared = -1;
    if (shadow->request == SHADOW_GET || shadow->request == SHADOW_HEAD)
        return 0;
    if (shadow->request == SHADOW_PUT)
        declared = shadow->infile_bytes;
    else if (shadow->request == SHADOW_POST)
        declared = shadow->fields_bytes;
    return declared < 0 ? UINT64_MAX : (uint64_t)declared;
}

static uint32_t begin_flags(const struct shadow *shadow)
{
    return shadow->accepts_encoding && !shadow->keeps_encoding ? TAPE_BEGIN_DECODED : 0;
}

/* A URL object wins over the text, as in libcurl. */
static void take_url_object(struct handle *handle)
{
    const struct curl_api *real = &handle->library->real;
    char *text = NULL;

    if (handle->easy.shadow.url_handle == NULL || real->curl_url_get == NULL || real->curl_free == NULL)
        return;
    CURLUcode code = real->curl_url_get(handle->easy.shadow.url_handle, CURLUPART_URL, &text, 0);
    shadow_set_url(&handle->easy.shadow, code == CURLUE_OK ? text : NULL);
    if (text != NULL)
        real->curl_free(text);
}

static uint64_t wall_now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A session with a model over a socket of its own (WebSocket, or bytes by hand) is no exchange, and
 * no span is made up for it: it is said. */
static void say_of_session(const struct shadow *shadow, bool socket)
{
    if (shadow->url_bytes == 0 || !recognise_session(shadow->url.data, shadow->url_bytes, socket))
        return;
    shim_say_once("a session with a model over a WebSocket or a raw connection is not seen, no span comes of it");
    (void)tally_add(TALLY_SESSIONS);
    (void)scribe_ensure(); /* perhaps there is nothing else to tell it with */
}

/* What the scribe would have taken for no call is none here either. */
static __attribute__((noinline)) bool is_call(const struct tape_begin *begin, const char *text)
{
    struct recognised recognised;
    char headers[HEADER_LINES_BYTES_MAX];
    const char *url = text + begin->method_bytes;
    const size_t bytes = header_lines_write(url + begin->url_bytes, begin->headers_bytes, headers, sizeof(headers));
    return recognise(text, begin->method_bytes, url, begin->url_bytes, headers, bytes, &recognised);
}

/* Asked once for what is set: a handle that is used again asks the same. */
static bool is_candidate(struct shadow *shadow, const char *method, size_t method_bytes, const char *url,
                         size_t url_bytes)
{
    if (shadow->judged == SHADOW_UNJUDGED || shadow->judged_request != shadow->request) {
        shadow->judged_request = shadow->request;
        shadow->judged =
            recognise_candidate(method, method_bytes, url, url_bytes) ? SHADOW_CANDIDATE : SHADOW_NO_CANDIDATE;
    }
    return shadow->judged == SHADOW_CANDIDATE;
}

/* The clock is read first: what a process' first call has to start must not be missing in its
 * times. */
static bool prepare(struct handle *handle, uint64_t queued_ns, struct opening *opening)
{
    struct shadow *shadow = &handle->easy.shadow;
    if (shadow->connect_only) {
        say_of_session(shadow, true);
        return false;
    }
    const uint64_t now_ns = tape_now_ns(), wall_ns = wall_now_ns();
    opening->time_ns = queued_ns != 0 ? queued_ns : now_ns;
    take_url_object(handle);

    const char *method = shadow_method(shadow);
    size_t method_bytes = strlen(method);
    char *url = opening->text + method_bytes;
    memcpy(opening->text, method, method_bytes);
    size_t url_bytes = shadow_url(shadow, url, HEADER_LINES_BYTES_MAX - method_bytes);
    const bool candidate = url_bytes != 0 && is_candidate(shadow, method, method_bytes, url, url_bytes);
    if (shadow->url_unseen || (candidate && shadow->url_cut)) {
        shim_say_once("a request is not followed: there was no room to note its URL");
        (void)tally_add(TALLY_CALLS);
        (void)scribe_ensure(); /* perhaps no other request of this process is seen: somebody must tell */
        return false;
    }
    if (!candidate) {
        shadow_forget_large_copy(shadow);
        say_of_session(shadow, shadow->scheme == SHADOW_SCHEME_SOCKET);
        return false;
    }
    opening->begin = (struct tape_begin){
        .wall_ns = wall_ns - (now_ns - opening->time_ns),
        .source = TAPE_LIBCURL,
        .method_bytes = (uint16_t)method_bytes,
        .url_bytes = (uint32_t)url_bytes,
        .flags = begin_flags(shadow),
        .request_bytes = declared_bytes(shadow),
    };
    if (scribe_ensure() >= 0)
        return true;
    if (is_call(&opening->begin, opening->text))
        (void)tally_add(TALLY_CALLS);
    return false;
}

/* The body that lies in memory; one that is read comes piece by piece through the callback. */
static const void *body_in_memory(const struct shadow *shadow, size_t *ret_bytes)
{
    *ret_bytes = 0;
    if (shadow->request != SHADOW_POST)
        return NULL;
    if (shadow->fields_kind == SHADOW_FIELDS_POINTER) {
        *ret_bytes = shadow->fields_bytes >= 0 ? (size_t)shadow->fields_bytes : strlen(shadow->fields);
        return shadow->fields;
    }
    if (shadow->fields_kind != SHADOW_FIELDS_COPY)
        return NULL;
    size_t kept = shadow->copied.bytes;
    if (shadow->fields_bytes < 0)
        *ret_bytes = strnlen(shadow->copied.data, kept);
    else
        *ret_bytes = (size_t)shadow->fields_bytes < kept ? (size_t)shadow->fields_bytes : kept;
    return shadow->copied.data;
}

/* Of a form that libcurl builds itself, the parts that we saw being set. */
static void write_form(struct handle *handle, uint64_t time_ns)
{
    char text[FORM_TEXT_BYTES_MAX];
    const struct shadow *shadow = &handle->easy.shadow;
    size_t bytes = shadow->request == SHADOW_MULTIPART ? form_write(shadow->mime, text, sizeof(text)) : 0;
    if (bytes != 0)
        tape_piece(TAPE_REQUEST_BODY, handle->easy.transfer, time_ns, text, bytes, &handle->easy.lost);
}

static void open_transfer(struct handle *handle, struct opening *opening)
{
    struct tape_begin *begin = &opening->begin;
    size_t body_bytes;
    const void *body = body_in_memory(&handle->easy.shadow, &body_bytes);
    size_t text_bytes = (size_t)begin->method_bytes + begin->url_bytes;

    if (!handle->easy.armed_prereq) { /* libcurl before 7.80: nothing will tell */
        begin->headers_bytes = (uint32_t)transfer_headers_write(&handle->easy.shadow, opening->text + text_bytes,
                                                                HEADER_LINES_BYTES_MAX - text_bytes);
        text_bytes += begin->headers_bytes;
        handle->easy.headers_noted = true;
    }
    if (body != NULL)
        begin->request_bytes = body_bytes;
    handle->easy.lost = 0;
    handle->easy.refused = false;
    handle->easy.transfer = atomic_fetch_add_explicit(&last_transfer, 1, memory_order_relaxed) + 1;
    if (!tape_write(TAPE_BEGIN, handle->easy.transfer, opening->time_ns, begin, sizeof(*begin), opening->text,
                    text_bytes, &handle->easy.lost)) {
        handle->easy.transfer = 0; /* what would follow means nothing without its beginning */
        if (is_call(begin, opening->text))
            tape_call_lost();
        return;
    }
    write_form(handle, opening->time_ns);
    if (handle->easy.shadow.request == SHADOW_POST && handle->easy.shadow.fields_kind == SHADOW_FIELDS_UNSEEN)
        tape_piece_lost(begin->request_bytes == UINT64_MAX ? 0 : (size_t)begin->request_bytes, &handle->easy.lost);
    if (body_bytes != 0)
        tape_piece(TAPE_REQUEST_BODY, handle->easy.transfer, opening->time_ns, body, body_bytes, &handle->easy.lost);
    scribe_wake_if_asleep();
}

/* Not inlined: the opening must not lie on the stack during the transfer. */
__attribute__((noinline)) bool transfer_begin(struct handle *handle, CURL *easy, uint64_t queued_ns)
{
    int saved_errno = errno;
    struct opening opening;
    bool recorded = prepare(handle, queued_ns, &opening);
    if (recorded) {
        capture_arm(handle, easy);
        open_transfer(handle, &opening);
        handle->easy.queued_ns = queued_ns;
        handle->easy.before_us = (tape_now_ns() - opening.time_ns) / 1000;
    }
    errno = saved_errno;
    return recorded;
}

static uint64_t info_off_t(const struct handle *handle, CURL *easy, CURLINFO info)
{
    curl_off_t value = 0;
    if (handle->library->real.curl_easy_getinfo(easy, info, &value) != CURLE_OK || value < 0)
        return TAPE_UNKNOWN;
    return (uint64_t)value;
}

/* One that older libcurls do not know, and are not asked for again. */
static uint64_t info_of_new(const struct handle *handle, CURL *easy, int info, unsigned char lack)
{
    struct library *library = handle->library;
    curl_off_t value = 0;
    if ((atomic_load_explicit(&library->lacks, memory_order_relaxed) & lack) != 0)
        return TAPE_UNKNOWN;
    const CURLcode code = library->real.curl_easy_getinfo(easy, (CURLINFO)info, &value);
    if (code == CURLE_UNKNOWN_OPTION)
        atomic_fetch_or_explicit(&library->lacks, lack, memory_order_relaxed);
    return code != CURLE_OK || value < 0 ? TAPE_UNKNOWN : (uint64_t)value;
}

static uint64_t info_long(const struct handle *handle, CURL *easy, CURLINFO info)
{
    long value = 0;
    if (handle->library->real.curl_easy_getinfo(easy, info, &value) != CURLE_OK || value < 0)
        return TAPE_UNKNOWN;
    return (uint64_t)value;
}

static uint64_t add_known(uint64_t a, uint64_t b)
{
    return a == TAPE_UNKNOWN || b == TAPE_UNKNOWN ? TAPE_UNKNOWN : a + b;
}

/*
 * REQUEST_SIZE is what libcurl sent in one go with the headers. A body in memory is in it when it
 * was small enough to be sent along (lib/http.c); one that was read is not.
 */
static uint64_t sent_bytes(const struct handle *handle, CURL *easy)
{
    uint64_t request = info_long(handle, easy, CURLINFO_REQUEST_SIZE);
    uint64_t upload = info_off_t(handle, easy, CURLINFO_SIZE_UPLOAD_T);
    bool in_memory = handle->easy.shadow.request == SHADOW_POST && !shadow_body_is_read(&handle->easy.shadow);
    if (in_memory && request != TAPE_UNKNOWN && upload != TAPE_UNKNOWN && request > upload)
        return request;
    return add_known(request, upload);
}

/* The way to the connection; on one that was open already nothing of it happened, and phases.c
 * looks at none of it. */
static void connection_facts(const struct handle *handle, CURL *easy, struct tape_end *facts)
{
    bool open_already = facts->num_connects == 0;
    facts->namelookup_us = open_already ? TAPE_UNKNOWN : info_off_t(handle, easy, CURLINFO_NAMELOOKUP_TIME_T);
    facts->connect_us = open_already ? TAPE_UNKNOWN : info_off_t(handle, easy, CURLINFO_CONNECT_TIME_T);
    facts->appconnect_us = open_already ? TAPE_UNKNOWN : info_off_t(handle, easy, CURLINFO_APPCONNECT_TIME_T);
}

void transfer_facts(const struct handle *handle, CURL *easy, struct tape_end *ret_facts)
{
    int saved_errno = errno;
    *ret_facts = (struct tape_end){.before_us = handle->easy.before_us, .queued = handle->easy.queued_ns != 0};
    ret_facts->status = info_long(handle, easy, CURLINFO_RESPONSE_CODE);
    ret_facts->num_connects = info_long(handle, easy, CURLINFO_NUM_CONNECTS);
    ret_facts->queue_us = info_of_new(handle, easy, INFO_QUEUE_TIME_T, LIBRARY_LACKS_QUEUE_TIME);
    connection_facts(handle, easy, ret_facts);
    ret_facts->pretransfer_us = info_off_t(handle, easy, CURLINFO_PRETRANSFER_TIME_T);
    ret_facts->posttransfer_us = info_of_new(handle, easy, INFO_POSTTRANSFER_TIME_T, LIBRARY_LACKS_POSTTRANSFER_TIME);
    ret_facts->starttransfer_us = info_off_t(handle, easy, CURLINFO_STARTTRANSFER_TIME_T);
    ret_facts->total_us = info_off_t(handle, easy, CURLINFO_TOTAL_TIME_T);
    ret_facts->redirects = info_long(handle, easy, CURLINFO_REDIRECT_COUNT);
    if (ret_facts->redirects != 0)
        ret_facts->redirect_us = info_off_t(handle, easy, CURLINFO_REDIRECT_TIME_T);
    ret_facts->http_version = info_long(handle, easy, CURLINFO_HTTP_VERSION);
    ret_facts->request_bytes = sent_bytes(handle, easy);
    ret_facts->response_bytes =
        add_known(info_long(handle, easy, CURLINFO_HEADER_SIZE), info_off_t(handle, easy, CURLINFO_SIZE_DOWNLOAD_T));
    errno = saved_errno;
}

void transfer_close_with(struct handle *handle, struct tape_end *facts, uint64_t curl_code, enum tape_how how)
{
    if (handle->easy.transfer == 0)
        return;
    int saved_errno = errno;
    facts->code = curl_code;
    facts->how = (uint32_t)(how == TAPE_DONE && handle->easy.refused ? TAPE_REFUSED : how);
    (void)tape_write(TAPE_END, handle->easy.transfer, tape_now_ns(), facts, sizeof(*facts), NULL, 0,
                     &handle->easy.lost);
    handle->easy.transfer = 0;
    scribe_wake_if_asleep();
    errno = saved_errno;
}

void transfer_close(struct handle *handle, CURL *easy, uint64_t curl_code, enum tape_how how)
{
    struct tape_end facts;
    if (handle->easy.transfer == 0)
        return;
    transfer_facts(handle, easy, &facts);
    transfer_close_with(handle, &facts, curl_code, how);
}

struct handle *transfer_new_handle(const void *key, enum handle_kind kind, struct library *library)
{
    struct handle *stale = handles_find(key, HANDLE_EASY);
    if (stale != NULL) {
        struct tape_end unknown;
        memset(&unknown, 0xff, sizeof(unknown)); /* TAPE_UNKNOWN everywhere */
        transfer_close_with(stale, &unknown, TAPE_UNKNOWN, TAPE_ABANDONED);
    }
    struct handle *handle = handles_insert(key, kind, library);
    if (handle == NULL) { /* perhaps no other request of this process is seen: somebody must tell */
        shim_say_once("a handle of libcurl is not followed: there is no place for it, or for its libcurl");
        (void)scribe_ensure();
    }
    return handle;
}
