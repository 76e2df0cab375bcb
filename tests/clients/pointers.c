/*
 * Every option that holds a pointer (pointers.def), and for each the moments before and after which
 * libcurl has no business with what it points to: there, nothing may be. Each line of the output is
 * one case; where it ends, it names the case in which the program died.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "drivers.h"
#include "guarded.h"

/* Options of libcurl 8.2, 8.8 and 8.14: a header may lack them, the library that is loaded may have
 * them. */
#if LIBCURL_VERSION_NUM < 0x080e00
#define CURLOPT_HAPROXY_CLIENT_IP ((CURLoption)(CURLOPTTYPE_STRINGPOINT + 323))
#define CURLOPT_ECH ((CURLoption)(CURLOPTTYPE_STRINGPOINT + 325))
#define CURLOPT_SSL_SIGNATURE_ALGORITHMS ((CURLoption)(CURLOPTTYPE_STRINGPOINT + 328))
#endif
enum { NUMBERS_KNOWN = 329 }; /* of options, across all types */

enum kind { STRING, BLOB, BODY, LIST, URL, FORM, MIME, BUFFER, SHARE, HANDLE, FILE_, DATA, FUNCTION, NOTHING };
enum read { SETOPT, ADD, BEGIN, CONNECT, REQUEST, CALL, NEVER };
enum until { UNTIL_SETOPT, UNTIL_DONE, UNTIL_REPLACED };

struct pointer {
    const char *name;
    CURLoption option;
    enum kind kind;
    enum read read;
    enum until until;
};

#define KIND_FILE FILE_
#define KIND_STRING STRING
#define KIND_BLOB BLOB
#define KIND_BODY BODY
#define KIND_LIST LIST
#define KIND_URL URL
#define KIND_FORM FORM
#define KIND_MIME MIME
#define KIND_BUFFER BUFFER
#define KIND_SHARE SHARE
#define KIND_HANDLE HANDLE
#define KIND_DATA DATA
#define KIND_FUNCTION FUNCTION
#define KIND_NOTHING NOTHING
static const struct pointer pointers[] = {
#define POINTER(name, kind, read, until) {#name, CURLOPT_##name, KIND_##kind, read, UNTIL_##until},
#include "pointers.def"
};
enum { POINTERS = sizeof(pointers) / sizeof(pointers[0]) };

static const char *base_url;
static char url[256];
static void *nowhere;

/* ---- callbacks: each says whether it got the pointer that was set, and follows it never ---- */

static void *expected;
static unsigned right, wrong;

static void look(const void *context)
{
    if (context == expected)
        right++;
    else
        wrong++;
}

static size_t take(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    look(context);
    return size * count;
}

static size_t give(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)size, (void)count;
    look(context);
    return 0;
}

static int seek(void *context, curl_off_t offset, int origin)
{
    (void)offset, (void)origin;
    look(context);
    return CURL_SEEKFUNC_OK;
}

static curlioerr ioctl_(CURL *easy, int command, void *context)
{
    (void)easy, (void)command;
    look(context);
    return CURLIOE_OK;
}

static int prereq(void *context, char *remote, char *local, int remote_port, int local_port)
{
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    look(context);
    return CURL_PREREQFUNC_OK;
}

static int debug(CURL *easy, curl_infotype type, char *data, size_t bytes, void *context)
{
    (void)easy, (void)type, (void)data, (void)bytes;
    look(context);
    return 0;
}

static int progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    look(context);
    return 0;
}

static int sockopt(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)fd, (void)purpose;
    look(context);
    return CURL_SOCKOPT_OK;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    (void)purpose;
    look(context);
    return socket(to->family, to->socktype, to->protocol);
}

static int close_socket(void *context, curl_socket_t fd)
{
    look(context);
    return close(fd);
}

static int resolver_start(void *state, void *reserved, void *context)
{
    (void)state, (void)reserved;
    look(context);
    return 0;
}

