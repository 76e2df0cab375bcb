/*
 * What the scribe spends on bytes: per event of a stream, per byte of a plain answer and of a
 * request, per exchange. One JSON row each.
 *
 * Times are those of the thread's own processor clock, the median of rounds. Instructions are
 * counted by the kernel where it lets us, else the row is left out. Run by scripts/bench. Usage:
 * bench_parse [SECONDS PER ROW [opens]]
 */
#include "shim/llm/exchange.h"
#include "shim/llm/identity/sent_texts.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 15, EVENT_BYTES = 300, PLAIN_BYTES = 4 << 20, OPENS = 200 };

static const struct exchange_config config = {.hash_key = {1, 2, 3}, .has_hash_key = true};
static struct span span;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct exchange *open_exchange_with(const struct exchange_config *with)
{
    static const char url[] = "https://api.openai.com/v1/chat/completions";
    static const char headers[] = "Authorization: Bearer sk-example\nContent-Type: application/json\n";
    const struct exchange_start start = {.wall_ns = UINT64_C(1750000000000000000),
                                         .method = "POST",
                                         .method_bytes = 4,
                                         .url = url,
                                         .url_bytes = sizeof(url) - 1,
                                         .headers = headers,
                                         .headers_bytes = sizeof(headers) - 1,
                                         .decoded = true};
    bool no_memory;
    struct exchange *const exchange = exchange_open(with, &start, &no_memory);
    if (exchange == NULL)
        exit(1);
    return exchange;
}

static struct exchange *open_exchange(void)
{
    return open_exchange_with(&config);
}

static void answer_head(struct exchange *exchange, const char *type)
{
    static const char status[] = "HTTP/1.1 200 OK\r\n";
    exchange_response_header(exchange, 10, status, sizeof(status) - 1);
    exchange_response_header(exchange, 10, type, strlen(type));
}

static void close_exchange(struct exchange *exchange)
{
    const struct exchange_end end = {.time_ns = UINT64_C(1) << 40, EXCHANGE_END_UNKNOWN, .how = EXCHANGE_ENDED};
    if (!exchange_close(exchange, &end, &span))
        exit(1);
}

/* ---- the work; each returns how many units it did ---- */

static char event[512], *plain, *request;
static size_t event_bytes, plain_bytes, request_bytes;

static double do_events(void)
{
    enum { EVENTS = 2000 };
    struct exchange *const exchange = open_exchange();
    answer_head(exchange, "Content-Type: text/event-stream\r\n");
    for (uint64_t i = 0; i < EVENTS; i++)
        exchange_response_body(exchange, 1000 + i * 12000000, (const uint8_t *)event, event_bytes);
    close_exchange(exchange);
    return EVENTS;
}

/* Pieces of 16 KB, as libcurl hands them on. */
static void in_pieces(struct exchange *exchange, const char *data, size_t bytes,
                      void (*to)(struct exchange *, uint64_t, const uint8_t *, size_t))
{
    for (size_t at = 0; at < bytes; at += 16384)
        to(exchange, 1000 + at, (const uint8_t *)data + at, bytes - at < 16384 ? bytes - at : 16384);
}

static double do_plain(void)
{
    struct exchange *const exchange = open_exchange();
    answer_head(exchange, "Content-Type: application/json\r\n");
    in_pieces(exchange, plain, plain_bytes, exchange_response_body);
    close_exchange(exchange);
    return (double)plain_bytes;
}

static double do_request(void)
{
    struct exchange *const exchange = open_exchange();
    in_pieces(exchange, request, request_bytes, exchange_request_body);
    close_exchange(exchange);
    return (double)request_bytes;
}

__attribute__((noinline)) static double do_opens(void)
{
    for (unsigned i = 0; i < OPENS; i++)
        close_exchange(open_exchange());
    return OPENS;
}

static char *prompt_of[3];
static size_t prompt_bytes[3];
static const size_t instructions_of[3] = {1000, 8000, 100000};
static struct sent_texts sent;
static struct exchange_config config_of_texts = {.hash_key = {1, 2, 3}, .sent = &sent};
static unsigned which;

