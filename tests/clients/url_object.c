/* The URL given by a CURLU, which changes between requests. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "plain");
    CURLU *url = curl_url();
    curl_url_set(url, CURLUPART_URL, argv[1], 0);
    curl_url_set(url, CURLUPART_PATH, "/v1/chat/completions", 0);
    curl_easy_setopt(easy, CURLOPT_CURLU, url);
    perform(easy);
    curl_url_set(url, CURLUPART_QUERY, "do=sse", 0);
    perform(easy);
    curl_url_set(url, CURLUPART_PATH, "/other", 0);
    perform(easy);
    curl_easy_cleanup(easy);
    curl_url_cleanup(url);
    return 0;
}
