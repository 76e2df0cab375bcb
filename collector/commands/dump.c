/*
 * pprofctl dump: what lies where in a store or a spool file. Finds frames and blocks, dump_block.c
 * describes them. A store is read through SQLite, read-only; nothing is changed.
 */
#include "dump.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../span/journal.h"
#include "../base/display.h"
#include "../base/display_safe.h"
#include "command.h"
#include "open_store.h"

static void print_identity(const struct dump *dump, const uint8_t identity[16])
{
    for (size_t i = 0; i < 16; i++)
        (void)fprintf(dump->out, "%02x", identity[i]);
}

static const char *kind_name(unsigned kind)
{
    switch (kind) {
    case SPAN_FRAME_PROCESS:
        return "PROCESS";
    case SPAN_FRAME_SPANS:
        return "SPANS";
    case SPAN_FRAME_ACK:
        return "ACK";
    case SPAN_FRAME_LOSS:
        return "LOSS";
    default:
        return "of a kind unknown to this version";
    }
}

static void dump_frame(struct dump *dump, const struct span_frame *frame, size_t offset, long bytes)
{
    struct span_process process;
    dump->frames++;
    if (!dump->statistics) {
        (void)fprintf(dump->out, "@%zu frame %s, %ld bytes, process ", offset, kind_name(frame->kind), bytes);
        print_identity(dump, frame->identity);
        (void)fprintf(dump->out, ", sequence %" PRIu64 "\n", frame->sequence);
        dump_loss(dump, &frame->loss);
    }
    if (frame->kind == SPAN_FRAME_SPANS) {
        (void)dump_block(dump, frame->payload, frame->payload_bytes);
    } else if (frame->kind == SPAN_FRAME_PROCESS) {
        if (span_process_read(&process, frame->payload, frame->payload_bytes) == 0) {
            dump_process(dump, &process);
        } else {
            (void)fputs("    DAMAGED: the process cannot be read\n", dump->out);
            dump->damaged = true;
        }
    }
}

/* A file of frames, one after the other. */
static int dump_frames(struct dump *dump, const char *path, const uint8_t *data, size_t bytes)
{
    size_t at = 0;
    while (at < bytes) {
        struct span_frame frame;
        long length = span_frame_read(&frame, data + at, bytes - at);
        if (length > 0) {
            dump_frame(dump, &frame, at, length);
            at += (size_t)length;
            continue;
        }
        dump->damaged = true;
        if (length == SPAN_FRAME_NEED_MORE)
            complain("%s ends inside a frame that begins at byte %zu; the frames before it are whole.", path, at);
        else if (length == SPAN_FRAME_TOO_NEW)
            complain("%s has a frame of a later version at byte %zu; use that version's pprofctl.", path, at);
        else if (at == 0)
            complain("%s is neither a store, a spool file nor a journal of libpprof.", path);
        else
            complain("%s is damaged at byte %zu; what follows cannot be read.", path, at);
        break;
    }
    if (dump->frames > 0)
        dump_sums(dump);
    return dump->damaged ? 1 : 0;
}

/* A journal: the frames that a collector would make of it if its process died now. The process may
 * be writing it. */
static int dump_journal(struct dump *dump, const char *path, const uint8_t *file, size_t bytes)
{
    struct span_journal_head head;
    struct span_journal_found found;
    struct span_buffer frames;
    int status = 1;
    (void)span_journal_head_read(&head, file, bytes);
    span_buffer_init(&frames, (size_t)2 * SPAN_JOURNAL_BYTES_MAX);
    int read = span_journal_frames(&frames, file, bytes, &found);
    if (read == SPAN_JOURNAL_OK) {
        (void)fprintf(dump->out,
                      "journal of process %" PRIu64 ": %" PRIu64 " unacknowledged frames, %" PRIu64
                      " finished calls in none, %" PRIu64 " calls in flight, %" PRIu64 " damaged entries%s%s\n",
                      head.owner.pid, found.frames, found.spans, found.killed, found.damaged,
                      head.spool[0] != '\0' ? "; for who takes in " : "", display_name(head.spool));
        dump->damaged = found.damaged > 0;
        status = dump_frames(dump, path, frames.data, frames.bytes);
    } else if (read == SPAN_JOURNAL_TOO_NEW) {
        complain("%s is a journal of a later version; use that version's pprofctl.", path);
    } else if (read == SPAN_JOURNAL_NO_MEMORY) {
        complain("%s cannot be read: no memory.", path);
    } else {
        complain("%s is a journal whose content is damaged.", path);
    }
    span_buffer_done(&frames);
    return status;
}