/* A call with instructions, sent before, or new each time. */
static double do_instructions(void)
{
    struct exchange *const exchange = open_exchange_with(&config_of_texts);
    in_pieces(exchange, prompt_of[which], prompt_bytes[which], exchange_request_body);
    close_exchange(exchange);
    return 1;
}

static double do_new_instructions(void)
{
    memset(sent.hash, 0, sizeof(sent.hash));
    return do_instructions();
}

/* ---- what is read ---- */

static void make_event(void)
{
    const char *const head =
        "data: "
        "{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012\",\"object\":\"chat.completion.chunk\",\"created\":"
        "1750000000,"
        "\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" ";
    const char *const tail = "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    event_bytes =
        (size_t)snprintf(event, sizeof(event), "%s%.*s%s", head, EVENT_BYTES - (int)(strlen(head) + strlen(tail)),
                         "quick brown foxes jump over lazy dogs and back again", tail);
}

static size_t text_escaped(char *to, size_t bytes)
{
    static const char text[] =
        "The quick brown fox, so they say, jumps over the lazy dog; and \\\"why not?\\\" asks the dog.\\n";
    size_t used = 0;
    for (; used + sizeof(text) - 1 < bytes; used += sizeof(text) - 1)
        memcpy(to + used, text, sizeof(text) - 1);
    return used;
}

/* An answer of some choices with long texts and the lists of log-probabilities that make answers
 * big. */
static void make_plain(void)
{
    plain = malloc(PLAIN_BYTES + 4096);
    size_t used = (size_t)sprintf(plain, "{\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o\",\"choices\":[");
    for (unsigned i = 0; used < PLAIN_BYTES - 70000; i++) {
        used += (size_t)sprintf(plain + used, "%s{\"index\":%u,\"logprobs\":{\"content\":[", i ? "," : "", i);
        for (unsigned j = 0; j < 200; j++)
            used += (size_t)sprintf(
                plain + used,
                "%s{\"token\":\" fox\",\"logprob\":-0.0123,\"bytes\":[32,102,111,120],\"top_logprobs\":[]}",
                j ? "," : "");
        used += (size_t)sprintf(plain + used, "]},\"message\":{\"role\":\"assistant\",\"content\":\"");
        used += text_escaped(plain + used, 20000);
        used += (size_t)sprintf(plain + used, "\"},\"finish_reason\":\"stop\"}");
    }
    used += (size_t)sprintf(plain + used,
                            "],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":20,\"total_tokens\":30}}");
    plain_bytes = used;
}

static void make_request(void)
{
    request = malloc(PLAIN_BYTES + 65536);
    size_t used = (size_t)sprintf(request, "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"system\",\"content\":\"");
    used += text_escaped(request + used, 65536);
    used += (size_t)sprintf(request + used, "\"}");
    while (used < PLAIN_BYTES) {
        used += (size_t)sprintf(request + used, ",{\"role\":\"user\",\"content\":\"");
        used += text_escaped(request + used, 20000);
        used += (size_t)sprintf(request + used, "\"},{\"role\":\"assistant\",\"content\":\"Why not.\"}");
    }
    used += (size_t)sprintf(request + used, "],\"stream\":true}");
    request_bytes = used;
}

