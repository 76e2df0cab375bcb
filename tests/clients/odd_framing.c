/* HTTP/0.9, trailers, a POST that a redirect turns into a GET, a body after an error; with the
 * headers among the body and without. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const whats[] = {"http09", "trailers", "trailers_sse", "see_other", "error"};
    for (long header = 0; header < 2; header++) {
        for (int i = 0; i < 5; i++) {
            CURL *easy = request(argv[1], whats[i]);
            curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 1L);
            curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
            curl_easy_setopt(easy, CURLOPT_HEADER, header);
            perform(easy);
            curl_easy_cleanup(easy);
        }
    }
    return 0;
}
