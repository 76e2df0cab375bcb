/*
 * What the files store*.c share and nobody else sees. One handle, one thread.
 */
#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include "store_prompts.h"
#include "rollup.h"
#include "store.h"

enum {
    STORE_APPLICATION_ID =
        0x7070726F, /* "ppro"; in the file's header, tells a store of ours from any other SQLite file */
    STORE_PATH_MAX = 4096 + 16,
    STORE_WHY_BYTES = 512, /* of the sentence that says why */
    /* How long a writer or reader waits for another process; a merge of 65,536 rows holds the lock
     * for about 0.2 s. */
    STORE_BUSY_MS = 10000,
    /* Processes kept in memory between calls (about 1.3 KB each). */
    STORE_PROCESSES_KEPT = 8192,
    /* Groups of one hour before the rarest are folded into `other`. */
    STORE_GROUPS_PER_HOUR = 4096,
    /* Bytes of the log that a changed group takes at worst: a page of its own. */
    STORE_GROUP_BYTES = 4096,
    /* Hours whose groups stay in memory between transactions: the running one, the one before, and
     * late arrivals. */
    STORE_HOURS_KEPT = 4,
    /* More of them are saved before their time, and all but STORE_HOURS_KEPT forgotten: calls of
     * long ago come hour by hour, and each hour is then saved about once. */
    STORE_HOURS_UNSAVED = 12,
    /* Rollups are saved after so many commits or rows, whatever comes first: what a crash leaves to
     * be counted again takes a fraction of a second. */
    STORE_ROLLUP_COMMITS = 64,
    STORE_ROLLUP_ROWS = 262144,
    STORE_TEXTS_UNSAVED = 65536, /* counts of calls by their texts */
    /* Merged blocks below this are merged again with late arrivals. */
    STORE_MERGE_SMALL_ROWS = SPAN_BLOCK_ROWS_MAX / 2,
    /* The ids that providers gave to answers are for asking them about a call; then they are the
     * most of a span. */
    STORE_IDS_DAYS = 30,
    STORE_CROWD_COLUMNS = 6,
    /* Bytes of an hour of rollups before zstd: of all groups, with every bucket of each sketch in
     * use. */
    STORE_PACKED_MAX = 1 << 26,
    /* A column is predicted from one that is predicted from one that is not: the merge writes
     * nothing deeper. */
    STORE_PREDICTED_DEPTH = 3,
    /* The number under which a merged block keeps the process of each row; never a field number on
     * the wire. */
    STORE_FIELD_PROCESS = 0,
};

/* Counters and sequence numbers beyond what any process can reach are not believed: 2^40 calls are
 * 35 years at a thousand a second. Sums of a million processes then still fit. */
#define STORE_LOSS_MAX (UINT64_C(1) << 42) /* of bytes, too */
#define STORE_SEQUENCE_MAX (UINT64_C(1) << 40)

/* In `meta`: the highest block that the stored rollups count. No block above a counted one may ever
 * get a number below it: a merge writes its block before it drops its sources. */
#define STORE_META_COUNTED "rollups_count_to_block"
/* ... and, before the id of each, the stores that are not wholly in this one yet. */
#define STORE_META_UNITING "uniting "
/* In `meta`: how often something was learned of prompts, by whatever writer. */
#define STORE_META_LESSONS "prompt_lessons"

#define STORE_HOUR_NS 3600000000000ull

/* block.merged */
enum {
    STORE_FRESH = 0,
    STORE_MERGED = 1,
    STORE_KEPT = 2 /* cannot be merged: damaged, or fields of a later version */
};

#define STORE_SQL_LOSS_SET(ident) "lost_" #ident "=?,"
#define STORE_SQL_LOSS_NONE(ident) " AND p.lost_" #ident "=0"
#define STORE_SQL_LOSS_GET(ident) ",p.lost_" #ident

/* When the ids of responses in a merged block may go, seconds since 1970; NULL: it has none. */
#define STORE_SQL_IDS_UNTIL ", ids_until INTEGER"
#define STORE_SQL_IDS_INDEX "CREATE INDEX block_ids ON block(ids_until) WHERE ids_until IS NOT NULL;"

/* Whether the prompts of a merged block's calls are written as they were learned. */
#define STORE_SQL_SETTLED ", settled INTEGER NOT NULL DEFAULT 0"
#define STORE_SQL_SETTLED_INDEX "CREATE INDEX block_unsettled ON block(t_min) WHERE merged=1 AND settled=0;"
/* A text with so many calls recurs. */
#define STORE_SQL_RECURS "3"
enum { STORE_RECURS = 3 };

