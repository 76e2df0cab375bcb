/*
 * Putting facts in, see facts.h: bounded copies, last wins, tool calls told apart.
 *
 * Called by dialects within JSON callbacks on the scribe's thread. It must never keep a pointer
 * into the body.
 */
#include "facts.h"

#include "shim/llm/json/decimal.h"

#include <string.h>
#include <strings.h>

/* Which call a fragment without anything to go by belongs to: the last one of its choice. */
static struct facts_call *call_last(struct facts *facts, uint32_t choice)
{
    for (uint32_t i = facts->calls_followed; i-- > 0;)
        if (facts->call[i].choice == choice)
            return &facts->call[i];
    return NULL;
}

static struct facts_call *call_by_index(struct facts *facts, uint32_t choice, uint32_t index)
{
    for (uint32_t i = facts->calls_followed; i-- > 0;)
        if (facts->call[i].choice == choice && facts->call[i].index == index)
            return &facts->call[i];
    return NULL;
}

static struct facts_call *call_new(struct facts *facts, uint32_t choice, uint32_t index, uint64_t id)
{
    facts->calls++;
    if (facts->calls_followed == FACTS_CALLS_MAX)
        return NULL;
    struct facts_call *const call = &facts->call[facts->calls_followed++];
    *call = (struct facts_call){.choice = choice, .index = index, .id = id};
    return call;
}

/* The call that the fragment under way belongs to, made if it is a new one. */
static struct facts_call *call_of_fragment(struct facts *facts)
{
    const uint32_t choice = facts->fragment.choice, index = facts->fragment.index;
    const uint64_t id = facts->fragment.id;
    struct facts_call *const known =
        index == FACTS_NO_INDEX ? call_last(facts, choice) : call_by_index(facts, choice, index);
    const bool other_id = known != NULL && id && known->id && known->id != id;
    /* Without an index a new id begins a call; without both, a name does, because names stand at
     * the beginning. */
    const bool anew = id ? known == NULL || known->id != id : facts->fragment.listed && facts->fragment.named;
    const bool starts = index == FACTS_NO_INDEX && anew;
    if (known != NULL && !other_id && !starts) {
        known->id = known->id ? known->id : id;
        return known;
    }
    if (known == NULL && !id && !facts->fragment.content && index == FACTS_NO_INDEX)
        return NULL; /* an empty object is no call */
    return call_new(facts, choice, index, id);
}

static uint64_t hash_id(const char *text, size_t bytes)
{
    struct text_hash hash;
    uint64_t digest[2];
    text_hash_init(&hash, 1);
    text_hash_push(&hash, text, bytes);
    text_hash_end(&hash, digest);
    return digest[0] ? digest[0] : 1;
}

static void usage_put(struct facts_usage *usage, enum facts_number which, uint64_t value)
{
    usage->present |= 1u << which;
    usage->value[which] = value;
}

static void usage_raise(struct facts_usage *usage, enum facts_number which, uint64_t value)
{
    if (!((usage->present >> which) & 1) || usage->value[which] < value)
        usage_put(usage, which, value);
}

/* A later statement: 0 erases nothing. A smaller one corrects (Gemini's first count of a prompt may
 * be too high). */
static void usage_restate(struct facts_usage *usage, enum facts_number which, uint64_t value)
{
    if (value || !((usage->present >> which) & 1))
        usage_put(usage, which, value);
}

static void usage_overlay(struct facts_usage *usage, const struct facts_usage *by)
{
    for (unsigned which = 0; which < FACT_USAGE_END; which++)
        if ((by->present >> which) & 1)
            usage_restate(usage, (enum facts_number)which, by->value[which]);
}

static const struct facts_usage *usage_now(const struct facts *facts)
{
    return facts->usage_open ? &facts->pending : &facts->usage;
}

/* Of the document under way alone. */
static bool has_now(const struct facts *facts, enum facts_number which)
{
    if (which < FACT_USAGE_END)
        return (usage_now(facts)->present >> which) & 1;
    return (facts->number_present >> (which - FACT_USAGE_END)) & 1;
}

static uint64_t number_now(const struct facts *facts, enum facts_number which)
{
    if (!has_now(facts, which))
        return 0;
    return which < FACT_USAGE_END ? usage_now(facts)->value[which] : facts->number[which - FACT_USAGE_END];
}

void facts_init(struct facts *facts, const struct exchange_config *config)
{
    prompt_init(&facts->prompt, config);
}

