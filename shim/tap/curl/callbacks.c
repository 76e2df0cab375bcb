/*
 * The callbacks that libcurl calls instead of the application's (callbacks.h), on the application's
 * thread, in the middle of a transfer.
 *
 * They note time and bytes on the tape and call through. They hold nothing across the application's
 * callback: it may jump out, throw, end the thread, clean the handle up or start other transfers.
 * After it returned, a handle is ours to note on only if it still has the transfer's number. What
 * arrives is noted before the application sees it, because the application may change the buffer in
 * place; what a paused transfer delivers again is skipped.
 *
 * No context is followed before it proved to be ours: it is the address of the CURL* plus one,
 * which is no object's, and leads to the record only through the table of handles.
 *
 * Both the write and the header callback are always armed: with HEADERDATA but no HEADERFUNCTION
 * libcurl calls the write function with the header pointer (lib/cw-out.c). With neither, headers go
 * nowhere, which is what accepting them all amounts to.
 *
 * HOT: on_write, on_header, on_read. Budget: 100 ns for a piece of 300 bytes.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* old options are still in use */
#include "callbacks.h"

#include "shim/base/say.h"
#include "shim/tape/tally.h"
#include "shim/tape/tape.h"
#include "transfer_headers.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- what the application uses ---- */

/* A set is claimed by counting up, filled, then published; it never changes again, as a duplicate
 * of a handle may call it at any later time. A child forked in between loses the set. */
static struct callbacks sets[CALLBACKS_SETS];
static _Atomic unsigned claimed;
static _Atomic bool published[CALLBACKS_SETS];

static struct callbacks functions_of(const struct shadow_callbacks *of)
{
    return (struct callbacks){
        .write = of->write_function,
        .header = of->header_function,
        .read = of->read_function,
        .seek = of->seek_function,
        .ioctl = of->ioctl_function,
        .prereq = of->prereq_function,
    };
}

static bool is_set(unsigned index, const struct callbacks *functions)
{
    return index < CALLBACKS_SETS && atomic_load_explicit(&published[index], memory_order_acquire) &&
           memcmp(&sets[index], functions, sizeof(*functions)) == 0;
}

/* The number of this combination; CALLBACKS_SETS when there are too many. */
static unsigned find_set(const struct callbacks *functions)
{
    for (unsigned i = 0; i < CALLBACKS_SETS; i++)
        if (is_set(i, functions))
            return i;
    unsigned index = atomic_load(&claimed);
    do {
        if (index >= CALLBACKS_SETS)
            return CALLBACKS_SETS;
    } while (!atomic_compare_exchange_weak(&claimed, &index, index + 1));
    sets[index] = *functions;
    atomic_store_explicit(&published[index], true, memory_order_release);
    return index;
}

/* ---- whom a callback serves ---- */

void *callbacks_context(CURL *easy)
{
    return (char *)easy + 1;
}

/* NULL: not a context of ours, or one of a handle that is gone. */
static inline __attribute__((always_inline)) struct handle *owner(const void *context)
{
    return ((uintptr_t)context & 1) == 0 ? NULL : handles_find((const char *)context - 1, HANDLE_EASY);
}

/* For a context of somebody else where the function is not known either: the transfer fails as if
 * the application had refused, instead of ending in a function that cannot be meant. */
static size_t refuse_piece(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    shim_say_once("a transfer that libcurl duplicated was refused: too many different callbacks in this process");
    (void)tally_add(TALLY_CALLS);
    return size * count == 0 ? 1 : 0;
}

static size_t refuse_read(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)size, (void)count, (void)context;
    (void)tally_add(TALLY_CALLS);
    return CURL_READFUNC_ABORT;
}

/* Of a call for a handle that is gone or never was ours: those of the handle that was duplicated,
 * when that is gone; else the set's functions with the pointer that came. */
static __attribute__((noinline)) const struct shadow_callbacks *serve_stranger(unsigned set, void *context,
                                                                               struct shadow_callbacks *lent)
{
    const struct handle *handle;
    if (((uintptr_t)context & 1) != 0 && (handle = handles_find_released((const char *)context - 1)) != NULL)
        return &handle->easy.shadow.callbacks;
    const struct callbacks unknown = {.write = refuse_piece, .header = refuse_piece, .read = refuse_read};
    const struct callbacks *functions = set < CALLBACKS_SETS ? &sets[set] : &unknown;
    *lent =
        (struct shadow_callbacks){functions->write, context, functions->header, context, functions->read,   context,
                                  functions->seek,  context, functions->ioctl,  context, functions->prereq, context};
    return lent;
}

