/*
 * Describes columns and blocks: field, encoding, size. The encoding is read from the column's first
 * byte as span/FORMAT.md (section "Columns") defines it. Called by dump.c.
 */
#include "dump.h"

#include <errno.h>
#include <ctype.h>
#include <inttypes.h>

#include "../../span/codec.h"
#include "../base/display.h"
#include "../base/display_safe.h"
#include "command.h"

void dump_hex(const struct dump *dump, const uint8_t *data, size_t bytes)
{
    enum { PER_LINE = 16 };
    for (size_t at = 0; at < bytes; at += PER_LINE) {
        (void)fprintf(dump->out, "        %06zx ", at);
        for (size_t i = at; i < at + PER_LINE; i++)
            if (i < bytes)
                (void)fprintf(dump->out, " %02x", data[i]);
            else
                (void)fputs("   ", dump->out);
        (void)fputs("  ", dump->out);
        for (size_t i = at; i < at + PER_LINE && i < bytes; i++)
            (void)fputc(data[i] < 0x7f && isprint(data[i]) ? data[i] : '.', dump->out);
        (void)fputc('\n', dump->out);
    }
}

static const char *presence_name(unsigned code)
{
    switch (code & SPAN_CODEC_PRESENCE) {
    case SPAN_CODEC_ALL:
        return "all rows";
    case SPAN_CODEC_BITMAP:
        return "bitmap";
    case SPAN_CODEC_FEW:
        return "few rows";
    default:
        return "most rows";
    }
}

static const char *text_encoding(unsigned code)
{
    switch (code & SPAN_CODEC_SHAPE) {
    case SPAN_CODEC_SINGLE:
        return "single";
    case SPAN_CODEC_TEXT_DICT:
        return "dictionary";
    case SPAN_CODEC_PLAIN:
        return "plain";
    case SPAN_CODEC_SKETCHES:
        return "sketches";
    case SPAN_CODEC_MAPPED:
        return "mapped";
    default:
        return "unknown";
    }
}

static void number_encoding(char *out, size_t out_bytes, unsigned code)
{
    static const char *const transforms[] = {"for", "delta", "dict", "predicted"};
    static const char *const storages[] = {"zero", "packed", "patched", "planes"};
    if ((code & SPAN_CODEC_TRANSFORM) == SPAN_CODEC_PREDICTED) {
        (void)snprintf(out, out_bytes, "predicted");
        return;
    }
    (void)snprintf(out, out_bytes, "%s %s", transforms[code & SPAN_CODEC_TRANSFORM],
                   storages[(code & SPAN_CODEC_STORAGE) >> 2]);
}

void dump_column(struct dump *dump, unsigned number, const uint8_t *data, size_t bytes, uint64_t rows)
{
    enum span_field field = span_field_by_number(number);
    dump->field_bytes[number] += bytes;
    dump->field_columns[number]++;
    if (dump->statistics)
        return;
    char encoding[32], name[32];
    unsigned code = bytes > 0 ? data[0] : 0;
    bool is_text = field != SPAN_FIELD_COUNT && span_fields[field].type > SPAN_ID64;
    if (is_text)
        (void)snprintf(encoding, sizeof(encoding), "%s", text_encoding(code));
    else
        number_encoding(encoding, sizeof(encoding), code);
    if (field != SPAN_FIELD_COUNT)
        (void)snprintf(name, sizeof(name), "%s", span_fields[field].ident);
    else
        (void)snprintf(name, sizeof(name), "%s", number == 0 ? "(process of the row)" : "(unknown field)");
    (void)fprintf(dump->out, "    %3u %-28s %-14s %-9s %-4s %8zu bytes %8.2f per span\n", number, name, encoding,
                  presence_name(code), (code & SPAN_CODEC_ZSTD) != 0 ? "zstd" : "", bytes,
                  rows > 0 ? (double)bytes / (double)rows : 0);
    if (dump->raw)
        dump_hex(dump, data, bytes);
}

