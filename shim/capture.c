/*
 * The callbacks that libcurl calls instead of the application's (capture.h), on the application's thread, in the middle
 * of a transfer.
 *
 * They note time and bytes on the tape and call through. They hold nothing across the application's callback: it may
 * jump out, throw, end the thread, clean the handle up or start other transfers. After it returned, a handle is ours to
 * note on only if it still has the transfer's number. What arrives is noted before the application sees it, because the
 * application may change the buffer in place; what a paused transfer delivers again is skipped.
 *
 * Both the write and the header callback are always armed: with HEADERDATA but no HEADERFUNCTION libcurl calls the
 * write function with the header pointer (lib/cw-out.c). With neither, headers go nowhere, which is what accepting them
 * all amounts to.
 *
 * HOT: capture_write, capture_header, capture_read. Budget: 100 ns for a piece of 300 bytes.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* old options are still in use */
#include "capture.h"

#include "tape.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void note_at(struct handle *handle, enum tape_kind kind, uint64_t time_ns, const void *data, size_t bytes)
{
    (void)tape_write(kind, handle->transfer, time_ns, data, bytes, NULL, 0, &handle->lost);
}

static void note(struct handle *handle, enum tape_kind kind, const void *data, size_t bytes)
{
    note_at(handle, kind, tape_now_ns(), data, bytes);
}

void capture_set_paused(struct handle *handle, unsigned paused)
{
    unsigned before = handle->paused;
    handle->paused = paused;
    if (handle->transfer == 0 || (before != 0) == (paused != 0))
        return;
    note(handle, paused != 0 ? TAPE_PAUSE : TAPE_RESUME, NULL, 0);
}

/* How much of this piece was delivered, and noted, before the application paused. */
static size_t skip_replayed(size_t *replayed, size_t bytes)
{
    size_t skip = *replayed < bytes ? *replayed : bytes;
    *replayed -= skip;
    return skip;
}

/* The application's answer to a piece of the response. */
static void note_answer(struct handle *handle, uint64_t transfer, size_t answer, size_t *replayed, size_t bytes)
{
    if (answer != CURL_WRITEFUNC_PAUSE || handle->transfer != transfer || transfer == 0)
        return;
    *replayed += bytes;
    capture_set_paused(handle, handle->paused | CURLPAUSE_RECV);
}

/*
 * With CURLOPT_HEADER the write callback gets each header line too, before the header callback does. A header block can
 * follow another one (100-continue, redirect, authentication); the bodies between them are never delivered.
 */
static bool is_header_copy(struct handle *handle, const char *data, size_t bytes)
{
    if (!handle->shadow.include_header || handle->body_seen)
        return false;
    if (!handle->headers_open && bytes >= 5 && memcmp(data, "HTTP/", 5) == 0)
        handle->headers_open = true;
    return handle->headers_open;
}

static size_t capture_write(char *data, size_t size, size_t count, void *context)
{
    struct handle *handle = context;
    uint64_t transfer = handle->transfer;
    size_t bytes = size * count;

    if (transfer != 0 && bytes != 0) {
        size_t skip = skip_replayed(&handle->replayed_body, bytes);
        if (skip < bytes && !is_header_copy(handle, data, bytes)) {
            handle->body_seen = true;
            note(handle, TAPE_RESPONSE_BODY, data + skip, bytes - skip);
        }
    }
    curl_write_callback function = handle->shadow.write_function;
    void *out = handle->shadow.write_data;
    size_t answer = function != NULL ? function(data, size, count, out) : fwrite(data, size, count, out);
    note_answer(handle, transfer, answer, &handle->replayed_body, bytes);
    return answer;
}