/* The application's functions and pointers for this call. */
static inline const struct shadow_callbacks *serve(const struct handle *handle, unsigned set, void *context,
                                                   struct shadow_callbacks *lent)
{
    return handle != NULL ? &handle->easy.shadow.callbacks : serve_stranger(set, context, lent);
}

/* ---- notes ---- */

static void note_at(struct handle *handle, enum tape_kind kind, uint64_t time_ns, const void *data, size_t bytes)
{
    tape_piece(kind, handle->easy.transfer, time_ns, data, bytes, &handle->easy.lost);
}

static void note(struct handle *handle, enum tape_kind kind, const void *data, size_t bytes)
{
    note_at(handle, kind, tape_now_ns(), data, bytes);
}

void callbacks_set_paused(struct handle *handle, unsigned paused)
{
    unsigned before = handle->easy.paused;
    handle->easy.paused = paused;
    if (handle->easy.transfer == 0 || (before != 0) == (paused != 0))
        return;
    note(handle, paused != 0 ? TAPE_PAUSE : TAPE_RESUME, NULL, 0);
}

/* How much of this piece was delivered, and noted, before the application paused. */
static size_t skip_replayed(size_t *replayed, size_t bytes)
{
    if (*replayed == 0)
        return 0;
    size_t skip = *replayed < bytes ? *replayed : bytes;
    *replayed -= skip;
    return skip;
}

/* The application's answer to a piece of the response. */
static void note_answer(struct handle *handle, uint64_t transfer, size_t answer, size_t *replayed, size_t bytes)
{
    if (answer == bytes || transfer == 0 || handle->easy.transfer != transfer)
        return;
    if (answer != CURL_WRITEFUNC_PAUSE) {
        handle->easy.refused = true;
        return;
    }
    *replayed += bytes;
    callbacks_set_paused(handle, handle->easy.paused | CURLPAUSE_RECV);
}

static uint64_t transfer_of(const struct handle *handle)
{
    return handle == NULL || !handle->easy.armed ? 0 : handle->easy.transfer;
}

/* ---- the response ---- */

/*
 * With CURLOPT_HEADER the write callback gets each header line too, before the header callback
 * does. A header block can follow another one (100-continue, redirect, authentication); the bodies
 * between them are never delivered.
 */
static bool is_header_copy(struct handle *handle, const char *data, size_t bytes)
{
    if (!handle->easy.shadow.include_header || handle->easy.body_seen)
        return false;
    if (!handle->easy.headers_open && bytes >= 5 && memcmp(data, "HTTP/", 5) == 0)
        handle->easy.headers_open = true;
    return handle->easy.headers_open;
}

static size_t on_write(char *data, size_t size, size_t count, void *context, unsigned set)
{
    struct handle *handle = owner(context);
    uint64_t transfer = transfer_of(handle);
    size_t bytes = size * count;

    if (transfer != 0 && bytes != 0) {
        size_t skip = skip_replayed(&handle->easy.replayed_body, bytes);
        if (skip < bytes && !is_header_copy(handle, data, bytes)) {
            handle->easy.body_seen = true;
            note(handle, TAPE_RESPONSE_BODY, data + skip, bytes - skip);
        }
    }
    struct shadow_callbacks lent;
    const struct shadow_callbacks *callbacks = serve(handle, set, context, &lent);
    curl_write_callback function = callbacks->write_function;
    void *out = callbacks->write_data;
    size_t answer = function != NULL ? function(data, size, count, out) : fwrite(data, size, count, out);
    if (transfer != 0)
        note_answer(handle, transfer, answer, &handle->easy.replayed_body, bytes);
    return answer;
}

static size_t on_header(char *data, size_t size, size_t count, void *context, unsigned set)
{
    struct handle *handle = owner(context);
    uint64_t transfer = transfer_of(handle);
    size_t bytes = size * count;

    if (transfer != 0 && bytes != 0) {
        size_t skip = skip_replayed(&handle->easy.replayed_header, bytes);
        if (skip < bytes) {
            if (!handle->easy.headers_open ||
                handle->easy.header_ns == 0) /* one look at the clock for a block of lines */
                handle->easy.header_ns = tape_now_ns();
            handle->easy.headers_open = data[0] != '\r' && data[0] != '\n';
            note_at(handle, TAPE_RESPONSE_HEADER, handle->easy.header_ns, data + skip, bytes - skip);
        }
    }
    struct shadow_callbacks lent;
    const struct shadow_callbacks *callbacks = serve(handle, set, context, &lent);
    void *out = callbacks->header_data;
    if (callbacks->header_function == NULL && out == NULL)
        return bytes;
    curl_write_callback function =
        callbacks->header_function != NULL ? callbacks->header_function : callbacks->write_function;
    size_t answer = function != NULL ? function(data, size, count, out) : fwrite(data, size, count, out);
    if (transfer != 0)
        note_answer(handle, transfer, answer, &handle->easy.replayed_header, bytes);
    return answer;
}

