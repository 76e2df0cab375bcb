/* A C++ exception thrown by a callback through libcurl; the handle is given up, another one works. */
#include "client.h"

#include <stdexcept>

static size_t raise_error(char *, size_t, size_t, void *)
{
    throw std::runtime_error("out of the callback");
}

int main(int, char **argv)
{
    CURL *easy = request(argv[1], "sse");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, raise_error);
    try {
        curl_easy_perform(easy);
    } catch (const std::exception &error) {
        printf("caught %s\n", error.what());
    }
    CURL *other = request(argv[1], "plain");
    perform(other);
    curl_easy_cleanup(other);
    return 0;
}
