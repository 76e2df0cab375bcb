/* What dump says of columns, processes and losses: each encoding by its name, sizes and sums. */
#include "span_tests.h"

#include <stdlib.h>

#include "collector/commands/dump.h"
#include "span/codec.h"

static struct dump dump;
static char *said;
static size_t said_bytes;

static void begin(bool raw, bool statistics)
{
    dump = (struct dump){.out = open_memstream(&said, &said_bytes), .raw = raw, .statistics = statistics};
}

static void expect(const char *want)
{
    assert_int_equal(fclose(dump.out), 0);
    assert_string_equal(said, want);
    free(said);
}

static unsigned number_of(const char *name)
{
    return span_fields[span_field_by_name(name, strlen(name))].number;
}

static void test_encodings(void **state)
{
    static const struct {
        unsigned code;
        const char *number, *text, *presence, *zstd;
    } codes[] = {
        {SPAN_CODEC_FOR | SPAN_CODEC_ZERO, "for zero", "single", "all rows", ""},
        {SPAN_CODEC_DELTA | SPAN_CODEC_PACKED | SPAN_CODEC_BITMAP, "delta packed", "unknown", "bitmap", ""},
        {SPAN_CODEC_DICT | SPAN_CODEC_PATCHED | SPAN_CODEC_FEW, "dict patched", "unknown", "few rows", ""},
        {SPAN_CODEC_DELTA | SPAN_CODEC_PLANES | SPAN_CODEC_MOST, "delta planes", "unknown", "most rows", ""},
        {SPAN_CODEC_PREDICTED | SPAN_CODEC_ZSTD, "predicted", "sketches", "all rows", "zstd"},
        {SPAN_CODEC_TEXT_DICT | SPAN_CODEC_FEW, "delta zero", "dictionary", "few rows", ""},
        {SPAN_CODEC_PLAIN | SPAN_CODEC_ZSTD, "dict zero", "plain", "all rows", "zstd"},
        {SPAN_CODEC_MAPPED | SPAN_CODEC_MOST, "for packed", "mapped", "most rows", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        const uint8_t data[3] = {(uint8_t)codes[i].code};
        char want[512];
        begin(false, false);
        dump_column(&dump, number_of("input_tokens"), data, sizeof(data), 12);
        dump_column(&dump, number_of("request_model"), data, sizeof(data), 0);
        snprintf(want, sizeof(want),
                 "    %3u %-28s %-14s %-9s %-4s        3 bytes     0.25 per span\n"
                 "    %3u %-28s %-14s %-9s %-4s        3 bytes     0.00 per span\n",
                 number_of("input_tokens"), "input_tokens", codes[i].number, codes[i].presence, codes[i].zstd,
                 number_of("request_model"), "request_model", codes[i].text, codes[i].presence, codes[i].zstd);
        expect(want);
    }
    /* One without a byte, of the store's own, and of a later version. */
    begin(false, false);
    dump_column(&dump, 0, NULL, 0, 1);
    dump_column(&dump, SPAN_FIELD_NUMBER_END - 1, (const uint8_t *)"\x01", 1, 1);
    assert_int_equal(span_field_by_number(SPAN_FIELD_NUMBER_END - 1), SPAN_FIELD_COUNT);
    char want[512];
    snprintf(want, sizeof(want),
             "      0 %-28s %-14s %-9s             0 bytes     0.00 per span\n"
             "    %3u %-28s %-14s %-9s             1 bytes     1.00 per span\n",
             "(process of the row)", "for zero", "all rows", SPAN_FIELD_NUMBER_END - 1, "(unknown field)", "delta zero",
             "all rows");
    expect(want);
}

static void test_hex(void **state)
{
    (void)state;
    begin(true, false);
    dump_column(&dump, 0,
                (const uint8_t *)"\0 ~\x7f\x80\xff"
                                 "abcdefghijk",
                17, 1);
    char *const lines = strdup(strchr((fflush(dump.out), said), '\n') + 1);
    assert_string_equal(lines, "        000000  00 20 7e 7f 80 ff 61 62 63 64 65 66 67 68 69 6a  . ~...abcdefghij\n"
                               "        000010  6b                                               k\n");
    free(lines);
    fclose(dump.out);
    free(said);
}

static void test_process_and_loss(void **state)
{
    static const struct span_process process = {.pid = 42,
                                                .start_ns = 1,
                                                .executable = "a\x1b"
                                                              "b",
                                                .host = "h",
                                                .service = "s",
                                                .team = "t",
                                                .container = "c",
                                                .labels = "l=1",
                                                .version = "v",
                                                .has_uid = true,
                                                .uid = 7};
    static const struct span_process bare = {.pid = 43, .start_ns = 1};
    (void)state;
    setenv("TZ", "UTC", 1);
    begin(false, false);
    dump_process(&dump, &process);
    dump_process(&dump, &bare);
    dump_loss(&dump, &(struct span_loss){0});
    dump_loss(&dump, &(struct span_loss){.spans = 1});
    dump_loss(&dump, &(struct span_loss){.tape_records = 2, .tape_bytes = 3, .sessions = 4});
    fflush(dump.out);
    const char *const since = strstr(said, ", since ");
    assert_non_null(since);
    char start[128], want[1024];
    snprintf(start, sizeof(start), "%.*s", (int)strcspn(since, "\n"), since);
    snprintf(want, sizeof(want),
             "    pid        42%s\n    uid        7\n    executable a?b\n    host       h\n    service    s\n    team  "
             "     t\n"
             "    container  c\n    labels     l=1\n    version    v\n    pid        43%s\n"
             "    counted so far: spans 1\n    counted so far: tape_records 2, tape_bytes 3, sessions 4\n",
             start, start);
    expect(want);
    begin(false, true);
    dump_process(&dump, &process);
    expect("");
}

static void test_sums(void **state)
{
    char want[512];
    (void)state;
    for (int statistics = 0; statistics < 2; statistics++) {
        begin(false, statistics);
        dump_sums(&dump);
        expect("0 spans in 0 blocks, 0 bytes of columns\n");
        begin(false, true); /* columns say nothing by themselves then */
        dump_column(&dump, number_of("status"), (const uint8_t *)"abcd", 4, 2);
        dump_column(&dump, number_of("status"), (const uint8_t *)"ab", 2, 2);
        dump_column(&dump, 0, (const uint8_t *)"a", 1, 2);
        dump.statistics = statistics;
        dump.spans = 4;
        dump.blocks = 2;
        dump_sums(&dump);
        snprintf(want, sizeof(want), "4 spans in 2 blocks, 7 bytes of columns, 1.75 bytes per span\n");
        if (statistics)
            snprintf(want + strlen(want), sizeof(want) - strlen(want),
                     "      0 %-28s      1 columns          1 bytes    0.250 per span\n"
                     "    %3u %-28s      2 columns          6 bytes    1.500 per span\n",
                     "(process of the row)", number_of("status"), "status");
        expect(want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_encodings), cmocka_unit_test(test_hex),
                                       cmocka_unit_test(test_process_and_loss), cmocka_unit_test(test_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
