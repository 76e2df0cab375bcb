/* The ways to have libcurl do a transfer. */
#pragma once

#include "client.h"

enum driver { EASY, PERFORM, ACTION, ALL, DRIVERS };

static inline UNUSED int no_timer(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi, (void)timeout_ms, (void)context;
    return 0;
}

static inline UNUSED int no_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *socket_context)
{
    (void)easy, (void)socket, (void)what, (void)context, (void)socket_context;
    return 0;
}

static inline UNUSED CURLM *multi_for(enum driver driver)
{
    CURLM *multi = curl_multi_init();
    if (driver == ACTION) {
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, no_timer);
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, no_socket);
    }
    return multi;
}

/* Until nothing runs. With sockets there is no event loop: all of them, when there may be
 * something. */
static inline UNUSED void drive_by(CURLM *multi, enum driver driver)
{
    int running = 1;
    while (running != 0) {
        if (driver == ACTION)
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
        if (driver == ALL || (driver == ACTION && running != 0))
            curl_multi_socket_all(multi, &running);
        if (driver == PERFORM)
            curl_multi_perform(multi, &running);
        if (running != 0)
            usleep(500);
    }
}
