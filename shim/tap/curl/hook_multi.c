/*
 * The hooks of libcurl's multi interface (library.h): look the handle up, forward, note one thing.
 * Called by entry.c on the application's thread; errno stays as the real function left it.
 *
 * A handle that is added waits: libcurl looks at its options no sooner than in the next call that
 * drives the multi handle (curl_multi_perform, curl_multi_socket_action and its older forms), and
 * until then the application may set others and free what the earlier ones pointed to. So it is
 * armed at the beginning of that call; its time counts from the moment it was added. Such a call
 * costs one look at the record for what is new; one on the handle that the thread drove before does
 * not get here when there is nothing new (hook_multi.h).
 *
 * A handle that the server pushes is a duplicate that libcurl makes by itself. It is given back to
 * the application as it would be without us before the application's push callback sees it.
 *
 * libcurl itself calls these for the private multi handle of curl_easy_perform; such calls are
 * known by the easy handle's `performing`, and those that drive it by its record (hook_multi.h).
 */
#include "hook_multi.h"

#include "capture.h"
#include "transfer.h"

#include <errno.h>

_Thread_local struct handle *hook_multi_driven;

static struct library *library_for(const struct handle *handle, struct origin origin)
{
    return handle != NULL ? handle->library : library_of(origin);
}

static CURL *easy_of(const struct handle *handle)
{
    return (CURL *)(uintptr_t)atomic_load_explicit(&handle->key, memory_order_relaxed);
}

/* The transfer is over for us: written, and the handle as the application configured it. */
static void finish(struct handle *handle, CURL *easy, uint64_t curl_code, enum tape_how how)
{
    transfer_close(handle, easy, curl_code, how);
    capture_disarm(handle, easy);
}

/* The record of a multi handle; made when a handle that we know is added, or a push callback
 * set. */
static struct handle *multi_record(CURLM *multi, struct library *library)
{
    struct handle *record = handles_find(multi, HANDLE_MULTI);
    return record != NULL ? record : transfer_new_handle(multi, HANDLE_MULTI, library);
}

/* Everything that was added since libcurl was last driven. */
static __attribute__((noinline)) void begin_pending(struct handle *record)
{
    struct handle *next;
    for (struct handle *handle = record->multi.pending; handle != NULL; handle = next) {
        next = handle->easy.multi_next;
        handle->easy.pending = false;
        if (!handle->easy.armed && !handle->easy.performing)
            (void)transfer_begin(handle, easy_of(handle), handle->easy.queued_ns);
    }
    record->multi.pending = NULL;
}

/* libcurl's own call. After a jump out of a callback the handle performs for ever; a libcurl that
 * has curl_easy_header then lets nobody add it anywhere. */
static CURLMcode add_to_private(struct handle *handle, CURLM *multi, CURL *easy)
{
    const struct curl_api *real = &handle->library->real;
    CURLMcode code = real->curl_multi_add_handle(multi, easy);
    if (code == CURLM_OK && real->curl_easy_header != NULL)
        handles_set_quiet(hook_multi_driven = handle, multi);
    return code;
}

CURLMcode hook_curl_multi_add_handle(struct origin origin, CURLM *multi, CURL *easy)
{
    struct handle *handle = handles_find(easy, HANDLE_EASY);
    struct library *library = library_for(handle, origin);

    if (library == NULL)
        return CURLM_INTERNAL_ERROR;
    if (handle == NULL)
        return library->real.curl_multi_add_handle(multi, easy);
    if (handle->easy.performing)
        return add_to_private(handle, multi, easy);
    uint64_t queued_ns = tape_now_ns();
    CURLMcode code = library->real.curl_multi_add_handle(multi, easy);
    if (code != CURLM_OK)
        return code;
    struct handle *record = multi_record(multi, library);
    if (record == NULL)
        return code;
    handles_leave(handle); /* from a multi handle whose end we did not see */
    handle->easy.queued_ns = queued_ns;
    handles_join(handle, record);
    if (record->multi
            .driving) /* within a callback, which only libcurl before 7.59 allows: it begins in this very call */
        begin_pending(record);
    return code;
}

