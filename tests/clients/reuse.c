/* One handle, thousands of requests; memory must not grow. */
#include "client.h"

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
        return -1;
    fclose(file);
    return pages * 4;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "empty");
    long start_kib = resident_kib(), failures = 0;
    for (int i = 0; i < 3000; i++) {
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, PROMPT);
        failures += curl_easy_perform(easy) != CURLE_OK;
        if (i == 200)
            start_kib = resident_kib();
    }
    printf("failures %ld, grown %s\n", failures, resident_kib() - start_kib > 6 * 1024 ? "yes" : "no");
    curl_easy_cleanup(easy);
    for (int i = 0; i < 100000; i++)
        curl_easy_cleanup(curl_easy_init());
    printf("grown %s\n", resident_kib() - start_kib > 6 * 1024 ? "yes" : "no");
    return 0;
}
