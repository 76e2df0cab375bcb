/* A POST with a write callback, three times on one connection. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "plain");
    char name[] = "body";
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, name);
    for (int i = 0; i < 3; i++)
        perform(easy);
    curl_easy_cleanup(easy);
    curl_easy_cleanup(NULL);
    return 0;
}
