/* HEADERDATA without HEADERFUNCTION: the write callback gets the headers with the header
 * pointer. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    char body[] = "body", header[] = "header";
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, header);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, NULL); /* and with a FILE */
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, stdout);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, stdout);
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
