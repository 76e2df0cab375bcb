/*
 * What people say of prompts by `pprofctl prompts name|merge|split`: which prompts are meant,
 * whether that makes sense, and what was done. Called by prompts.c. Must keep nothing that a reader
 * could not show.
 */
#include "prompts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../base/display_safe.h"
#include "command.h"
#include "open_store.h"

enum { ID_DIGITS = 16, NAMED_MAX = 4 };

struct saying {
    struct store *store;
    const char *path;
    struct prompt_list list;
};

/* A prompt that was typed. */
struct meant {
    const char *text;                /* as typed */
    uint64_t id;                     /* that was named, whole */
    uint64_t prompt;                 /* that is shown for it */
    char version[PROMPT_NAME_BYTES]; /* "": none was typed */
};

/* ---- which prompt ---- */

/* Distinct prompts, as far as they are told apart in a sentence. */
struct candidates {
    uint64_t id[NAMED_MAX];
    size_t n; /* may be more than NAMED_MAX */
};

static void add_candidate(struct candidates *candidates, uint64_t id)
{
    for (size_t i = 0; i < candidates->n && i < NAMED_MAX; i++)
        if (candidates->id[i] == id)
            return;
    if (candidates->n < NAMED_MAX)
        candidates->id[candidates->n] = id;
    candidates->n++;
}

static void by_name(const struct saying *saying, const char *text, size_t bytes, const char *version,
                    struct candidates *ret)
{
    *ret = (struct candidates){0};
    for (size_t i = 0; i < saying->list.n; i++) {
        const struct prompt_row *row = &saying->list.row[i];
        const char *name = prompt_text(&saying->list, row->name);
        if (name[0] != '\0' && strlen(name) == bytes && memcmp(name, text, bytes) == 0 &&
            (version[0] == '\0' || strcmp(prompt_text(&saying->list, row->version), version) == 0))
            add_candidate(ret, row->prompt);
    }
}

static bool is_digits(const char *text, size_t bytes)
{
    return bytes > 0 && bytes <= ID_DIGITS && strspn(text, "0123456789abcdefABCDEF") >= bytes;
}

/* Prompts whose ids begin so, those that are another one now among them. */
static void by_digits(const struct saying *saying, const char *text, size_t bytes, struct candidates *ret)
{
    char digits[ID_DIGITS + 1] = "";
    memcpy(digits, text, bytes);
    const unsigned shift = (unsigned)(ID_DIGITS - bytes) * 4;
    const uint64_t begin = strtoull(digits, NULL, 16);
    *ret = (struct candidates){0};
    for (size_t i = 0; i < saying->list.n; i++)
        if (saying->list.row[i].prompt != 0 && saying->list.row[i].prompt >> shift == begin)
            add_candidate(ret, saying->list.row[i].prompt);
    for (size_t i = 0; i < saying->list.n_moved; i++)
        if (saying->list.moved[i].prompt >> shift == begin)
            add_candidate(ret, saying->list.moved[i].prompt);
    if (ret->n == 0 && bytes == ID_DIGITS && begin != 0)
        add_candidate(ret, begin); /* of a text, as it was shown before it was learned */
}

static int complain_of_many(const struct meant *meant, const struct candidates *candidates, const char *what)
{
    char ids[NAMED_MAX * (ID_DIGITS + 2) + 8] = "";
    for (size_t i = 0; i < candidates->n && i < NAMED_MAX; i++)
        (void)snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s%016" PRIx64, i > 0 ? ", " : "",
                       candidates->id[i]);
    complain("%zu prompts %s \"%s\"; give more of the id: %s%s.", candidates->n, what, meant->text, ids,
             candidates->n > NAMED_MAX ? " ..." : "");
    return -1;
}

static int complain_of_none(const struct saying *saying, const struct meant *meant)
{
    complain("%s has no prompt \"%s\"; `pprofctl prompts %s` lists those that it has.", saying->path, meant->text,
             saying->path);
    return -1;
}

/* The first `bytes` of what was typed as a name or an id: 1, 0 when it is none, -1 after having
 * said what is wrong. */
