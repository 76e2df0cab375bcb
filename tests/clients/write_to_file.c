/* WRITEDATA alone: a FILE that libcurl writes to. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    FILE *file = tmpfile();
    char line[512];
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, file);
    perform(easy);
    rewind(file);
    while (fgets(line, sizeof(line), file) != NULL)
        fputs(line, stdout);
    fclose(file);
    curl_easy_cleanup(easy);
    return 0;
}