CURLMcode hook_curl_multi_remove_handle(struct origin origin, CURLM *multi, CURL *easy)
{
    struct handle *handle = handles_find(easy, HANDLE_EASY);
    struct library *library = library_for(handle, origin);

    if (library == NULL)
        return CURLM_INTERNAL_ERROR;
    CURLMcode code = library->real.curl_multi_remove_handle(multi, easy);
    if (code != CURLM_OK || handle == NULL || handle->easy.performing)
        return code;
    handles_leave(handle);
    if (handle->easy.armed)
        finish(handle, easy, TAPE_UNKNOWN, TAPE_REMOVED);
    return code;
}

CURLMsg *hook_curl_multi_info_read(struct origin origin, CURLM *multi, int *left)
{
    const struct handle *quiet = hook_multi_quiet(multi);
    const struct library *library =
        quiet != NULL ? quiet->library : library_for(handles_find(multi, HANDLE_MULTI), origin);
    if (library == NULL)
        return NULL;
    CURLMsg *message = library->real.curl_multi_info_read(multi, left);
    if (message == NULL || message->msg != CURLMSG_DONE)
        return message;
    struct handle *handle = handles_find(message->easy_handle, HANDLE_EASY);
    if (handle != NULL && handle->easy.armed && !handle->easy.performing)
        finish(handle, message->easy_handle, (uint64_t)message->data.result, TAPE_DONE);
    return message;
}

/* ---- driving ---- */

static struct library *drive(struct handle *record, const CURLM *multi, struct origin origin)
{
    if (record == NULL)
        return library_of(origin);
    if (record->multi.pending != NULL)
        begin_pending(record);
    record->multi.driving = true;
    if (record->library->real.curl_easy_header != NULL)
        handles_set_quiet(hook_multi_driven = record, multi);
    return record->library;
}

static CURLMcode driven(struct handle *record, const CURLM *multi, CURLMcode code)
{
    if (record != NULL && atomic_load_explicit(&record->key, memory_order_relaxed) == multi)
        record->multi.driving = false;
    return code;
}

#define DRIVE(name, ...)                                                                                               \
    struct handle *record = handles_find(multi, HANDLE_MULTI);                                                         \
    const struct library *library = drive(record, multi, origin);                                                      \
    if (library == NULL || library->real.name == NULL)                                                                 \
        return CURLM_INTERNAL_ERROR;                                                                                   \
    return driven(record, multi, library->real.name(multi, __VA_ARGS__))

CURLMcode hook_curl_multi_perform(struct origin origin, CURLM *multi, int *running)
{
    DRIVE(curl_multi_perform, running);
}

CURLMcode hook_curl_multi_socket_action(struct origin origin, CURLM *multi, curl_socket_t socket, int events,
                                        int *running)
{
    DRIVE(curl_multi_socket_action, socket, events, running);
}

CURLMcode hook_curl_multi_socket(struct origin origin, CURLM *multi, curl_socket_t socket, int *running)
{
    DRIVE(curl_multi_socket, socket, running);
}

CURLMcode hook_curl_multi_socket_all(struct origin origin, CURLM *multi, int *running)
{
    DRIVE(curl_multi_socket_all, running);
}

/* ---- the end ---- */

/*
 * Takes the multi handle's record away before libcurl frees the address, which another thread may
 * get at once. The transfers stay linked by multi_next.
 */
static struct multi detach_all(struct handle *record)
{
    const struct multi multi = record->multi;
    for (struct handle *handle = multi.first; handle != NULL; handle = handle->easy.multi_next)
        handle->easy.multi = NULL;
    record->multi = (struct multi){0};
    handles_release(record);
    return multi;
}

/* libcurl refused to clean up: everything as before. */
static void attach_all(CURLM *key, struct library *library, const struct multi *multi)
{
    struct handle *record = handles_insert(key, HANDLE_MULTI, library);
    if (record == NULL)
        return;
    record->multi = *multi;
    for (struct handle *handle = multi->first; handle != NULL; handle = handle->easy.multi_next)
        handle->easy.multi = record;
}