static int find(const struct saying *saying, struct meant *meant, size_t bytes)
{
    struct candidates candidates;
    by_name(saying, meant->text, bytes, meant->version, &candidates);
    if (candidates.n == 0 && meant->version[0] != '\0')
        by_name(saying, meant->text, bytes, "", &candidates);
    if (candidates.n > 1)
        return complain_of_many(meant, &candidates, "are named");
    if (candidates.n == 1 && candidates.id[0] == 0) {
        complain("of the calls of \"%s\" their name alone is known, so nothing else can be said of them.", meant->text);
        return -1;
    }
    if (candidates.n == 0 && is_digits(meant->text, bytes))
        by_digits(saying, meant->text, bytes, &candidates);
    if (candidates.n > 1)
        return complain_of_many(meant, &candidates, "begin with");
    meant->id = candidates.id[0];
    return (int)candidates.n;
}

static bool has_row(const struct saying *saying, uint64_t prompt, const char *version)
{
    for (size_t i = 0; i < saying->list.n; i++)
        if (saying->list.row[i].prompt == prompt &&
            (version == NULL || strcmp(prompt_text(&saying->list, saying->list.row[i].version), version) == 0))
            return true;
    return false;
}

/* What was typed: a name, an id or its beginning, each perhaps with @VERSION. 1, 0 when there is no
 * such prompt, -1 after having said what is wrong. */
static int find_meant(const struct saying *saying, const char *text, struct meant *ret)
{
    *ret = (struct meant){.text = text};
    const char *at = strrchr(text, '@');
    int found = find(saying, ret, strlen(text));
    if (found == 0 && at != NULL && at > text && strlen(at + 1) < sizeof(ret->version)) {
        (void)snprintf(ret->version, sizeof(ret->version), "%s", at + 1);
        found = find(saying, ret, (size_t)(at - text));
    }
    if (found != 1)
        return found;
    ret->prompt = ret->id; /* also where the text that it has its id of stands elsewhere now */
    if (has_row(saying, ret->id, NULL))
        return 1;
    found = store_prompt_shown(saying->store, ret->id, &ret->prompt);
    if (found < 0) {
        complain_store(saying->path, found);
        return -1;
    }
    return found == 1 || has_row(saying, ret->prompt, NULL);
}

/* A whole prompt. 0, or -1 after having said what is wrong. */
static int find_prompt(const struct saying *saying, const char *text, struct meant *ret)
{
    const int found = find_meant(saying, text, ret);
    if (found == 0)
        return complain_of_none(saying, ret);
    if (found == 1 && ret->version[0] != '\0') {
        complain("%s is a version; `pprofctl prompts split %s` makes it a prompt of its own first.", text, text);
        return -1;
    }
    return found == 1 ? 0 : -1;
}

/* ---- name ---- */

/* What is wrong with a name; NULL: nothing. */
static const char *fault_of_name(const char *name)
{
    size_t bytes = strlen(name), width;
    if (bytes == 0 || bytes >= PROMPT_NAME_BYTES)
        return "it has none or more than 127 bytes";
    for (size_t at = 0, length; at < bytes; at += length) {
        length = display_character(name + at, bytes - at, &width);
        if (length == DISPLAY_CHARACTER_BAD)
            return "it has control characters, characters that are not seen, or is no UTF-8";
    }
    if (name[0] == ' ' || name[bytes - 1] == ' ')
        return "it begins or ends with a blank";
    if (strchr(name, '@') != NULL)
        return "it has an @, behind which a version would stand";
    if (bytes == ID_DIGITS && is_digits(name, bytes))
        return "it looks like an id";
    return strcmp(name, "-") == 0 ? "that is how what was not seen is shown" : NULL;
}

struct given {
    uint64_t prompt;
    char name[PROMPT_NAME_BYTES];
};

static int keep_given(void *context, const struct store_rule *rule)
{
    struct given *given = context;
    if (rule->prompt == given->prompt && rule->part[0] == '\0' && rule->name != NULL)
        display_safe(given->name, sizeof(given->name),
                     (struct span_text){rule->name, (uint32_t)strnlen(rule->name, PROMPT_NAME_BYTES)});
    return 0;
}

/* How many calls say a name themselves (the last such, that of the others given before does not
 * count), and how many there are. 0 or -1. */
