/* A proxy: plain, tunnelled by CONNECT to HTTP and to HTTPS, its headers shown or suppressed, and a
 * tunnel that is refused. */
#include "client.h"

static char name_header[] = "header", name_body[] = "body";

static CURL *through(const char *proxy, const char *target, const char *what)
{
    CURL *easy = request(target, what);
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, name_body);
    return easy;
}

static void finish(CURL *easy)
{
    long connect_code = 0, status = 0;
    CURLcode code = curl_easy_perform(easy); /* sizes differ by the digits of ports */
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &connect_code);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    printf("code %d status %ld tunnel %ld\n", (int)code, status, connect_code);
    curl_easy_cleanup(easy);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 77;
    finish(through(argv[1], argv[1], "plain"));

    CURL *easy = through(argv[1], argv[1], "sse");
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    finish(easy);

    easy = through(argv[1], argv[2], "sse");
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, name_header);
    finish(easy);

    easy = through(argv[1], argv[2], "plain");
    curl_easy_setopt(easy, CURLOPT_HEADER, 1L);
    finish(easy);

    easy = through(argv[1], argv[2], "plain");
    curl_easy_setopt(easy, CURLOPT_HEADER, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    finish(easy);

    easy = through(argv[1], argv[2], "plain"); /* the tunnel stands, the certificate is refused */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    finish(easy);

    easy = through(argv[1], "https://refused.invalid", "plain");
    finish(easy);
    return 0;
}
