/* 307: the body is sent again; from memory, by seek callback, from a FILE, and where it cannot be
 * rewound. */
#include "client.h"

static const char text[] = PROMPT;
static size_t at;

static size_t give(char *data, size_t size, size_t count, void *context)
{
    size_t bytes = sizeof(text) - 1 - at < 7 ? sizeof(text) - 1 - at : 7;
    (void)context;
    if (bytes > size * count)
        bytes = size * count;
    memcpy(data, text + at, bytes);
    at += bytes;
    return bytes;
}

static UNUSED int seek(void *context, curl_off_t offset, int origin)
{
    (void)context;
    printf("seek %d %d\n", (int)offset, origin);
    at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

int main(int argc, char **argv)
{
    (void)argc;
    static const int modes[] = {0, 1, 2, 3};
    for (int i = 0; i < 4; i++) {
        CURL *easy = request(argv[1], "redirect");
        FILE *file = tmpfile();
        fputs(PROMPT, file);
        rewind(file);
        at = 0;
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        if (modes[i] != 0) {
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(text) - 1);
            curl_easy_setopt(easy, CURLOPT_READFUNCTION, modes[i] == 2 ? NULL : give);
            curl_easy_setopt(easy, CURLOPT_READDATA, file);
        }
        if (modes[i] == 1)
            curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek);
        perform(easy);
        fclose(file);
        curl_easy_cleanup(easy);
    }
    return 0;
}