static int count_said(const struct saying *saying, uint64_t prompt, const char **ret_said, uint64_t *ret_n_said,
                      uint64_t *ret_n)
{
    struct given given = {.prompt = prompt};
    const int status = store_rules(saying->store, keep_given, &given);
    *ret_said = "";
    *ret_n_said = *ret_n = 0;
    for (size_t i = 0; status == STORE_OK && i < saying->list.n; i++) {
        const struct prompt_row *row = &saying->list.row[i];
        const char *name = prompt_text(&saying->list, row->name);
        if (row->prompt != prompt)
            continue;
        *ret_n += row->calls;
        if (name[0] == '\0' || strcmp(name, given.name) == 0)
            continue;
        *ret_said = name;
        *ret_n_said += row->calls;
    }
    if (status != STORE_OK)
        complain_store(saying->path, status);
    return status == STORE_OK ? 0 : -1;
}

static int say_name(const struct saying *saying, char *const *operand)
{
    struct meant meant;
    struct candidates others;
    const char *fault = fault_of_name(operand[2]), *said;
    uint64_t n_said, n;
    if (fault != NULL) {
        complain("\"%s\" cannot be a name: %s.", display_name(operand[2]), fault);
        return EXIT_USAGE;
    }
    if (find_prompt(saying, operand[1], &meant) < 0 || count_said(saying, meant.prompt, &said, &n_said, &n) < 0)
        return 1;
    if (n_said > 0 && n_said == n) {
        complain("the calls of %s say themselves that it is \"%s\", and that counts first; give it another name "
                 "there, or merge it into a prompt with that name.",
                 operand[1], said);
        return 1;
    }
    const int status = store_prompt_name(saying->store, meant.prompt, operand[2]);
    if (status != STORE_OK) {
        complain_store(saying->path, status);
        return 1;
    }
    (void)printf("%016" PRIx64 " is named \"%s\".\n", meant.prompt, operand[2]);
    by_name(saying, operand[2], strlen(operand[2]), "", &others);
    for (size_t i = 0; i < others.n && i < NAMED_MAX; i++)
        if (others.id[i] != meant.prompt)
            (void)printf("%016" PRIx64 " has that name, too: reports by prompt show both in one row.\n", others.id[i]);
    if (n_said > 0)
        (void)printf("%" PRIu64 " of its %" PRIu64 " calls say \"%s\" themselves, which counts first.\n", n_said, n,
                     said);
    return 0;
}

/* ---- merge ---- */

static int say_merge(const struct saying *saying, char *const *operand)
{
    struct meant meant, into;
    const char *said;
    uint64_t n_said, n;
    if (find_prompt(saying, operand[1], &meant) < 0 || find_prompt(saying, operand[2], &into) < 0)
        return 1;
    if (meant.prompt == into.prompt) {
        complain("%s and %s are one prompt already.", operand[1], operand[2]);
        return 1;
    }
    if (count_said(saying, into.prompt, &said, &n_said, &n) < 0)
        return 1;
    const int status =
        store_prompt_merge(saying->store, meant.prompt, into.prompt, n_said > 0 && n_said == n ? said : NULL);
    if (status != STORE_OK) {
        complain_store(saying->path, status);
        return 1;
    }
    (void)printf("%016" PRIx64 " is part of %016" PRIx64 " now; `pprofctl prompts split %016" PRIx64
                 "` takes it apart again.\n",
                 meant.prompt, into.prompt, meant.prompt);
    return 0;
}

/* ---- split ---- */

/* What is looked for in rows: a variant of a prompt, or an exact text. */
struct looking {
    uint64_t prompt;     /* 0: that of the text is found */
    const char *variant; /* NULL: the text */
    uint64_t text_id;
    uint64_t n, others; /* calls of the prompt */
    char other[16];     /* some other variant that there is */
};

static bool is_looked_for(struct looking *looking, const struct span_column *column, size_t row)
{
    const bool has = column != NULL && span_bit(column->present, row);
    if (looking->variant == NULL)
        return has && column->u64[row] == looking->text_id;
    const struct span_text text = has ? column->dict[column->code[row]] : (struct span_text){"", 0};
    const bool same = text.bytes == strlen(looking->variant) && memcmp(text.data, looking->variant, text.bytes) == 0;
    if (!same && text.bytes > 0)
        display_safe(looking->other, sizeof(looking->other), text);
    return same;
}

