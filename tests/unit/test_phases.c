/* Phases from libcurl's cumulative times: differences, absent where unknown, never negative, never
 * together longer than the total. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <curl/curl.h>
#include <string.h>

#include "shim/tap/curl/phases.h"

static const uint64_t ABSENT = UINT64_MAX;

/* As libcurl 7.88 reports: neither queue nor posttransfer. */
static struct tape_end fresh_tls(void)
{
    return (struct tape_end){
        .code = 0,
        .status = 200,
        .queue_us = TAPE_UNKNOWN,
        .namelookup_us = 1000,
        .connect_us = 3000,
        .appconnect_us = 10000,
        .pretransfer_us = 10100,
        .posttransfer_us = TAPE_UNKNOWN,
        .starttransfer_us = 400000,
        .total_us = 2000000,
        .num_connects = 1,
        .redirects = 0,
        .redirect_us = 0,
        .http_version = CURL_HTTP_VERSION_2_0,
        .request_bytes = 100,
        .response_bytes = 200,
        .how = TAPE_DONE,
    };
}

static struct exchange_end compute(const struct tape_end *end, uint64_t body_sent_us)
{
    struct exchange_end out;
    phases_compute(end, body_sent_us, &out);
    return out;
}

static void test_fresh_connection(void **state)
{
    (void)state;
    struct tape_end end = fresh_tls();
    struct exchange_end out = compute(&end, TAPE_UNKNOWN);
    assert_int_equal(out.queue_ns, ABSENT);
    assert_int_equal(out.dns_ns, 1000000);
    assert_int_equal(out.connect_ns, 2000000);
    assert_int_equal(out.tls_ns, 7000000);
    assert_int_equal(out.send_ns, ABSENT);
    assert_int_equal(out.wait_ns, 389900000);
    assert_int_equal(out.total_ns, 2000000000);
    assert_int_equal(out.http_version10, 20);
    assert_int_equal(out.num_connects, 1);
    assert_int_equal(out.status, 200);
    assert_false(out.no_response);
    assert_int_equal(out.how, EXCHANGE_ENDED);
    assert_null(out.error);
}

/* The beginning of a call lies before libcurl's clock: it waited in a multi handle, or the shim had
 * to start. */
static void test_before_libcurl_begins(void **state)
{
    (void)state;
    struct tape_end end = fresh_tls();
    end.before_us = 300;
    struct exchange_end out = compute(&end, TAPE_UNKNOWN);
    assert_int_equal(out.queue_ns, ABSENT);
    assert_int_equal(out.dns_ns, 1000000);
    assert_int_equal(out.wait_ns, 389900000);
    assert_int_equal(out.total_ns, 2000300000);
    end.queued = 1;
    out = compute(&end, TAPE_UNKNOWN);
    assert_int_equal(out.queue_ns, 300000);
    assert_int_equal(out.dns_ns, 1000000);
    end.queue_us = 50; /* a newer libcurl */
    end.namelookup_us += 50;
    out = compute(&end, TAPE_UNKNOWN);
    assert_int_equal(out.queue_ns, 350000);
    assert_int_equal(out.dns_ns, 1000000);
    end.queued = 0;
    assert_int_equal(compute(&end, TAPE_UNKNOWN).queue_ns, 50000);
    end.num_connects = 0; /* what is 0 was not reached, and stays so */
    end.starttransfer_us = 0;
    assert_int_equal(compute(&end, TAPE_UNKNOWN).wait_ns, ABSENT);
}

static void test_plain_http_has_no_tls(void **state)
{
    (void)state;
    struct tape_end end = fresh_tls();
    end.appconnect_us = 0;
    end.pretransfer_us = 3100;
    struct exchange_end out = compute(&end, TAPE_UNKNOWN);
    assert_int_equal(out.tls_ns, ABSENT);
    assert_int_equal(out.connect_ns, 2000000);
    assert_int_equal(out.wait_ns, 396900000);
}

static void test_reused_connection(void **state)
{
    (void)state;
    struct tape_end end = fresh_tls();
    end.num_connects = 0;
    end.namelookup_us = 25;
    end.connect_us = 25;
    end.appconnect_us = 0;
    end.pretransfer_us = 90;
    struct exchange_end out = compute(&end, TAPE_UNKNOWN);
    assert_int_equal(out.dns_ns, 0);
    assert_int_equal(out.connect_ns, 0);
    assert_int_equal(out.tls_ns, 0);
    assert_int_equal(out.wait_ns, 399910000);
}

