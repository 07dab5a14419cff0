/* testing_names.h - for tests only: name servers that keep silent. libcurl's own thread stays in here, in place of the C library's
 * getaddrinfo(), until the test lets it out, or has waited for it. Each test program includes it once. */
#pragma once
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdbool.h>
#include <time.h>

enum { TESTING_NAMES_PATIENCE_S = 20 };

static sem_t testing_names_let_out, testing_names_is_out;

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **ret)
{
    (void)name;
    (void)service;
    (void)hints;
    (void)ret;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TESTING_NAMES_PATIENCE_S;
    while (sem_timedwait(&testing_names_let_out, &until) && errno == EINTR)
        ;
    sem_post(&testing_names_is_out);
    return EAI_FAIL;
}

/* Before the name is looked up. */
static inline bool testing_names_begin(void)
{
    return sem_init(&testing_names_let_out, 0, 0) == 0 &&
           sem_init(&testing_names_is_out, 0, 0) == 0;
}

/* Ends it; whether the look-up was still waiting, so that nobody has waited for it. */
static inline bool testing_names_end(void)
{
    int was_out = 1;
    bool good = sem_getvalue(&testing_names_is_out, &was_out) == 0 && was_out == 0;

    sem_post(&testing_names_let_out);
    while (sem_wait(&testing_names_is_out))
        ;
    return good;
}
