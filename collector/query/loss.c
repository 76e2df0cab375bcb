/*
 * Sentences about loss, see loss.h. Must never say more than is known: a program that was killed, a
 * file that waits, a message that never came each take "Nothing was lost." away.
 */
#include "loss.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "../base/display.h"

static const struct {
    const char *ident;
    bool certain;
    const char *one, *many;
} kinds[STORE_LOSS_COUNT] = {
#define X(ident, certain, one, many) {#ident, certain, one, many},
    STORE_LOSSES(X)
#undef X
};

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Finished calls that are known to be gone, whoever counted them. */
static uint64_t lost_calls(const struct loss *loss)
{
    uint64_t calls = loss->known.counted.spans;
    for (int k = 0; k < STORE_LOSS_COUNT; k++)
        calls = add_capped(calls, loss->known.spans[k]);
    return calls;
}

static bool is_some(const struct loss *loss)
{
    const struct span_loss *counted = &loss->known.counted;
    bool some = lost_calls(loss) > 0 || counted->exchanges > 0 || counted->tape_records > 0 ||
                counted->tape_bytes > 0 || loss->known.frames > 0;
    for (int k = 0; k < STORE_LOSS_COUNT; k++)
        some |= kinds[k].certain && loss->known.events[k] > 0;
    return some;
}

/* Programs that have not said that they are done, at least: whoever the store knows may have one of
 * the journals. */
static uint64_t open_programs(const struct loss *loss)
{
    return loss->known.open > loss->living ? loss->known.open : loss->living;
}

static bool is_silent(const struct loss *loss)
{
    return loss->of_the_whole && loss->known.processes == 0;
}

static bool is_doubtful(const struct loss *loss)
{
    const struct span_loss *counted = &loss->known.counted;
    bool doubt = is_silent(loss) || loss->waiting > 0 || open_programs(loss) > 0 || loss->known.older > 0 ||
                 counted->sessions > 0 || counted->journals > 0 || counted->peers > 0;
    for (int k = 0; k < STORE_LOSS_COUNT; k++)
        doubt |= loss->known.events[k] > 0;
    return doubt;
}

int loss_of_store(struct loss *loss, struct store *store)
{
    loss->of_the_whole = true;
    return store_loss(store, 0, &loss->known);
}

enum loss_verdict loss_verdict(const struct loss *loss)
{
    return is_some(loss) ? LOSS_SOME : is_doubtful(loss) ? LOSS_NOT_KNOWN : LOSS_NONE;
}

struct sentence {
    char *text;
    size_t used;
    const char *separator; /* before the next item */
};

static void add(struct sentence *sentence, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct sentence *sentence, const char *format, ...)
{
    size_t room = LOSS_SENTENCE_BYTES - sentence->used;
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(sentence->text + sentence->used, room, format, arguments);
    va_end(arguments);
    sentence->used += bytes < 0 ? 0 : (size_t)bytes < room ? (size_t)bytes : room - 1;
}

/* "3 damaged spool files"; nothing for none. */
static void item(struct sentence *sentence, uint64_t n, const char *one, const char *many)
{
    char count[DISPLAY_BYTES];
    if (n == 0)
        return;
    display_count(count, n);
    add(sentence, "%s%s %s", sentence->separator, count, n == 1 ? one : many);
    sentence->separator = ", ";
}

static void list_losses(struct sentence *sentence, const struct loss *loss)
{
    const struct span_loss *counted = &loss->known.counted;
    item(sentence, lost_calls(loss), "finished call", "finished calls");
    item(sentence, counted->exchanges, "call that could not be followed", "calls that could not be followed");
    if (counted->tape_records > 0 || counted->tape_bytes > 0) {
        char bytes[DISPLAY_BYTES];
        display_size(bytes, counted->tape_bytes);
        item(sentence, counted->tape_records > 0 ? counted->tape_records : 1, "piece of a call", "pieces of calls");
        add(sentence, " (%s)", bytes);
    }
    item(sentence, loss->known.frames, "message that never arrived here", "messages that never arrived here");
    for (int k = 0; k < STORE_LOSS_COUNT; k++)
        if (kinds[k].certain)
            item(sentence, loss->known.events[k], kinds[k].one, kinds[k].many);
}

