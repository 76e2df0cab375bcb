/* Arguments of the wrong width, unknown options, values beyond 32 bits. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "plain");
    printf("%d\n", (int)curl_easy_setopt(easy, CURLOPT_TIMEOUT, 30)); /* int where long is asked for */
    printf("%d\n", (int)curl_easy_setopt(easy, CURLOPT_VERBOSE, 0));
    printf("%d\n", (int)curl_easy_setopt(easy, (CURLoption)9999, 1L));
    printf("%d\n", (int)curl_easy_setopt(easy, (CURLoption)49999, NULL));
    printf("%d\n", (int)curl_easy_setopt(easy, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)1 << 40));
    printf("%d\n", (int)curl_easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)-5));
    printf("%d\n", (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, -2L));
    printf("%d\n", (int)curl_easy_setopt(NULL, CURLOPT_URL, argv[1]));
    printf("%d\n", (int)curl_easy_perform(NULL));
    perform(easy);
    printf("%d\n", (int)curl_easy_setopt(easy, CURLOPT_URL, NULL));
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
