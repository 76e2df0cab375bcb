/* A program that looks closely: debug callback, progress callback, the header functions, the number
 * and sizes of pieces. */
#include "client.h"

struct counts {
    size_t calls[CURLINFO_END], bytes[CURLINFO_END];
};

static int on_debug(CURL *easy, curl_infotype type, char *data, size_t bytes, void *context)
{
    struct counts *counts = context;
    (void)easy, (void)data;
    counts->calls[type]++;
    if (type != CURLINFO_TEXT) /* texts name ports and addresses */
        counts->bytes[type] += bytes;
    return 0;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    curl_off_t *last = context;
    last[0] = total, last[1] = now, last[2] = up_total, last[3] = up;
    return 0;
}

static void print_headers(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075400
    struct curl_header *header = NULL;
    while ((header = curl_easy_nextheader(easy, CURLH_HEADER | CURLH_TRAILER | CURLH_1XX, -1, header)) != NULL)
        printf("%s: %s (%zu of %zu)\n", header->name, header->value, header->index, header->amount);
#endif
}

int main(int argc, char **argv)
{
    (void)argc;
    static const char *const whats[] = {"plain", "hints", "trailers"};
    char name[] = "header";
    for (int i = 0; i < 3; i++) {
        struct counts counts = {.calls = {0}};
        curl_off_t last[4] = {0};
        CURL *easy = request(argv[1], whats[i]);
        curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
        curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
        curl_easy_setopt(easy, CURLOPT_DEBUGDATA, &counts);
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(easy, CURLOPT_XFERINFODATA, last);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, print_piece);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, name);
        perform(easy);
        print_headers(easy);
        for (int type = CURLINFO_HEADER_IN; type <= CURLINFO_DATA_OUT; type++)
            printf("%d: %zu bytes\n", type, counts.bytes[type]);
        printf("texts %s, progress %ld %ld %ld %ld\n", counts.calls[CURLINFO_TEXT] > 0 ? "yes" : "no", (long)last[0],
               (long)last[1], (long)last[2], (long)last[3]);
        curl_easy_cleanup(easy);
    }
    return 0;
}
