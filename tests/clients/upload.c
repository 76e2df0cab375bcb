/* The body comes from a read callback: with a size, chunked, aborted, and as PUT. */
#include "client.h"

static const char text[] = PROMPT;
static size_t at;

static size_t give(char *data, size_t size, size_t count, void *context)
{
    size_t bytes = sizeof(text) - 1 - at < 7 ? sizeof(text) - 1 - at : 7;
    (void)context;
    if (bytes > size * count)
        bytes = size * count;
    memcpy(data, text + at, bytes);
    at += bytes;
    return bytes;
}

static UNUSED int seek(void *context, curl_off_t offset, int origin)
{
    (void)context;
    printf("seek %d %d\n", (int)offset, origin);
    at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t fail(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)size, (void)count, (void)context;
    return CURL_READFUNC_ABORT;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "plain");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(text) - 1);
    perform(easy);
    at = 0;
    struct curl_slist *chunked = curl_slist_append(NULL, "Transfer-Encoding: chunked");
    chunked = curl_slist_append(chunked, "Expect: 100-continue");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, -1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, chunked);
    perform(easy);
    at = 0;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)sizeof(text) - 1);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, fail);
    perform(easy);
    curl_slist_free_all(chunked);
    curl_easy_cleanup(easy);
    return 0;
}
