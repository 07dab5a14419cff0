#include "common/figures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/status.h"

static const struct method methods[] = {
    { .full_name = "n.v1.S/Get" },
    { .full_name = "n.v1.S/Add", .command = true },
};
static const struct contract contract = { .methods = methods, .n_methods = 2 };
static const struct service_def def = { .name = "n", .contract = &contract };

static int make(void **state)
{
    *state = figures_new(&def);
    return *state ? 0 : -1;
}

static int drop(void **state)
{
    figures_free(*state);
    return 0;
}

static const char *page(const struct figures *f, struct buf *out)
{
    figures_page(f, &(struct figures_gauges) { .queue_depth = 3 }, out);
    buf_append_byte(out, 0);
    assert_false(out->failed);
    return (const char *)out->data;
}

static void methods_are_found_by_name_only(void **state)
{
    const struct figures *f = *state;
    assert_ptr_equal(figures_method(f, SLICE_STR("n.v1.S/Get")), &methods[0]);
    assert_ptr_equal(figures_method(f, SLICE_STR("n.v1.S/Add")), &methods[1]);
    assert_non_null(figures_method(f, SLICE_STR("fokus.runtime.v1.RuntimeService/Verify")));
    assert_null(figures_method(f, SLICE_STR("n.v1.S/Ge")));
    assert_null(figures_method(f, SLICE_STR("n.v1.S/Get\0")));
    assert_null(figures_method(f, SLICE_STR("")));
    assert_null(figures_method(f, (struct slice) { 0 }));
}

static void recent_figures_are_those_of_the_last_ten_whole_seconds(void **state)
{
    struct figures *f = *state;
    struct figures_recent recent;

    for (int64_t second = 100; second < 115; second++)
        for (int i = 0; i < 20; i++)
            figures_answered(f, &methods[0], CODE_OK, second < 110 ? 100000 : 1000, second * 1000);
    figures_recent(f, 115 * 1000, &recent);
    assert_int_equal((int)recent.calls_per_second, 20);
    assert_int_equal(recent.calls_total, 300);
    assert_in_range((int)recent.p99_ms, 90, 150);
    figures_recent(f, 120 * 1000, &recent); /* the slow ones are forgotten */
    assert_int_equal((int)recent.calls_per_second, 10);
    assert_in_range((int)recent.p99_ms, 1, 2);
    figures_recent(f, 1000 * 1000, &recent);
    assert_int_equal((int)recent.calls_per_second, 0);
    assert_int_equal((int)recent.p99_ms, 0);
}

static void the_page_shows_what_was_counted(void **state)
{
    struct figures *f = *state;
    struct buf out = BUF_INIT(1 << 20);

    figures_answered(f, &methods[1], CODE_ALREADY_EXISTS, 50, 1000);
    figures_answered(f, NULL, CODE_UNIMPLEMENTED, 50, 1000);
    figures_answered(f, &methods[0], 77, 50, 1000); /* no code of the canon */
    figures_committed(f, 1, 500);
    figures_committed(f, 3, 500);
    figures_committed(f, 5000, 500);
    figures_published(f, 7);
    figures_bad_frame(f);
    figures_lost_reply(f);
    const char *t = page(f, &out);
    assert_non_null(strstr(t, "method=\"n.v1.S/Add\",code=\"already_exists\"} 1\n"));
    assert_non_null(strstr(t, "method=\"unknown\",code=\"unimplemented\"} 1\n"));
    assert_non_null(strstr(t, "method=\"n.v1.S/Get\",code=\"unknown\"} 1\n"));
    assert_non_null(strstr(t, "per_commit_bucket{service=\"n\",le=\"1\"} 1\n"));
    assert_non_null(strstr(t, "per_commit_bucket{service=\"n\",le=\"2\"} 1\n"));
    assert_non_null(strstr(t, "per_commit_bucket{service=\"n\",le=\"4\"} 2\n"));
    assert_non_null(strstr(t, "per_commit_bucket{service=\"n\",le=\"1024\"} 2\n"));
    assert_non_null(strstr(t, "per_commit_bucket{service=\"n\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(t, "per_commit_sum{service=\"n\"} 5004\n"));
    assert_non_null(strstr(t, "fokus_events_published_total{service=\"n\"} 7\n"));
    assert_non_null(strstr(t, "fokus_frames_refused_total{service=\"n\"} 1\n"));
    assert_non_null(strstr(t, "fokus_replies_lost_total{service=\"n\"} 1\n"));
    assert_non_null(strstr(t, "fokus_queue_depth{service=\"n\"} 3\n"));
    assert_non_null(strstr(t, "process_open_fds{service=\"n\"} "));
    buf_free(&out);
}

/* What GetMetrics may carry bounds what a service may show: every method with every code at once still fits. */
static void the_fullest_page_fits_its_answer(void **state)
{
    static struct method many[60];
    static char names[60][80];
    struct contract large = { .methods = many, .n_methods = 60 };
    struct service_def big = { .name = "large-service-name", .contract = &large };
    struct buf out = BUF_INIT(1024 * 1024);

    (void)state;
    for (size_t i = 0; i < 60; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "fokus.large.v1.LargeService/SomeMethod%02zu",
                       i);
        many[i].full_name = names[i];
    }
    struct figures *f = figures_new(&big);
    assert_non_null(f);
    for (size_t i = 0; i < 60; i++)
        for (int code = 0; code <= 5; code++)
            figures_answered(f, &many[i], code, 50, 1000);
    (void)page(f, &out);
    figures_free(f);
    buf_free(&out);
}

#define FIGURES(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIGURES(methods_are_found_by_name_only),
        FIGURES(recent_figures_are_those_of_the_last_ten_whole_seconds),
        FIGURES(the_page_shows_what_was_counted),
        cmocka_unit_test(the_fullest_page_fits_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
