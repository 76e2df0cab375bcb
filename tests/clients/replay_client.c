/*
 * Sends the requests of a list file, as an ordinary program would that knows nothing of libpprof;
 * one line per answer with a checksum of the body. Run by tests/e2e/replay without and with the
 * shim: the output has to be the same.
 *
 * replay_client LIST PORT [--http 1.0|1.1|2] [--decode] [--multi N] [--cancel BYTES]
 *
 * LIST: per exchange a line `id TAB method TAB count of headers TAB bytes of body`, then the URL,
 * the headers, the body and LF. All connections go to 127.0.0.1:PORT. --decode: libcurl decodes
 * contents. --multi: N transfers at a time. --cancel: the write callback refuses after BYTES.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The most that libcurl takes, and more than any answer here has. With its usual 16 KB libcurl 7.88
 * (lib/http2.c) can forget a transfer: what it reads for one fills another's buffer, so it stops
 * within what it has read; should that other one have a length and be done with the rest, nobody
 * reads on, and whose end lies behind waits until its time is over. A server that sends frames in
 * that order brings it about without the shim in most runs, and in none with this size. */
#define HTTP2_BUFFER_BYTES (512 * 1024L)

struct exchange {
    char *id, *method, *url, *body;
    struct curl_slist *headers;
    size_t body_bytes, body_sent, received, refuse_after;
    uint64_t checksum;
    CURLcode code;
    long status, version, connects;
};

struct options {
    const char *list, *port;
    long http;
    int multi;
    size_t cancel;
    bool decode;
};

static void die(const char *what)
{
    fprintf(stderr, "replay_client: %s\n", what);
    exit(2);
}

static size_t take(char *data, size_t size, size_t count, void *to)
{
    struct exchange *const exchange = to;
    const size_t bytes = size * count;
    for (size_t i = 0; i < bytes; i++)
        exchange->checksum = (exchange->checksum ^ (uint8_t)data[i]) * UINT64_C(1099511628211);
    exchange->received += bytes;
    return exchange->refuse_after && exchange->received >= exchange->refuse_after ? 0 : bytes;
}

static size_t give(char *buffer, size_t size, size_t count, void *from)
{
    struct exchange *const exchange = from;
    const size_t left = exchange->body_bytes - exchange->body_sent, room = size * count;
    size_t bytes = left < room ? left : room;
    if (bytes > 700)
        bytes = 700; /* several pieces */
    memcpy(buffer, exchange->body + exchange->body_sent, bytes);
    exchange->body_sent += bytes;
    return bytes;
}

static int rewind_body(void *from, curl_off_t offset, int origin)
{
    struct exchange *const exchange = from;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    exchange->body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* The three ways to hand over a body, in turn. */
static void set_body(CURL *easy, struct exchange *exchange, unsigned number)
{
    const curl_off_t bytes = (curl_off_t)exchange->body_bytes;
    if (number % 3 == 2) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_body);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, exchange);
    }
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, bytes);
    if (number % 3 == 0)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange->body);
    else if (number % 3 == 1)
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, exchange->body);
}

static void prepare(CURL *easy, struct exchange *exchange, unsigned number, const struct options *options,
                    struct curl_slist *connect_to)
{
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, exchange->url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(easy, CURLOPT_MAXCONNECTS,
                     200L); /* with the usual five it depends on milliseconds which one is closed */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, options->http);
    if (options->http == CURL_HTTP_VERSION_2TLS)
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, HTTP2_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L); /* the test's own certificate */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    if (options->decode)
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    if (exchange->body_bytes || !strcmp(exchange->method, "POST"))
        set_body(easy, exchange, number);
    if (strcmp(exchange->method, "POST") && (exchange->body_bytes || strcmp(exchange->method, "GET")))
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, exchange->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    exchange->checksum = UINT64_C(14695981039346656037);
    exchange->refuse_after = options->cancel;
}

static void ended(CURL *easy, CURLcode code)
{
    struct exchange *exchange = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&exchange);
    exchange->code = code;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &exchange->status);
    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &exchange->version);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &exchange->connects);
}

static void run_one_by_one(struct exchange *exchanges, unsigned count, const struct options *options,
                           struct curl_slist *connect_to)
{
    CURL *const easy = curl_easy_init();
    for (unsigned i = 0; i < count; i++) {
        prepare(easy, &exchanges[i], i, options, connect_to);
        ended(easy, curl_easy_perform(easy));
    }
    curl_easy_cleanup(easy);
}

