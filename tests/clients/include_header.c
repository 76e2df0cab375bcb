/* HEADER=1: headers come through the write callback, also those of a redirect and of early
 * hints. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const whats[] = {"sse", "redirect", "hints"};
    char body[] = "body", header[] = "header";
    for (int i = 0; i < 3; i++) {
        CURL *easy = request(argv[1], whats[i]);
        curl_easy_setopt(easy, CURLOPT_HEADER, 1L);
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
        perform(easy);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, print_piece);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, header);
        perform(easy);
        curl_easy_cleanup(easy);
    }
    return 0;
}
