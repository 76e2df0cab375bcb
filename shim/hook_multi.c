/*
 * The hooks of libcurl's multi interface (library.h): look the handle up, forward, note one thing. Called by entry.c on
 * the application's thread; errno stays as the real function left it.
 *
 * libcurl itself calls these for the private multi handle of curl_easy_perform; such calls are known by the easy
 * handle's `performing`.
 */
#include "capture.h"
#include "transfer.h"

#include <errno.h>

static struct library *library_for(const struct handle *handle, const struct origin *origin)
{
    return handle != NULL ? handle->library : library_of(origin);
}

/* The transfer is over for us: out of the list, written, and the handle as the application configured it. */
static void finish(struct handle *handle, CURL *easy, uint64_t curl_code, enum tape_how how)
{
    transfer_leave(handle);
    transfer_close(handle, easy, curl_code, how);
    capture_disarm(handle, easy);
}

/* The record of a multi handle; made when the first recorded transfer is added. */
static struct handle *multi_record(CURLM *multi, struct library *library)
{
    struct handle *record = handles_find(multi);
    return record != NULL ? record : handles_insert(multi, library);
}

static __attribute__((noinline)) CURLMcode add_recorded(struct handle *handle, CURLM *multi, CURL *easy)
{
    struct library *library = handle->library;
    struct transfer_opening opening;

    if (!transfer_prepare(handle, easy, &opening))
        return library->real.curl_multi_add_handle(multi, easy);
    CURLMcode code = library->real.curl_multi_add_handle(multi, easy);
    int saved_errno = errno;
    if (code == CURLM_OK) {
        struct handle *record = multi_record(multi, library);
        transfer_open(handle, &opening);
        if (record != NULL)
            transfer_join(handle, record);
    } else {
        capture_disarm(handle, easy);
    }
    errno = saved_errno;
    return code;
}

CURLMcode hook_curl_multi_add_handle(const struct origin *origin, CURLM *multi, CURL *easy)
{
    struct handle *handle = handles_find(easy);
    struct library *library = library_for(handle, origin);

    if (library == NULL)
        return CURLM_INTERNAL_ERROR;
    if (handle == NULL || handle->performing || handle->armed)
        return library->real.curl_multi_add_handle(multi, easy);
    return add_recorded(handle, multi, easy);
}

CURLMcode hook_curl_multi_remove_handle(const struct origin *origin, CURLM *multi, CURL *easy)
{
    struct handle *handle = handles_find(easy);
    struct library *library = library_for(handle, origin);

    if (library == NULL)
        return CURLM_INTERNAL_ERROR;
    CURLMcode code = library->real.curl_multi_remove_handle(multi, easy);
    if (code == CURLM_OK && handle != NULL && handle->armed && !handle->performing)
        finish(handle, easy, TAPE_UNKNOWN, TAPE_REMOVED);
    return code;
}

CURLMsg *hook_curl_multi_info_read(const struct origin *origin, CURLM *multi, int *left)
{
    struct library *library = library_for(handles_find(multi), origin);
    if (library == NULL)
        return NULL;
    CURLMsg *message = library->real.curl_multi_info_read(multi, left);
    if (message == NULL || message->msg != CURLMSG_DONE)
        return message;
    struct handle *handle = handles_find(message->easy_handle);
    if (handle != NULL && handle->armed && !handle->performing)
        finish(handle, message->easy_handle, (uint64_t)message->data.result, TAPE_DONE);
    return message;
}

/*
 * Takes the multi handle's record away before libcurl frees the address, which another thread may get at once. The
 * transfers stay linked by multi_next.
 */
static struct handle *detach_all(struct handle *record)
{
    struct handle *first = record->multi_first;
    for (struct handle *handle = first; handle != NULL; handle = handle->multi_next)
        handle->multi = NULL;
    handles_release(record);
    return first;
}

/* libcurl refused to clean up: everything as before. */
static void attach_all(CURLM *multi, struct library *library, struct handle *first)
{
    struct handle *record = handles_insert(multi, library);
    while (first != NULL) {
        struct handle *next = first->multi_next;
        if (record != NULL)
            transfer_join(first, record);
        first = next;
    }
}

CURLMcode hook_curl_multi_cleanup(const struct origin *origin, CURLM *multi)
{
    struct handle *record = handles_find(multi);
    struct library *library = library_for(record, origin);

    if (library == NULL)
        return CURLM_INTERNAL_ERROR;
    struct handle *handle = record == NULL ? NULL : detach_all(record);
    CURLMcode code = library->real.curl_multi_cleanup(multi);
    if (code != CURLM_OK) {
        if (record != NULL)
            attach_all(multi, library, handle);
        return code;
    }
    while (handle != NULL) {
        struct handle *next = handle->multi_next;
        finish(handle, (CURL *)(uintptr_t)atomic_load_explicit(&handle->key, memory_order_relaxed), TAPE_UNKNOWN,
               TAPE_ABANDONED);
        handle->multi_next = handle->multi_previous = NULL;
        handle = next;
    }
    return code;
}
