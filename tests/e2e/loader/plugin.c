/* A plugin that uses libcurl and says how it is bound. Linked against one flavour or the other. */
#include <curl/curl.h>
#undef curl_easy_setopt
#include <dlfcn.h>

int plugin_answer(void);
CURL *plugin_init(void);
void plugin_cleanup(CURL *easy);
CURLcode plugin_global_init(curl_malloc_callback, curl_free_callback, curl_realloc_callback, curl_strdup_callback,
                            curl_calloc_callback);
void *plugin_perform_address(void);
CURLcode plugin_get(const char *url, curl_write_callback write, void *data);

typedef CURLcode perform_function(CURL *easy);
static perform_function *const table[] = {curl_easy_perform}; /* a pointer in read-only data */

/* Tells where the table lies, and with it the pages that are read-only after relocation. */
extern const void *const plugin_relro;
const void *const plugin_relro = &table;

int plugin_answer(void)
{
    return 42;
}

CURL *plugin_init(void)
{
    return curl_easy_init();
}

void plugin_cleanup(CURL *easy)
{
    curl_easy_cleanup(easy);
}

CURLcode plugin_global_init(curl_malloc_callback m, curl_free_callback f, curl_realloc_callback r,
                            curl_strdup_callback s, curl_calloc_callback c)
{
    return curl_global_init_mem(CURL_GLOBAL_ALL, m, f, r, s, c);
}

void *plugin_perform_address(void)
{
    return (void *)((perform_function *const volatile *)table)[0];
}

CURLcode plugin_get(const char *url, curl_write_callback write, void *data)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return CURLE_FAILED_INIT;
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, data);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    return code;
}
