/* No write callback: libcurl writes the body to stdout by itself. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, NULL);
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
