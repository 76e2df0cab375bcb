/* 401 and digest authentication: the request is made twice. */
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

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "digest");
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_DIGEST);
    curl_easy_setopt(easy, CURLOPT_USERPWD, "user:password");
    long status;
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status); /* sizes differ by the random cnonce */
    printf("\n%d %ld\n", (int)code, status);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(text) - 1);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek);
    code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    printf("\n%d %ld\n", (int)code, status);
    curl_easy_cleanup(easy);
    return 0;
}