/* ---- the request ---- */

bool callbacks_reads_file(curl_read_callback function)
{
    return function == NULL || function == (curl_read_callback)fread;
}

void callbacks_set_pair(const struct handle *handle, CURL *easy, CURLoption function, uintptr_t to, CURLoption data,
                        const void *with)
{
    (void)handle->library->real.curl_easy_setopt(easy, function, to);
    (void)handle->library->real.curl_easy_setopt(easy, data, (uintptr_t)with);
}

/*
 * libcurl takes the seek function, else the ioctl function, else rewinds the default input itself
 * while its read function is fread, which ours is not. So with neither of the two our seek function
 * has to do that, and where it could not, nothing is set.
 */
void callbacks_arm_rewind(struct handle *handle, CURL *easy)
{
    const struct shadow_callbacks *callbacks = &handle->easy.shadow.callbacks;
    struct callbacks ours = callbacks_for(handle);
    void *context = callbacks_context(easy);
    bool by_file = callbacks->ioctl_function == NULL && callbacks_reads_file(handle->easy.read_function) &&
                   !handle->easy.cannot_seek;

    if (callbacks->seek_function == NULL && !by_file)
        ours.seek = NULL;
    if (callbacks->ioctl_function == NULL)
        ours.ioctl = NULL;
    callbacks_set_pair(handle, easy, CURLOPT_SEEKFUNCTION, (uintptr_t)ours.seek, CURLOPT_SEEKDATA, context);
    callbacks_set_pair(handle, easy, CURLOPT_IOCTLFUNCTION, (uintptr_t)ours.ioctl, CURLOPT_IOCTLDATA, context);
}

/*
 * libcurl is about to read from the default input, so from now on that may be looked at. What
 * cannot be rewound loses our seek function: libcurl then says so in its own words.
 */
static void look_at_input(struct handle *handle)
{
    int saved_errno = errno;
    handle->easy.input_seen = true;
    if (callbacks_reads_file(handle->easy.read_function)) {
        int fd = fileno(handle->easy.read_data);
        handle->easy.cannot_seek = fd >= 0 && lseek(fd, 0, SEEK_CUR) < 0;
        if (handle->easy.cannot_seek)
            callbacks_arm_rewind(handle, (CURL *)(uintptr_t)atomic_load_explicit(&handle->key, memory_order_relaxed));
    }
    errno = saved_errno;
}

static size_t on_read(char *data, size_t size, size_t count, void *context, unsigned set)
{
    struct handle *handle = owner(context);
    uint64_t transfer = transfer_of(handle);
    struct shadow_callbacks lent;
    const struct shadow_callbacks *callbacks = serve(handle, set, context, &lent);
    curl_read_callback function = callbacks->read_function;
    void *in = callbacks->read_data;

    if (handle != NULL && handle->easy.armed_read) {
        function = handle->easy.read_function;
        in = handle->easy.read_data;
        if (!handle->easy.input_seen)
            look_at_input(handle);
    }
    size_t answer = function != NULL ? function(data, size, count, in) : fread(data, size, count, in);
    if (transfer == 0 || handle->easy.transfer != transfer)
        return answer;
    if (answer == CURL_READFUNC_PAUSE)
        callbacks_set_paused(handle, handle->easy.paused | CURLPAUSE_SEND);
    else if (answer != 0 && answer <= size * count)
        note(handle, TAPE_REQUEST_BODY, data, answer);
    return answer;
}

static void note_rewind(struct handle *handle, uint64_t transfer)
{
    if (transfer != 0 && handle->easy.transfer == transfer)
        note(handle, TAPE_REQUEST_REWIND, NULL, 0);
}

/*
 * Without a seek function libcurl rewinds its default input itself, but only while the read
 * function is fread. As ours is not, the same has to be done here.
 */
