/* HTTP/1.0, an answer cut short, one byte at a time, an empty one, early hints, a big one. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const whats[] = {"http10", "early", "cut", "empty", "hints", "big"};
    for (int i = 0; i < 6; i++) {
        size_t total = 0;
        CURL *easy = request(argv[1], whats[i]);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
        perform(easy);
        printf("%s %zu\n", whats[i], total);
        curl_easy_cleanup(easy);
    }
    return 0;
}
