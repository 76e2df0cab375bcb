/* An epoll loop with multi_socket_action. */
#include "client.h"

#include <sys/epoll.h>

static size_t totals[64];

static UNUSED void read_messages(CURLM *multi)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        size_t *total = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&total);
        *total += code == CURLE_OK ? 0 : 1000000;
        curl_multi_remove_handle(multi, easy);
        curl_easy_cleanup(easy);
    }
}

static UNUSED CURL *counted(const char *base, const char *what, int index)
{
    CURL *easy = request(base, what);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &totals[index]);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &totals[index]);
    return easy;
}

static UNUSED void print_totals(int count)
{
    for (int i = 0; i < count; i++)
        printf("%d: %zu\n", i, totals[i]);
}

static int poller;
static long timeout_ms = -1;

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    struct epoll_event event = {.events =
                                    ((what & CURL_POLL_IN) ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0u)};
    (void)easy, (void)context, (void)socket_context;
    event.data.fd = fd;
    if (what == CURL_POLL_REMOVE)
        epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event) != 0)
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *context)
{
    (void)multi, (void)context;
    timeout_ms = ms;
    return 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURLM *multi = curl_multi_init();
    int running = 1;
    poller = epoll_create1(EPOLL_CLOEXEC);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    for (int i = 0; i < 8; i++)
        curl_multi_add_handle(multi, counted(argv[1], i % 2 ? "slow" : "sse", i));
    while (running != 0) {
        struct epoll_event event;
        int wait_ms = timeout_ms >= 0 && timeout_ms < 100 ? (int)timeout_ms : 100;
        if (epoll_wait(poller, &event, 1, wait_ms) > 0) {
            int what =
                ((event.events & EPOLLIN) ? CURL_CSELECT_IN : 0) | ((event.events & EPOLLOUT) ? CURL_CSELECT_OUT : 0);
            curl_multi_socket_action(multi, event.data.fd, what, &running);
        } else {
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        read_messages(multi);
    }
    curl_multi_cleanup(multi);
    close(poller);
    print_totals(8);
    return 0;
}
