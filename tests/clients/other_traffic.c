/* Requests that are none of ours: other paths, other schemes, other methods. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const urls[] = {"/index.html", "/v1/models", "/repo.git/info/refs?service=git-upload-pack"};
    char url[256];
    CURL *easy = request(argv[1], "plain");
    for (int i = 0; i < 3; i++) {
        snprintf(url, sizeof(url), "%s%s", argv[1], urls[i]);
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        perform(easy);
    }
    curl_easy_setopt(easy, CURLOPT_URL, "file:///proc/self/comm");
    size_t total = 0;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    printf("%d\n", (int)curl_easy_perform(easy));
    curl_easy_cleanup(easy);
    return 0;
}
