/*
 * Whether what a store says of prompts is as this version writes it: features that can be read as
 * long as they are needed, a template for each text that was assigned, templates that can be read,
 * words of people that can be followed: no circles, nothing that is neither a name nor an id.
 *
 * Called by store_check.c. Changes nothing.
 */
#include "../store_inner.h"

#include <stdio.h>
#include <string.h>

#include "../../../span/prompt_features.h"
#include "../../prompts/miner.h"
#include "../../prompts/shape.h"

struct checking {
    struct store *store;
    void (*fault)(void *context, const char *sentence);
    void *context;
};

static void tell(struct checking *checking, const char *what, sqlite3_stmt *row)
{
    char sentence[256];

    (void)snprintf(sentence, sizeof(sentence), "%s: %016llx, %lld", what,
                   (unsigned long long)sqlite3_column_int64(row, 0), (long long)sqlite3_column_int64(row, 1));
    checking->fault(checking->context, sentence);
}

static int check_text(struct checking *checking, sqlite3_stmt *row)
{
    struct prompt_features features;
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, 2, &data, &bytes);

    if (status == 0 && (prompt_features_read(&features, data == NULL ? (const uint8_t *)"" : data, bytes) != 0 ||
                        features.setup != sqlite3_column_int64(row, 1)))
        tell(checking, "the features of a text cannot be read: text, setup", row);
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
        tell(checking, "a template cannot be read: prompt, version", row);
    return status == STORE_DAMAGED ? 0 : status;
}

static int check_shape(struct checking *checking, sqlite3_stmt *row)
{
    static struct prompt_shape shape;
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, 2, &data, &bytes);

    if (status == 0 && shape_read(&shape, data, bytes) != 0)
        tell(checking, "what a version looks like cannot be read: prompt, version", row);
    return status;
}

/* A name that readers show as it is. */
static bool is_name(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > SPAN_TEXT_MAX || strlen(name) != bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 127)
            return false;
    return true;
}

static int check_name(struct checking *checking, sqlite3_stmt *row)
{
    const char *name;
    size_t bytes;
    int status = store_column_text(row, 2, &name, &bytes);

    if (status == 0 && (sqlite3_column_type(row, 2) != SQLITE_TEXT || name == NULL || !is_name(name, bytes)))
        tell(checking, "a name that was given to a prompt is none: prompt, bytes", row);
    return status;
}

static int say(struct checking *checking, sqlite3_stmt *row)
{
    const char *what;
    size_t bytes;
    int status = store_column_text(row, 2, &what, &bytes);

    if (status == 0 && what != NULL)
        tell(checking, what, row);
    return status;
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

/* Each row that a query gives is a fault: an id, a number, and what is wrong. */
static const char *const none[] = {
    "SELECT id,prompt,'a text belongs to a version of a prompt that is not there: text, prompt' "
    "FROM prompt_text WHERE (done=1 OR prompt IS NOT NULL) AND NOT EXISTS(SELECT 1 FROM prompt_template t WHERE "
    "t.prompt=prompt_text.prompt AND t.version=prompt_text.version AND t.settled>=done)",
    "SELECT id,done,'what tells a text from others is missing, or needless: text, done' FROM prompt_text WHERE "
    "done<>(n NOT IN (SELECT text FROM prompt_open)) UNION ALL "
    "SELECT text,0,'what tells a text from others is of none: text, done' FROM prompt_open WHERE text NOT IN "
    "(SELECT n FROM prompt_text)",
    "SELECT prompt,version,'a version of a prompt is not possible: prompt, version' FROM prompt_template WHERE "
    "version<1 OR version>4294967295 OR last_ns<first_ns OR prompt=0 OR alias_version NOT BETWEEN 0 AND 4294967295",
    "SELECT id,calls,'a count of a text''s calls is negative: text, calls' FROM prompt_text WHERE calls<0 OR "
    "last_ns<first_ns",
    "SELECT prompt,1,'what is no number stands for one in a template: prompt, version' FROM prompt_template WHERE "
    "typeof(prompt)||typeof(version)||typeof(alias)||typeof(alias_version)||typeof(texts)||typeof(settled)<>"
    "'integerintegerintegerintegerintegerinteger'",
    "SELECT id,setup,'what is no number stands for one in a text: text, setup' FROM prompt_text WHERE "
    "typeof(id)||typeof(setup)||typeof(calls)<>'integerintegerinteger' OR typeof(prompt) NOT IN ('integer','null') "
    "OR typeof(version) NOT IN ('integer','null')",
    "SELECT prompt,said_ns,'a rule is of no prompt, or leads to none: prompt, time' FROM prompt_rule WHERE "
    "typeof(prompt)<>'integer' OR prompt=0 OR typeof(said_ns)<>'integer' OR into_prompt=0 OR "
    "typeof(into_prompt) NOT IN ('integer','null') OR (part<>'' AND into_prompt IS NULL)",
    "SELECT prompt,said_ns,'a rule is of a part that nothing can be: prompt, time' FROM prompt_rule WHERE "
    "typeof(part)<>'text' OR (part<>'' AND (substr(part,1,1) NOT IN ('@','#','=') OR length(part)=1 OR "
    "length(CAST(part AS BLOB))>=144))",
    "WITH RECURSIVE way(start,at,n) AS (SELECT prompt,into_prompt,1 FROM prompt_rule WHERE part='' AND "
    "into_prompt<>prompt UNION SELECT start,r.into_prompt,n+1 FROM way JOIN prompt_rule r ON r.prompt=at WHERE "
    "r.part='' AND r.into_prompt<>r.prompt AND at<>start AND n<64) "
    "SELECT start,max(n),'rules lead round in a circle, and do not count: prompt, rules' FROM way WHERE at=start "
    "GROUP BY start",
    "WITH RECURSIVE way(start,version,at,of,n) AS (SELECT prompt,version,alias,CASE alias_version WHEN 0 THEN version "
    "ELSE alias_version END,1 FROM prompt_template WHERE alias<>0 UNION SELECT start,w.version,t.alias,CASE "
    "t.alias_version WHEN 0 THEN w.of ELSE t.alias_version END,n+1 FROM way w JOIN prompt_template t ON t.prompt=w.at "
    "AND t.version=w.of WHERE t.alias<>0 AND (at<>start OR of<>w.version) AND n<64) "
    "SELECT start,version,'what prompts turned out to be leads round in a circle: prompt, version' FROM way WHERE "
    "at=start AND of=version",
};
_Static_assert(STORE_PART_BYTES == 144, "as the query of parts has it");

int store_check_prompts(struct store *store, void (*fault)(void *context, const char *sentence), void *context)
{
    struct checking checking = {store, fault, context};
    int status =
        each_row(&checking, "SELECT id,setup,features FROM prompt_open JOIN prompt_text ON n=text", check_text);

    if (status == 0)
        status = each_row(&checking, "SELECT prompt,version,data FROM prompt_template", check_template);
    if (status == 0)
        status = each_row(&checking, "SELECT prompt,version,data FROM prompt_shape", check_shape);
    if (status == 0)
        status =
            each_row(&checking, "SELECT prompt,length(CAST(name AS BLOB)),name FROM prompt_rule WHERE name IS NOT NULL",
                     check_name);
    for (size_t i = 0; status == 0 && i < sizeof(none) / sizeof(none[0]); i++)
        status = each_row(&checking, none[i], say);
    return status;
}