/* The columns of a merged block. */
static int dump_merged(struct dump *dump, sqlite3_stmt *columns, int64_t block, uint64_t rows)
{
    int status;
    (void)sqlite3_reset(columns);
    (void)sqlite3_bind_int64(columns, 1, block);
    dump->blocks++;
    dump->spans += rows;
    while ((status = sqlite3_step(columns)) == SQLITE_ROW) {
        unsigned number = (unsigned)sqlite3_column_int(columns, 0);
        const uint8_t *data;
        size_t bytes;
        if (store_column_blob(columns, 1, &data, &bytes) != 0)
            return -1;
        if (number < SPAN_FIELD_NUMBER_END)
            dump_column(dump, number, data, bytes, rows);
    }
    (void)sqlite3_reset(columns);
    return status == SQLITE_DONE ? 0 : -1;
}

static int dump_block_row(struct dump *dump, sqlite3_stmt *block, sqlite3_stmt *columns)
{
    int64_t id = sqlite3_column_int64(block, 0);
    uint64_t rows = (uint64_t)sqlite3_column_int64(block, 2);
    bool whole = sqlite3_column_type(block, 5) == SQLITE_BLOB;
    if (!dump->statistics) {
        char first[DISPLAY_BYTES], last[DISPLAY_BYTES];
        display_time(first, (uint64_t)sqlite3_column_int64(block, 3));
        display_time(last, (uint64_t)sqlite3_column_int64(block, 4));
        (void)fprintf(dump->out, "block %" PRId64 " of process %" PRId64 ": %" PRIu64 " spans, %s to %s%s\n", id,
                      (int64_t)sqlite3_column_int64(block, 1), rows, first, last, whole ? "" : ", merged");
    }
    if (!whole)
        return dump_merged(dump, columns, id, rows);
    const uint8_t *raw;
    size_t bytes;
    if (store_column_blob(block, 5, &raw, &bytes) != 0)
        return -1;
    (void)dump_block(dump, raw, bytes);
    return 0;
}

static int dump_process_row(struct dump *dump, sqlite3_stmt *process, sqlite3_stmt *unused)
{
    (void)unused;
    (void)fprintf(dump->out, "process %" PRId64 ":", (int64_t)sqlite3_column_int64(process, 0));
    for (int i = 1; i < sqlite3_column_count(process); i++) {
        const char *text;
        size_t bytes;
        char safe[256];
        if (store_column_text(process, i, &text, &bytes) != 0)
            return -1;
        if (bytes == 0)
            continue;
        display_safe(safe, sizeof(safe), (struct span_text){text, (uint32_t)bytes});
        (void)fprintf(dump->out, " %s=%s", i == 1 ? "identity" : sqlite3_column_name(process, i), safe);
    }
    (void)fputc('\n', dump->out);
    return 0;
}

/* Describes every row; 0, or -1 when the store cannot be read. */
static int dump_rows(struct dump *dump, sqlite3_stmt *row, sqlite3_stmt *columns,
                     int (*describe)(struct dump *dump, sqlite3_stmt *row, sqlite3_stmt *columns))
{
    int status;
    while ((status = sqlite3_step(row)) == SQLITE_ROW)
        if (describe(dump, row, columns) < 0)
            return -1;
    return status == SQLITE_DONE ? 0 : -1;
}

