/*
 * Bodies that libcurl reads from a FILE and has to send twice: 307, 401, a kept connection that is
 * dead. It rewinds by itself what it reads with its own fread, whether that was set or not, and
 * nothing else. Where nothing is read, what READDATA points to is never touched.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "client.h"
#include "guarded.h"

#include <dlfcn.h>

static const char text[] = PROMPT;

/* ---- inputs ---- */

struct cookie {
    size_t at;
};

static ssize_t cookie_read(void *context, char *data, size_t room)
{
    struct cookie *cookie = context;
    size_t bytes = sizeof(text) - 1 - cookie->at < room ? sizeof(text) - 1 - cookie->at : room;
    memcpy(data, text + cookie->at, bytes);
    cookie->at += bytes;
    printf("cookie read %zu\n", bytes);
    return (ssize_t)bytes;
}

static int cookie_seek(void *context, off64_t *offset, int whence)
{
    struct cookie *cookie = context;
    printf("cookie seek %ld %d\n", (long)*offset, whence);
    if (whence != SEEK_SET)
        return -1;
    cookie->at = (size_t)*offset;
    return 0;
}

enum input { IN_FILE, IN_PIPE, IN_MEMORY, IN_COOKIE, IN_DEAF_COOKIE, INPUTS };
static const char *const input_names[] = {"file", "pipe", "memory", "cookie", "cookie that cannot seek"};

static FILE *open_input(enum input input)
{
    static struct cookie cookie;
    FILE *file;
    int ends[2];
    cookie.at = 0;
    switch (input) {
    case IN_PIPE:
        if (pipe(ends) != 0 || write(ends[1], text, sizeof(text) - 1) < 0)
            abort();
        close(ends[1]);
        return fdopen(ends[0], "r");
    case IN_MEMORY:
        return fmemopen((void *)(size_t)text, sizeof(text) - 1, "r");
    case IN_COOKIE:
        return fopencookie(&cookie, "r", (cookie_io_functions_t){.read = cookie_read, .seek = cookie_seek});
    case IN_DEAF_COOKIE:
        return fopencookie(&cookie, "r", (cookie_io_functions_t){.read = cookie_read});
    default:
        file = tmpfile();
        fputs(PROMPT, file);
        rewind(file);
        return file;
    }
}

/* ---- read functions ---- */

static size_t own_read(char *data, size_t size, size_t count, void *file)
{
    return fread(data, size, count, file);
}

static int own_seek(void *file, curl_off_t offset, int origin)
{
    printf("seek %ld %d\n", (long)offset, origin);
    return fseek(file, (long)offset, origin) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static curlioerr own_ioctl(CURL *easy, int command, void *file)
{
    (void)easy;
    printf("ioctl %d\n", command);
    return fseek(file, 0, SEEK_SET) == 0 ? CURLIOE_OK : CURLIOE_FAILRESTART;
}

enum reader { UNSET, EXPLICIT, BY_NAME, UNLOCKED, OWN, OWN_SEEK, OWN_IOCTL, DEFAULT_IOCTL, READERS };
static const char *const reader_names[] = {"unset", "fread",         "fread by dlsym", "fread_unlocked",
                                           "own",   "own with seek", "own with ioctl", "fread with ioctl"};

static void set_reader(CURL *easy, enum reader reader, FILE *file)
{
    curl_read_callback function = own_read;
    if (reader == EXPLICIT || reader == DEFAULT_IOCTL)
        function = (curl_read_callback)fread;
    else if (reader == BY_NAME)
        *(void **)&function = dlsym(RTLD_DEFAULT, "fread");
    else if (reader == UNLOCKED)
        *(void **)&function = dlsym(RTLD_DEFAULT, "fread_unlocked");
    if (reader != UNSET)
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, function);
    curl_easy_setopt(easy, CURLOPT_READDATA, file);
    if (reader == OWN_SEEK) {
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, own_seek);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, file);
    }
    if (reader == OWN_IOCTL || reader == DEFAULT_IOCTL) {
        curl_easy_setopt(easy, CURLOPT_IOCTLFUNCTION, own_ioctl);
        curl_easy_setopt(easy, CURLOPT_IOCTLDATA, file);
    }
}

static void show(CURL *easy, CURLcode code, const char *error)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status); /* sizes differ by the random cnonce */
    printf("\ncode %d status %ld error %s\n", (int)code, status, error);
    fflush(stdout);
}

static void perform_once(CURL *easy)
{
    char error[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    CURLcode code = curl_easy_perform(easy);
    show(easy, code, code == CURLE_COULDNT_CONNECT ? "with a time" : error);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
}

static CURL *reading(const char *base, const char *what)
{
    CURL *easy = request(base, what);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(text) - 1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_DIGEST);
    curl_easy_setopt(easy, CURLOPT_USERPWD, "user:password");
    return easy;
}

static void twice(const char *base, const char *what, enum input input, enum reader reader)
{
    printf("-- %s, %s, %s\n", what, input_names[input], reader_names[reader]);
    FILE *file = open_input(input);
    const int dies = strcmp(what, "dies") == 0;
    CURL *easy = dies ? request(base, what) : reading(base, what);
    if (dies) { /* the connection is used once, by a body that needs no rewind */
        perform_once(easy);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(text) - 1);
    }
    set_reader(easy, reader, file);
    if (input == IN_DEAF_COOKIE) /* the shim cannot know before, so that libcurl says it in other words */
        show(easy, curl_easy_perform(easy), "not shown");
    else
        perform_once(easy);
    curl_easy_cleanup(easy);
    fclose(file);
}

/* ---- nothing is read ---- */

static void untouched(const char *base, const char *what, void *pointer, long bytes, int put)
{
    CURL *easy = reading(base, "plain");
    printf("-- %s, %ld bytes%s\n", what, bytes, put ? ", put" : "");
    if (put) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "POST");
    }
    curl_easy_setopt(easy, put ? CURLOPT_INFILESIZE : CURLOPT_POSTFIELDSIZE, bytes);
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, 0L);
    curl_easy_setopt(easy, CURLOPT_READDATA, pointer);
    perform_once(easy);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, fread);
    perform_once(easy);
    curl_easy_cleanup(easy);
}

static void never_read(const char *base)
{
    FILE *volatile closed = fopen("/dev/null", "r");
    struct {
        int it_is_mine;
    } own = {1};
    fclose(closed);
    void *const pointers[] = {unmapped(), closed, &own, NULL, (void *)1};
    for (unsigned i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
        untouched(base, "answered", pointers[i], 0, 0);
        untouched("http://127.0.0.1:1", "refused", pointers[i], 100, 0);
        untouched("http://127.0.0.1:1", "refused", pointers[i], 100, 1);
    }
}

int main(int argc, char **argv)
{
    static const char *const what[] = {"redirect", "digest", "dies"};
    (void)argc;
    for (int i = 0; i < 3; i++)
        for (int input = 0; input < INPUTS; input++)
            for (int reader = 0; reader < READERS; reader++)
                if (input == IN_FILE || reader == UNSET || reader == EXPLICIT || reader == OWN)
                    twice(argv[1], what[i], (enum input)input, (enum reader)reader);
    never_read(argv[1]);
    return 0;
}
