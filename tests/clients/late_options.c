/*
 * Options set after curl_multi_add_handle, which libcurl does not look at before the first call
 * that drives the multi handle: what was set before is freed, unmapped or was never there. Each is
 * a call like any other, from the moment it was added. What is never driven is none.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "drivers.h"
#include "guarded.h"

static void report(CURLM *multi)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;)
        print_info(message->easy_handle, message->data.result);
}

static CURL *unready(const char *base)
{
    CURL *easy = request(base, "echo");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, "body");
    return easy;
}

static const char *base_url;
static char url[256];

static void late_size(CURL *easy, int late)
{
    if (!late) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, guarded_copy(PROMPT, sizeof(PROMPT) - 1)); /* no NUL, no size */
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(PROMPT) - 1);
}

static void late_fields(CURL *easy, int late)
{
    if (!late) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 100000L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, unmapped());
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(PROMPT) - 1);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, guarded_copy(PROMPT, sizeof(PROMPT) - 1));
}

static void late_copy(CURL *easy, int late)
{
    if (!late)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, unmapped());
    else
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, PROMPT);
}

static void late_headers(CURL *easy, int late)
{
    static struct curl_slist *list;
    if (!late) {
        curl_slist_free_all(list); /* of the case before */
        list = curl_slist_append(NULL, "X-First: 1");
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
        return;
    }
    curl_slist_free_all(list);
    list = curl_slist_append(NULL, "X-Second: 2"); /* it may lie where the first one was */
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
}

static void late_headers_gone(CURL *easy, int late)
{
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, late ? NULL : unmapped());
}

static void late_url_object(CURL *easy, int late)
{
    static CURLU *object;
    if (!late) {
        curl_easy_setopt(easy, CURLOPT_CURLU, unmapped());
        return;
    }
    curl_url_cleanup(object); /* of the case before */
    object = curl_url();
    curl_url_set(object, CURLUPART_URL, url, 0);
    curl_easy_setopt(easy, CURLOPT_CURLU, object);
}

static void late_url(CURL *easy, int late)
{
    curl_easy_setopt(easy, CURLOPT_URL, late ? url : NULL);
}

static void other_url(CURL *easy, int late)
{
    curl_easy_setopt(easy, CURLOPT_URL, late ? url : "http://127.0.0.1:1/somewhere");
}

static void late_mime(CURL *easy, int late)
{
    static curl_mime *form;
    if (late)
        curl_mime_free(form);
    form = curl_mime_init(easy);
    curl_mimepart *part = curl_mime_addpart(form);
    curl_mime_name(part, "model");
    curl_mime_data(part, late ? "gpt-test-1" : "another", CURL_ZERO_TERMINATED);
    curl_easy_setopt(easy, CURLOPT_MIMEPOST, form);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, NULL); /* the boundary is random */
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, fopen("/dev/null", "w"));
}

static void late_sink(CURL *easy, int late)
{
    if (!late) {
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, NULL);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, unmapped());
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, unmapped());
        return;
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, "late");
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, NULL);
}

static void late_reset(CURL *easy, int late)
{
    if (!late) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, unmapped());
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, unmapped());
        return;
    }
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, PROMPT);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, "anew");
}

static void (*const cases[])(CURL *easy, int late) = {
    late_size, late_fields, late_copy, late_headers, late_headers_gone, late_url_object,
    late_url,  other_url,   late_mime, late_sink,    late_reset,
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static void never_driven(CURLM *multi)
{
    CURLM *other = curl_multi_init();
    CURL *easy = unready(base_url), *duplicate;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, unmapped());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, unmapped());
    printf("add %d\n", (int)curl_multi_add_handle(multi, easy));
    printf("add again %d\n", (int)curl_multi_add_handle(multi, easy));
    printf("add elsewhere %d\n", (int)curl_multi_add_handle(other, easy));
    printf("perform %d\n", (int)curl_easy_perform(easy));
    duplicate = curl_easy_duphandle(easy);
    printf("add duplicate %d\n", (int)curl_multi_add_handle(multi, duplicate));
    printf("remove %d\n", (int)curl_multi_remove_handle(multi, easy));
    printf("move %d\n", (int)curl_multi_add_handle(other, easy));
    curl_easy_cleanup(duplicate);
    printf("cleanup %d\n", (int)curl_multi_cleanup(other));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, PROMPT);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    printf("move back %d\n", (int)curl_multi_add_handle(multi, easy));
    drive_by(multi, PERFORM);
    report(multi);
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
}

int main(int argc, char **argv)
{
    (void)argc;
    base_url = argv[1];
    snprintf(url, sizeof(url), "%s/v1/chat/completions?do=echo", base_url);
    for (int driver = PERFORM; driver < DRIVERS; driver++) {
        CURLM *multi = multi_for((enum driver)driver);
        for (int i = 0; i < CASES; i++) {
            printf("-- %d %d\n", driver, i);
            CURL *easy = unready(base_url);
            cases[i](easy, 0);
            printf("add %d\n", (int)curl_multi_add_handle(multi, easy));
            cases[i](easy, 1);
            drive_by(multi, (enum driver)driver);
            report(multi);
            curl_multi_remove_handle(multi, easy);
            curl_easy_cleanup(easy);
        }
        never_driven(multi);
        curl_multi_cleanup(multi);
    }
    return 0;
}