static int look(void *context, const struct store_rows *rows)
{
    struct looking *looking = context;
    const enum span_field field = looking->variant != NULL ? SPAN_prompt_variant : SPAN_prompt_text_id;
    const struct span_column *id = rows->column[SPAN_prompt_id];
    for (size_t i = 0; rows->has[SPAN_prompt_id] && i < rows->n; i++) {
        if (!span_bit(id->present, i) || (looking->prompt != 0 && id->u64[i] != looking->prompt))
            continue;
        const bool same = is_looked_for(looking, rows->has[field] ? rows->column[field] : NULL, i);
        if (same)
            looking->prompt = id->u64[i];
        looking->n += same;
        looking->others += !same;
    }
    return 0;
}

static int look_for(const struct saying *saying, struct looking *looking)
{
    static const enum span_field fields[] = {SPAN_prompt_id, SPAN_prompt_variant, SPAN_prompt_text_id};
    const struct store_query query = {.until_ns = UINT64_MAX, .fields = fields, .n_fields = 3};
    int status = STORE_OK;
    if (looking->prompt == 0)
        status = store_scan(saying->store, &query, look, looking, NULL);
    looking->n = looking->others = 0;
    if (status == STORE_OK && looking->prompt != 0)
        status = store_scan(saying->store, &query, look, looking, NULL);
    if (status != STORE_OK)
        complain_store(saying->path, status);
    return status == STORE_OK ? 0 : -1;
}

static int split_part(const struct saying *saying, uint64_t prompt, const char *part, const char *what)
{
    uint64_t made = 0;
    const int status = store_prompt_split_part(saying->store, prompt, part, &made);
    if (status != STORE_OK) {
        complain_store(saying->path, status);
        return 1;
    }
    (void)printf("%s of %016" PRIx64 " is the prompt %016" PRIx64 " now, also of later calls; `pprofctl prompts merge "
                 "%016" PRIx64 " %016" PRIx64 "` takes that back.\n",
                 what, prompt, made, made, prompt);
    return 0;
}

static int split_version(const struct saying *saying, const struct meant *meant)
{
    char part[PROMPT_NAME_BYTES + 1], what[PROMPT_NAME_BYTES + 16];
    bool has_other = false;
    for (size_t i = 0; i < saying->list.n; i++)
        has_other |= saying->list.row[i].prompt == meant->prompt &&
                     strcmp(prompt_text(&saying->list, saying->list.row[i].version), meant->version) != 0;
    if (!has_row(saying, meant->prompt, meant->version)) {
        complain("%016" PRIx64 " has no version %s; `pprofctl prompts %s` lists those that it has.", meant->prompt,
                 display_name(meant->version), saying->path);
        return 1;
    }
    if (!has_other) {
        complain("all calls of %016" PRIx64 " are of version %s: there is nothing to take apart.", meant->prompt,
                 display_name(meant->version));
        return 1;
    }
    (void)snprintf(part, sizeof(part), "@%s", meant->version);
    (void)snprintf(what, sizeof(what), "version %s", display_name(meant->version));
    return split_part(saying, meant->prompt, part, what);
}

static int split_variant(const struct saying *saying, const struct meant *meant, const char *variant)
{
    char part[32], what[32];
    struct looking looking = {.prompt = meant->prompt, .variant = variant};
    if (look_for(saying, &looking) < 0)
        return 1;
    if (looking.n == 0 || looking.others == 0 || strlen(variant) > 16) {
        complain(looking.n == 0 ? "%016" PRIx64
                                  " has no variant %s%s%s; `pprofctl report --by prompt,variant %s` lists "
                                  "those that it has."
                                : "all calls of %016" PRIx64 " are of variant %s%s%s: there is nothing to take apart "
                                  "(%s).",
                 meant->prompt, display_name(variant), looking.other[0] != '\0' ? ", but " : "", looking.other,
                 saying->path);
        return 1;
    }
    (void)snprintf(part, sizeof(part), "#%s", variant);
    (void)snprintf(what, sizeof(what), "variant %s", variant);
    return split_part(saying, meant->prompt, part, what);
}

