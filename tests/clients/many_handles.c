/* Ten thousand handles at once. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    enum { MANY = 10000 };
    CURL **all = calloc(MANY, sizeof(*all));
    for (int i = 0; i < MANY; i++)
        all[i] = request(argv[1], "plain");
    for (int i = 0; i < MANY; i += 997)
        perform(all[i]);
    for (int i = 0; i < MANY; i++)
        curl_easy_cleanup(all[i]);
    free(all);
    return 0;
}