static int dump_database(struct dump *dump, const char *path, sqlite3 *database)
{
    static const char processes[] = "SELECT id,hex(identity),pid,executable,host,service,team,version FROM process "
                                    "ORDER BY id";
    static const char blocks[] = "SELECT id,process,n,t_min,t_max,raw FROM block ORDER BY id";
    static const char columns[] = "SELECT field,data FROM col WHERE block=?1 ORDER BY field";
    sqlite3_stmt *process = NULL, *block = NULL, *column = NULL;
    int status = -1;
    if (sqlite3_exec(database, "BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(database, processes, -1, &process, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(database, blocks, -1, &block, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(database, columns, -1, &column, NULL) == SQLITE_OK &&
        (dump->statistics || dump_rows(dump, process, NULL, dump_process_row) == 0))
        status = dump_rows(dump, block, column, dump_block_row);
    if (status < 0)
        complain("%s cannot be read: %s; `pprofctl check %s` says more.", path, sqlite3_errmsg(database), path);
    (void)sqlite3_finalize(process);
    (void)sqlite3_finalize(block);
    (void)sqlite3_finalize(column);
    (void)sqlite3_exec(database, "COMMIT", NULL, NULL, NULL);
    return status;
}

/* From the file's beginning to `out`. 0 or -1. */
static int copy_text(FILE *from, FILE *out)
{
    char part[16384];
    size_t bytes;
    rewind(from);
    while ((bytes = fread(part, 1, sizeof(part), from)) > 0)
        (void)fwrite(part, 1, bytes, out); /* main looks whether all of it came through */
    return ferror(from) ? -1 : 0;
}

/*
 * The whole store as it is at one moment: blocks that are merged meanwhile would be there twice or
 * not at all. Its text goes into a file that nobody else can open first, so that nothing of the
 * store is held any more when it is written: whoever reads our output may take as long as he likes.
 */
static int dump_store(struct dump *dump, const char *path)
{
    struct store *store = open_store(path, STORE_READ);
    FILE *out = dump->out;
    if (store == NULL)
        return 1;
    dump->out = tmpfile();
    int status = dump->out == NULL ? -1 : dump_database(dump, path, store_sqlite(store));
    store_close(store);
    bool unwritten = dump->out == NULL || fflush(dump->out) != 0 || ferror(dump->out);
    if (!unwritten)
        unwritten = copy_text(dump->out, out) != 0;
    if (unwritten)
        complain("its text cannot be kept in %s meanwhile: %s.", P_tmpdir, strerror(errno));
    if (dump->out != NULL)
        (void)fclose(dump->out);
    dump->out = out;
    if (unwritten)
        return 1;
    if (status < 0)
        dump->damaged = true;
    else
        dump_sums(dump);
    return dump->damaged ? 1 : 0;
}

static bool is_journal(const uint8_t *data, size_t bytes)
{
    struct span_journal_head head;
    return span_journal_head_read(&head, data, bytes) != SPAN_JOURNAL_BAD;
}

/* Maps the file. Returns NULL after having said why not; an empty file is *ret_bytes 0 and a
 * pointer that is not read.
 */
static const uint8_t *map_file(const char *path, size_t *ret_bytes)
{
    static const uint8_t nothing;
    struct stat status;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO would make it wait */
    if (fd < 0 || fstat(fd, &status) < 0) {
        complain("%s cannot be opened: %s.", path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        complain("%s is not a file; give a store, a spool file or a journal.", path);
        (void)close(fd);
        return NULL;
    }
    *ret_bytes = (size_t)status.st_size;
    void *data = *ret_bytes > 0 ? mmap(NULL, *ret_bytes, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    (void)close(fd);
    if (data == MAP_FAILED) {
        complain("%s cannot be read: %s.", path, strerror(errno));
        return NULL;
    }
    return data != NULL ? data : &nothing;
}

int command_dump(const struct arguments *arguments)
{
    static const char sqlite_magic[16] = "SQLite format 3";
    static struct dump dump;
    char buffer[PATH_MAX];
    const char *path = store_operand(arguments, buffer, sizeof(buffer));
    dump.out = stdout;
    dump.raw = arguments_value(arguments, "raw") != NULL;
    dump.statistics = arguments_value(arguments, "statistics") != NULL;
    size_t bytes = 0;
    const uint8_t *data = map_file(path, &bytes);
    if (data == NULL)
        return 1;
    bool is_store = bytes >= sizeof(sqlite_magic) && memcmp(data, sqlite_magic, sizeof(sqlite_magic)) == 0;
    if (bytes == 0) {
        complain("%s is empty.", path);
        return 1;
    }
    int status = is_store                  ? dump_store(&dump, path)
                 : is_journal(data, bytes) ? dump_journal(&dump, path, data, bytes)
                                           : dump_frames(&dump, path, data, bytes);
    (void)munmap((void *)(uintptr_t)data, bytes);
    return status;
}