/* An exact text, by what export shows as pprof.prompt.text_id. */
static int split_text(const struct saying *saying, const struct meant *meant)
{
    char part[32], what[48];
    struct looking looking = {.text_id = strtoull(meant->text, NULL, 16)};
    if (strlen(meant->text) != ID_DIGITS || !is_digits(meant->text, ID_DIGITS) || looking.text_id == 0)
        return complain_of_none(saying, meant) < 0 ? 1 : 0;
    if (look_for(saying, &looking) < 0)
        return 1;
    if (looking.n == 0)
        return complain_of_none(saying, meant) < 0 ? 1 : 0;
    if (looking.others == 0) {
        complain("all calls of %016" PRIx64 " have the text %s: there is nothing to take apart.", looking.prompt,
                 meant->text);
        return 1;
    }
    (void)snprintf(part, sizeof(part), "=%016" PRIx64, looking.text_id);
    (void)snprintf(what, sizeof(what), "the text %016" PRIx64, looking.text_id);
    return split_part(saying, looking.prompt, part, what);
}

/* What could be taken apart of a prompt that is none but itself. */
static int complain_of_whole(const struct saying *saying, const struct meant *meant)
{
    for (size_t i = 0; i < saying->list.n_moved; i++)
        if (saying->list.moved[i].shown == meant->prompt) {
            complain("%016" PRIx64 " is no part of another prompt; %016" PRIx64
                     " is one of it: `pprofctl prompts split "
                     "%016" PRIx64 "`.",
                     meant->prompt, saying->list.moved[i].prompt, saying->list.moved[i].prompt);
            return 1;
        }
    complain("%016" PRIx64
             " is no part of another prompt; `split ID@VERSION`, `split ID --variant V` or `split TEXT_ID` "
             "make some of its calls a prompt of their own.",
             meant->prompt);
    return 1;
}

static int say_split(const struct saying *saying, const char *text, const char *variant)
{
    struct meant meant;
    const int found = find_meant(saying, text, &meant);
    if (found < 0)
        return 1;
    if (found == 0)
        return variant == NULL ? split_text(saying, &meant) : complain_of_none(saying, &meant) < 0 ? 1 : 0;
    if (variant != NULL && meant.version[0] != '\0') {
        complain("a variant is split from all versions of a prompt: leave @%s out.", display_name(meant.version));
        return EXIT_USAGE;
    }
    if (variant != NULL)
        return split_variant(saying, &meant, variant);
    if (meant.version[0] != '\0')
        return split_version(saying, &meant);
    if (meant.id == meant.prompt)
        return complain_of_whole(saying, &meant);
    const int status = store_prompt_split(saying->store, meant.id);
    if (status != STORE_OK) {
        complain_store(saying->path, status);
        return 1;
    }
    (void)printf("%016" PRIx64 " is a prompt of its own; `pprofctl prompts merge %016" PRIx64 " %016" PRIx64
                 "` takes that back.\n",
                 meant.id, meant.id, meant.prompt);
    return 0;
}

/* ---- the words ---- */

size_t prompts_operands(const char *word)
{
    return strcmp(word, "name") == 0 || strcmp(word, "merge") == 0 ? 3 : strcmp(word, "split") == 0 ? 2 : 0;
}

int prompts_say(const struct arguments *arguments, char *const *operand, const char *path)
{
    const char *variant = arguments_value(arguments, "variant");
    struct saying saying = {.path = path};
    int code = 1;
    if (variant != NULL && strcmp(operand[0], "split") != 0) {
        complain("--variant goes with split, not with %s.", operand[0]);
        return EXIT_USAGE;
    }
    struct store *store = open_store(path, STORE_READ); /* none is made here */
    if (store == NULL)
        return 1;
    store_close(store);
    saying.store = open_store(path, STORE_WRITE);
    if (saying.store == NULL)
        return 1;
    const int status = prompt_list_read(&saying.list, saying.store);
    if (status != STORE_OK)
        complain_store(path, status);
    else
        code = strcmp(operand[0], "name") == 0    ? say_name(&saying, operand)
               : strcmp(operand[0], "merge") == 0 ? say_merge(&saying, operand)
                                                  : say_split(&saying, operand[1], variant);
    prompt_list_done(&saying.list);
    store_close(saying.store);
    return code;
}
