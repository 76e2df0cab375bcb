/*
 * HTTP/2 server push: libcurl duplicates the handle by itself, without the program's doing. What
 * the push callback sets on the new one, or leaves as it was; answers that refuse; the parent gone
 * first.
 */
#include "client.h"

#include <arpa/inet.h>
#include <sys/socket.h>

struct sink {
    const char *name;
    char text[4096];
    size_t bytes;
};
static struct sink parent_sink = {.name = "parent"}, pushed_sink = {.name = "pushed"};

enum what { NOTHING, DATA, BOTH, DENY, HEADERS };
static enum what wanted;
static unsigned pushes;

static size_t to_sink(char *data, size_t size, size_t count, void *context)
{
    struct sink *sink = context;
    size_t bytes = size * count;
    if (sink->bytes + bytes < sizeof(sink->text))
        memcpy(sink->text + sink->bytes, data, bytes);
    sink->bytes += bytes;
    return bytes;
}

static size_t to_upper_sink(char *data, size_t size, size_t count, void *context)
{
    for (size_t i = 0; i < size * count; i++)
        data[i] = (char)(data[i] >= 'a' && data[i] <= 'z' ? data[i] - 32 : data[i]);
    return to_sink(data, size, count, context);
}

static size_t count_header(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    *(unsigned *)context += 1;
    return size * count;
}

static unsigned parent_lines, pushed_lines;

static int on_push(CURL *parent, CURL *easy, size_t count, struct curl_pushheaders *headers, void *context)
{
    const char *path = curl_pushheader_byname(headers, ":path");
    (void)parent, (void)count;
    pushes++;
    printf("push %s to %s\n", path == NULL ? "none" : path, (const char *)context);
    if (wanted == DENY)
        return CURL_PUSH_DENY;
    if (wanted == DATA || wanted == BOTH)
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &pushed_sink);
    if (wanted == BOTH)
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, to_upper_sink);
    if (wanted == HEADERS)
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, &pushed_lines);
    return CURL_PUSH_OK;
}

/* Tells the server that its answer is there: libcurl 7.88 cannot take a pushed stream while it
 * reads the parent. */
static void say_taken(const char *base)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char end;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_port = htons((unsigned short)atoi(strrchr(base, ':') + 1));
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        abort();
    shutdown(fd, SHUT_WR);
    (void)recv(fd, &end, 1, 0); /* until the server has understood */
    close(fd);
}

static void finish(CURLM *multi, CURL *parent, const char *base)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;) {
        CURL *easy = message->easy_handle;
        printf("%s done %d\n", easy == parent ? "parent" : "pushed", (int)message->data.result);
        curl_multi_remove_handle(multi, easy);
        curl_easy_cleanup(easy);
        if (easy == parent)
            say_taken(base);
    }
}

/* In whichever order the server sent it: in one sink, what both received is in one order only for
 * one of them. */
static void show(const struct sink *sink)
{
    printf("%s got %zu bytes, first %.24s\n", sink->name, sink->bytes,
           wanted == NOTHING || wanted == HEADERS ? "?" : sink->text);
}

static void one(const char *base, enum what what, int late)
{
    CURLM *multi = curl_multi_init();
    CURL *easy = request("http://127.0.0.1", "plain");
    char connect_to[64];
    snprintf(connect_to, sizeof(connect_to), "::127.0.0.1%s", strrchr(base, ':'));
    struct curl_slist *to = curl_slist_append(NULL, connect_to);
    static char context[] = "the callback";
    parent_sink.bytes = pushed_sink.bytes = 0;
    memset(parent_sink.text, 0, sizeof(parent_sink.text));
    memset(pushed_sink.text, 0, sizeof(pushed_sink.text));
    pushes = parent_lines = pushed_lines = 0;
    wanted = what;
    printf("-- %d %d\n", (int)what, late);
    if (!late)
        printf("push function %d\n", (int)curl_multi_setopt(multi, CURLMOPT_PUSHFUNCTION, on_push));
    curl_multi_setopt(multi, CURLMOPT_PUSHDATA, context);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, to_sink);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &parent_sink);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, count_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &parent_lines);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, to); /* libcurl 7.88 fails promises whose authority names a port */
    curl_multi_add_handle(multi, easy);
    if (late)
        printf("push function %d\n", (int)curl_multi_setopt(multi, CURLMOPT_PUSHFUNCTION, on_push));
    int running = 1;
    while (running != 0) {
        curl_multi_perform(multi, &running);
        finish(multi, easy, base);
        if (running != 0)
            curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    finish(multi, easy, base);
    show(&parent_sink);
    show(&pushed_sink);
    printf("%u pushes, header lines %u %u\n", pushes, parent_lines, pushed_lines);
    printf("off %d\n", (int)curl_multi_setopt(multi, CURLMOPT_PUSHFUNCTION, NULL));
    printf("cleanup %d\n", (int)curl_multi_cleanup(multi));
    curl_slist_free_all(to);
}

int main(int argc, char **argv)
{
    (void)argc;
    for (int what = NOTHING; what <= HEADERS; what++)
        one(argv[1], (enum what)what, what == DATA);
    return 0;
}
