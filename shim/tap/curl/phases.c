/*
 * Phases of a transfer as differences of libcurl's cumulative times. Called by the scribe; pure.
 *
 * They are counted from the beginning of the call, which is when the application handed it over:
 * libcurl begins to count when it first looks at it. libcurl (lib/progress.c, Curl_pgrsTime)
 * measures each point from the start of the single request and adds it up over redirects, so that
 * the difference of two points is the sum of that phase over all requests of the transfer. A point
 * that was not reached is 0: reached points are at least 1 µs. On a connection that was open
 * already the TLS point stays 0. Rounding, and sums in which only some requests did a handshake,
 * can put a later point slightly before an earlier one; phases are clamped, so they are never
 * negative and together never longer than the total.
 */
#include "phases.h"

#include <curl/curl.h>

struct clock {
    uint64_t reached_us; /* the last point that counted */
    uint64_t left_ns;    /* of the total, not yet given to a phase */
};

static bool reached(uint64_t point_us)
{
    return point_us != TAPE_UNKNOWN && point_us != 0;
}

/* The time from the last point to this one. */
static uint64_t advance(struct clock *clock, uint64_t point_us)
{
    if (point_us <= clock->reached_us)
        return 0;
    uint64_t us = point_us - clock->reached_us;
    uint64_t ns = us > UINT64_MAX / 1000 ? UINT64_MAX : us * 1000;
    if (ns > clock->left_ns)
        ns = clock->left_ns;
    clock->left_ns -= ns;
    clock->reached_us = point_us;
    return ns;
}

static void compute_connection(struct clock *clock, const struct tape_end *end, struct exchange_end *ret_end)
{
    if (end->num_connects == 0) {
        /* What libcurl reports here is the microseconds of looking the connection up. */
        if (reached(end->pretransfer_us))
            ret_end->dns_ns = ret_end->connect_ns = ret_end->tls_ns = 0;
        return;
    }
    if (reached(end->namelookup_us))
        ret_end->dns_ns = advance(clock, end->namelookup_us);
    if (reached(end->connect_us))
        ret_end->connect_ns = advance(clock, end->connect_us);
    if (reached(end->appconnect_us))
        ret_end->tls_ns = advance(clock, end->appconnect_us);
}

static void compute_exchange(struct clock *clock, const struct tape_end *end, uint64_t body_sent_us,
                             struct exchange_end *ret_end)
{
    if (!reached(end->pretransfer_us))
        return;
    (void)advance(clock, end->pretransfer_us); /* libcurl's own work between connection and request: part of no phase */
    if (reached(end->posttransfer_us))
        ret_end->send_ns = advance(clock, end->posttransfer_us);
    else if (end->redirects == 0 && body_sent_us != TAPE_UNKNOWN && body_sent_us > end->pretransfer_us &&
             (!reached(end->starttransfer_us) || body_sent_us <= end->starttransfer_us))
        ret_end->send_ns = advance(clock, body_sent_us);
    if (reached(end->starttransfer_us))
        ret_end->wait_ns = advance(clock, end->starttransfer_us);
}

static uint64_t http_version10(uint64_t version)
{
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
    case CURL_HTTP_VERSION_2TLS:
    case CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE:
        return 20;
    case CURL_HTTP_VERSION_3:
    case CURL_HTTP_VERSION_3 + 1: /* CURL_HTTP_VERSION_3ONLY of libcurl 7.88, absent from older headers */
        return 30;
    default:
        return UINT64_MAX;
    }
}

static void shift(uint64_t *point_us, uint64_t by_us)
{
    if (*point_us != TAPE_UNKNOWN && *point_us <= UINT64_MAX / 2)
        *point_us += by_us;
}

/* libcurl's times, counted from the beginning of the call instead of libcurl's own. */
static struct tape_end from_beginning(const struct tape_end *end, uint64_t before_us)
{
    struct tape_end from = *end;
    uint64_t *const points[] = {&from.namelookup_us,  &from.connect_us,      &from.appconnect_us,
                                &from.pretransfer_us, &from.posttransfer_us, &from.starttransfer_us,
                                &from.total_us};
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        if (reached(*points[i]) || points[i] == &from.total_us)
            shift(points[i], before_us);
    shift(&from.queue_us, before_us);
    return from;
}

/* What passes before libcurl begins is its queue where the application let it wait; the rest is our
 * own work and part of no phase. */
static void compute_queue(struct clock *clock, const struct tape_end *from, uint64_t before_us,
                          struct exchange_end *ret_end)
{
    const bool queued = from->queued != 0 && from->queued != UINT32_MAX;
    if (!queued)
        (void)advance(clock, before_us);
    if (from->queue_us != TAPE_UNKNOWN)
        ret_end->queue_ns = advance(clock, from->queue_us);
    else if (queued)
        ret_end->queue_ns = advance(clock, before_us);
}

/*
 * A callback of the application's refused, or a handle was removed that was not to go on either.
 * CURLE_WRITE_ERROR alone says nothing: libcurl gives it, too, for an answer that it could not
 * write out itself (junk after the end of a gzip stream, lib/content_encoding.c).
 */
static enum exchange_how how(const struct tape_end *end)
{
    if (end->how != TAPE_DONE || end->code == CURLE_ABORTED_BY_CALLBACK)
        return EXCHANGE_CANCELLED;
    return end->code == CURLE_OK || end->code == TAPE_UNKNOWN ? EXCHANGE_ENDED : EXCHANGE_FAILED;
}

void phases_compute(const struct tape_end *said, uint64_t body_sent_us, struct exchange_end *ret_end)
{
    const uint64_t before_us = said->before_us == TAPE_UNKNOWN ? 0 : said->before_us;
    const struct tape_end from = from_beginning(said, before_us), *const end = &from;

    *ret_end = (struct exchange_end){
        .how = how(end),
        .error = phases_curl_error(end->code),
        .transport_code = end->code,
        .status = end->status,
        .queue_ns = UINT64_MAX,
        .dns_ns = UINT64_MAX,
        .connect_ns = UINT64_MAX,
        .tls_ns = UINT64_MAX,
        .send_ns = UINT64_MAX,
        .wait_ns = UINT64_MAX,
        .total_ns = UINT64_MAX,
        .num_connects = end->num_connects,
        .redirects = end->redirects,
        .http_version10 = http_version10(end->http_version),
        .request_bytes = end->request_bytes,
        .response_bytes = end->response_bytes,
        .no_response = end->status == 0, /* CURLINFO_RESPONSE_CODE: a proxy's answer to CONNECT does not count */
    };
    struct clock clock = {.left_ns = UINT64_MAX};
    if (end->total_us != TAPE_UNKNOWN) {
        ret_end->total_ns = end->total_us > UINT64_MAX / 1000 ? UINT64_MAX - 1 : end->total_us * 1000;
        clock.left_ns = ret_end->total_ns;
    }
    compute_queue(&clock, end, before_us, ret_end);
    compute_connection(&clock, end, ret_end);
    compute_exchange(&clock, end, body_sent_us, ret_end);
}