void facts_forget_answer(struct facts *facts)
{
    const uint32_t asked = 1u << (FACT_MAX_TOKENS - FACT_USAGE_END) | 1u << (FACT_CHOICES_ASKED - FACT_USAGE_END);
    const uint32_t present = facts->number_present & asked;
    const uint64_t max_tokens = facts->number[FACT_MAX_TOKENS - FACT_USAGE_END];
    const uint64_t choices = facts->number[FACT_CHOICES_ASKED - FACT_USAGE_END];
    const uint16_t model_bytes = facts->text_bytes[FACT_REQUEST_MODEL];
    char model[FACTS_TEXT_MAX];
    memcpy(model, facts->text[FACT_REQUEST_MODEL], model_bytes);
    const size_t answer = offsetof(struct facts, input_excludes_cache);
    memset((char *)facts + answer, 0, sizeof(*facts) - answer);
    facts->number_present = present;
    facts->number[FACT_MAX_TOKENS - FACT_USAGE_END] = max_tokens;
    facts->number[FACT_CHOICES_ASKED - FACT_USAGE_END] = choices;
    memcpy(facts->text[FACT_REQUEST_MODEL], model, model_bytes);
    facts->text_bytes[FACT_REQUEST_MODEL] = model_bytes;
}

void facts_tidy(struct facts *facts)
{
    facts->fragment.bytes = facts->fragment.open ? facts->fragment.bytes : 0;
    memset(facts->fragment.arguments + facts->fragment.bytes, 0, FACTS_FRAGMENT_MAX - facts->fragment.bytes);
    prompt_tidy(&facts->prompt);
}

void facts_wipe(struct facts *facts)
{
    char *const at = (char *)facts;
    const size_t after_parts = offsetof(struct facts, part) + sizeof(facts->part);
    const size_t after_calls = offsetof(struct facts, call) + sizeof(facts->call);
    memset(facts->part, 0, facts->parts * sizeof(facts->part[0]));
    memset(facts->call, 0, facts->calls_followed * sizeof(facts->call[0]));
    memset(at, 0, offsetof(struct facts, part));
    memset(at + after_parts, 0, offsetof(struct facts, call) - after_parts);
    memset(at + after_calls, 0, sizeof(*facts) - after_calls);
}

void facts_set_text(struct facts *facts, enum facts_text which, const char *text, size_t bytes)
{
    if (!bytes || (facts->error_closed && (which == FACT_ERROR_TYPE || which == FACT_ERROR_CODE)))
        return;
    if (bytes > FACTS_TEXT_MAX) {
        bytes = FACTS_TEXT_MAX;
        while (bytes && ((unsigned char)text[bytes] & 0xc0) == 0x80)
            bytes--;
    }
    memcpy(facts->text[which], text, bytes);
    facts->text_bytes[which] = (uint16_t)bytes;
}

void facts_set_value(struct facts *facts, enum facts_text which, const struct json_value *value)
{
    if (value->type == JSON_STRING || value->type == JSON_NUMBER)
        facts_set_text(facts, which, value->text, value->bytes);
}

bool facts_has_text(const struct facts *facts, enum facts_text which)
{
    return facts->text_bytes[which] != 0;
}

void facts_set_number(struct facts *facts, enum facts_number which, uint64_t value)
{
    if (which < FACT_USAGE_END) {
        usage_put(facts->usage_open ? &facts->pending : &facts->usage, which, value);
        return;
    }
    facts->number_present |= 1u << (which - FACT_USAGE_END);
    facts->number[which - FACT_USAGE_END] = value;
}

/* No answer has more tokens: such a number is a mistake, and sums of these would overflow. */
static bool counts(uint64_t value)
{
    return value <= FACTS_TOKENS_MAX;
}

void facts_set_count(struct facts *facts, enum facts_number which, const struct json_value *value)
{
    if (!value->has_u64 || !counts(value->u64)) {
        facts->count_unusable |= which < FACT_MAX_TOKENS && value->type == JSON_NUMBER;
        return;
    }
    if (which >= FACT_USAGE_END)
        facts_set_number(facts, which, value->u64);
    else if (facts->usage_open)
        usage_raise(&facts->pending, which, value->u64);
    else
        usage_restate(&facts->usage, which, value->u64);
}

void facts_add_count(struct facts *facts, enum facts_number which, const struct json_value *value)
{
    uint64_t sum;
    if (value->has_u64 && !__builtin_add_overflow(number_now(facts, which), value->u64, &sum) && counts(sum))
        facts_set_number(facts, which, sum);
}