static size_t capture_header(char *data, size_t size, size_t count, void *context)
{
    struct handle *handle = context;
    uint64_t transfer = handle->transfer;
    size_t bytes = size * count;

    if (transfer != 0 && bytes != 0) {
        size_t skip = skip_replayed(&handle->replayed_header, bytes);
        if (skip < bytes) {
            if (!handle->headers_open || handle->header_ns == 0) /* one look at the clock for a block of lines */
                handle->header_ns = tape_now_ns();
            handle->headers_open = data[0] != '\r' && data[0] != '\n';
            note_at(handle, TAPE_RESPONSE_HEADER, handle->header_ns, data + skip, bytes - skip);
        }
    }
    const struct shadow *shadow = &handle->shadow;
    void *out = shadow->header_data;
    if (shadow->header_function == NULL && out == NULL)
        return bytes;
    curl_write_callback function = shadow->header_function != NULL ? shadow->header_function : shadow->write_function;
    size_t answer = function != NULL ? function(data, size, count, out) : fwrite(data, size, count, out);
    note_answer(handle, transfer, answer, &handle->replayed_header, bytes);
    return answer;
}

static size_t capture_read(char *data, size_t size, size_t count, void *context)
{
    struct handle *handle = context;
    uint64_t transfer = handle->transfer;

    if (!handle->reading) { /* libcurl, too, keeps for the whole transfer what was set when it began */
        handle->reading = true;
        handle->read_function = handle->shadow.read_function;
        handle->read_data = handle->shadow.read_data;
    }
    curl_read_callback function = handle->read_function;
    void *in = handle->read_data;
    size_t answer = function != NULL ? function(data, size, count, in) : fread(data, size, count, in);
    if (transfer == 0 || handle->transfer != transfer)
        return answer;
    if (answer == CURL_READFUNC_PAUSE)
        capture_set_paused(handle, handle->paused | CURLPAUSE_SEND);
    else if (answer != 0 && answer <= size * count)
        note(handle, TAPE_REQUEST_BODY, data, answer);
    return answer;
}

static void note_rewind(struct handle *handle, uint64_t transfer)
{
    if (transfer != 0 && handle->transfer == transfer)
        note(handle, TAPE_REQUEST_REWIND, NULL, 0);
}

/*
 * Without a seek function libcurl rewinds its default input itself, but only while the read function is fread
 * (lib/transfer.c). As ours is not, the same has to be done here.
 */
