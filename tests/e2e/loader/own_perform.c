/* Has a curl_easy_perform of its own, which is what it must get, and calls libcurl's under its real
 * name through RTLD_NEXT. */
#include <curl/curl.h>
#undef curl_easy_setopt
#include <dlfcn.h>
#include <stdio.h>

static int calls;

CURLcode curl_easy_perform(CURL *easy)
{
    calls++;
    CURLcode (*next)(CURL *) = (CURLcode(*)(CURL *))dlsym(RTLD_NEXT, "curl_easy_perform");
    return next(easy);
}

int main(int argc, char **argv)
{
    CURL *easy = curl_easy_init();
    (void)curl_easy_setopt(easy, CURLOPT_URL, argc > 1 ? argv[1] : "");
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    printf("code %d, own calls %d\n", (int)code, calls);
    return code != CURLE_OK;
}
