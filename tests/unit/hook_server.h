/*
 * The server of test_hooks.c: a thread that answers on loopback; the path decides how. One user,
 * hence static functions in a header, and a stand-in for what its hooks ask of recognition.
 */
#pragma once

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of what goes over a socket, one path is a session with a model. */
bool recognise_session(const char *url, size_t url_bytes, bool socket)
{
    return socket && memmem(url, url_bytes, "/v1/realtime", 12) != NULL;
}

static int listener;
static char base[64]; /* "http://127.0.0.1:port" */

static bool send_all(int fd, const char *text)
{
    size_t bytes = strlen(text);
    return send(fd, text, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

/* Reads one request; the path is what decides about the answer. */
static bool read_request(int fd, char *text, size_t room)
{
    size_t used = 0, wanted = 0;
    for (;;) {
        ssize_t got = recv(fd, text + used, room - 1 - used, 0);
        if (got <= 0)
            return false;
        used += (size_t)got;
        text[used] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        if (end == NULL)
            continue;
        const char *length = strcasestr(text, "\r\nContent-Length:");
        wanted = (size_t)(end + 4 - text) + (length == NULL ? 0 : strtoul(length + 17, NULL, 10));
        bool chunked = strcasestr(text, "\r\nTransfer-Encoding: chunked") != NULL;
        if (chunked ? strstr(end, "0\r\n\r\n") != NULL : used >= wanted)
            return true;
    }
}

static bool answer(int fd, const char *request)
{
    if (strstr(request, "/v1/redirect") != NULL)
        return send_all(fd, "HTTP/1.1 307 Temporary Redirect\r\nLocation: /v1/plain\r\nContent-Length: 4\r\n\r\nbody");
    if (strstr(request, "/v1/slow") != NULL) {
        bool sent = send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst");
        usleep(300 * 1000);
        return sent;
    }
    if (strstr(request, "/v1/junk") != NULL) {
        static const unsigned char gzip[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
                                             0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86,
                                             0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00};
        return send_all(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 39\r\n\r\n") &&
               send(fd, gzip, sizeof(gzip), MSG_NOSIGNAL) == (ssize_t)sizeof(gzip) && send_all(fd, "junk behind it");
    }
    return send_all(fd, "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello");
}

static void *serve_one(void *argument)
{
    int fd = (int)(intptr_t)argument;
    static _Thread_local char request[65536];
    while (read_request(fd, request, sizeof(request)) && answer(fd, request))
        continue;
    close(fd);
    return NULL;
}

static void *serve(void *argument)
{
    (void)argument;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;
        if (fd < 0)
            return NULL;
        if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
}

static pthread_t server_thread;

/* False when there is no loopback to listen on. */
static bool start_server(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, bytes) != 0 || listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &bytes) != 0)
        return false;
    snprintf(base, sizeof(base), "http://127.0.0.1:%d", ntohs(address.sin_port));
    return pthread_create(&server_thread, NULL, serve, NULL) == 0;
}

static void stop_server(void)
{
    shutdown(listener, SHUT_RDWR);
    pthread_join(server_thread, NULL);
    close(listener);
}