static void test_newer_libcurl(void **state)
{
    (void)state;
    struct tape_end end = fresh_tls();
    end.queue_us = 400;
    end.posttransfer_us = 15100;
    struct exchange_end out = compute(&end, 12000); /* the exact time wins */
    assert_int_equal(out.queue_ns, 400000);
    assert_int_equal(out.dns_ns, 600000);
    assert_int_equal(out.send_ns, 5000000);
    assert_int_equal(out.wait_ns, 384900000);
}

static void test_body_from_read_callback(void **state)
{
    (void)state;
    struct tape_end end = fresh_tls();
    struct exchange_end out = compute(&end, 50100);
    assert_int_equal(out.send_ns, 40000000);
    assert_int_equal(out.wait_ns, 349900000);
    out = compute(&end, 5000); /* read ahead, before the connection stood */
    assert_int_equal(out.send_ns, ABSENT);
    assert_int_equal(out.wait_ns, 389900000);
    out = compute(&end, 500000); /* the answer began before the body ended */
    assert_int_equal(out.send_ns, ABSENT);
    end.redirects = 1; /* then the clocks do not agree any more */
    out = compute(&end, 50100);
    assert_int_equal(out.send_ns, ABSENT);
}

static void test_failures_leave_later_phases_absent(void **state)
{
    (void)state;
    struct tape_end end = fresh_tls();
    end.code = CURLE_OPERATION_TIMEDOUT;
    end.appconnect_us = end.pretransfer_us = end.starttransfer_us = 0;
    end.status = 0;
    struct exchange_end out = compute(&end, TAPE_UNKNOWN);
    assert_string_equal(out.error, "CURLE_OPERATION_TIMEDOUT");
    assert_int_equal(out.how, EXCHANGE_FAILED);
    assert_true(out.no_response);
    assert_int_equal(out.connect_ns, 2000000);
    assert_int_equal(out.tls_ns, ABSENT);
    assert_int_equal(out.wait_ns, ABSENT);
    end.namelookup_us = end.connect_us = 0;
    end.num_connects = 0; /* libcurl says 0 when it could not connect either */
    out = compute(&end, TAPE_UNKNOWN);
    assert_int_equal(out.dns_ns, ABSENT);
    assert_int_equal(out.connect_ns, ABSENT);
    assert_int_equal(out.tls_ns, ABSENT);
    assert_int_equal(out.total_ns, 2000000000);
}

static void test_nothing_known(void **state)
{
    (void)state;
    struct tape_end end;
    memset(&end, 0xff, sizeof(end));
    end.how = TAPE_REMOVED;
    struct exchange_end out = compute(&end, TAPE_UNKNOWN);
    assert_int_equal(out.queue_ns, ABSENT);
    assert_int_equal(out.dns_ns, ABSENT);
    assert_int_equal(out.wait_ns, ABSENT);
    assert_int_equal(out.total_ns, ABSENT);
    assert_int_equal(out.http_version10, ABSENT);
    assert_int_equal(out.transport_code, ABSENT);
    assert_null(out.error);
    assert_int_equal(out.how, EXCHANGE_CANCELLED);
}

/* What libcurl reports, in words that do not depend on libcurl. */
static void test_how_it_ended(void **state)
{
    static const struct {
        uint64_t code;
        uint32_t how;
        enum exchange_how means;
    } ends[] = {{CURLE_OK, TAPE_DONE, EXCHANGE_ENDED},
                {TAPE_UNKNOWN, TAPE_DONE, EXCHANGE_ENDED},
                {CURLE_RECV_ERROR, TAPE_DONE, EXCHANGE_FAILED},
                {CURLE_WRITE_ERROR, TAPE_DONE, EXCHANGE_FAILED}, /* junk after a gzip stream: no callback refused */
                {CURLE_WRITE_ERROR, TAPE_REFUSED, EXCHANGE_CANCELLED},
                {CURLE_ABORTED_BY_CALLBACK, TAPE_DONE, EXCHANGE_CANCELLED},
                {TAPE_UNKNOWN, TAPE_REMOVED, EXCHANGE_CANCELLED},
                {CURLE_OK, TAPE_ABANDONED, EXCHANGE_CANCELLED}};
    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct tape_end end;
        memset(&end, 0xff, sizeof(end));
        end.code = ends[i].code;
        end.how = ends[i].how;
        struct exchange_end out = compute(&end, TAPE_UNKNOWN);
        assert_int_equal(out.how, ends[i].means);
        assert_int_equal(out.transport_code, ends[i].code);
    }
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Also from a libcurl that contradicts itself. */
static void test_sum_never_exceeds_total(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252ULL;
    for (int i = 0; i < 200000; i++) {
        struct tape_end end = fresh_tls();
        uint64_t *points[] = {&end.queue_us,       &end.namelookup_us,   &end.connect_us,       &end.appconnect_us,
                              &end.pretransfer_us, &end.posttransfer_us, &end.starttransfer_us, &end.total_us};
        for (size_t p = 0; p < sizeof(points) / sizeof(points[0]); p++) {
            uint64_t r = next_random(&seed);
            *points[p] = r % 16 == 0 ? TAPE_UNKNOWN : r % 16 == 1 ? 0 : r % 16 == 2 ? r : (r >> 8) % 1000;
        }
        end.num_connects = next_random(&seed) % 3;
        struct exchange_end out = compute(&end, next_random(&seed) % 2000);
        uint64_t phases[] = {out.queue_ns, out.dns_ns, out.connect_ns, out.tls_ns, out.send_ns, out.wait_ns};
        uint64_t left = out.total_ns;
        for (size_t p = 0; p < sizeof(phases) / sizeof(phases[0]) && out.total_ns != ABSENT; p++) {
            if (phases[p] != ABSENT) {
                assert_true(phases[p] <= left);
                left -= phases[p];
            }
        }
    }
}

