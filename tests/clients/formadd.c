/* A multipart body by the old form functions, one part read by the read callback. */
#include "client.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static size_t stream(char *data, size_t size, size_t count, void *marker)
{
    printf("read for %s\n", (const char *)marker);
    memcpy(data, "wave", 4);
    return size * count < 4 ? 0 : 4;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "plain");
    struct curl_httppost *form = NULL, *last = NULL;
    long status;
    size_t total = 0;
    char marker[] = "own";
    curl_formadd(&form, &last, CURLFORM_COPYNAME, "model", CURLFORM_COPYCONTENTS, "whisper-1", CURLFORM_END);
    curl_formadd(&form, &last, CURLFORM_COPYNAME, "file", CURLFORM_FILENAME, "a", CURLFORM_STREAM, marker,
                 CURLFORM_CONTENTSLENGTH, 4L, CURLFORM_END);
    curl_easy_setopt(easy, CURLOPT_HTTPPOST, form);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, stream);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    printf("%d %ld %zu\n", (int)code, status, total);
    curl_easy_cleanup(easy);
    curl_formfree(form);
    return 0;
}