void facts_set_time(struct facts *facts, enum facts_number which, const struct json_value *value, double ns_per_unit)
{
    const double scaled = value->has_number ? value->number * ns_per_unit + 0.5 : -1;
    if (scaled >= 0 && scaled <= (double)FACTS_TIME_NS_MAX)
        facts_set_number(facts, which, (uint64_t)scaled);
}

void facts_set_cost(struct facts *facts, const struct json_value *value, int power)
{
    uint64_t nanousd;
    const bool number = value->type == JSON_NUMBER || value->type == JSON_STRING;
    if (number && !value->cut && decimal_scaled(value->text, value->bytes, power, &nanousd) &&
        nanousd <= FACTS_COST_NANOUSD_MAX)
        facts_set_number(facts, FACT_COST_NANOUSD, nanousd);
}

/* What earlier documents stated; within a usage object that one alone is looked at. */
static bool has_earlier(const struct facts *facts, enum facts_number which)
{
    return which < FACT_MAX_TOKENS && !facts->usage_open && (facts->earlier.present >> which & 1);
}

bool facts_has_number(const struct facts *facts, enum facts_number which)
{
    return has_now(facts, which) || has_earlier(facts, which);
}

uint64_t facts_number(const struct facts *facts, enum facts_number which)
{
    return number_now(facts, which) + (has_earlier(facts, which) ? facts->earlier.value[which] : 0);
}

void facts_fallback(struct facts *facts, enum facts_number which, const struct json_value *value)
{
    if (value->has_u64 && counts(value->u64))
        usage_raise(&facts->fallback, which, value->u64);
}

void facts_fallback_use(struct facts *facts)
{
    for (unsigned which = 0; which < FACT_USAGE_END; which++)
        if (((facts->fallback.present >> which) & 1) && !facts_number(facts, (enum facts_number)which))
            usage_put(&facts->usage, (enum facts_number)which, facts->fallback.value[which]);
}

void facts_usage_begin(struct facts *facts)
{
    facts->usage_open = true;
    facts->pending.present = 0;
}

void facts_usage_end(struct facts *facts)
{
    if (facts->usage_open)
        usage_overlay(&facts->usage, &facts->pending);
    facts->usage_open = false;
}

void facts_usage_drop(struct facts *facts)
{
    facts->usage_open = false;
}

uint64_t facts_answers_asked(const struct facts *facts)
{
    const uint64_t prompts = facts->prompts && !facts->prompt_of_tokens ? facts->prompts : 1;
    const uint64_t choices = facts_number(facts, FACT_CHOICES_ASKED);
    uint64_t asked;
    return __builtin_mul_overflow(prompts, choices ? choices : 1, &asked) ? UINT64_MAX : asked;
}

bool facts_answers_ended(const struct facts *facts)
{
    const uint64_t asked = facts_answers_asked(facts);
    uint64_t seen = 0, stated = 0;
    for (uint32_t i = 0; i < facts->choices; i++) {
        seen += facts->choice[i].seen;
        stated += facts->choice[i].stated;
    }
    const uint64_t all = asked > seen ? asked : seen; /* one of several answers is not all of them */
    return stated && stated >= (all < FACTS_CHOICES_MAX ? all : FACTS_CHOICES_MAX);
}

void facts_part(struct facts *facts, uint32_t index, const struct facts_part *part)
{
    if (index >= FACTS_PARTS_MAX) {
        facts->part_unseen = facts->part_unseen || part->present;
        return;
    }
    struct facts_part *const to = &facts->part[index];
    for (unsigned i = 0; i < PART_COUNTS; i++)
        if ((part->present >> i) & 1)
            to->count[i] = part->count[i];
    if (part->present & FACTS_PART_TIMES) {
        to->prefill_us = part->prefill_us;
        to->decode_us = part->decode_us;
    }
    to->present |= part->present;
    if (facts->parts <= index)
        facts->parts = index + 1;
}

/* The sum of one count over all parts; of input and what a cache gave of it, once for each
 * prompt. */
static void sum_parts(struct facts *facts, unsigned which, enum facts_number fact)
{
    const uint64_t choices = facts_number(facts, FACT_CHOICES_ASKED), each = choices ? choices : 1;
    const bool of_prompt = which == PART_INPUT || which == PART_CACHED;
    uint64_t sum = 0, summed = UINT64_MAX;
    bool stated = false;
    for (unsigned i = 0; i < facts->parts; i++) {
        if (!((facts->part[i].present >> which) & 1) || (of_prompt && summed == i / each))
            continue;
        summed = i / each;
        sum += facts->part[i].count[which];
        stated = true;
    }
    if (stated)
        facts_set_number(facts, fact, sum);
}