static int rewind_file(FILE *file, curl_off_t offset, int origin)
{
    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    return fseek(file, 0, SEEK_SET) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static int on_seek(void *context, curl_off_t offset, int origin, unsigned set)
{
    struct handle *handle = owner(context);
    uint64_t transfer = transfer_of(handle);
    struct shadow_callbacks lent;
    const struct shadow_callbacks *callbacks = serve(handle, set, context, &lent);
    const bool latched = handle != NULL && handle->easy.armed_read;
    int answer = CURL_SEEKFUNC_CANTSEEK;

    if (callbacks->seek_function != NULL)
        answer = callbacks->seek_function(callbacks->seek_data, offset, origin);
    else if (callbacks != &lent &&
             callbacks_reads_file(latched ? handle->easy.read_function : callbacks->read_function))
        answer = rewind_file(latched ? handle->easy.read_data : callbacks->read_data, offset, origin);
    if (answer == CURL_SEEKFUNC_OK && offset == 0 && transfer != 0)
        note_rewind(handle, transfer);
    return answer;
}

static curlioerr on_ioctl(CURL *easy, int command, void *context, unsigned set)
{
    struct handle *handle = owner(context);
    uint64_t transfer = transfer_of(handle);
    struct shadow_callbacks lent;
    const struct shadow_callbacks *callbacks = serve(handle, set, context, &lent);
    if (callbacks->ioctl_function == NULL)
        return CURLIOE_FAILRESTART;
    curlioerr answer = callbacks->ioctl_function(easy, command, callbacks->ioctl_data);
    if (answer == CURLIOE_OK && command == CURLIOCMD_RESTARTREAD && transfer != 0)
        note_rewind(handle, transfer);
    return answer;
}

/*
 * Between connection and request: what libcurl reads of the application's memory to make the
 * request may be read from now on. It comes again for each request of a transfer (redirect,
 * authentication), and with each libcurl takes what was set for the input anew.
 */
static int on_prereq(void *context, char *remote, char *local, int remote_port, int local_port, unsigned set)
{
    struct handle *handle = owner(context);
    uint64_t transfer = transfer_of(handle);
    struct shadow_callbacks lent;
    const struct shadow_callbacks *callbacks = serve(handle, set, context, &lent);
    int answer = CURL_PREREQFUNC_OK;

    if (callbacks->prereq_function != NULL)
        answer = callbacks->prereq_function(callbacks->prereq_data, remote, local, remote_port, local_port);
    if (transfer == 0 || handle->easy.transfer != transfer || answer != CURL_PREREQFUNC_OK)
        return answer;
    if (handle->easy.headers_noted && handle->easy.armed_read) {
        handle->easy.read_function = handle->easy.shadow.callbacks.read_function;
        handle->easy.read_data = handle->easy.shadow.callbacks.read_data;
        handle->easy.input_seen = false;
    }
    if (!handle->easy.headers_noted)
        transfer_note_headers(handle);
    return answer;
}

/* ---- the sets ---- */

#define EACH_SET(what)                                                                                                 \
    what(0) what(1) what(2) what(3) what(4) what(5) what(6) what(7) what(8) what(9) what(10) what(11) what(12)         \
        what(13) what(14) what(15) what(16)
_Static_assert(CALLBACKS_SETS == 16, "EACH_SET has one more: the set that knows no function");

#define DEFINE(n)                                                                                                      \
    static size_t write_##n(char *data, size_t size, size_t count, void *context)                                      \
    {                                                                                                                  \
        return on_write(data, size, count, context, n);                                                                \
    }                                                                                                                  \
    static size_t header_##n(char *data, size_t size, size_t count, void *context)                                     \
    {                                                                                                                  \
        return on_header(data, size, count, context, n);                                                               \
    }                                                                                                                  \
    static size_t read_##n(char *data, size_t size, size_t count, void *context)                                       \
    {                                                                                                                  \
        return on_read(data, size, count, context, n);                                                                 \
    }                                                                                                                  \
    static int seek_##n(void *context, curl_off_t offset, int origin)                                                  \
    {                                                                                                                  \
        return on_seek(context, offset, origin, n);                                                                    \
    }                                                                                                                  \
    static curlioerr ioctl_##n(CURL *easy, int command, void *context)                                                 \
    {                                                                                                                  \
        return on_ioctl(easy, command, context, n);                                                                    \
    }                                                                                                                  \
    static int prereq_##n(void *context, char *remote, char *local, int remote_port, int local_port)                   \
    {                                                                                                                  \
        return on_prereq(context, remote, local, remote_port, local_port, n);                                          \
    }
EACH_SET(DEFINE)

struct callbacks callbacks_for(struct handle *handle)
{
    const struct callbacks functions = functions_of(&handle->easy.shadow.callbacks);
    if (!is_set(handle->easy.set, &functions))
        handle->easy.set = (unsigned char)find_set(&functions);
#define CASE(n)                                                                                                        \
    case n:                                                                                                            \
        return (struct callbacks){write_##n, header_##n, read_##n, seek_##n, ioctl_##n, prereq_##n};
    switch (handle->easy.set) {
    default:
        EACH_SET(CASE)
    }
}