/* Every statement that is kept prepared: STORE_SQL(identifier, text). */
#define STORE_SQLS(STORE_SQL)                                                                                          \
    STORE_SQL(begin, "BEGIN IMMEDIATE")                                                                                \
    STORE_SQL(commit, "COMMIT")                                                                                        \
    STORE_SQL(rollback, "ROLLBACK")                                                                                    \
    STORE_SQL(data_version, "PRAGMA data_version")                                                                     \
    STORE_SQL(program_get, "SELECT id FROM program WHERE executable=?1 AND host=?2 AND service=?3 AND team=?4 AND "    \
                           "container=?5 AND labels=?6 AND version=?7 AND uid=?8")                                     \
    STORE_SQL(program_put, "INSERT INTO program(executable,host,service,team,container,labels,version,uid) "           \
                           "VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                                                          \
    STORE_SQL(program_by_id, "SELECT executable,host,service,team,container,labels,version,uid FROM program "          \
                             "WHERE id=?1")                                                                            \
    STORE_SQL(process_put, "INSERT INTO process_row(identity,program,pid,start_ns) VALUES(?1,?2,?3,?4) "               \
                           "ON CONFLICT(identity) DO UPDATE SET program=excluded.program, pid=excluded.pid, "          \
                           "start_ns=excluded.start_ns")                                                               \
    STORE_SQL(process_back, "INSERT INTO process_row(id,identity,program,pid,start_ns,final) "                         \
                            "VALUES(?1,?2,?3,?4,?5,?6)")                                                               \
    STORE_SQL(process_drop, "DELETE FROM process_row WHERE id=?1")                                                     \
    STORE_SQL(crowd_get, "SELECT data FROM crowd WHERE id=?1")                                                         \
    STORE_SQL(crowd_put, "INSERT OR REPLACE INTO crowd(id,n,data) VALUES(?1,?2,?3)")                                   \
    STORE_SQL(departed_get, "SELECT process,last FROM departed WHERE id=?1")                                           \
    STORE_SQL(departed_put, "INSERT OR REPLACE INTO departed(id,process,last) VALUES(?1,?2,?3)")                       \
    STORE_SQL(departed_drop, "DELETE FROM departed WHERE id=?1")                                                       \
    STORE_SQL(departed_count, "SELECT count(*) FROM departed WHERE process>?1")                                        \
    STORE_SQL(depart_list,                                                                                             \
              "SELECT p.id,p.identity,p.pid,p.start_ns,p.program,p.final FROM process_row p "                          \
              "JOIN seen s ON s.process=p.id AND s.first=1 WHERE p.final>0 AND s.last=p.final AND p.start_ns<?1 "      \
              "AND p.start_ns>0" SPAN_LOSSES(                                                                          \
                  STORE_SQL_LOSS_NONE) " AND NOT EXISTS(SELECT 1 FROM seen t WHERE t.process=p.id AND t.first>1) "     \
                                       "AND p.id NOT IN(SELECT process FROM block WHERE process IS NOT NULL) ORDER "   \
                                       "BY p.id LIMIT ?2")                                                             \
    STORE_SQL(process_by_identity, "SELECT * FROM process WHERE identity=?1")                                          \
    STORE_SQL(process_by_id, "SELECT * FROM process WHERE id=?1")                                                      \
    STORE_SQL(process_loss, "UPDATE process_row SET " SPAN_LOSSES(STORE_SQL_LOSS_SET) "final=? WHERE id=?")            \
    STORE_SQL(loss_add, "INSERT INTO loss(kind,events,spans,last_ns) VALUES(?1,?2,?3,?4) ON CONFLICT(kind) DO UPDATE " \
                        "SET events=events+excluded.events, spans=spans+excluded.spans, last_ns=excluded.last_ns")     \
    STORE_SQL(losses, "SELECT kind,sum(events),sum(spans) FROM (SELECT kind,events,spans FROM loss UNION ALL SELECT "  \
                      "kind,events,spans FROM origin_loss) GROUP BY kind")                                             \
    STORE_SQL(uniting, "SELECT count(*) FROM meta WHERE key>='" STORE_META_UNITING "' AND key<'uniting!'")             \
    STORE_SQL(accounts,                                                                                                \
              "SELECT p.id,p.start_ns,p.final,p.from_frame,s.first,s.last" SPAN_LOSSES(                                \
                  STORE_SQL_LOSS_GET) " FROM process_row p "                                                           \
                                      "LEFT JOIN seen s ON s.process=p.id WHERE p.id>?1 ORDER BY p.id,s.first")        \
    STORE_SQL(seen_below, "SELECT first,last FROM seen WHERE process=?1 AND first<=?2 ORDER BY first DESC LIMIT 1")    \
    STORE_SQL(seen_put, "INSERT INTO seen(process,first,last) VALUES(?1,?2,?3) "                                       \
                        "ON CONFLICT(process,first) DO UPDATE SET last=excluded.last")                                 \
    STORE_SQL(seen_drop_all, "DELETE FROM seen WHERE process=?1")                                                      \
    STORE_SQL(seen_drop, "DELETE FROM seen WHERE process=?1 AND first=?2")                                             \
    STORE_SQL(block_put, "INSERT INTO block(process,t_min,t_max,n,merged,raw) VALUES(?1,?2,?3,?4,?5,?6)")              \
    STORE_SQL(block_next, "SELECT min(id) FROM block WHERE id>?1")                                                     \
    STORE_SQL(block_raw, "SELECT raw FROM block WHERE id=?1")                                                          \
    STORE_SQL(block_mark, "UPDATE block SET merged=?2 WHERE id=?1")                                                    \
    STORE_SQL(ids_until, "UPDATE block SET ids_until=?2 WHERE id=?1")                                                  \
    STORE_SQL(ids_due, "SELECT id FROM block WHERE ids_until IS NOT NULL AND ids_until<=?1 ORDER BY ids_until "        \
                       "LIMIT 1")                                                                                      \
    STORE_SQL(col_drop_one, "DELETE FROM col WHERE block=?1 AND field=?2")                                             \
    STORE_SQL(block_drop, "DELETE FROM block WHERE id=?1")                                                             \
    STORE_SQL(begin_read, "BEGIN")                                                                                     \
    STORE_SQL(block_get, "SELECT process,n,merged,raw,t_min,t_max FROM block WHERE id=?1")                             \
    STORE_SQL(blocks, "SELECT id,n,merged FROM block WHERE t_max>=?1 AND t_min<=?2 AND id>?3 ORDER BY t_min,id")       \
    STORE_SQL(col_put, "INSERT INTO col(block,field,data) VALUES(?1,?2,?3)")                                           \
    STORE_SQL(col_get, "SELECT data FROM col WHERE block=?1 AND field=?2")                                             \
    STORE_SQL(col_drop, "DELETE FROM col WHERE block=?1")                                                              \
    STORE_SQL(fresh_hours, "SELECT t_min/3600000000000 AS hour, sum(fresh), sum(n) FROM "                              \
                           "(SELECT t_min,n,1 AS fresh FROM block WHERE merged=0 UNION ALL "                           \
                           "SELECT t_min,0,0 FROM block WHERE merged=1 AND settled=0) GROUP BY 1 ORDER BY 1")          \
    STORE_SQL(merge_list, "SELECT id,process,n,merged,ids_until FROM block WHERE t_min>=?1 AND t_min<?2 AND "          \
                          "(merged=0 OR (merged=1 AND (n<?3 OR (?3>0 AND settled=0)))) "                               \
                          "ORDER BY merged,settled,id LIMIT ?4")                                                       \
    STORE_SQL(block_settle, "UPDATE block SET settled=1 WHERE id=?1")                                                  \
    STORE_SQL(block_unsettle, "UPDATE block SET settled=0 WHERE merged=1 AND settled=1 AND t_max>=?1 AND t_min<=?2")   \
    STORE_SQL(hour_blocks, "SELECT id FROM block WHERE t_max>=?1 AND t_min<?2 ORDER BY id")                            \
    STORE_SQL(packed_drop, "DELETE FROM rollup_packed WHERE hour=?1")                                                  \
    STORE_SQL(prompts_any, "SELECT EXISTS(SELECT 1 FROM prompt_text) OR EXISTS(SELECT 1 FROM prompt_template) OR "     \
                           "EXISTS(SELECT 1 FROM prompt_rule), EXISTS(SELECT 1 FROM prompt_rule), "                    \
                           "EXISTS(SELECT 1 FROM prompt_rule WHERE part>'')")                                          \
    STORE_SQL(text_put, "INSERT INTO prompt_text(id,setup,done,calls,first_ns,last_ns) VALUES(?1,?2,0,0,?3,?3) "       \
                        "ON CONFLICT(id,setup) DO UPDATE SET first_ns=min(first_ns,excluded.first_ns), "               \
                        "last_ns=max(last_ns,excluded.last_ns)")                                                       \
    STORE_SQL(open_put, "INSERT INTO prompt_open(text,features,preview) VALUES(?1,?2,?3)")                             \
    STORE_SQL(open_again, "UPDATE prompt_open SET features=?2, preview=?3 WHERE text=?1")                              \
    STORE_SQL(open_preview, "SELECT preview FROM prompt_open WHERE text=?1")                                           \
    STORE_SQL(text_get, "SELECT n,coalesce(prompt,0),coalesce(version,0) FROM prompt_text WHERE id=?1 AND setup=?2")   \
    STORE_SQL(shape_put, "INSERT OR REPLACE INTO prompt_shape(prompt,version,data,preview) VALUES(?1,?2,?3,?4)")       \
    STORE_SQL(shape_get, "SELECT data,preview FROM prompt_shape WHERE prompt=?1 AND version=?2")                       \
    STORE_SQL(shape_drop, "DELETE FROM prompt_shape WHERE prompt=?1 AND version=?2 AND NOT EXISTS(SELECT 1 FROM "      \
                          "prompt_template t WHERE t.prompt=?1 AND t.version=?2 AND t.settled=1)")                     \
    STORE_SQL(open_drop, "DELETE FROM prompt_open WHERE text=?1")                                                      \
    STORE_SQL(text_of, "SELECT n,done,calls FROM prompt_text WHERE id=?1")                                             \
    STORE_SQL(text_times, "SELECT first_ns,last_ns FROM prompt_text WHERE n=?1")                                       \
    STORE_SQL(text_count, "UPDATE prompt_text SET calls=calls+?2, last_ns=max(last_ns,?3) WHERE n=?1")                 \
    STORE_SQL(text_steps, "SELECT prompt,version,first_ns,done FROM prompt_text WHERE id=?1 AND prompt IS NOT NULL "   \
                          "ORDER BY first_ns,setup")                                                                   \
    STORE_SQL(texts_open, "SELECT t.n,t.id,t.calls,t.first_ns,t.last_ns,o.features,coalesce(t.prompt,0),"              \
                          "coalesce(t.version,0),coalesce(p.settled,0) FROM prompt_open o JOIN prompt_text t ON "      \
                          "t.n=o.text LEFT JOIN prompt_template p ON p.prompt=t.prompt AND p.version=t.version "       \
                          "WHERE o.text>?1 ORDER BY o.text LIMIT ?2")                                                  \
    STORE_SQL(texts_unassigned, "SELECT count(*) FROM prompt_open JOIN prompt_text ON n=text WHERE prompt IS NULL")    \
    STORE_SQL(text_newest, "SELECT last_ns FROM prompt_text ORDER BY n DESC LIMIT 1")                                  \
    STORE_SQL(texts_cut_loose, "UPDATE prompt_text SET prompt=NULL, version=NULL WHERE n IN (SELECT text FROM "        \
                               "prompt_open) AND prompt=?1 AND version=?2")                                            \
    STORE_SQL(text_assign, "UPDATE prompt_text SET prompt=?2, version=?3 WHERE n=?1")                                  \
    STORE_SQL(text_settle, "UPDATE prompt_text SET done=1, prompt=?2, version=?3, "                                    \
                           "calls=CASE WHEN last_ns-first_ns>?4 THEN max(calls," STORE_SQL_RECURS ") ELSE calls END "  \
                           "WHERE n=?1")                                                                               \
    STORE_SQL(texts_rare, "SELECT n,id,first_ns,last_ns FROM prompt_text WHERE done=1 AND calls<" STORE_SQL_RECURS     \
                          " AND last_ns<?1 LIMIT ?2")                                                                  \
    STORE_SQL(text_drop, "DELETE FROM prompt_text WHERE n=?1")                                                         \
    STORE_SQL(template_list,                                                                                           \
              "SELECT prompt,version,scope,setup,texts,data,first_ns,last_ns,alias,settled,alias_version "             \
              "FROM prompt_template WHERE settled=1 ORDER BY last_ns DESC,prompt,version LIMIT ?1")                    \
    STORE_SQL(template_of,                                                                                             \
              "SELECT prompt,version,scope,setup,texts,data,first_ns,last_ns,alias,settled,alias_version "             \
              "FROM prompt_template WHERE prompt=?1 ORDER BY version")                                                 \
    STORE_SQL(template_keep, "UPDATE prompt_template SET settled=1 WHERE prompt=?1 AND version=?2")                    \
    STORE_SQL(template_put, "INSERT OR REPLACE INTO prompt_template(prompt,version,scope,setup,texts,data,first_ns,"   \
                            "last_ns,alias,settled,alias_version) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")         \
    STORE_SQL(template_drop, "DELETE FROM prompt_template WHERE prompt=?1 AND version=?2 AND settled=0")               \
    STORE_SQL(lessons, "SELECT coalesce(max(value),0) FROM meta WHERE key='" STORE_META_LESSONS "'")                   \
    STORE_SQL(template_any, "SELECT EXISTS(SELECT 1 FROM prompt_template WHERE prompt=?1)")                            \
    STORE_SQL(template_alias, "SELECT alias,alias_version FROM prompt_template WHERE prompt=?1 AND "                   \
                              "(version=?2 OR ?2=0) ORDER BY version LIMIT 1")                                         \
    STORE_SQL(template_variants, "SELECT texts BETWEEN 2 AND 12 AND texts=(SELECT count(*) FROM prompt_text p WHERE "  \
                                 "p.prompt=?1 AND p.version=?2 AND p.calls>=" STORE_SQL_RECURS ") "                    \
                                 "FROM prompt_template t WHERE t.prompt=?1 AND t.version=?2")                          \
    STORE_SQL(rule_put, "INSERT INTO prompt_rule(prompt,part,name,into_prompt,said_ns) VALUES(?1,?2,?3,?4,?5) "        \
                        "ON CONFLICT(prompt,part) DO UPDATE SET name=coalesce(excluded.name,name), "                   \
                        "into_prompt=coalesce(excluded.into_prompt,into_prompt), said_ns=excluded.said_ns")            \
    STORE_SQL(rule_drop, "DELETE FROM prompt_rule WHERE prompt=?1 AND part=?2")                                        \
    STORE_SQL(rule_end, "UPDATE prompt_rule SET into_prompt=NULL WHERE prompt=?1 AND part=''")                         \
    STORE_SQL(prompts_moved, "SELECT prompt,max(said) FROM (SELECT prompt,1 AS said FROM prompt_rule WHERE part='' "   \
                             "AND into_prompt<>prompt UNION SELECT prompt,0 FROM prompt_template WHERE alias NOT IN "  \
                             "(0,prompt)) GROUP BY prompt")                                                            \
    STORE_SQL(rule_all, "SELECT prompt,part,name,into_prompt,said_ns FROM prompt_rule ORDER BY prompt,part")           \
    STORE_SQL(rule_parts, "SELECT part,into_prompt FROM prompt_rule WHERE prompt=?1 AND part>'' ORDER BY part "        \
                          "LIMIT ?2")                                                                                  \
    STORE_SQL(rule_is_part, "SELECT EXISTS(SELECT 1 FROM prompt_rule WHERE into_prompt=?1 AND part>'')")               \
    STORE_SQL(rules_of_texts, "SELECT r.prompt,t.prompt FROM prompt_rule r JOIN prompt_text t ON t.id=r.prompt "       \
                              "WHERE r.part='' AND r.into_prompt IS NULL AND t.prompt IS NOT NULL AND "                \
                              "t.prompt<>r.prompt AND NOT EXISTS(SELECT 1 FROM prompt_template WHERE "                 \
                              "prompt=r.prompt) GROUP BY 1 LIMIT 1")                                                   \
    STORE_SQL(rule_move, "INSERT INTO prompt_rule(prompt,part,name,into_prompt,said_ns) SELECT ?2,'',name,NULL,"       \
                         "said_ns FROM prompt_rule WHERE prompt=?1 AND part='' ON CONFLICT(prompt,part) DO UPDATE "    \
                         "SET name=coalesce(name,excluded.name)")                                                      \
    STORE_SQL(template_all,                                                                                            \
              "SELECT prompt,version,scope,setup,texts,data,first_ns,last_ns,alias,settled,alias_version "             \
              "FROM prompt_template ORDER BY prompt,version")                                                          \
    STORE_SQL(rule_get, "SELECT name,into_prompt FROM prompt_rule WHERE prompt=?1 AND part=''")                        \
    STORE_SQL(key_of_prompt, "SELECT id FROM rollup_key WHERE prompt=?1")                                              \
    STORE_SQL(key_drop, "DELETE FROM rollup_key WHERE id=?1")                                                          \
    STORE_SQL(meta_add, "INSERT INTO meta(key,value) VALUES(?1,?2) "                                                   \
                        "ON CONFLICT(key) DO UPDATE SET value=value+excluded.value")                                   \
    STORE_SQL(collector_put, "INSERT OR IGNORE INTO meta(key,value) VALUES(?1,1)")                                     \
    STORE_SQL(collectors, "SELECT key FROM meta WHERE key>='collector ' AND key<'collector!'")                         \
    STORE_SQL(rollup_load, "SELECT " ROLLUP_SQL_KEYS "," ROLLUP_SQL_VALUES ",key FROM rollup_hour "                    \
                           "WHERE id>=?1 AND id<?1+4294967296")                                                        \
    STORE_SQL(meta_put, "INSERT OR REPLACE INTO meta(key,value) VALUES(?1,?2)")                                        \
    STORE_SQL(file_noted, "SELECT 1 FROM meta WHERE key='loss_file' AND value=?1")                                     \
    STORE_SQL(file_note, "INSERT OR REPLACE INTO meta(key,value) VALUES('loss_file',?1)")                              \
    STORE_SQL(rollup_next, "SELECT min(hour) FROM (SELECT min(id)>>32 AS hour FROM rollup_cell WHERE id>=?1 "          \
                           "UNION ALL SELECT min(hour) FROM rollup_packed WHERE hour>=?2)")                            \
    STORE_SQL(rollup_open, "SELECT min(id)>>32 FROM rollup_cell WHERE id>=?1")                                         \
    STORE_SQL(rollup_drop_hour, "DELETE FROM rollup_cell WHERE id>=?1 AND id<?1+4294967296")                           \
    STORE_SQL(packed_get, "SELECT data FROM rollup_packed WHERE hour=?1")                                              \
    STORE_SQL(packed_put, "INSERT OR REPLACE INTO rollup_packed(hour,data) VALUES(?1,?2)")                             \
    STORE_SQL(rollup_key_get, "SELECT " ROLLUP_SQL_KEYS " FROM rollup_key WHERE id=?1")                                \
    STORE_SQL(rollup_key, "SELECT id FROM rollup_key WHERE " ROLLUP_SQL_KEY_IS)                                        \
    STORE_SQL(rollup_key_put, "INSERT INTO rollup_key(" ROLLUP_SQL_KEYS ") VALUES(" ROLLUP_SQL_KEY_PARAMETERS ") "     \
                              "ON CONFLICT DO NOTHING")                                                                \
    STORE_SQL(rollup_put,                                                                                              \
              "INSERT OR REPLACE INTO rollup_cell(id," ROLLUP_SQL_VALUES ") VALUES(?," ROLLUP_SQL_PARAMETERS ")")      \
    STORE_SQL(rollup_drop, "DELETE FROM rollup_cell WHERE id=?1")

enum store_sql {
#define STORE_SQL(ident, text) STORE_SQL_##ident,
    STORE_SQLS(STORE_SQL)
#undef STORE_SQL
        STORE_SQL_COUNT
};

/* The columns of a merged block that is being written, by their numbers: in memory until all are
 * there. */
struct store_columns {
    int64_t block;
    struct {
        uint8_t *data; /* NULL: there is none */
        size_t bytes;
    } at[SPAN_FIELD_NUMBER_END];
};

/* A row of the process table in memory. Owner: the store's table; pointers hold until
 * store_processes_trim. */
struct store_process {
    int64_t id;
    struct span_process process;
    struct span_loss loss;
    uint64_t final; /* sequence number of the frame with which it said that it ends; 0: it has not */
    bool departed;  /* found by its number alone: by its identity it must be asked after as one that departed */
};

/* Which file a name stood for when the store was opened. */
struct store_place {
    bool known;
    dev_t device;
    ino_t inode;
    char path[STORE_PATH_MAX];
};

struct store {
    sqlite3 *db;                    /* NULL only in a writer that lost its file and could not make it anew yet */
    int away;                       /* then: the status of that, */
    char away_why[STORE_WHY_BYTES]; /* and the sentence */
    bool writing;
    bool has_log;                /* else the file system cannot have one, and readers wait for writers */
    struct store_place place[3]; /* of a writer: the file, its log, the log's index */
    int queue;                   /* the log, locked by the writer whose turn is next; -1: there is none */
    uint64_t times_away;         /* the file was gone and another was begun or found */
    bool in_transaction;
    uint64_t block_bytes; /* of all blocks that were taken */
    int64_t data_version; /* changes when another connection wrote: what is in memory is then stale */
    sqlite3_stmt *statement[STORE_SQL_COUNT];
    struct store_process **by_identity, **by_id; /* open addressing; same capacity */
    size_t n_processes, process_slots;
    struct rollup *rollup;
    struct span_buffer unpacked; /* what store_packed.c reads */
    struct span_process program; /* facts of the program that was asked for last, and its number; 0: none */
    int64_t program_id;
    int64_t crowd; /* which one is in crowd_column; -1: none */
    struct span_column crowd_column[STORE_CROWD_COLUMNS];
    bool look_for_departing; /* blocks were merged since nobody was found */
    bool giving_back;        /* free pages to the file system, until there are none worth it */
    int64_t counted;         /* highest block that the rollups in memory count */
    int64_t saved;           /* ... that the stored ones count */
    unsigned unsaved_commits;
    uint64_t unsaved_rows;
    struct span_column column[SPAN_FIELD_COUNT]; /* scratch of take, scan, merge and check */
    int64_t cached_block; /* the merged block whose columns `cached` tells to be in `column`; 0: none */
    bool cached[SPAN_FIELD_COUNT];
    struct store_prompts prompts;
    const struct store_columns *building; /* read from here, not from the file; NULL: no block is being written */
    struct span_column process_column;
    const struct span_process **row_process;
    size_t row_process_capacity;
};

/* SQLite's integers have a sign; no real count, time or size comes near the edge. */
static inline int64_t store_int(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* store_open.c: 0, or a status with the reason remembered; store->db may be set even then. */
int store_open_reading(struct store *store, const char *path);
int store_open_writing(struct store *store, const char *path);
/* store_open.c: one integer; SQLite's code. */
int store_pragma_int(sqlite3 *db, const char *text, int64_t *ret_value);
/* store_make.c: makes the store where there is none or an empty file. 0 also when somebody else
 * made it meanwhile. */
int store_make(const char *path);
/* store_make.c: the tables of processes and of rollups, which a migration makes anew. */
extern const char store_schema_processes[], store_schema_rollups[], store_schema_packed[], store_schema_prompts[],
    store_schema_origins[];
/* store_schema.c: 0, or STORE_FOREIGN where tables, views or triggers are not as pprofd makes
 * them. */
int store_schema_check(struct store *store);
/* store_migrate.c: brings the store, open for writing, from the version it has to STORE_VERSION, in
 * one transaction. */
int store_migrate(struct store *store);
/* store.c: remembers which files the open handle has. 0, or -1 when they are not in their places
 * any more. */
int store_note_places(struct store *store, const char *path);
/* store_open.c: SQLite's code. */
int store_in_wal_mode(sqlite3 *db, bool *ret_wal);
/* store_log.c: says in the main file that a log belongs to it, and notes it where that had been
 * said and there is none. 0; a status only where it cannot be noted. */
int store_log_begin(struct store *store);
/* store_log.c: whether the store says so and there is none. 0 or store_status. */
int store_log_is_gone(struct store *store, bool *ret_gone);
/* store_log.c: takes that back, where it can be (what is in the log is to go into the file at
 * once). */
bool store_log_drop(struct store *store);
/* store_log.c: the same before the handle is closed, and makes the store one plain file, unless
 * others have it open. */
void store_log_end(struct store *store);
/* store_open.c: milliseconds of a clock that nobody sets. */
uint64_t store_now_ms(void);
/* store_open.c: sleeps for a moment, before something is tried again. */
void store_nap(void);
/* store_why.c: remember why, as printf or as "WHAT: " and a reason, by errno or by SQLite's code
 * with the errno after it (0: none). The last is of the handle's last error. All return the
 * status. */
int store_because(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
int store_errno(const char *what, int error);
int store_code(const char *what, int code, int error);
int store_sqlite_failed(struct store *store, const char *doing);
/* store_open.c: the path as SQLite is to get it, which takes some names for something else than
 * files. 0 or status. */
int store_name(char out[STORE_PATH_MAX], const char *path);
/* store.c: a kept statement, reset and ready to be bound; NULL when it cannot be prepared
 * (store_sqlite_failed tells).
 */
sqlite3_stmt *store_statement(struct store *store, enum store_sql which);
/* store.c: runs a statement that gives no rows and resets it. */
int store_run(struct store *store, sqlite3_stmt *statement, const char *doing);

/* store.c: as store_commit, and saves all rollups. */
int store_commit_all(struct store *store);
/* store.c: begins a transaction in which nothing changes; ended by STORE_SQL_commit. */
int store_begin_read(struct store *store);

/* store_process.c; NULL with *ret_status 0: no such process. */
struct store_process *store_process_by_id(struct store *store, int64_t id, int *ret_status);
struct store_process *store_process_by_identity(struct store *store, const uint8_t identity[16], int *ret_status);
int store_process_put(struct store *store, const struct span_process *process);
/* What a frame says of losses and of its process' end. */
int store_process_loss(struct store *store, struct store_process *known, const struct span_frame *frame);
/* store_departed.c. A process that departed: 1 with its number and the last frame that came, 0, or
 * negative status. */
int store_departed(struct store *store, const uint8_t identity[16], int64_t *ret_process, int64_t *ret_last);
/* store_departed.c: takes one that departed back into the process table. */
int store_revive(struct store *store, const uint8_t identity[16]);
/* store_departed.c: one that is in a crowd, without what its program is: 1, 0, or negative
 * status. */
int store_crowd_process(struct store *store, int64_t id, struct store_process *ret_process, int64_t *ret_program);
/* store_departed.c: lets processes go that began before this time, in a transaction of its own. */
int store_depart_step(struct store *store, uint64_t before_ns, bool *ret_more);
/* store_departed.c: what is in memory of crowds is old; or is over. */
void store_crowd_forget(struct store *store);
void store_crowd_done(struct store *store);
/* store_departed.c: whether a crowd is as it should be. */
int store_check_crowd(struct store *store, int64_t number, int64_t n,
                      void (*fault)(void *context, const char *what, int64_t a, int64_t b), void *context);
void store_processes_trim(struct store *store); /* at most STORE_PROCESSES_KEPT stay */
void store_processes_clear(struct store *store);

/* Which columns of a block are wanted; start_ns always is. */
struct store_wanted {
    const enum span_field *fields;
    size_t n_fields;
    bool seq;    /* too */
    bool prompt; /* what tells the prompt, too */
    bool parts;  /* and what tells its parts */
};
enum { STORE_GONE = -50 }; /* there is no such block any more: it was merged into another one */
/* store_scan.c: the wanted columns of one block, in the transaction of the moment; ret_rows->n is
 * its number of rows. 0, STORE_GONE, STORE_DAMAGED, or worse. */
int store_read_block(struct store *store, int64_t id, const struct store_wanted *wanted, struct store_rows *ret_rows);
/* store_scan.c: the field's values are texts (or bytes), not numbers. */
bool store_is_text(enum span_field field);
/* store_scan.c: decodes one column by the type of its field; 0, STORE_DAMAGED, or STORE_FAILED
 * without memory. */
int store_decode(struct span_column *column, enum span_field field, const uint8_t *data, size_t bytes, size_t n);
/* store_scan.c: fills store->row_process for n rows, from one process (process_id > 0) or from the
 * block's own column. 0, STORE_DAMAGED or worse. */
int store_row_processes(struct store *store, int64_t block, int64_t process_id, size_t n);
/* store_scan.c: one column of a merged block into `column`; 1 when there, 0 when the block has
 * none, negative status. What it is predicted from is decoded into the store's own columns.
 */
int store_merged_column(struct store *store, int64_t block, enum span_field field, struct span_column *column,
                        size_t n);

/* store_scan.c: from here on the store's own columns of this merged block are decoded once, until
 * it is called with 0. */
void store_cache_columns(struct store *store, int64_t block);

/* store_columns.c: the fields that are predicted from others, each after those it is predicted
 * from; SPAN_FIELD_COUNT past the last. */
bool store_is_predicted(enum span_field field);
enum span_field store_predicted(size_t i);
/* The values of one field for the rows of the block that is being written; texts or values by its
 * type. */
struct store_gathered {
    const uint64_t *values;
    const struct span_text *texts;
    const uint64_t *present;
    size_t rows;
};
/* store_columns.c: replaces the encoded column in `out` by a predicted one where that is smaller;
 * `other` is scratch. 0 or a negative status. */
int store_predict(struct store *store, int64_t block, enum span_field field, const struct store_gathered *gathered,
                  struct span_buffer *out, struct span_buffer *other);

/* prompts/store_texts.c: whether there is anything to be looked for; what was kept in memory of the
 * file is forgotten. 0 or store_status. */
int store_prompts_look(struct store *store);
void store_prompts_forget(struct store *store); /* without looking */
void store_prompts_done(struct store *store);
/* prompts/store_texts.c: the features that rows came with go into their table; a bad one is
 * counted. */
int store_texts_take(struct store *store, const struct store_rows *rows);
/* prompts/store_shape.c: a text came again, with a preview: it is kept while the text waits, and
 * becomes that of its version where that has none. */
struct prompt_features;
int store_preview_take(struct store *store, uint64_t id, const struct prompt_features *features,
                       const struct span_text *data, const char *preview);
/* prompts/store_shape.c: the preview of a version without what varies; "" where there is none. It
 * holds until what is in memory of prompts is forgotten. */
int store_preview_find(struct store *store, uint64_t prompt, uint32_t version, const char **ret_preview);
void store_previews_forget(struct store_prompts *prompts);
/* prompts/store_texts.c: the block without the column of features, appended. */
int store_without_features(const uint8_t *block, size_t bytes, struct span_buffer *out);
/* prompts/store_texts.c: counts calls by their texts in memory, and saves that; as the rollups. */
int store_texts_count(struct store *store, const struct store_rows *rows);
int store_texts_save(struct store *store);
/* prompts/store_map.c: what a call belongs to, NULL where nothing was learned or said of it; holds
 * until another one is asked for. 0 or store_status. */
int store_prompt_find(struct store *store, const struct store_call *call, const struct store_prompt **ret_prompt);
/* prompts/store_map.c: the number of a version that was found, as the merge wrote it; 0: it is none
 * of those. */
uint32_t store_found_version(struct span_text text);
/* prompts/store_rules.c: names that were given to texts go to the prompts that were learned of
 * them. In the transaction that learns. 0 or store_status. */
int store_rules_learn(struct store *store);
/* prompts/store_study.c: a text that waits is to be looked at again. */
void store_study_again(struct store *store, int64_t text);
/* prompts/store_study.c: forgets what learning keeps in memory: it is read again. */
void store_study_end(struct store *store);
/* prompts/store_map.c: forgets what is in memory of ids when it is much. 0 or store_status. */
int store_prompts_trim(struct store *store);
/* prompts/store_show.c: rows as read become rows as they are shown: ids, versions and names of the
 * prompts that were learned. 0 or store_status. */
int store_prompts_show(struct store *store, const struct store_wanted *wanted, struct store_rows *rows);
/* prompts/store_show.c: whether the field is one of those. */
bool store_is_of_prompt(enum span_field field);
/* prompts/store_show.c: a rollup's key as it is shown; texts hold while `room` does. 0 or
 * store_status. */
struct store_shown_key {
    char id[17], version[12];
    struct span_text key[ROLLUP_KEY_COUNT];
};
int store_prompt_key(struct store *store, uint64_t hour, const struct rollup_group *group,
                     struct store_shown_key *ret_key);
/* prompts/store_forget.c: texts that were assigned and do not recur go, in a transaction of its
 * own. */
int store_forget_step(struct store *store, uint64_t before_ns, bool *ret_more);
/* What the merge of an hour that is over writes instead of what its calls came with. */
struct store_settling {
    size_t rows;        /* 0: nothing was ever learned */
    uint64_t *start_ns; /* of each row */
    uint64_t *text_id;  /* of each row, where people spoke of parts of prompts; 0: none */
    uint32_t *found;    /* of each row: position in store->prompts.prompt + 1, 0: none */
    uint64_t *hour;     /* whose rollups are to be counted again */
    size_t n_hours, hours_capacity;
};
/* One field of all rows that are being merged. */
struct store_gathering {
    uint64_t *values;
    struct span_text *texts;
    uint64_t *present;
};
/* prompts/store_settle.c. The rows by their starts, by the ids of their texts, then what is found
 * by their ids; 0 or store_status. */
int store_settle_begin(struct store *store, struct store_settling *settling, const uint64_t *start_ns, size_t rows);
int store_settle_text_ids(struct store_settling *settling, const uint64_t *text_id, const uint64_t *present);
int store_settle_ids(struct store *store, struct store_settling *settling, const uint64_t *id, const uint64_t *present);
/* prompts/store_settle.c: whether the field is written otherwise; then, after it was gathered, 1, 0
 * when no row has it any more, or negative status. */
bool store_is_settled(const struct store_settling *settling, enum span_field field);
int store_settle_field(struct store *store, struct store_settling *settling, enum span_field field,
                       const struct store_gathering *rows);
void store_settle_done(struct store_settling *settling);
/* prompts/store_settle.c: counts the rollups of an hour again from its blocks. */
int store_recount(struct store *store, uint64_t hour);
/* prompts/store_learn.c: words and lines of a template as they lie in the store. 0 or
 * STORE_DAMAGED. */
struct miner_template;
int store_template_read(struct miner_template *template, const uint8_t *data, size_t bytes);
/* prompts/store_learn.c: the template of a row of STORE_SQL_template_list and its like. 0,
 * STORE_DAMAGED or worse. */
int store_template_row(struct miner_template *ret_template, sqlite3_stmt *row);
int store_template_put(struct store *store, const struct miner_template *template, struct span_buffer *data);
/* prompts/store_check_prompts.c: whether texts, templates and rules are as they should be. */
int store_check_prompts(struct store *store, void (*fault)(void *context, const char *sentence), void *context);

/* store_retention.c: one step of letting go what time is over; an hour is over when it ended so
 * long ago. */
int store_let_go(struct store *store, uint64_t now_ns, uint64_t grace_ns, bool *ret_more);
/* store_retention.c: notes until when (seconds since 1970) a merged block keeps them. */
int store_ids_keep(struct store *store, int64_t block, int64_t until_s);

/* store_columns.c: keeps a copy of an encoded column, writes all of a block, forgets them. 0 or a
 * negative status. */
int store_columns_keep(struct store_columns *columns, unsigned number, const struct span_buffer *encoded);
int store_columns_put(struct store *store, const struct store_columns *columns);
void store_columns_done(struct store_columns *columns);

/* store_packed.c: an hour that lies packed, into `rollup`: 1, 0 when it does not, negative
 * status. */
int store_packed_load(struct store *store, struct rollup *rollup, uint64_t hour);
/* store_packed.c: all groups of the hour, whose keys have their numbers, instead of what lay packed
 * of it. */
int store_packed_save(struct store *store, struct rollup_hour *hour);
/* store_packed.c: packs the first hour before this one that is not, in a transaction of its own. */
int store_pack_step(struct store *store, uint64_t before_hour, bool *ret_more);

/* store_rollup.c */
/* The group whose key is in the first columns of the row, made if need be; NULL with a status. */
struct rollup_group *store_rollup_group(struct rollup *rollup, uint64_t hour, sqlite3_stmt *row, int *ret_status);
int store_rollup_load(void *store, struct rollup *rollup, uint64_t hour);
int store_rollup_save(struct store *store);
/* Whether so much is in memory alone that a commit should save it. */
bool store_rollup_due(const struct store *store);
/* The highest block that the stored rollups count. */
int store_rollup_counted(struct store *store, int64_t *ret_block);
/* Counts what lies above it into store->rollup, in the transaction of the moment. */
int store_rollup_catch_up(struct store *store);
