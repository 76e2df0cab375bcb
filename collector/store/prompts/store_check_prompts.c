/*
 * Whether what a store says of prompts is as this version writes it: features that can be read as
 * long as they are needed, a template for each text that was assigned, templates that can be read.
 *
 * Called by store_check.c. Changes nothing.
 */
#include "../store_inner.h"

#include "../../../span/prompt_features.h"
#include "../../prompts/miner.h"
#include "../../prompts/shape.h"

struct checking {
    struct store *store;
    void (*fault)(void *context, const char *what, int64_t a, int64_t b);
    void *context;
};

static int check_text(struct checking *checking, sqlite3_stmt *row)
{
    struct prompt_features features;
    const int64_t id = sqlite3_column_int64(row, 0);
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, 2, &data, &bytes);

    if (status == 0 && (prompt_features_read(&features, data == NULL ? (const uint8_t *)"" : data, bytes) != 0 ||
                        features.setup != sqlite3_column_int64(row, 1)))
        checking->fault(checking->context, "the features of a text cannot be read: text, setup", id,
                        sqlite3_column_int64(row, 1));
    return status;
}

static int check_template(struct checking *checking, sqlite3_stmt *row)
{
    static struct miner_template template;
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, 2, &data, &bytes);

    if (status == 0)
        status = store_template_read(&template, data, bytes);
    if (status == STORE_DAMAGED)
        checking->fault(checking->context, "a template cannot be read: prompt, version", sqlite3_column_int64(row, 0),
                        sqlite3_column_int64(row, 1));
    return status == STORE_DAMAGED ? 0 : status;
}

static int check_shape(struct checking *checking, sqlite3_stmt *row)
{
    static struct prompt_shape shape;
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, 2, &data, &bytes);

    if (status == 0 && shape_read(&shape, data, bytes) != 0)
        checking->fault(checking->context, "what a version looks like cannot be read: prompt, version",
                        sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1));
    return status;
}

static int say(struct checking *checking, sqlite3_stmt *row)
{
    checking->fault(checking->context, (const char *)sqlite3_column_text(row, 2), sqlite3_column_int64(row, 0),
                    sqlite3_column_int64(row, 1));
    return 0;
}

static int each_row(struct checking *checking, const char *query,
                    int (*each)(struct checking *checking, sqlite3_stmt *row))
{
    sqlite3_stmt *statement = NULL;
    int status = 0;
    int code = sqlite3_prepare_v2(checking->store->db, query, -1, &statement, NULL);

    while (code == SQLITE_OK && status == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        status = each(checking, statement);
        code = SQLITE_OK;
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(checking->store, "checking");
    (void)sqlite3_finalize(statement);
    return status;
}

int store_check_prompts(struct store *store, void (*fault)(void *context, const char *what, int64_t a, int64_t b),
                        void *context)
{
    struct checking checking = {store, fault, context};
    int status =
        each_row(&checking, "SELECT id,setup,features FROM prompt_open JOIN prompt_text ON n=text", check_text);

    if (status == 0)
        status = each_row(&checking, "SELECT prompt,version,data FROM prompt_template", check_template);
    if (status == 0)
        status = each_row(&checking, "SELECT prompt,version,data FROM prompt_shape", check_shape);
    if (status == 0)
        status = each_row(&checking,
                          "SELECT id,prompt,'a text belongs to a version of a prompt that is not there: text, prompt' "
                          "FROM prompt_text WHERE (done=1 OR prompt IS NOT NULL) AND NOT EXISTS(SELECT 1 "
                          "FROM prompt_template t WHERE t.prompt=prompt_text.prompt AND t.version=prompt_text.version "
                          "AND t.settled>=done)",
                          say);
    if (status == 0)
        status = each_row(&checking,
                          "SELECT n,done,'what tells a text from others is missing, or needless: text, done' FROM "
                          "prompt_text WHERE done<>(n NOT IN (SELECT text FROM prompt_open)) UNION ALL "
                          "SELECT text,0,'what tells a text from others is of none: text, done' FROM prompt_open "
                          "WHERE text NOT IN (SELECT n FROM prompt_text)",
                          say);
    if (status == 0)
        status = each_row(&checking,
                          "SELECT prompt,version,'a version of a prompt is not possible: prompt, version' FROM "
                          "prompt_template WHERE version<1 OR version>4294967295 OR last_ns<first_ns",
                          say);
    return status == 0 ? each_row(&checking,
                                  "SELECT id,calls,'a count of a text''s calls is negative: text, calls' FROM "
                                  "prompt_text WHERE calls<0 OR last_ns<first_ns",
                                  say)
                       : status;
}
