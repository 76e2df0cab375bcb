/* Multipart bodies whose parts are read by a callback, from a file, and from parts inside a part;
 * one is rewound for a redirect. */
#include "client.h"

static const char text[] = "RIFF....WAVEfmt ";
static size_t at;
static int seeks;

static size_t give(char *data, size_t size, size_t count, void *context)
{
    size_t bytes = sizeof(text) - 1 - at < 5 ? sizeof(text) - 1 - at : 5;
    (void)context;
    if (bytes > size * count)
        bytes = size * count;
    memcpy(data, text + at, bytes);
    at += bytes;
    return bytes;
}

static int seek(void *context, curl_off_t offset, int origin)
{
    (void)context, (void)origin;
    at = (size_t)offset;
    seeks++;
    return CURL_SEEKFUNC_OK;
}

static void send_form(const char *base, const char *what)
{
    CURL *easy = request(base, what);
    curl_mime *mime = curl_mime_init(easy), *inner = curl_mime_init(easy);
    curl_mimepart *part = curl_mime_addpart(mime);
    long status = 0, redirects = 0;
    size_t total = 0;
    at = 0;
    curl_mime_name(part, "audio");
    curl_mime_filename(part, "a.wav");
    curl_mime_data_cb(part, sizeof(text) - 1, give, seek, NULL, NULL);
    part = curl_mime_addpart(mime);
    curl_mime_name(part, "file");
    curl_mime_filedata(part, "/proc/self/cmdline"); /* of no size that stat tells: read into memory or sent chunked */
    part = curl_mime_addpart(inner);
    curl_mime_data(part, "whisper-1", CURL_ZERO_TERMINATED);
    part = curl_mime_addpart(mime);
    curl_mime_name(part, "model");
    curl_mime_subparts(part, inner);
    curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece); /* the boundary is random: no digest printed */
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_COUNT, &redirects);
    printf("%d %ld redirects %ld answered %d seeks %d\n", (int)code, status, redirects, total > 0, seeks);
    curl_easy_cleanup(easy);
    curl_mime_free(mime);
}

int main(int argc, char **argv)
{
    (void)argc;
    send_form(argv[1], "plain");
    send_form(argv[1], "redirect");
    return 0;
}