/* Times that no clock shows: nothing wraps round, and what can be told exactly is. */
static void test_absurd_times(void **state)
{
    const uint64_t most_us = UINT64_MAX / 1000;
    struct tape_end end = fresh_tls();
    (void)state;
    end.total_us = end.connect_us = end.appconnect_us = end.pretransfer_us = end.starttransfer_us = TAPE_UNKNOWN;
    end.namelookup_us = most_us;
    assert_int_equal(compute(&end, TAPE_UNKNOWN).dns_ns, most_us * 1000);
    end.namelookup_us = most_us + 1;
    assert_int_equal(compute(&end, TAPE_UNKNOWN).dns_ns, ABSENT);
    end.namelookup_us = UINT64_MAX - 5;
    end.before_us = 10;
    assert_int_equal(compute(&end, TAPE_UNKNOWN).dns_ns, UINT64_MAX - 10000); /* all that is left */
    end.before_us = 0;
    end.total_us = most_us;
    assert_int_equal(compute(&end, TAPE_UNKNOWN).total_ns, most_us * 1000);
    assert_int_equal(compute(&end, TAPE_UNKNOWN).dns_ns, most_us * 1000);
    end.total_us = most_us + 1;
    assert_int_equal(compute(&end, TAPE_UNKNOWN).total_ns, UINT64_MAX - 1);
    end.total_us = UINT64_MAX - 5;
    end.before_us = 10;
    assert_int_equal(compute(&end, TAPE_UNKNOWN).total_ns, UINT64_MAX - 1);
}

/* Each version of HTTP, and what is none. */
static void test_versions(void **state)
{
    static const struct {
        uint64_t curl, version10;
    } versions[] = {{CURL_HTTP_VERSION_1_0, 10},
                    {CURL_HTTP_VERSION_1_1, 11},
                    {CURL_HTTP_VERSION_2_0, 20},
                    {CURL_HTTP_VERSION_2TLS, 20},
                    {CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE, 20},
                    {CURL_HTTP_VERSION_3, 30},
                    {31, 30},
                    {CURL_HTTP_VERSION_NONE, UINT64_MAX},
                    {32, UINT64_MAX}};
    (void)state;
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct tape_end end = fresh_tls();
        end.http_version = versions[i].curl;
        assert_int_equal(compute(&end, TAPE_UNKNOWN).http_version10, versions[i].version10);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(phases_curl_error(CURLE_COULDNT_CONNECT), "CURLE_COULDNT_CONNECT");
    assert_string_equal(phases_curl_error(CURLE_WRITE_ERROR), "CURLE_WRITE_ERROR");
    assert_null(phases_curl_error(CURLE_OK));
    assert_null(phases_curl_error(20)); /* obsolete number */
    assert_null(phases_curl_error(5000));
    assert_null(phases_curl_error(TAPE_UNKNOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_it_ended),
        cmocka_unit_test(test_fresh_connection),
        cmocka_unit_test(test_before_libcurl_begins),
        cmocka_unit_test(test_plain_http_has_no_tls),
        cmocka_unit_test(test_reused_connection),
        cmocka_unit_test(test_newer_libcurl),
        cmocka_unit_test(test_body_from_read_callback),
        cmocka_unit_test(test_failures_leave_later_phases_absent),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_sum_never_exceeds_total),
        cmocka_unit_test(test_absurd_times),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
