/* moved_clock.c - loaded before libc (LD_PRELOAD): the wall clock as a test has moved it, for every process that has it.
 *
 * The file that $MOVED_CLOCK_FILE names holds one int64_t of this machine's: microseconds by which the wall clock is off. The test
 * changes it while the processes run. Monotonic clocks and waits are real: a moved wall clock must not disturb them, in a test as
 * in the world. Not Debian's libfaketime: it stands in the way of condition variables and of every timer. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *moved_us;
static int (*real)(clockid_t, struct timespec *);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void)
{
    const char *path = getenv("MOVED_CLOCK_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof(*moved_us), PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        moved_us = page;
    (void)close(fd); /* the mapping stays */
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *ret)
{
    (void)pthread_once(&once, begin); /* cannot fail with what is given */
    int r = real(clock, ret);
    if (r == 0 && clock == CLOCK_REALTIME && moved_us) {
        int64_t us = (int64_t)ret->tv_sec * 1000000 + ret->tv_nsec / 1000 + *moved_us;
        ret->tv_sec = us / 1000000;
        ret->tv_nsec = us % 1000000 * 1000;
    }
    return r;
}