static void list_doubts(struct sentence *sentence, const struct loss *loss)
{
    const struct span_loss *counted = &loss->known.counted;
    if (is_silent(loss)) {
        add(sentence, "%sno program has told this store anything", sentence->separator);
        sentence->separator = ", ";
    }
    item(sentence, open_programs(loss), "program has not said that it is done",
         "programs have not said that they are done");
    item(sentence, loss->waiting, "file of a program waits for pprofd", "files of programs wait for pprofd");
    item(sentence, loss->known.older, "program is older than the store", "programs are older than the store");
    item(sentence, counted->sessions, "session with a model over a socket was seen and not followed",
         "sessions with a model over a socket were seen and not followed");
    item(sentence, counted->journals, "journal or mark for sudden deaths could not be kept",
         "journals or marks for sudden deaths could not be kept");
    item(sentence, counted->peers, "collector of another user was found and sent nothing",
         "collectors of other users were found and sent nothing");
    for (int k = 0; k < STORE_LOSS_COUNT; k++)
        if (!kinds[k].certain)
            item(sentence, loss->known.events[k], kinds[k].one, kinds[k].many);
}

enum loss_verdict loss_sentence(char out[LOSS_SENTENCE_BYTES], const struct loss *loss, const char *since)
{
    struct sentence sentence = {.text = out, .separator = " "};
    enum loss_verdict verdict = loss_verdict(loss);
    out[0] = '\0';
    switch (verdict) {
    case LOSS_NONE:
        add(&sentence, "Nothing was lost.");
        break;
    case LOSS_NOT_KNOWN:
        add(&sentence, "No loss is known of:");
        list_doubts(&sentence, loss);
        add(&sentence, ".");
        break;
    case LOSS_SOME:
        add(&sentence, "Lost%s:", since);
        list_losses(&sentence, loss);
        add(&sentence, ".");
        if (is_doubtful(loss)) {
            struct sentence doubts = {.text = out, .used = sentence.used, .separator = " More may be: "};
            list_doubts(&doubts, loss);
            if (doubts.used > sentence.used)
                add(&doubts, ".");
        }
        break;
    }
    return verdict;
}

void loss_json(FILE *out, const struct loss *loss)
{
    static const char *const words[] = {"none", "not_known", "some"};
    const struct store_loss *known = &loss->known;
    (void)fprintf(out,
                  "\"verdict\": \"%s\", \"spans\": %" PRIu64 ", \"exchanges\": %" PRIu64 ", \"tape_records\": %" PRIu64
                  ", \"tape_bytes\": %" PRIu64 ", \"journals\": %" PRIu64 ", \"peers\": %" PRIu64
                  ", \"sessions\": %" PRIu64 ", \"frames\": %" PRIu64 ", \"processes_open\": %" PRIu64
                  ", \"processes_older\": %" PRIu64 ", \"files_waiting\": %" PRIu64,
                  words[loss_verdict(loss)], lost_calls(loss), known->counted.exchanges, known->counted.tape_records,
                  known->counted.tape_bytes, known->counted.journals, known->counted.peers, known->counted.sessions,
                  known->frames, open_programs(loss), known->older, loss->waiting);
    for (int k = 0; k < STORE_LOSS_COUNT; k++)
        if (known->events[k] > 0)
            (void)fprintf(out, ", \"%s\": %" PRIu64, kinds[k].ident, known->events[k]);
}

void loss_subtract(struct loss *after, const struct loss *before)
{
    for (int k = 0; k < STORE_LOSS_COUNT; k++) {
        after->known.events[k] -= before->known.events[k];
        after->known.spans[k] -= before->known.spans[k];
    }
}
