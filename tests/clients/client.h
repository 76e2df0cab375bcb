/*
 * What the small client programs share: a request to the test server and printing. They are
 * ordinary programs that know nothing of libpprof; what they print must not depend on time, port or
 * process.
 */
#pragma once

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROMPT "{\"model\":\"gpt-test-1\",\"messages\":[{\"role\":\"system\",\"content\":\"You are terse.\"}]}"
#define UNUSED __attribute__((unused))

static inline CURL *request(const char *base, const char *what)
{
    char url[256];
    CURL *easy = curl_easy_init();
    snprintf(url, sizeof(url), "%s/v1/chat/completions?do=%s", base, what);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, PROMPT);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    return easy;
}

static size_t UNUSED print_piece(char *data, size_t size, size_t count, void *name)
{
    printf("%s %zu: %.*s\n", (const char *)name, size * count, (int)(size * count), data);
    return size * count;
}

static size_t UNUSED count_piece(char *data, size_t size, size_t count, void *total)
{
    (void)data;
    *(size_t *)total += size * count;
    return size * count;
}

static inline void print_info(CURL *easy, CURLcode code)
{
    long status = 0, headers = 0, redirects = 0, sent = 0;
    curl_off_t down = 0, up = 0;
    char *type = NULL;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &headers);
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_COUNT, &redirects);
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    printf("code %d (%s) status %ld headers %ld redirects %ld sent %ld down %ld up %ld type %s\n", (int)code,
           curl_easy_strerror(code), status, headers, redirects, sent, (long)down, (long)up,
           type == NULL ? "none" : type);
    fflush(stdout);
}

static inline void perform(CURL *easy)
{
    char error[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    CURLcode code = curl_easy_perform(easy);
    print_info(easy, code);
    printf("error buffer: %s\n", error);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
}

/* Drives a multi handle until nothing runs; messages are left to the caller. */
static inline void drive(CURLM *multi)
{
    int running = 1;
    while (running != 0) {
        curl_multi_perform(multi, &running);
        if (running != 0)
            curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
}