/* The function for what an option hands to it; false: nothing calls it here. */
static int set_function_for(CURL *easy, CURLoption data)
{
    switch ((int)data) {
    case CURLOPT_WRITEDATA:
        return curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK;
    case CURLOPT_HEADERDATA:
        return curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take) == CURLE_OK;
    case CURLOPT_READDATA:
        return curl_easy_setopt(easy, CURLOPT_READFUNCTION, give) == CURLE_OK;
    case CURLOPT_SEEKDATA:
        return curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek) == CURLE_OK;
    case CURLOPT_IOCTLDATA:
        return curl_easy_setopt(easy, CURLOPT_IOCTLFUNCTION, ioctl_) == CURLE_OK;
    case CURLOPT_PREREQDATA:
        return curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, prereq) == CURLE_OK;
    case CURLOPT_DEBUGDATA:
        curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
        return curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, debug) == CURLE_OK;
    case CURLOPT_XFERINFODATA:
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        return curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, progress) == CURLE_OK;
    case CURLOPT_SOCKOPTDATA:
        return curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, sockopt) == CURLE_OK;
    case CURLOPT_OPENSOCKETDATA:
        return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK;
    case CURLOPT_CLOSESOCKETDATA:
        return curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) == CURLE_OK;
    case CURLOPT_RESOLVER_START_DATA:
        return curl_easy_setopt(easy, CURLOPT_RESOLVER_START_FUNCTION, resolver_start) == CURLE_OK;
    default:
        return 0;
    }
}

/* ---- a value that is there: the memory that may vanish, and where it lies ---- */

struct value {
    void *pointer;
    size_t bytes; /* 0: nothing of ours to take away */
};

static struct value list_value(const char *line)
{
    struct curl_slist *item = guarded_room(sizeof(*item));
    item->data = guarded_copy(line, strlen(line) + 1);
    item->next = NULL;
    return (struct value){item, sizeof(*item)};
}

static struct value string_value(const char *text)
{
    return (struct value){guarded_copy(text, strlen(text) + 1), strlen(text) + 1};
}

static struct value value_of(const struct pointer *pointer)
{
    switch (pointer->kind) {
    case BODY:
        return string_value(PROMPT);
    case STRING:
        if (pointer->option == CURLOPT_URL)
            return string_value(url);
        return string_value(pointer->option == CURLOPT_COPYPOSTFIELDS ? PROMPT : "/dev/null");
    case LIST:
        if (pointer->option == CURLOPT_RESOLVE)
            return list_value("nowhere.invalid:80:127.0.0.1");
        return list_value(pointer->option == CURLOPT_CONNECT_TO ? "nowhere.invalid:80:127.0.0.1:1" : "X-Given: here");
    default:
        return (struct value){NULL, 0};
    }
}

/* ---- transfers ---- */

static void begin_case(const struct pointer *pointer, const char *what, enum driver driver)
{
    static const char *const drivers[] = {"easy", "perform", "socket_action", "socket_all"};
    printf("%s, %s, %s:", pointer->name, what, drivers[driver]);
    fflush(stdout);
    expected = nowhere;
    right = wrong = 0;
}

static CURL *plain(const char *where)
{
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, where);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, PROMPT);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    return easy;
}

static size_t ignore(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    return size * count;
}

/* Adds, calls `late`, drives, reports; the handle is out of the multi handle again. */
static void transfer(CURL *easy, enum driver driver, const struct pointer *pointer,
                     void (*late)(CURL *easy, const struct pointer *pointer), const struct value *taken_away)
{
    int left;
    if (driver == EASY) {
        if (late != NULL)
            late(easy, pointer);
        printf(" code %d", (int)curl_easy_perform(easy));
        if (taken_away != NULL)
            guarded_vanish(taken_away->pointer, taken_away->bytes);
        return;
    }
    CURLM *multi = multi_for(driver);
    printf(" add %d", (int)curl_multi_add_handle(multi, easy));
    if (late != NULL)
        late(easy, pointer);
    drive_by(multi, driver);
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;)
        printf(" code %d", (int)message->data.result);
    if (taken_away != NULL)
        guarded_vanish(taken_away->pointer, taken_away->bytes);
    curl_multi_remove_handle(multi, easy);
    curl_multi_cleanup(multi);
}

