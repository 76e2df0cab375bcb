/*
 * The dialects' exchanges of tests/fixtures/dialects: each, fed in several cuttings, must give the
 * facts that stand below it. Usage: test_dialect_cases FILE. The format: README.md there.
 */
#include "corpus.h"
#include "dialect_expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FACTS_MAX = 64, TEXTS = 5 };

/* What grows line by line. */
struct text {
    FILE *stream;
    char *data;
    size_t bytes;
    bool any;
};

enum { HEADERS, REQUEST, RESPONSE_HEADERS, RESPONSE, FIRST };

struct one {
    char name[128];
    struct text text[TEXTS];
    struct expected fact[FACTS_MAX];
    size_t n;
    char *error;
    bool removed;
    bool no_call; /* there must be no span */
};

static void begin(struct one *one, const char *name)
{
    *one = (struct one){0};
    snprintf(one->name, sizeof(one->name), "%s", name);
    for (size_t i = 0; i < TEXTS; i++) {
        one->text[i].stream = open_memstream(&one->text[i].data, &one->text[i].bytes);
        assert_non_null(one->text[i].stream);
    }
}

static void add(struct text *text, const char *between, const char *line, const char *after)
{
    fprintf(text->stream, "%s%s%s", text->any ? between : "", line, after);
    text->any = true;
}

static void add_base64(struct text *text, const char *line)
{
    const struct corpus_bytes bytes = corpus_base64(line);
    fwrite(bytes.data, 1, bytes.count, text->stream);
    free(bytes.data);
    text->any = true;
}

static void add_fact(struct one *one, const char *line)
{
    const char *const blank = strchr(line, ' ');
    const size_t bytes = blank != NULL ? (size_t)(blank - line) : strlen(line);
    struct expected *const fact = &one->fact[one->n++];
    assert_true(one->n <= FACTS_MAX);
    fact->field = span_field_by_name(line, bytes);
    if (fact->field == SPAN_FIELD_COUNT)
        fail_msg("%s: there is no field %.*s", one->name, (int)bytes, line);
    fact->value = strdup(blank != NULL ? blank + 1 : "");
}

static void expect_none(struct exchange_text text)
{
    static struct span span;
    const size_t steps[] = {0, 1, 7};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        text.step = steps[i];
        assert_false(exchange_run(&config, &text, &span));
    }
}

/* Feeds the exchange, compares, frees. */
static void finish(struct one *one)
{
    for (size_t i = 0; i < TEXTS; i++)
        assert_int_equal(fclose(one->text[i].stream), 0);
    char *const method = one->text[FIRST].data;
    char *const url = strchr(method, ' ');
    if (url == NULL || (one->n == 0) != one->no_call)
        fail_msg("%s: no request, or no fact, or facts of what is no call", one->name);
    *url = '\0';
    const struct text *const text = one->text;
    const struct exchange_text exchange = {
        .method = method,
        .url = url + 1,
        .headers = text[HEADERS].any ? text[HEADERS].data : NULL,
        .request = text[REQUEST].any ? text[REQUEST].data : NULL,
        .response_headers = text[RESPONSE_HEADERS].any ? text[RESPONSE_HEADERS].data : NULL,
        .response = text[RESPONSE].data,
        .response_bytes = text[RESPONSE].bytes,
        .error = one->error,
        .removed = one->removed,
    };
    print_message("%s\n", one->name);
    if (one->no_call)
        expect_none(exchange);
    else
        expect_n(exchange, one->fact, one->n);
    for (size_t i = 0; i < TEXTS; i++)
        free(one->text[i].data);
    for (size_t i = 0; i < one->n; i++)
        free((void *)(uintptr_t)one->fact[i].value);
    free(one->error);
}

static void take_end(struct one *one, const char *how)
{
    if (strncmp(how, "failed ", 7) == 0)
        one->error = strdup(how + 7);
    else if (strcmp(how, "removed") == 0)
        one->removed = true;
    else if (strcmp(how, "no call") == 0)
        one->no_call = true;
    else
        fail_msg("%s: what is ! %s?", one->name, how);
}

static void take_line(struct one *one, const char *line)
{
    struct text *const text = one->text;
    if (strncmp(line, ">| ", 3) == 0)
        add(&text[REQUEST], "\n", line + 3, "");
    else if (strncmp(line, "<| ", 3) == 0)
        add(&text[RESPONSE], "\n", line + 3, "");
    else if (strncmp(line, "<r ", 3) == 0)
        add(&text[RESPONSE], "\n", line + 3, "\r");
    else if (strncmp(line, "<64 ", 4) == 0)
        add_base64(&text[RESPONSE], line + 4);
    else if (strncmp(line, "> ", 2) == 0 && !text[FIRST].any)
        add(&text[FIRST], "", line + 2, "");
    else if (strncmp(line, "> ", 2) == 0)
        add(&text[HEADERS], "", line + 2, "\n");
    else if (strncmp(line, "< ", 2) == 0)
        add(&text[RESPONSE_HEADERS], "", line + 2, "\n");
    else if (strncmp(line, "! ", 2) == 0)
        take_end(one, line + 2);
    else if (strncmp(line, "= ", 2) == 0)
        add_fact(one, line + 2);
    else if (line[0] != '#' && line[0] != '\0')
        fail_msg("%s: what is \"%s\"?", one->name, line);
}

static void test_cases(void **state)
{
    static struct one one;
    FILE *const file = fopen(*state, "r");
    char *line = NULL;
    size_t room = 0, count = 0;
    assert_non_null(file);
    for (ssize_t bytes; (bytes = getline(&line, &room, file)) > 0;) {
        line[bytes - (line[bytes - 1] == '\n')] = '\0';
        if (strncmp(line, "== ", 3) != 0 && count == 0) {
            assert_true(line[0] == '#' || line[0] == '\0'); /* what is said of the first one */
            continue;
        }
        if (strncmp(line, "== ", 3) != 0) {
            take_line(&one, line);
            continue;
        }
        if (count++ > 0)
            finish(&one);
        begin(&one, line + 3);
    }
    assert_true(count > 0);
    finish(&one);
    free(line);
    fclose(file);
    print_message("%zu exchanges\n", count);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fputs("usage: test_dialect_cases FILE\n", stderr);
        return 2;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_cases, arguments[1])};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
