/*
 * The hooks of libcurl's easy interface (library.h): look the handle up, forward, note one thing.
 * Called by entry.c on the application's thread; errno stays as the real function left it; a handle
 * that we did not see being made is only forwarded.
 */
#include "callbacks.h"
#include "capture.h"
#include "transfer.h"

#include <errno.h>

/* The library that serves a call about this handle. */
static struct library *library_for(const struct handle *handle, struct origin origin)
{
    return handle != NULL ? handle->library : library_of(origin);
}

CURLcode hook_curl_easy_setopt(struct origin origin, CURL *easy, CURLoption option, uintptr_t argument)
{
    struct handle *handle = handles_find(easy, HANDLE_EASY);
    struct library *library = library_for(handle, origin);

    if (library == NULL)
        return CURLE_FAILED_INIT;
    if (handle == NULL)
        return library->real.curl_easy_setopt(easy, option, argument);
    if (handle->easy.armed && capture_absorbs(handle, option)) {
        shadow_set(&handle->easy.shadow, option, argument);
        capture_absorbed(handle, easy, option);
        return CURLE_OK;
    }
    CURLcode code = library->real.curl_easy_setopt(easy, option, argument);
    if (code == CURLE_OK)
        shadow_set(&handle->easy.shadow, option, argument);
    return code;
}

CURL *hook_curl_easy_init(struct origin origin)
{
    struct library *library = library_of(origin);
    if (library == NULL)
        return NULL;
    CURL *easy = library->real.curl_easy_init();
    if (easy != NULL)
        (void)transfer_new_handle(easy, HANDLE_EASY, library);
    return easy;
}

CURL *hook_curl_easy_duphandle(struct origin origin, CURL *easy)
{
    struct handle *source = handles_find(easy, HANDLE_EASY);
    struct library *library = library_for(source, origin);

    if (library == NULL)
        return NULL;
    CURL *duplicate = library->real.curl_easy_duphandle(easy);
    if (duplicate == NULL || source == NULL)
        return duplicate;
    capture_clean_duplicate(source, duplicate);
    struct handle *handle = transfer_new_handle(duplicate, HANDLE_EASY, library);
    if (handle != NULL)
        shadow_copy(&handle->easy.shadow, &source->easy.shadow);
    return duplicate;
}

/*
 * A new libcurl silently refuses a reset inside a callback, and then everything stays as it was.
 * The application's private pointer is lent for the answer: it survives only a refusal.
 */
static bool reset_happened(const struct curl_api *real, CURL *easy)
{
    static char mark;
    char *private = NULL;
    char *after = NULL;

    (void)real->curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    (void)real->curl_easy_setopt(easy, CURLOPT_PRIVATE, &mark);
    real->curl_easy_reset(easy);
    (void)real->curl_easy_getinfo(easy, CURLINFO_PRIVATE, &after);
    if (after != &mark)
        return true;
    (void)real->curl_easy_setopt(easy, CURLOPT_PRIVATE, private);
    return false;
}

void hook_curl_easy_reset(struct origin origin, CURL *easy)
{
    struct handle *handle = handles_find(easy, HANDLE_EASY);
    struct library *library = library_for(handle, origin);

    if (library == NULL)
        return;
    if (handle == NULL) {
        library->real.curl_easy_reset(easy);
        return;
    }
    struct tape_end facts;
    if (handle->easy.transfer != 0)
        transfer_facts(handle, easy, &facts);
    if (!reset_happened(&library->real, easy))
        return;
    transfer_close_with(handle, &facts, TAPE_UNKNOWN, TAPE_ABANDONED);
    capture_forget(handle);
    shadow_reset(&handle->easy.shadow);
    handle->easy.performing = false;
}

void hook_curl_easy_cleanup(struct origin origin, CURL *easy)
{
    struct handle *handle = handles_find(easy, HANDLE_EASY);
    struct library *library = library_for(handle, origin);

    if (library == NULL)
        return;
    if (handle != NULL) {
        /* First ours: the address can be another thread's new handle as soon as libcurl freed it,
         * and a cleanup that libcurl refuses leaves a handle that is simply no longer ours. */
        transfer_close(handle, easy, TAPE_UNKNOWN, TAPE_ABANDONED);
        capture_disarm(handle, easy);
        handles_release(handle);
    }
    library->real.curl_easy_cleanup(easy);
}

CURLcode hook_curl_easy_perform(struct origin origin, CURL *easy)
{
    struct handle *handle = handles_find(easy, HANDLE_EASY);
    struct library *library = library_for(handle, origin);

    if (library == NULL)
        return CURLE_FAILED_INIT;
    /* Recursion, after a jump out of a callback, or in a multi handle: libcurl refuses, and looks
     * at nothing. */
    if (handle == NULL || handle->easy.performing || handle->easy.armed || handle->easy.multi != NULL)
        return library->real.curl_easy_perform(easy);

    handle->easy.performing = true;
    bool recorded = transfer_begin(handle, easy, 0);
    uint64_t transfer = handle->easy.transfer;
    CURLcode code = library->real.curl_easy_perform(easy);
    if (atomic_load_explicit(&handle->key, memory_order_relaxed) != easy) /* cleaned up in its own callback */
        return code;
    handle->easy.performing = false;
    handles_set_loud(handle);
    if (recorded && handle->easy.transfer == transfer) {
        transfer_close(handle, easy, (uint64_t)code, TAPE_DONE);
        capture_disarm(handle, easy);
    }
    return code;
}

CURLcode hook_curl_easy_pause(struct origin origin, CURL *easy, int mask)
{
    struct handle *handle = handles_find(easy, HANDLE_EASY);
    struct library *library = library_for(handle, origin);

    if (library == NULL)
        return CURLE_FAILED_INIT;
    if (handle != NULL && handle->easy.armed) /* before the call: libcurl delivers what it held back within it */
        callbacks_set_paused(handle, (unsigned)mask & (CURLPAUSE_RECV | CURLPAUSE_SEND));
    return library->real.curl_easy_pause(easy, mask);
}
