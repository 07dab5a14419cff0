#include "common/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

static const char *text(struct buf *b)
{
    buf_append_byte(b, 0);
    assert_false(b->failed);
    b->len--;
    return (const char *)b->data;
}

static void quantiles_are_within_a_factor_of_the_square_root_of_two(void **state)
{
    (void)state;
    struct metrics_histogram h = { 0 };
    assert_int_equal(metrics_quantile_us(&h, 0.99), 0);
    for (uint64_t us = 1; us <= 1000; us++)
        metrics_observe_us(&h, us);
    for (int percent = 1; percent <= 100; percent++) {
        uint64_t exact = (uint64_t)percent * 10;
        uint64_t got = metrics_quantile_us(&h, percent / 100.0);
        assert_in_range(got, exact - 1, (uint64_t)((double)exact * M_SQRT2) + 1);
    }
    assert_int_equal(h.count, 1000);
    assert_int_equal(h.sum_us, 500500);
}

static void the_widest_values_have_a_bucket_too(void **state)
{
    (void)state;
    struct metrics_histogram h = { 0 };
    metrics_observe_us(&h, 0);
    metrics_observe_us(&h, UINT64_MAX);
    metrics_observe_us(&h, 1ull << 40);
    assert_int_equal(h.buckets[0], 1);
    assert_int_equal(h.buckets[METRICS_BUCKETS - 1], 2);
}

static void labels_and_values_are_written_as_prometheus_wants(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10000);
    const char *labels[] = { "a", "x\"y\\z\n", "b", "", NULL };
    metrics_family(&b, "fokus_x", "gauge", "First\nsecond \\ third.");
    metrics_sample(&b, "fokus_x", labels, 0.5);
    metrics_sample(&b, "fokus_x", NULL, 9007199254740991.0);
    metrics_sample(&b, "fokus_x", NULL, INFINITY);
    metrics_sample(&b, "fokus_x", NULL, NAN);
    assert_string_equal(text(&b), "# HELP fokus_x First\\nsecond \\\\ third.\n"
                                  "# TYPE fokus_x gauge\n"
                                  "fokus_x{a=\"x\\\"y\\\\z\\n\",b=\"\"} 0.5\n"
                                  "fokus_x 9007199254740991\n"
                                  "fokus_x +Inf\n"
                                  "fokus_x NaN\n");
    buf_free(&b);
}

static void histograms_are_cumulative(void **state)
{
    (void)state;
    struct metrics_histogram h = { 0 };
    struct buf b = BUF_INIT(10000);
    const char *labels[] = { "method", "Get", NULL };

    metrics_observe_us(&h, 30);
    metrics_observe_us(&h, 100);
    metrics_observe_us(&h, 3600ull * 1000000);
    metrics_histogram_samples(&b, "fokus_wait_seconds", labels, &h);
    const char *t = text(&b);
    assert_non_null(strstr(t, "fokus_wait_seconds_bucket{method=\"Get\",le=\"3.2e-05\"} 1\n"));
    assert_non_null(strstr(t, "{method=\"Get\",le=\"0.000128\"} 2\n"));
    assert_non_null(strstr(t, "{method=\"Get\",le=\"8.388608\"} 2\n"));
    assert_non_null(strstr(t, "{method=\"Get\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(t, "fokus_wait_seconds_sum{method=\"Get\"} 3600.00013\n"));
    assert_non_null(strstr(t, "fokus_wait_seconds_count{method=\"Get\"} 3\n"));
    buf_free(&b);
}

/* The judge of the format is Prometheus' own tool. */
static void promtool_finds_nothing_to_say(void **state)
{
    (void)state;
    struct metrics_histogram h = { 0 };
    struct buf b = BUF_INIT(100000);
    const char *labels[] = { "method", "Get", "code", "ok", NULL };

    metrics_observe_us(&h, 100);
    metrics_process(&b, NULL);
    metrics_family(&b, "fokus_wait_seconds", "histogram", "How long calls took.");
    metrics_histogram_samples(&b, "fokus_wait_seconds", labels, &h);
    assert_false(b.failed);
    assert_non_null(strstr(text(&b), "process_start_time_seconds "));
    assert_non_null(strstr(text(&b), "process_open_fds "));

    FILE *promtool = popen("/usr/bin/promtool check metrics", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(b.data, 1, b.len, promtool), b.len);
    assert_int_equal(pclose(promtool), 0);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_within_a_factor_of_the_square_root_of_two),
        cmocka_unit_test(the_widest_values_have_a_bucket_too),
        cmocka_unit_test(labels_and_values_are_written_as_prometheus_wants),
        cmocka_unit_test(histograms_are_cumulative),
        cmocka_unit_test(promtool_finds_nothing_to_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
