/* Reading the command line by the command table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../../collector/commands/command.h"

enum { WORDS_MAX = 16 };

static char *words[WORDS_MAX];
static struct arguments arguments;

/* Parses words separated by blanks, as if typed after the verb. */
static int parse(const char *verb, const char *line)
{
    static char text[256];
    size_t n = 0;
    (void)snprintf(text, sizeof(text), "%s", line);
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0')
            words[n++] = word;
    words[n] = NULL;
    return arguments_parse(&arguments, command_find(verb), words, n);
}

static void test_values(void **state)
{
    (void)state;
    assert_int_equal(parse("report", "--by prompt,model pprof.db --limit=5"), 0);
    assert_string_equal(arguments_value(&arguments, "by"), "prompt,model");
    assert_string_equal(arguments_value(&arguments, "limit"), "5");
    assert_int_equal(arguments_number(&arguments, "limit", 40, 100), 5);
    assert_int_equal(arguments_number(&arguments, "width", 80, 100), 80);
    assert_null(arguments_value(&arguments, "sort"));
    assert_int_equal(arguments.n_operands, 1);
    assert_string_equal(arguments.operand[0], "pprof.db");
    assert_int_equal(parse("report", "--limit 101"), 0);
    assert_int_equal(arguments_number(&arguments, "limit", 40, 100), -1);
    assert_int_equal(parse("report", "--limit 5x"), 0);
    assert_int_equal(arguments_number(&arguments, "limit", 40, 100), -1);
}

static void test_program(void **state)
{
    (void)state;
    assert_int_equal(parse("record", "-o a.db --quiet php -o x --quiet"), 0);
    assert_string_equal(arguments_value(&arguments, "output"), "a.db");
    assert_string_equal(arguments_value(&arguments, "quiet"), "");
    assert_null(arguments_value(&arguments, "anyway"));
    assert_int_equal(arguments.n_operands, 4);
    assert_string_equal(arguments.operand[1], "-o");
    assert_int_equal(parse("record", "-oa.db -- --strange-name -- x"), 0);
    assert_string_equal(arguments_value(&arguments, "output"), "a.db");
    assert_int_equal(arguments.n_operands, 3);
    assert_string_equal(arguments.operand[0], "--strange-name");
    assert_string_equal(arguments.operand[1], "--");
    assert_null(arguments.operand[3]);
}

static void test_mistakes(void **state)
{
    (void)state;
    assert_int_equal(parse("report", "--nonsense"), -1);
    assert_int_equal(parse("report", "--b prompt"), -1);
    assert_int_equal(parse("report", "-x"), -1);
    assert_int_equal(parse("report", "--by"), -1);
    assert_int_equal(parse("record", "--quiet=yes true"), -1);
    assert_int_equal(parse("report", "a.db b.db"), -1);
    assert_int_equal(parse("check", "--raw"), -1);
    assert_int_equal(parse("report", "--help"), 1);
    assert_int_equal(parse("report", "-- --help"), 0);
    assert_null(command_find("nonsense"));
}

/* What the table must keep for arguments.c and help.c to work. */
static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_commands; i++) {
        assert_true(commands[i].n_options <= COMMAND_OPTIONS_MAX);
        assert_true(strlen(commands[i].name) <= 9);
        assert_non_null(commands[i].run);
        assert_ptr_equal(command_find(commands[i].name), &commands[i]);
        for (size_t k = 0; k < commands[i].n_options; k++)
            assert_true(strlen(commands[i].options[k].help) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
