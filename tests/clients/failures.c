/* Calls that fail in every other way: aborted by the progress callback, timed out, refused,
 * unresolved, of no URL, in the read callback. */
#include "client.h"

static int abort_late(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    (void)context, (void)total, (void)up_total, (void)up;
    return now > 0;
}

static size_t abort_read(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)size, (void)count, (void)context;
    return CURL_READFUNC_ABORT;
}

static void fails(CURL *easy, const char *url)
{
    size_t total = 0;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    if (url != NULL)
        curl_easy_setopt(easy, CURLOPT_URL, url);
    CURLcode code = curl_easy_perform(easy);
    printf("%d %s\n", (int)code, curl_easy_strerror(code));
    curl_easy_cleanup(easy);
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "slow");
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, abort_late);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    fails(easy, NULL);

    easy = request(argv[1], "hang");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 200L);
    fails(easy, NULL);

    fails(request(argv[1], ""), "http://127.0.0.1:1/v1/chat/completions");
    fails(request(argv[1], ""), "http://nowhere.invalid/v1/chat/completions");
    fails(request(argv[1], ""), "nonsense://127.0.0.1/v1/chat/completions");
    fails(request(argv[1], ""), "http://[::bad/v1/chat/completions");

    easy = request(argv[1], "plain");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 100L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, abort_read);
    fails(easy, NULL);

    easy = request(argv[1], "redirect");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 0L);
    fails(easy, NULL);

    easy = request(argv[1], "error");
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    fails(easy, NULL);
    fails(request(argv[1], "error"), NULL);
    return 0;
}