static void run_many(struct exchange *exchanges, unsigned count, const struct options *options,
                     struct curl_slist *connect_to)
{
    CURLM *const multi = curl_multi_init();
    unsigned next = 0, running_handles = 0;
    while (next < count || running_handles) {
        for (; next < count && running_handles < (unsigned)options->multi; running_handles++, next++) {
            CURL *const easy = curl_easy_init();
            prepare(easy, &exchanges[next], next, options, connect_to);
            curl_multi_add_handle(multi, easy);
        }
        int running, left;
        curl_multi_perform(multi, &running);
        CURLMsg *message;
        while ((message = curl_multi_info_read(multi, &left)) != NULL) {
            CURL *const easy = message->easy_handle;
            ended(easy, message->data.result);
            curl_multi_remove_handle(multi, easy);
            curl_easy_cleanup(easy);
            running_handles--;
        }
        if (running)
            curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    curl_multi_cleanup(multi);
}

static char *read_line(FILE *file)
{
    char *line = NULL;
    size_t room = 0;
    const ssize_t bytes = getline(&line, &room, file);
    if (bytes <= 0) {
        free(line);
        return NULL;
    }
    line[bytes - 1] = '\0';
    return line;
}

static bool read_exchange(FILE *file, struct exchange *exchange)
{
    char *const line = read_line(file);
    if (line == NULL)
        return false;
    char *rest = line;
    exchange->id = strdup(strsep(&rest, "\t"));
    exchange->method = strdup(strsep(&rest, "\t"));
    const unsigned long headers = strtoul(strsep(&rest, "\t"), NULL, 10);
    exchange->body_bytes = strtoul(rest, NULL, 10);
    free(line);
    exchange->url = read_line(file);
    for (unsigned long i = 0; i < headers; i++) {
        char *const header = read_line(file);
        exchange->headers = curl_slist_append(exchange->headers, header);
        free(header);
    }
    exchange->body = calloc(exchange->body_bytes + 1, 1);
    if (fread(exchange->body, 1, exchange->body_bytes, file) != exchange->body_bytes || getc(file) != '\n')
        die("the list is damaged");
    return true;
}

static struct exchange *read_list(const char *path, unsigned *ret_count)
{
    FILE *const file = fopen(path, "r");
    unsigned room = 4096;
    struct exchange *const exchanges = calloc(room, sizeof(*exchanges));
    if (file == NULL || exchanges == NULL)
        die("the list cannot be read");
    while (*ret_count < room && read_exchange(file, &exchanges[*ret_count]))
        ++*ret_count;
    fclose(file);
    return exchanges;
}

static long http_of(const char *name)
{
    if (!strcmp(name, "1.0"))
        return CURL_HTTP_VERSION_1_0;
    return !strcmp(name, "2") ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
}

static struct options parse(int argc, char **argv)
{
    if (argc < 3)
        die("LIST PORT [--http V] [--decode] [--multi N] [--cancel BYTES]");
    struct options options = {.list = argv[1], .port = argv[2], .http = CURL_HTTP_VERSION_1_1};
    for (int i = 3; i < argc; i++)
        if (!strcmp(argv[i], "--decode"))
            options.decode = true;
        else if (!strcmp(argv[i], "--http") && i + 1 < argc)
            options.http = http_of(argv[++i]);
        else if (!strcmp(argv[i], "--multi") && i + 1 < argc)
            options.multi = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--cancel") && i + 1 < argc)
            options.cancel = strtoul(argv[++i], NULL, 10);
        else
            die("unknown option");
    return options;
}

static void print_and_free(struct exchange *exchange, bool with_connections)
{
    printf("%s\t%d\t%ld\t%zu\t%016" PRIx64 "\t%ld\t%ld\n", exchange->id, (int)exchange->code, exchange->status,
           exchange->received, exchange->checksum, exchange->version, with_connections ? exchange->connects : -1);
    free(exchange->id);
    free(exchange->method);
    free(exchange->url);
    free(exchange->body);
    curl_slist_free_all(exchange->headers);
}

int main(int argc, char **argv)
{
    const struct options options = parse(argc, argv);
    unsigned count = 0;
    struct exchange *const exchanges = read_list(options.list, &count);
    char target[64];
    snprintf(target, sizeof(target), "::127.0.0.1:%s", options.port);
    struct curl_slist *const connect_to = curl_slist_append(NULL, target);
    curl_global_init(CURL_GLOBAL_ALL);
    (options.multi ? run_many : run_one_by_one)(exchanges, count, &options, connect_to);
    for (unsigned i = 0; i < count; i++)
        print_and_free(&exchanges[i], !options.multi);
    curl_slist_free_all(connect_to);
    free(exchanges);
    curl_global_cleanup();
    return 0;
}
