/* Paragraphs for a screen: as many words in a line as there is room for, to the column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../collector/cli/wrap.h"

static void expect(void (*wrap)(FILE *out, const char *text, size_t indent, size_t width), const char *text,
                   size_t indent, size_t width, const char *want)
{
    char *got = NULL;
    size_t bytes;
    FILE *out = open_memstream(&got, &bytes);
    wrap(out, text, indent, width);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(got, want);
    free(got);
}

static void test_paragraphs(void **state)
{
    (void)state;
    expect(wrap_text, "", 2, 10, "");
    expect(wrap_text, "a", 0, 10, "a\n");
    expect(wrap_text, "a b c", 0, 3, "a b\nc\n");
    expect(wrap_text, "a b c", 0, 4, "a b\nc\n");
    expect(wrap_text, "a b c", 0, 5, "a b c\n");
    expect(wrap_text, "a b c", 2, 5, "  a b\n  c\n");
    expect(wrap_text, "one  two   three", 3, 10, "   one two\n   three\n"); /* runs of spaces are one */
    expect(wrap_text, "longer than that it is", 2, 8, "  longer\n  than\n  that\n  it is\n");
    expect(wrap_text, "unbreakable a", 1, 4, " unbreakable\n a\n");
    expect(wrap_text, "first one\n\nsecond", 1, 80, " first one\n\n second\n");
    expect(wrap_text, "a\n\n\n\nb\n", 0, 80, "a\n\nb\n\n");
}

/* The first line goes on where something stands already. */
static void test_rest(void **state)
{
    (void)state;
    expect(wrap_rest, "a b c", 4, 7, "a b\n    c\n");
    expect(wrap_rest, "a b c", 4, 8, "a b\n    c\n");
    expect(wrap_rest, "a b c", 4, 9, "a b c\n");
    expect(wrap_rest, "unbreakable a", 4, 9, "unbreakable\n    a\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paragraphs), cmocka_unit_test(test_rest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
