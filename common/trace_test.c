#include "common/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/status.h"

/* stderr goes to a file during a test. */
static FILE *lines;
static int saved;

static int capture(void **state)
{
    (void)state;
    lines = tmpfile();
    assert_non_null(lines);
    saved = dup(STDERR_FILENO);
    assert_true(dup2(fileno(lines), STDERR_FILENO) >= 0);
    assert_int_equal(unsetenv("FOKUS_LOG") + unsetenv("JOURNAL_STREAM"), 0);
    trace_init("notes");
    return 0;
}

static int restore(void **state)
{
    (void)state;
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    return close(saved) + fclose(lines);
}

/* All that was written; valid until the next call. */
static const char *written(void)
{
    static char text[400000];
    ssize_t len = pread(fileno(lines), text, sizeof(text) - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static void a_line_is_one_json_object(void **state)
{
    (void)state;
    trace_log(TRACE_INFO, "it happened", "what", "a \"b\"\n\\ \xc3\xa5 \xff", "why", NULL, NULL);
    const char *t = written();
    assert_memory_equal(t, "{\"ts\":\"20", 9);
    assert_non_null(strstr(t, "Z\",\"level\":\"info\",\"svc\":\"notes\",\"msg\":\"it happened\","
                              "\"what\":\"a \\\"b\\\"\\u000a\\\\ \xc3\xa5 \xef\xbf\xbd\","
                              "\"why\":\"\"}\n"));
}

static void levels_are_kept(void **state)
{
    (void)state;
    trace_log(TRACE_DEBUG, "unseen", NULL);
    assert_string_equal(written(), "");
    assert_int_equal(setenv("FOKUS_LOG", "error", 1), 0);
    trace_init("notes");
    trace_log(TRACE_WARNING, "unseen", NULL);
    assert_string_equal(written(), "");
    trace_log(TRACE_ERROR, "seen", NULL);
    assert_non_null(strstr(written(), "seen"));
    assert_int_equal(setenv("FOKUS_LOG", "debug", 1), 0);
    trace_init("notes");
    trace_log(TRACE_DEBUG, "fine", NULL);
    assert_non_null(strstr(written(), "fine"));
}

static void the_journal_gets_priorities(void **state)
{
    (void)state;
    struct stat st;
    char stream[64];

    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    (void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    trace_init("notes");
    trace_log(TRACE_WARNING, "x", NULL);
    assert_memory_equal(written(), "<4>{\"ts\"", 8);
    assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
    trace_init("notes");
}

static void long_values_are_cut_and_the_line_stays_whole(void **state)
{
    (void)state;
    char control[2000], wide[2001];

    memset(control, 1, sizeof(control) - 1);
    control[sizeof(control) - 1] = '\0';
    for (size_t i = 0; i < 1000; i++)
        memcpy(wide + 2 * i, "\xc3\xa5", 3);
    trace_log(TRACE_INFO, "long", "wide", wide, "a", control, "b", control, "c", control, "d", "e",
              NULL);
    const char *t = written();
    size_t len = strlen(t);
    assert_in_range(len, 1000, 4096);
    assert_memory_equal(t + len - 3, "\"}\n", 3);
    assert_ptr_equal(strchr(t, '\n'), t + len - 1);
}

static void only_slow_calls_and_our_faults_are_told_of(void **state)
{
    (void)state;
    struct trace_call call = {
        .method = "n.v1.Notes/Add",
        .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        .call_id = 7,
        .micros = 1500,
    };

    call.code = CODE_OK;
    trace_call(&call);
    call.code = CODE_NOT_FOUND;
    trace_call(&call);
    assert_string_equal(written(), "");
    call.code = CODE_INTERNAL;
    trace_call(&call);
    assert_non_null(strstr(written(), "\"rpc\":\"n.v1.Notes/Add\",\"code\":\"internal\","
                                      "\"dur_ms\":1.500,\"call_id\":\"7\","
                                      "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\","
                                      "\"span_id\":\"b7ad6b7169203331\"}\n"));
    call.code = CODE_OK;
    call.method = "n.v1.Notes/Slow";
    call.micros = 250001;
    call.traceparent = "nonsense";
    trace_call(&call);
    assert_non_null(strstr(written(), "\"dur_ms\":250.001,\"call_id\":\"7\"}\n"));
}

static void a_flood_of_failing_calls_is_cut(void **state)
{
    (void)state;
    struct trace_call call = { .method = "n.v1.Notes/Add", .code = CODE_UNAVAILABLE };
    size_t n = 0;

    for (int i = 0; i < 1000; i++)
        trace_call(&call);
    for (const char *t = written(); (t = strchr(t, '\n')); t++)
        n++;
    assert_in_range(n, 90, 301); /* the second may have changed meanwhile */
}

static void traceparents_are_judged_as_the_standard_says(void **state)
{
    (void)state;
    static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        { good, true },
        { "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true },
        { "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true },
        { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false },
        { "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more", false },
        { "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false },
        { "00-00000000000000000000000000000000-b7ad6b7169203331-01", false },
        { "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false },
        { "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false },
        { "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01", false },
        { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false },
        { "", false },
        { NULL, false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if ((trace_parent_valid(cases[i].text) != 0) != cases[i].valid)
            fail_msg("%s", cases[i].text);
    }
}

static void a_child_keeps_its_trace_and_gets_its_own_span(void **state)
{
    (void)state;
    char a[TRACE_PARENT_CHARS + 1], b[TRACE_PARENT_CHARS + 1];

    trace_parent_next(NULL, a);
    trace_parent_next("junk", b);
    assert_true(trace_parent_valid(a));
    assert_true(trace_parent_valid(b));
    assert_memory_not_equal(a + 3, b + 3, 32);
    trace_parent_next("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-x", a);
    assert_true(trace_parent_valid(a));
    assert_memory_equal(a, "00-0af7651916cd43dd8448eb211c80319c-", 36);
    assert_memory_not_equal(a + 36, "b7ad6b7169203331", 16);
    assert_string_equal(a + 52, "-03");
}

#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, capture, restore)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(a_line_is_one_json_object),
        CAPTURED(levels_are_kept),
        CAPTURED(the_journal_gets_priorities),
        CAPTURED(long_values_are_cut_and_the_line_stays_whole),
        CAPTURED(only_slow_calls_and_our_faults_are_told_of),
        CAPTURED(a_flood_of_failing_calls_is_cut),
        cmocka_unit_test(traceparents_are_judged_as_the_standard_says),
        cmocka_unit_test(a_child_keeps_its_trace_and_gets_its_own_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