CURLMcode hook_curl_multi_cleanup(struct origin origin, CURLM *multi)
{
    struct handle *record = handles_find(multi, HANDLE_MULTI);
    struct library *library = library_for(record, origin);

    if (library == NULL)
        return CURLM_INTERNAL_ERROR;
    if (record == NULL)
        return library->real.curl_multi_cleanup(multi);
    const struct multi members = detach_all(record);
    CURLMcode code = library->real.curl_multi_cleanup(multi);
    if (code != CURLM_OK) {
        attach_all(multi, library, &members);
        return code;
    }
    struct handle *next;
    for (struct handle *handle = members.first; handle != NULL; handle = next) {
        next = handle->easy.multi_next;
        handle->easy.multi_next = handle->easy.multi_previous = NULL;
        handle->easy.pending = false;
        if (handle->easy.armed)
            finish(handle, easy_of(handle), TAPE_UNKNOWN, TAPE_ABANDONED);
    }
    return code;
}

/* ---- server push ---- */

static void *push_context(CURLM *multi)
{
    return (char *)multi + 1; /* as that of the callbacks (callbacks.c): a name, never followed */
}

/*
 * The new handle is a duplicate of `parent`, with its callbacks: ours, where libcurl's own
 * curl_easy_duphandle did not come by here. Its URL is the promised one, which we do not know, so a
 * later request with it is recorded only after the application set another.
 */
static struct handle *take_pushed(const struct handle *source, CURL *pushed)
{
    capture_clean_duplicate(source, pushed);
    handles_leave(handles_find(pushed, HANDLE_EASY)); /* of one that libcurl closed by itself */
    struct handle *handle = handles_insert(pushed, HANDLE_EASY, source->library);
    if (handle == NULL)
        return NULL;
    shadow_copy(&handle->easy.shadow, &source->easy.shadow);
    handle->easy.shadow.url_handle = NULL;
    shadow_set_url(&handle->easy.shadow, NULL);
    return handle;
}

static int on_push(CURL *parent, CURL *pushed, size_t headers_n, struct curl_pushheaders *headers, void *context)
{
    const struct handle *source = handles_find(parent, HANDLE_EASY);
    const struct handle *record = handles_find((const char *)context - 1, HANDLE_MULTI);
    if (record == NULL && source != NULL)
        record = source->easy.multi;
    if (record == NULL || record->multi.push_function == NULL)
        return CURL_PUSH_DENY;
    struct handle *handle = source != NULL ? take_pushed(source, pushed) : NULL;
    int answer = record->multi.push_function(parent, pushed, headers_n, headers, record->multi.push_data);
    if (answer != CURL_PUSH_OK && handle != NULL)
        handles_release(handle); /* libcurl closes it by itself */
    return answer;
}

CURLMcode hook_curl_multi_setopt(struct origin origin, CURLM *multi, CURLMoption option, uintptr_t argument)
{
    struct handle *record = handles_find(multi, HANDLE_MULTI);
    struct library *library = library_for(record, origin);

    if (library == NULL || library->real.curl_multi_setopt == NULL)
        return CURLM_INTERNAL_ERROR;
    if ((option != CURLMOPT_PUSHFUNCTION && option != CURLMOPT_PUSHDATA) ||
        (record == NULL && (record = handles_insert(multi, HANDLE_MULTI, library)) == NULL))
        return library->real.curl_multi_setopt(multi, option, argument);
    const struct curl_api *real = &library->real;
    const curl_push_callback function =
        option == CURLMOPT_PUSHFUNCTION ? (curl_push_callback)argument : record->multi.push_function;
    void *data = option == CURLMOPT_PUSHDATA ? (void *)argument : record->multi.push_data;
    CURLMcode code = real->curl_multi_setopt(multi, CURLMOPT_PUSHFUNCTION, function != NULL ? on_push : NULL);
    if (code != CURLM_OK)
        return code;
    record->multi.push_function = function;
    record->multi.push_data = data;
    return real->curl_multi_setopt(multi, CURLMOPT_PUSHDATA, function != NULL ? push_context(multi) : data);
}