static void end_case(CURL *easy)
{
    curl_easy_cleanup(easy);
    printf(" pointers right %s wrong %u\n", right != 0 ? "some" : "none", wrong);
    fflush(stdout);
}

/* What is needed for the transfer to go well although the option itself is replaced by nothing. */
static void replace(CURL *easy, const struct pointer *pointer)
{
    const struct value value = value_of(pointer);
    curl_easy_setopt(easy, pointer->option, value.pointer);
    if (pointer->option == CURLOPT_WRITEDATA || pointer->option == CURLOPT_WRITEFUNCTION)
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    if (pointer->option == CURLOPT_STDERR)
        curl_easy_setopt(easy, pointer->option, stderr);
}

static void quiet(CURL *easy, const struct pointer *pointer)
{
    if (pointer->option != CURLOPT_WRITEDATA && pointer->option != CURLOPT_WRITEFUNCTION)
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
}

/* Not read yet: an address at which nothing is stands there until the moment before. */
static void replaced(const struct pointer *pointer, enum driver driver)
{
    begin_case(pointer, "replaced", driver);
    CURL *easy = plain(url);
    quiet(easy, pointer);
    curl_easy_setopt(easy, pointer->option, nowhere);
    transfer(easy, driver, pointer, replace, NULL);
    end_case(easy);
}

/* Not read at all, as no request is made. A body is read from the beginning on: nothing says
 * when. */
static void refused(const struct pointer *pointer, enum driver driver)
{
    begin_case(pointer, "refused", driver);
    CURL *easy = plain("http://127.0.0.1:1/v1/chat/completions");
    if (pointer->kind == FILE_ && pointer->option == CURLOPT_READDATA) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 100L);
    }
    curl_easy_setopt(easy, pointer->option, nowhere);
    transfer(easy, driver, pointer, NULL, NULL);
    end_case(easy);
}

/* Handed to a function that looks at the address alone, which must be the one that was set. */
static void handed(const struct pointer *pointer, enum driver driver)
{
    begin_case(pointer, "handed over", driver);
    CURL *easy = plain(url);
    quiet(easy, pointer);
    if (pointer->option == CURLOPT_READDATA) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, -1L);
    }
    curl_easy_setopt(easy, pointer->option, nowhere);
    if (pointer->read == NEVER || set_function_for(easy, pointer->option))
        transfer(easy, driver, pointer, NULL, NULL);
    end_case(easy);
}

static void removed(const struct pointer *pointer, enum driver driver)
{
    begin_case(pointer, "removed", driver);
    CURL *easy = plain(url);
    CURLM *multi = multi_for(driver);
    curl_easy_setopt(easy, pointer->option, nowhere);
    printf(" add %d", (int)curl_multi_add_handle(multi, easy));
    printf(" remove %d", (int)curl_multi_remove_handle(multi, easy));
    printf(" add %d", (int)curl_multi_add_handle(multi, easy));
    curl_multi_cleanup(multi);
    end_case(easy);
}

static void after_reset(CURL *easy, const struct pointer *pointer)
{
    (void)pointer;
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, PROMPT);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
}

static void reset(const struct pointer *pointer, enum driver driver)
{
    begin_case(pointer, "reset", driver);
    CURL *easy = plain(url);
    curl_easy_setopt(easy, pointer->option, nowhere);
    transfer(easy, driver, pointer, after_reset, NULL);
    end_case(easy);
}

static void duplicated(const struct pointer *pointer, enum driver driver)
{
    begin_case(pointer, "duplicated", driver);
    CURL *easy = plain(url);
    quiet(easy, pointer);
    curl_easy_setopt(easy, pointer->option, nowhere);
    CURL *duplicate = curl_easy_duphandle(easy);
    curl_easy_cleanup(easy);
    transfer(duplicate, driver, pointer, replace, NULL);
    end_case(duplicate);
}

