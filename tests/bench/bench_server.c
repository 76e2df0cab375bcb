/*
 * The fastest possible stand-in for a model, for benchmarks of the shim: answers POSTs on loopback
 * from memory, one thread per connection. SIMULATED: fixed answers. The path says what comes back:
 *
 *   /json/v1/chat/completions   a chat completion of about 570 bytes
 *   /sse/N/v1/chat/completions  N events of 300 bytes, each an HTTP chunk of its own, then usage
 *                               and [DONE]
 *
 * Usage: bench_server PORT_FILE, until SIGTERM
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENT_BYTES = 300, REQUEST_MAX = 1024 * 1024, EVENTS_MAX = 100000 };

static bool send_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

static size_t add_chunk(char *out, const char *data, size_t bytes)
{
    int head = sprintf(out, "%zx\r\n", bytes);
    memcpy(out + head, data, bytes);
    memcpy(out + head + bytes, "\r\n", 2);
    return (size_t)head + bytes + 2;
}

/* A whole streamed response; the caller frees it. */
static char *make_stream(unsigned events, size_t *ret_bytes)
{
    char *out = malloc((size_t)events * (EVENT_BYTES + 16) + 4096);
    if (out == NULL)
        exit(1);
    size_t used = (size_t)sprintf(
        out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (unsigned i = 0; i < events; i++) {
        char event[EVENT_BYTES + 1];
        int n = snprintf(event, sizeof(event),
                         "data: "
                         "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1767225600,"
                         "\"model\":\"gpt-4o-mini\","
                         "\"system_fingerprint\":\"fp_0123456789\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" "
                         "word%u\"},\"logprobs\":null,"
                         "\"finish_reason\":null}],\"obfuscation\":\"",
                         i % 10);
        memset(event + n, 'x', (size_t)(EVENT_BYTES - n));
        memcpy(event + EVENT_BYTES - 4, "\"}\n\n", 4);
        used += add_chunk(out + used, event, EVENT_BYTES);
    }
    static const char last[] =
        "data: "
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-mini\",\"choices\":[],"
        "\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":400,\"total_tokens\":1400}}\n\ndata: [DONE]\n\n";
    used += add_chunk(out + used, last, sizeof(last) - 1);
    memcpy(out + used, "0\r\n\r\n", 5);
    *ret_bytes = used + 5;
    return out;
}

static char *make_json(size_t *ret_bytes)
{
    static const char body[] = "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1767225600,"
                               "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"
                               "\"message\":{\"role\":\"assistant\",\"content\":\"Thank you for writing. The second "
                               "charge in March was made in error; it goes back to your "
                               "card within five working days, and there is nothing further for you to do about it "
                               "today.\",\"refusal\":null},\"logprobs\":null,"
                               "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":"
                               "40,\"total_tokens\":1040},\"service_tier\":\"default\"}";
    char *out = malloc(sizeof(body) + 256);
    if (out == NULL)
        exit(1);
    *ret_bytes =
        (size_t)sprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        sizeof(body) - 1, body);
    return out;
}

/* Reads one request with its body. Returns the number of events asked for, 0 for plain JSON, -1 at
 * the end of the connection. */
static long read_request(int fd, char *buffer)
{
    size_t used = 0;
    const char *end = NULL;
    while (end == NULL) {
        ssize_t got = recv(fd, buffer + used, REQUEST_MAX - used, 0);
        if (got <= 0)
            return -1;
        used += (size_t)got;
        buffer[used] = 0;
        end = strstr(buffer, "\r\n\r\n");
    }
    const char *length = strcasestr(buffer, "content-length:");
    size_t want = (size_t)(end + 4 - buffer) + (length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0);
    if (want > REQUEST_MAX)
        return -1;
    if (strcasestr(buffer, "expect: 100-continue") != NULL)
        send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    while (used < want) {
        ssize_t got = recv(fd, buffer + used, want - used, 0);
        if (got <= 0)
            return -1;
        used += (size_t)got;
    }
    return strncmp(buffer, "POST /sse/", 10) == 0 ? strtol(buffer + 10, NULL, 10) : 0;
}

static void *serve(void *argument)
{
    int fd = (int)(long)argument;
    char *buffer = malloc(REQUEST_MAX + 1), *stream = NULL;
    size_t json_bytes, stream_bytes = 0;
    char *json = make_json(&json_bytes);
    long events, made_for = -1;
    while (buffer != NULL && (events = read_request(fd, buffer)) >= 0 && events <= EVENTS_MAX) {
        if (events > 0 && events != made_for) {
            free(stream);
            stream = make_stream((unsigned)events, &stream_bytes);
            made_for = events;
        }
        if (!send_all(fd, events ? stream : json, events ? stream_bytes : json_bytes))
            break;
    }
    free(stream);
    free(json);
    free(buffer);
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 64) != 0 || getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        return 1;
    FILE *file = fopen(argv[1], "w");
    if (file == NULL || fprintf(file, "%u\n", ntohs(address.sin_port)) < 0 || fclose(file) != 0)
        return 1;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(long)fd) == 0)
            pthread_detach(thread);
        else
            close(fd);
    }
}