bool facts_parts_end(struct facts *facts)
{
    static const enum facts_number fact[PART_COUNTS] = {FACT_INPUT, FACT_OUTPUT, FACT_CACHE_READ, FACT_DRAFT,
                                                        FACT_ACCEPTED_DRAFT};
    uint64_t prefill_us = 0, decode_us = 0;
    unsigned parts = 0;
    bool timed = false;
    for (unsigned i = 0; i < facts->parts; i++) {
        parts += facts->part[i].present != 0;
        timed = timed || (facts->part[i].present & FACTS_PART_TIMES);
        prefill_us += facts->part[i].prefill_us;
        decode_us += facts->part[i].decode_us;
    }
    if (facts->part_unseen) { /* less than there was is no statement */
        facts->usage.present = 0;
        return true;
    }
    for (unsigned i = 0; i < PART_COUNTS; i++)
        if (parts > 1 || !facts_has_number(facts, fact[i]))
            sum_parts(facts, i, fact[i]);
    if (parts > 1)
        facts->usage.present &= ~(1u << FACT_TOTAL);
    if (timed) {
        facts_set_number(facts, FACT_SERVER_PREFILL_NS, prefill_us * 1000);
        facts_set_number(facts, FACT_SERVER_DECODE_NS, decode_us * 1000);
    }
    return parts > 1;
}

void facts_peek_begin(struct facts *facts, struct facts_peek *ret_peek)
{
    ret_peek->usage = facts->usage;
    ret_peek->number_present = facts->number_present;
    memcpy(ret_peek->number, facts->number, sizeof(facts->number));
    ret_peek->usage_open = facts->usage_open;
    ret_peek->usage_from_timings = facts->usage_from_timings;
    facts_usage_drop(facts);
}

void facts_peek_end(struct facts *facts, const struct facts_peek *peek)
{
    facts->usage = peek->usage;
    facts->number_present = peek->number_present;
    memcpy(facts->number, peek->number, sizeof(facts->number));
    facts->usage_open = peek->usage_open;
    facts->usage_from_timings = peek->usage_from_timings;
}

/* What is known now is of the answers so far; the next one is an answer of its own. */
void facts_document_end(struct facts *facts)
{
    const uint32_t numbers = facts->number_present & ((1u << (FACT_MAX_TOKENS - FACT_USAGE_END)) - 1);
    facts->choice_base = facts->choices;
    facts_usage_end(facts);
    if (!facts->usage.present && !numbers)
        return; /* one number of a bare list */
    for (unsigned i = 0; i < FACT_MAX_TOKENS; i++)
        if (has_now(facts, (enum facts_number)i)) {
            const uint64_t before = has_earlier(facts, (enum facts_number)i) ? facts->earlier.value[i] : 0;
            facts->earlier.value[i] = before + number_now(facts, (enum facts_number)i);
            facts->earlier.present |= 1u << i;
        }
    facts->usage.present = 0;
    facts->number_present &= ~((1u << (FACT_MAX_TOKENS - FACT_USAGE_END)) - 1);
}

void facts_documents_end(struct facts *facts)
{
    for (unsigned i = 0; i < FACT_MAX_TOKENS; i++)
        if (has_earlier(facts, (enum facts_number)i))
            facts_set_number(facts, (enum facts_number)i, facts_number(facts, (enum facts_number)i));
    facts->earlier.present = 0;
}

static uint32_t choice_of(const struct facts *facts, uint32_t choice)
{
    return choice < facts->choice_base ? choice + facts->choice_base : choice;
}

void facts_choice_seen(struct facts *facts, uint32_t choice)
{
    choice = choice_of(facts, choice);
    if (choice >= FACTS_CHOICES_MAX)
        return;
    facts->choice[choice].seen = true;
    if (facts->choices <= choice)
        facts->choices = choice + 1;
}

void facts_finish(struct facts *facts, uint32_t choice, const struct json_value *value)
{
    facts_choice_seen(facts, choice);
    choice = choice_of(facts, choice);
    if (choice >= FACTS_CHOICES_MAX || value->type != JSON_STRING || !value->bytes)
        return;
    struct facts_choice *const to = &facts->choice[choice];
    to->stated = true;
    to->reason_bytes = (uint8_t)(value->bytes < FACTS_REASON_MAX ? value->bytes : FACTS_REASON_MAX);
    memcpy(to->reason, value->text, to->reason_bytes);
}