/* It may go when the transfer is done, and the handle is used again and cleaned up all the same. */
static void gone_after(const struct pointer *pointer, enum driver driver)
{
    struct value value = value_of(pointer);
    if (value.bytes == 0 || pointer->until != UNTIL_DONE)
        return;
    begin_case(pointer, "gone after", driver);
    CURL *easy = plain(url);
    quiet(easy, pointer);
    printf(" set %d", (int)curl_easy_setopt(easy, pointer->option, value.pointer));
    transfer(easy, driver, pointer, NULL, &value);
    CURL *duplicate = curl_easy_duphandle(easy);
    curl_easy_cleanup(easy);
    transfer(duplicate, driver, pointer, replace, NULL);
    end_case(duplicate);
}

/* Copied: gone before the transfer is handed over. */
static void copied(const struct pointer *pointer, enum driver driver)
{
    struct value value = value_of(pointer);
    struct curl_blob *blob = guarded_room(sizeof(*blob));
    begin_case(pointer, "copied", driver);
    CURL *easy = plain(url);
    quiet(easy, pointer);
    if (pointer->kind == BLOB) {
        value = string_value("not a certificate");
        *blob = (struct curl_blob){.data = value.pointer, .len = value.bytes, .flags = CURL_BLOB_COPY};
        printf(" set %d", (int)curl_easy_setopt(easy, pointer->option, blob));
        guarded_vanish(blob, sizeof(*blob));
    } else {
        printf(" set %d", (int)curl_easy_setopt(easy, pointer->option, value.pointer));
    }
    guarded_vanish(value.pointer, value.bytes);
    if (pointer->option != CURLOPT_SSLENGINE) /* which needs a program to set it up */
        transfer(easy, driver, pointer, NULL, NULL);
    end_case(easy);
}

static void every_case(const struct pointer *pointer)
{
    const int read_late = pointer->read != SETOPT && pointer->read != ADD;
    for (int driver = EASY; driver < DRIVERS; driver++) {
        if (pointer->kind == STRING || pointer->kind == BLOB) {
            if (driver == EASY || driver == PERFORM)
                copied(pointer, (enum driver)driver);
            continue;
        }
        if (!read_late)
            continue;
        replaced(pointer, (enum driver)driver);
        if (pointer->read >= REQUEST)
            refused(pointer, (enum driver)driver);
        if (pointer->kind == DATA || pointer->kind == FILE_ || pointer->read == NEVER)
            handed(pointer, (enum driver)driver);
        if (driver != EASY)
            removed(pointer, (enum driver)driver);
        if (pointer->kind != LIST || pointer->until == UNTIL_DONE)
            reset(pointer, (enum driver)driver);
        duplicated(pointer, (enum driver)driver);
        gone_after(pointer, (enum driver)driver);
    }
}

/* ---- the table is complete ---- */

static int is_pointer(const struct curl_easyoption *option)
{
    return option->type == CURLOT_OBJECT || option->type == CURLOT_STRING || option->type == CURLOT_SLIST ||
           option->type == CURLOT_CBPTR || option->type == CURLOT_BLOB || option->type == CURLOT_FUNCTION;
}

static int is_listed(CURLoption id)
{
    for (int i = 0; i < POINTERS; i++)
        if (pointers[i].option == id)
            return 1;
    return 0;
}

/* An option that is newer than this program and its header has no name here. Numbers grow across
 * all types. */
static int is_known(CURLoption id)
{
    const int number = (int)id % 10000;
    return number < NUMBERS_KNOWN || number < (int)CURLOPT_LASTENTRY % 10000;
}

static int check_table(void)
{
    int missing = 0;
    for (const struct curl_easyoption *option = NULL; (option = curl_easy_option_next(option)) != NULL;)
        if (is_pointer(option) && (option->flags & CURLOT_FLAG_ALIAS) == 0 && is_known(option->id) &&
            !is_listed(option->id)) {
            printf("NOT LISTED %s\n", option->name);
            missing++;
        }
    return missing;
}

int main(int argc, char **argv)
{
    (void)argc;
    base_url = argv[1];
    nowhere = unmapped();
    snprintf(url, sizeof(url), "%s/v1/chat/completions?do=plain", base_url);
    if (check_table() != 0)
        return 1; /* and no calls, which is noticed without the shim and with it */
    for (int i = 0; i < POINTERS; i++)
        if (argc < 3 || strcmp(argv[2], pointers[i].name) == 0)
            every_case(&pointers[i]);
    return 0;
}
