/*
 * The table of dialects and look-up by API shape.
 *
 * Called by the exchange on the scribe's thread, by the generator of docs/dialects.md and by tests.
 * A table is read-only once compiled.
 */
#include "dialect.h"

#include <string.h>

#include "shim/llm/facts/dialect_answer.h"

#define DIALECT(name) extern struct dialect dialect_##name;
#include "dialects.def"
#undef DIALECT

struct dialect *const dialects[] = {
#define DIALECT(name) &dialect_##name,
#include "dialects.def"
#undef DIALECT
    NULL,
};

/* At the first call that needs it: all tables together would take the first call of a process
 * milliseconds. */
static void compile(struct dialect *dialect)
{
    if (dialect->compiled)
        return;
    json_rules_compile(&dialect->request.rules);
    json_rules_compile(&dialect->plain.rules);
    json_rules_compile(&dialect->event.rules);
    json_rules_compile(&dialect_answer_common);
    json_rules_under(&dialect->plain.rules, &dialect_answer_common);
    json_rules_under(&dialect->event.rules, &dialect_answer_common);
    if (dialect->envelopes != NULL) {
        json_rules_envelopes(&dialect->plain.rules, dialect->envelopes);
        json_rules_envelopes(&dialect->event.rules, dialect->envelopes);
    }
    if (dialect->request_envelope != NULL)
        json_rules_envelopes(&dialect->request.rules, dialect->request_envelope);
    dialect->compiled = true;
}

struct dialect *dialect_by_api(const char *api)
{
    const size_t bytes = strlen(api);
    for (struct dialect *const *dialect = dialects; *dialect; dialect++) {
        const char *p = (*dialect)->apis;
        while (*p) {
            const size_t word = strcspn(p, " ");
            if (word == bytes && !memcmp(p, api, bytes)) {
                compile(*dialect);
                return *dialect;
            }
            p += word + (p[word] == ' ');
        }
    }
    return NULL;
}