void facts_content(struct facts *facts, enum facts_content kind, uint32_t choice, const char *text, size_t bytes)
{
    if (!bytes)
        return;
    facts->event_kinds |= (uint8_t)kind;
    facts->kinds |= (uint8_t)kind;
    if (kind == CONTENT_REFUSAL)
        facts->refused = true;
    if (kind != CONTENT_TEXT)
        return;
    facts->answer_bytes += bytes;
    choice = choice_of(facts, choice);
    if (facts->json_asked && choice < FACTS_CHOICES_MAX)
        json_check_push(&facts->choice[choice].answer, text, bytes);
}

void facts_call_begin(struct facts *facts, uint32_t choice)
{
    facts->fragment.open = true;
    facts->fragment.spilled = facts->fragment.content = facts->fragment.listed = facts->fragment.named = false;
    facts->fragment.choice = choice;
    facts->fragment.index = FACTS_NO_INDEX;
    facts->fragment.id = 0;
    facts->fragment.bytes = 0;
    facts->fragment.target = NULL;
}

void facts_call_index(struct facts *facts, uint64_t index)
{
    facts->fragment.index = index < FACTS_NO_INDEX ? (uint32_t)index : FACTS_NO_INDEX - 1;
}

static void tool_content(struct facts *facts)
{
    facts->fragment.content = true;
    facts->event_kinds |= CONTENT_TOOL;
    facts->kinds |= CONTENT_TOOL;
}

void facts_call_id(struct facts *facts, const struct json_value *value)
{
    if (value->type == JSON_STRING && value->bytes)
        facts->fragment.id = hash_id(value->text, value->bytes);
}

void facts_call_name(struct facts *facts, const struct json_value *value)
{
    if (value->type != JSON_STRING || !value->bytes)
        return;
    facts->fragment.named = true;
    tool_content(facts);
}

void facts_call_arguments(struct facts *facts, const char *text, size_t bytes)
{
    if (!bytes)
        return;
    tool_content(facts);
    if (!facts->fragment.spilled && facts->fragment.bytes + bytes <= FACTS_FRAGMENT_MAX) {
        memcpy(facts->fragment.arguments + facts->fragment.bytes, text, bytes);
        facts->fragment.bytes = (uint16_t)(facts->fragment.bytes + bytes);
        return;
    }
    if (!facts->fragment.spilled) { /* decide now, by what is known */
        facts->fragment.spilled = true;
        facts->fragment.target = call_of_fragment(facts);
        if (facts->fragment.target != NULL)
            json_check_push(&facts->fragment.target->arguments, facts->fragment.arguments, facts->fragment.bytes);
    }
    if (facts->fragment.target != NULL)
        json_check_push(&facts->fragment.target->arguments, text, bytes);
}

void facts_call_free_input(struct facts *facts)
{
    tool_content(facts);
}

void facts_call_end(struct facts *facts)
{
    if (!facts->fragment.open)
        return;
    facts->fragment.open = false;
    struct facts_call *const call = facts->fragment.target;
    if (facts->fragment.spilled) { /* what was said after the long arguments still names the call */
        if (call != NULL) {
            call->id = facts->fragment.id ? facts->fragment.id : call->id;
            call->index = facts->fragment.index != FACTS_NO_INDEX ? facts->fragment.index : call->index;
        }
        return;
    }
    struct facts_call *const target = call_of_fragment(facts);
    if (target != NULL)
        json_check_push(&target->arguments, facts->fragment.arguments, facts->fragment.bytes);
}

void facts_call_whole(struct facts *facts)
{
    facts->other_calls++;
    facts->event_kinds |= CONTENT_TOOL;
    facts->kinds |= CONTENT_TOOL;
}

void facts_server_call(struct facts *facts)
{
    facts->server_calls++;
    facts->server_calls_stated = true;
}

bool facts_is_word(const char *words, const char *text, size_t bytes)
{
    while (*words) {
        const size_t word = strcspn(words, " ");
        if (word == bytes && !strncasecmp(words, text, bytes))
            return true;
        words += word + (words[word] == ' ');
    }
    return false;
}

void facts_error_seen(struct facts *facts)
{
    facts->error_seen = true;
}

void facts_stream_asked(struct facts *facts, const struct json_value *value)
{
    if (value->type != JSON_TRUE && value->type != JSON_FALSE)
        return;
    facts->stream_stated = true;
    facts->stream_asked = value->type == JSON_TRUE;
}
