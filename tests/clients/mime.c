/* A multipart body by the MIME functions. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "plain");
    curl_mime *mime = curl_mime_init(easy);
    curl_mimepart *part = curl_mime_addpart(mime);
    curl_mime_name(part, "model");
    curl_mime_data(part, "whisper-1", CURL_ZERO_TERMINATED);
    curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime);
    long status;
    size_t total = 0;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece); /* the boundary is random: no digest printed */
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    printf("%d %ld %zu\n", (int)code, status, total);
    curl_easy_setopt(easy, CURLOPT_MIMEPOST, NULL);
    curl_mime_free(mime);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, PROMPT);
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