/* Sentences of few words, three to a line; a number in one of eight. */
static void make_instructions(void)
{
    static const char *const words[] = {"always", "answer", "the", "customer", "politely", "unless",
                                        "a",      "rule",   "of",  "house",    "says",     "otherwise"};
    char *const to = prompt_of[which] = malloc(instructions_of[which] + 256);
    size_t used = (size_t)sprintf(to, "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"");
    uint32_t state = 1;
    for (unsigned i = 0; used < instructions_of[which]; i++) {
        for (unsigned j = 0; j < 6; j++) {
            state = state * 1664525U + 1013904223U;
            used += (size_t)sprintf(to + used, "%s ", words[(state >> 16) % (sizeof(words) / sizeof(words[0]))]);
        }
        used += i % 8 == 7 ? (size_t)sprintf(to + used, "%u. ", state >> 20) : (size_t)sprintf(to + used, "so. ");
        if (i % 3 == 2)
            used += (size_t)sprintf(to + used, "\\n%s", i % 15 == 14 ? "\\n" : "- ");
    }
    used += (size_t)sprintf(to + used, "\"},{\"role\":\"user\",\"content\":\"Why?\"}]}");
    prompt_bytes[which] = used;
}

/* ---- measuring ---- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds per unit. */
static double measure(double (*work)(void), double seconds)
{
    double round[ROUNDS];
    (void)work();
    for (unsigned i = 0; i < ROUNDS; i++) {
        const double start = now_ns();
        double units = 0, spent;
        do {
            units += work();
            spent = now_ns() - start;
        } while (spent < seconds * 1e9 / ROUNDS);
        round[i] = spent / units;
    }
    qsort(round, ROUNDS, sizeof(round[0]), compare);
    return round[ROUNDS / 2];
}

/* Instructions per unit in user space; negative: the kernel counts none for us. */
static double instructions(double (*work)(void))
{
    struct perf_event_attr wanted = {.type = PERF_TYPE_HARDWARE,
                                     .size = sizeof(wanted),
                                     .config = PERF_COUNT_HW_INSTRUCTIONS,
                                     .disabled = 1,
                                     .exclude_kernel = 1,
                                     .exclude_hv = 1};
    const int counter = (int)syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0);
    uint64_t count = 0;
    if (counter < 0)
        return -1;
    ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
    const double units = work();
    ioctl(counter, PERF_EVENT_IOC_DISABLE, 0);
    const bool counted = read(counter, &count, sizeof(count)) == sizeof(count);
    close(counter);
    return counted && count ? (double)count / units : -1;
}

static double middle(double *of, unsigned count)
{
    qsort(of, count, sizeof(*of), compare);
    return of[count / 2];
}

/* What ids and features of instructions take: with the key of the hashes and without, in turn. */
static void measure_instructions(double seconds)
{
    enum { TURNS = 7 };
    double without[TURNS], with[TURNS], new[TURNS];
    for (which = 0; which < 3; which++) {
        make_instructions();
        for (unsigned i = 0; i < TURNS; i++) {
            config_of_texts.has_hash_key = false;
            without[i] = measure(do_instructions, seconds / TURNS);
            config_of_texts.has_hash_key = true;
            with[i] = measure(do_instructions, seconds / TURNS) - without[i];
            new[i] = measure(do_new_instructions, seconds / TURNS) - without[i];
        }
        printf("{\"what\":\"scribe: instructions of %zu KB, their ids (%.1f µs without)\",\"value\":\"%.1f µs, %.1f µs "
               "when they are new\",\"goal\":\"%s\"}\n",
               instructions_of[which] / 1000, middle(without, TURNS) / 1e3, middle(with, TURNS) / 1e3,
               middle(new, TURNS) / 1e3, which == 2 ? "≤ 15 µs" : "–");
        free(prompt_of[which]);
    }
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    if (argc > 2 && strcmp(argv[2], "opens") == 0) { /* once to warm up, then as callgrind counts them */
        close_exchange(open_exchange());
        printf("{\"opens\":%.0f}\n", do_opens());
        return 0;
    }
    make_event();
    make_plain();
    make_request();
    printf("{\"what\":\"scribe: event of %zu bytes\",\"value\":\"%.0f ns\",\"goal\":\"≤ 600 ns\"}\n", event_bytes,
           measure(do_events, seconds));
    const double count = instructions(do_events);
    if (count >= 0)
        printf("{\"what\":\"scribe: event of %zu bytes, instructions\",\"value\":\"%.0f\",\"goal\":\"–\"}\n",
               event_bytes, count);
    printf("{\"what\":\"scribe: plain JSON answer\",\"value\":\"%.0f MB/s\",\"goal\":\"≥ 700 MB/s\"}\n",
           1e3 / measure(do_plain, seconds));
    printf("{\"what\":\"scribe: request body\",\"value\":\"%.0f MB/s\",\"goal\":\"≥ 700 MB/s\"}\n",
           1e3 / measure(do_request, seconds));
    printf(
        "{\"what\":\"scribe: an exchange without bodies, opened and closed\",\"value\":\"%.2f µs\",\"goal\":\"–\"}\n",
        measure(do_opens, seconds) / 1e3);
    sent_texts_init(&sent, config.hash_key);
    measure_instructions(seconds);
    free(plain);
    free(request);
    return 0;
}
