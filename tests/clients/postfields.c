/* POSTFIELDS is read when the transfer starts: filled late, with a NUL in it, its size changed. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    char body[64] = "too early";
    CURL *easy = request(argv[1], "plain");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    strcpy(body, "{\"filled\":\"late\"}");
    perform(easy);
    memcpy(body, "{\"a\":\"\0\"}", 9);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 9L);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)3);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
