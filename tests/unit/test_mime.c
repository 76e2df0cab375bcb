/*
 * hook_mime.c with the real libcurl: what is noted of forms that libcurl builds itself, and that
 * libcurl gets what the application said.
 *
 * Called directly, as entry.c would. Nothing is sent: libcurl's own behaviour under the hooks is
 * tested by clients/mime and clients/mime_callback.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* old functions are hooked, too */
#include "shim/tap/curl/form.h"
#include "shim/tap/curl/handles.h"
#include "shim/llm/framing/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct library library;
static const struct origin origin = {.library = &library};

struct library *library_of(struct origin from)
{
    return from.library != NULL ? from.library : &library;
}

static int start(void **state)
{
    (void)state;
#define HOOK(type, name, failure, params, args) library.real.name = (__typeof__(library.real.name))name;
#define SETOPT(type, name, failure, object_type, option_type)
#define CALL(type, name, params)
#include "shim/tap/curl/hooks.def"
    return 0;
}

static void add(curl_mime *mime, const char *name, const char *value)
{
    curl_mimepart *const part = hook_curl_mime_addpart(origin, mime);
    assert_non_null(part);
    assert_int_equal(hook_curl_mime_data(origin, part, value, CURL_ZERO_TERMINATED), CURLE_OK);
    assert_int_equal(hook_curl_mime_name(origin, part, name), CURLE_OK);
}

/* What the scribe's parser makes of it: "name=value;" for each field. */
static char seen[FORM_TEXT_BYTES_MAX];
static void on_field(void *context, const char *name, size_t name_bytes, const char *value, size_t value_bytes,
                     bool cut)
{
    (void)context;
    assert_false(cut);
    const size_t used = strlen(seen);
    snprintf(seen + used, sizeof(seen) - used, "%.*s=%.*s;", (int)name_bytes, name, (int)value_bytes, value);
}

static const char *fields_of(const void *mime)
{
    static const struct multipart_handler handler = {.field = on_field};
    struct multipart parser;
    char text[FORM_TEXT_BYTES_MAX];
    const size_t bytes = form_write(mime, text, sizeof(text));
    seen[0] = '\0';
    if (!bytes)
        return "nothing";
    multipart_init(&parser, &handler, NULL);
    multipart_push(&parser, text, bytes);
    assert_true(multipart_complete(&parser));
    return seen;
}

/* Before anything was seen of any form: a part that another library's caller made. */
static void test_part_of_an_unseen_form(void **state)
{
    (void)state;
    CURL *const easy = curl_easy_init();
    curl_mime *const mime = curl_mime_init(easy);
    curl_mimepart *const part = curl_mime_addpart(mime);
    assert_int_equal(hook_curl_mime_name(origin, part, "model"), CURLE_OK);
    assert_int_equal(hook_curl_mime_data(origin, part, "m", 1), CURLE_OK);
    assert_string_equal(fields_of(mime), "nothing");
    curl_mime_free(mime);
    curl_easy_cleanup(easy);
}

static void test_text_parts(void **state)
{
    (void)state;
    CURL *const easy = curl_easy_init();
    curl_mime *const mime = hook_curl_mime_init(origin, easy);
    add(mime, "model", "whisper-1");
    curl_mimepart *const file = hook_curl_mime_addpart(origin, mime);
    assert_int_equal(hook_curl_mime_name(origin, file, "file"), CURLE_OK);
    assert_int_equal(curl_mime_filedata(file, "/dev/null"), CURLE_OK);
    curl_mimepart *const counted = hook_curl_mime_addpart(origin, mime);
    assert_int_equal(hook_curl_mime_name(origin, counted, "temp"), CURLE_OK);
    assert_int_equal(hook_curl_mime_name(origin, counted, "temperature"), CURLE_OK); /* the last one counts */
    assert_int_equal(hook_curl_mime_data(origin, counted, "0.25 and more", 4), CURLE_OK);
    assert_string_equal(fields_of(mime), "model=whisper-1;temperature=0.25;");
    assert_int_equal(hook_curl_mime_data(origin, counted, NULL, 0), CURLE_OK);
    assert_string_equal(fields_of(mime), "model=whisper-1;");
    hook_curl_mime_free(origin, mime);
    assert_string_equal(fields_of(mime), "nothing");
    curl_easy_cleanup(easy);
}

/* Nothing that a value says can look like another field, and nothing is cut. */
static void test_left_out(void **state)
{
    (void)state;
    char name[64], value[400];
    memset(name, 'n', sizeof(name) - 1);
    memset(value, 'v', sizeof(value) - 1);
    name[sizeof(name) - 1] = value[sizeof(value) - 1] = '\0';
    CURL *const easy = curl_easy_init();
    curl_mime *const mime = hook_curl_mime_init(origin, easy);
    assert_string_equal(fields_of(mime), "nothing");
    add(mime, name, "x");
    add(mime, "long", value);
    add(mime, "a\"; name=\"model", "x");
    add(mime, "trick", "x\r\n--libpprof-form\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ny");
    assert_string_equal(fields_of(mime), "nothing");
    add(mime, "model", "m");
    for (int i = 0; i < 40; i++) /* more than are kept */
        add(mime, "k", value + 150);
    assert_memory_equal(fields_of(mime), "model=m;k=vvv", 13);
    hook_curl_mime_free(origin, mime);
    hook_curl_mime_free(origin, NULL);
    curl_easy_cleanup(easy);
}

/* Forms that libcurl makes for itself, forms within forms, and parts of a form that another one
 * came after. */
static void test_others(void **state)
{
    (void)state;
    CURL *const easy = curl_easy_init();
    curl_mime *const outer = hook_curl_mime_init(origin, easy);
    add(outer, "model", "m");
    curl_mimepart *const nest = hook_curl_mime_addpart(origin, outer);
    curl_mime *const inner = hook_curl_mime_init(origin, easy);
    add(inner, "model", "other");
    assert_int_equal(hook_curl_mime_name(origin, nest, "late"), CURLE_OK); /* forwarded, not seen */
    assert_int_equal(curl_mime_subparts(nest, inner), CURLE_OK);
    assert_string_equal(fields_of(outer), "model=m;");
    hook_curl_mime_free(origin, outer); /* and with it the inner one */
    library.begin = 1000;
    library.end = 2000;
    const struct origin inside = {.caller = (const void *)1500};
    curl_mime *const own = hook_curl_mime_init(inside, easy);
    add(own, "model", "m");
    assert_string_equal(fields_of(own), "nothing");
    hook_curl_mime_free(inside, own);
    assert_null(handles_find(own, HANDLE_FORM));
    curl_easy_cleanup(easy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_part_of_an_unseen_form), cmocka_unit_test(test_text_parts),
                                       cmocka_unit_test(test_left_out), cmocka_unit_test(test_others)};
    return cmocka_run_group_tests(tests, start, NULL);
}