static int rewind_file(FILE *file, curl_off_t offset, int origin)
{
    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    return fseek(file, 0, SEEK_SET) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static int capture_seek(void *context, curl_off_t offset, int origin)
{
    struct handle *handle = context;
    uint64_t transfer = handle->transfer;
    curl_seek_callback function = handle->shadow.seek_function;
    int answer = function != NULL ? function(handle->shadow.seek_data, offset, origin)
                                  : rewind_file(handle->shadow.read_data, offset, origin);
    if (answer == CURL_SEEKFUNC_OK && offset == 0)
        note_rewind(handle, transfer);
    return answer;
}

static curlioerr capture_ioctl(CURL *easy, int command, void *context)
{
    struct handle *handle = context;
    uint64_t transfer = handle->transfer;
    curlioerr answer = handle->shadow.ioctl_function(easy, command, handle->shadow.ioctl_data);
    if (answer == CURLIOE_OK && command == CURLIOCMD_RESTARTREAD)
        note_rewind(handle, transfer);
    return answer;
}

/* True when libcurl could rewind the default input by fseek. */
static bool rewinds_by_itself(const struct shadow *shadow)
{
    if (shadow->seek_function != NULL || shadow->ioctl_function != NULL || shadow->read_function != NULL)
        return false;
    return shadow->read_data != NULL && lseek(fileno(shadow->read_data), 0, SEEK_CUR) >= 0;
}

static void set(const struct handle *handle, CURL *easy, CURLoption option, uintptr_t argument)
{
    (void)handle->library->real.curl_easy_setopt(easy, option, argument);
}

static void arm_read(struct handle *handle, CURL *easy)
{
    const struct shadow *shadow = &handle->shadow;
    handle->armed_read = true;
    handle->reading = false;
    set(handle, easy, CURLOPT_READFUNCTION, (uintptr_t)capture_read);
    set(handle, easy, CURLOPT_READDATA, (uintptr_t)handle);
    handle->armed_seek = shadow->seek_function != NULL || rewinds_by_itself(shadow);
    if (handle->armed_seek) {
        set(handle, easy, CURLOPT_SEEKFUNCTION, (uintptr_t)capture_seek);
        set(handle, easy, CURLOPT_SEEKDATA, (uintptr_t)handle);
    }
    handle->armed_ioctl = shadow->ioctl_function != NULL;
    if (handle->armed_ioctl) {
        set(handle, easy, CURLOPT_IOCTLFUNCTION, (uintptr_t)capture_ioctl);
        set(handle, easy, CURLOPT_IOCTLDATA, (uintptr_t)handle);
    }
}

/* Sets on `easy` what the application set on `handle`, for all callbacks that are armed. */
static void restore(const struct handle *handle, CURL *easy)
{
    const struct shadow *shadow = &handle->shadow;
    set(handle, easy, CURLOPT_WRITEFUNCTION, (uintptr_t)shadow->write_function);
    set(handle, easy, CURLOPT_WRITEDATA, (uintptr_t)shadow->write_data);
    set(handle, easy, CURLOPT_HEADERFUNCTION, (uintptr_t)shadow->header_function);
    set(handle, easy, CURLOPT_HEADERDATA, (uintptr_t)shadow->header_data);
    if (handle->armed_read) {
        set(handle, easy, CURLOPT_READFUNCTION, (uintptr_t)shadow->read_function);
        set(handle, easy, CURLOPT_READDATA, (uintptr_t)shadow->read_data);
    }
    if (handle->armed_seek) {
        set(handle, easy, CURLOPT_SEEKFUNCTION, (uintptr_t)shadow->seek_function);
        set(handle, easy, CURLOPT_SEEKDATA, (uintptr_t)shadow->seek_data);
    }
    if (handle->armed_ioctl) {
        set(handle, easy, CURLOPT_IOCTLFUNCTION, (uintptr_t)shadow->ioctl_function);
        set(handle, easy, CURLOPT_IOCTLDATA, (uintptr_t)shadow->ioctl_data);
    }
}

void capture_arm(struct handle *handle, CURL *easy)
{
    int saved_errno = errno;
    handle->armed = true;
    handle->headers_open = true;
    handle->body_seen = false;
    handle->paused = 0;
    handle->replayed_body = handle->replayed_header = 0;
    handle->header_ns = 0;
    set(handle, easy, CURLOPT_WRITEFUNCTION, (uintptr_t)capture_write);
    set(handle, easy, CURLOPT_WRITEDATA, (uintptr_t)handle);
    set(handle, easy, CURLOPT_HEADERFUNCTION, (uintptr_t)capture_header);
    set(handle, easy, CURLOPT_HEADERDATA, (uintptr_t)handle);
    if (shadow_body_is_read(&handle->shadow))
        arm_read(handle, easy);
    errno = saved_errno;
}

void capture_forget(struct handle *handle)
{
    handle->armed = handle->armed_read = handle->armed_seek = handle->armed_ioctl = false;
    handle->reading = false;
}

void capture_disarm(struct handle *handle, CURL *easy)
{
    if (!handle->armed)
        return;
    int saved_errno = errno;
    restore(handle, easy);
    capture_forget(handle);
    errno = saved_errno;
}

void capture_clean_duplicate(const struct handle *source, CURL *duplicate)
{
    if (!source->armed)
        return;
    int saved_errno = errno;
    restore(source, duplicate);
    errno = saved_errno;
}

bool capture_absorbs(const struct handle *handle, CURLoption option)
{
    switch ((int)option) {
    case CURLOPT_WRITEFUNCTION:
    case CURLOPT_WRITEDATA:
    case CURLOPT_HEADERFUNCTION:
    case CURLOPT_HEADERDATA:
        return handle->armed;
    case CURLOPT_READFUNCTION:
    case CURLOPT_READDATA:
        return handle->armed_read;
    case CURLOPT_SEEKFUNCTION:
    case CURLOPT_SEEKDATA:
        return handle->armed_seek;
    case CURLOPT_IOCTLFUNCTION:
    case CURLOPT_IOCTLDATA:
        return handle->armed_ioctl;
    default:
        return false;
    }
}