int dump_block(struct dump *dump, const uint8_t *data, size_t bytes)
{
    struct span_block_view view;
    struct span_block block;
    int opened = span_block_open(&view, data, bytes);
    if (opened < 0) {
        (void)fputs(opened == SPAN_BLOCK_TOO_NEW
                        ? "    NEWER: a later version of libpprof wrote this block; that version's pprofctl reads it\n"
                        : "    DAMAGED: this is not a block\n",
                    dump->out);
        dump->damaged = true;
        return -1;
    }
    dump->blocks++;
    dump->spans += view.n;
    for (size_t i = 0; i < view.n_columns; i++)
        dump_column(dump, view.column[i].number, view.column[i].data, view.column[i].bytes, view.n);
    span_block_init(&block);
    errno = 0;
    int status = span_block_decode(&block, data, bytes);
    const bool no_memory = status < 0 && errno == ENOMEM;
    span_block_done(&block);
    if (no_memory) {
        complain("there is no memory to decode a block.");
        dump->damaged = true;
    } else if (status < 0) {
        (void)fputs("    DAMAGED: a column cannot be decoded\n", dump->out);
        dump->damaged = true;
    }
    return status;
}

static void process_line(const struct dump *dump, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    char safe[1024];
    display_safe(safe, sizeof(safe), (struct span_text){text, (uint32_t)strlen(text)});
    (void)fprintf(dump->out, "    %-10s %s\n", name, safe);
}

void dump_process(const struct dump *dump, const struct span_process *process)
{
    char start[DISPLAY_BYTES];
    if (dump->statistics)
        return;
    display_time(start, process->start_ns);
    (void)fprintf(dump->out, "    %-10s %" PRIu64 ", since %s\n", "pid", process->pid, start);
    if (process->has_uid)
        (void)fprintf(dump->out, "    %-10s %" PRIu64 "\n", "uid", process->uid);
    process_line(dump, "executable", process->executable);
    process_line(dump, "host", process->host);
    process_line(dump, "service", process->service);
    process_line(dump, "team", process->team);
    process_line(dump, "container", process->container);
    process_line(dump, "labels", process->labels);
    process_line(dump, "version", process->version);
}

void dump_loss(const struct dump *dump, const struct span_loss *loss)
{
    const char *before = "    counted so far:";
#define X(ident)                                                                                                       \
    if (loss->ident > 0) {                                                                                             \
        (void)fprintf(dump->out, "%s %s %" PRIu64, before, #ident, loss->ident);                                       \
        before = ",";                                                                                                  \
    }
    SPAN_LOSSES(X)
#undef X
    if (*before == ',')
        (void)fputc('\n', dump->out);
}

void dump_sums(const struct dump *dump)
{
    uint64_t bytes = 0;
    for (unsigned number = 0; number < SPAN_FIELD_NUMBER_END; number++)
        bytes += dump->field_bytes[number];
    (void)fprintf(dump->out, "%" PRIu64 " spans in %" PRIu64 " blocks, %" PRIu64 " bytes of columns", dump->spans,
                  dump->blocks, bytes);
    if (dump->spans > 0)
        (void)fprintf(dump->out, ", %.2f bytes per span", (double)bytes / (double)dump->spans);
    (void)fputc('\n', dump->out);
    if (!dump->statistics)
        return;
    for (unsigned number = 0; number < SPAN_FIELD_NUMBER_END; number++) {
        if (dump->field_columns[number] == 0)
            continue;
        enum span_field field = span_field_by_number(number);
        const char *name = field != SPAN_FIELD_COUNT ? span_fields[field].ident
                           : number == 0             ? "(process of the row)"
                                                     : "(unknown field)";
        (void)fprintf(dump->out, "    %3u %-28s %6" PRIu64 " columns %10" PRIu64 " bytes %8.3f per span\n", number,
                      name, dump->field_columns[number], dump->field_bytes[number],
                      dump->spans > 0 ? (double)dump->field_bytes[number] / (double)dump->spans : 0);
    }
}
