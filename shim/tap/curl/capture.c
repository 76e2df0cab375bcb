/*
 * Arming and disarming (capture.h): which options of libcurl hold our callbacks (callbacks.c) while
 * a transfer is recorded. Called by the hooks on the application's thread, around a transfer and
 * for each option set within one.
 *
 * Must never touch what the application's options point to: libcurl itself does not before it needs
 * it, and then it may be another object.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* old options are still in use */
#include "capture.h"

#include "callbacks.h"

#include <errno.h>

static bool set(const struct handle *handle, CURL *easy, CURLoption option, uintptr_t argument)
{
    return handle->library->real.curl_easy_setopt(easy, option, argument) == CURLE_OK;
}

static void arm_read(struct handle *handle, CURL *easy, const struct callbacks *ours)
{
    handle->easy.armed_read = true;
    handle->easy.input_seen = handle->easy.cannot_seek = false;
    handle->easy.read_function = handle->easy.shadow.callbacks.read_function;
    handle->easy.read_data = handle->easy.shadow.callbacks.read_data;
    callbacks_set_pair(handle, easy, CURLOPT_READFUNCTION, (uintptr_t)ours->read, CURLOPT_READDATA,
                       callbacks_context(easy));
    callbacks_arm_rewind(handle, easy);
}

/* Sets on `easy` what the application set on `handle`, for all callbacks that are armed. */
static void restore(const struct handle *handle, CURL *easy)
{
    const struct shadow_callbacks *to = &handle->easy.shadow.callbacks;
    callbacks_set_pair(handle, easy, CURLOPT_WRITEFUNCTION, (uintptr_t)to->write_function, CURLOPT_WRITEDATA,
                       to->write_data);
    callbacks_set_pair(handle, easy, CURLOPT_HEADERFUNCTION, (uintptr_t)to->header_function, CURLOPT_HEADERDATA,
                       to->header_data);
    if (handle->easy.armed_prereq)
        callbacks_set_pair(handle, easy, CURLOPT_PREREQFUNCTION, (uintptr_t)to->prereq_function, CURLOPT_PREREQDATA,
                           to->prereq_data);
    if (!handle->easy.armed_read)
        return;
    callbacks_set_pair(handle, easy, CURLOPT_READFUNCTION, (uintptr_t)to->read_function, CURLOPT_READDATA,
                       to->read_data);
    callbacks_set_pair(handle, easy, CURLOPT_SEEKFUNCTION, (uintptr_t)to->seek_function, CURLOPT_SEEKDATA,
                       to->seek_data);
    callbacks_set_pair(handle, easy, CURLOPT_IOCTLFUNCTION, (uintptr_t)to->ioctl_function, CURLOPT_IOCTLDATA,
                       to->ioctl_data);
}

void capture_arm(struct handle *handle, CURL *easy)
{
    int saved_errno = errno;
    const struct callbacks ours = callbacks_for(handle);
    void *context = callbacks_context(easy);
    handle->easy.armed = true;
    handle->easy.headers_noted = false;
    handle->easy.headers_open = true;
    handle->easy.body_seen = false;
    handle->easy.paused = 0;
    handle->easy.replayed_body = handle->easy.replayed_header = 0;
    handle->easy.header_ns = 0;
    callbacks_set_pair(handle, easy, CURLOPT_WRITEFUNCTION, (uintptr_t)ours.write, CURLOPT_WRITEDATA, context);
    callbacks_set_pair(handle, easy, CURLOPT_HEADERFUNCTION, (uintptr_t)ours.header, CURLOPT_HEADERDATA, context);
    handle->easy.armed_prereq = set(handle, easy, CURLOPT_PREREQFUNCTION, (uintptr_t)ours.prereq) &&
                                set(handle, easy, CURLOPT_PREREQDATA, (uintptr_t)context);
    if (shadow_body_is_read(&handle->easy.shadow))
        arm_read(handle, easy, &ours);
    errno = saved_errno;
}

void capture_forget(struct handle *handle)
{
    handle->easy.armed = handle->easy.armed_read = handle->easy.armed_prereq = false;
}

void capture_disarm(struct handle *handle, CURL *easy)
{
    if (!handle->easy.armed)
        return;
    int saved_errno = errno;
    restore(handle, easy);
    capture_forget(handle);
    errno = saved_errno;
}

void capture_clean_duplicate(const struct handle *source, CURL *duplicate)
{
    if (!source->easy.armed)
        return;
    int saved_errno = errno;
    restore(source, duplicate);
    errno = saved_errno;
}

static bool is_rewind(CURLoption option)
{
    return option == CURLOPT_SEEKFUNCTION || option == CURLOPT_SEEKDATA || option == CURLOPT_IOCTLFUNCTION ||
           option == CURLOPT_IOCTLDATA;
}

bool capture_absorbs(const struct handle *handle, CURLoption option)
{
    switch ((int)option) {
    case CURLOPT_WRITEFUNCTION:
    case CURLOPT_WRITEDATA:
    case CURLOPT_HEADERFUNCTION:
    case CURLOPT_HEADERDATA:
        return handle->easy.armed;
    case CURLOPT_PREREQFUNCTION:
    case CURLOPT_PREREQDATA:
        return handle->easy.armed_prereq;
    case CURLOPT_READFUNCTION:
    case CURLOPT_READDATA:
        return handle->easy.armed_read;
    default:
        return handle->easy.armed_read && is_rewind(option);
    }
}

void capture_absorbed(struct handle *handle, CURL *easy, CURLoption option)
{
    if (is_rewind(option))
        callbacks_arm_rewind(handle, easy);
}
