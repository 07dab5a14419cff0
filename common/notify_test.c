#include "common/notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void expect_message_at(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char got[100] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    assert_int_equal(notify_send("READY=1"), 0);
    assert_int_equal(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), 7);
    assert_string_equal(got, "READY=1");
    assert_int_equal(close(fd), 0);
}

static void messages_reach_path_and_abstract_sockets(void **state)
{
    (void)state;
    char name[64];

    (void)snprintf(name, sizeof(name), "/tmp/fokus-notify-%d", (int)getpid());
    expect_message_at(name);
    assert_int_equal(notify_send("again"), -ECONNREFUSED);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(notify_send("again"), -ENOENT);
    (void)snprintf(name, sizeof(name), "@fokus-notify-%d", (int)getpid());
    expect_message_at(name);
}

static void without_systemd_nothing_happens(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    assert_int_equal(notify_send("READY=1"), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
    assert_int_equal(notify_send("READY=1"), -EINVAL);
    char name[300];
    memset(name, '/', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    assert_int_equal(notify_send("READY=1"), -EINVAL);
}

static void the_watchdog_is_fed_at_half_its_time(void **state)
{
    (void)state;
    char pid[32];

    assert_int_equal(unsetenv("WATCHDOG_USEC") + unsetenv("WATCHDOG_PID"), 0);
    assert_int_equal(notify_watchdog_ms(), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "30000000", 1), 0);
    assert_int_equal(notify_watchdog_ms(), 15000);
    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    assert_int_equal(notify_watchdog_ms(), 0);
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
    assert_int_equal(notify_watchdog_ms(), 15000);
    assert_int_equal(setenv("WATCHDOG_USEC", "junk", 1), 0);
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_reach_path_and_abstract_sockets),
        cmocka_unit_test(without_systemd_nothing_happens),
        cmocka_unit_test(the_watchdog_is_fed_at_half_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
