/* disk.c - system calls with their fault points. EINTR is tried again, short writes go on. */
#include "common/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"

enum { SCRUB_BYTES = 64 * 1024 };

#ifdef FOKUS_FAULTS
static const struct disk_watch *watch;

void disk_set_watch(const struct disk_watch *w)
{
    watch = w;
}
#endif

/* Ends the process here, or says that the call shall fail. */
static int passage(void)
{
    if (fault_hit(FAULT_CRASH))
        (void)raise(SIGKILL);
    return fault_hit(FAULT_DISK) ? -EIO : 0;
}

int disk_read_at(int fd, void *ret, size_t len, uint64_t at)
{
    uint8_t *to = ret;

    int r = passage();
    while (r == 0 && len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        to += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return r;
}

int disk_write_at(int fd, const void *bytes, size_t len, uint64_t at)
{
    const uint8_t *from = bytes;
    size_t left = len;

    int r = passage();
    while (r == 0 && left > 0) {
        ssize_t n = pwrite(fd, from, left, (off_t)(at + (len - left)));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        from += n;
        left -= (size_t)n;
    }
#ifdef FOKUS_FAULTS
    if (r == 0 && watch)
        watch->wrote(watch->arg, fd, bytes, len, at);
#endif
    return r;
}

int disk_reserve(int fd, uint64_t at, uint64_t len)
{
    int r = passage();

    if (r == 0)
        do
            r = -posix_fallocate(fd, (off_t)at, (off_t)len);
        while (r == -EINTR);
    return r;
}

int disk_sync(int fd)
{
    int r = passage();

    if (r == 0)
        r = fdatasync(fd) < 0 ? -errno : 0;
#ifdef FOKUS_FAULTS
    if (r == 0 && watch)
        watch->synced(watch->arg, fd);
#endif
    return r;
}

int disk_sync_folder(const char *path)
{
    char folder[PATH_MAX] = ".";

    const char *slash = strrchr(path, '/');
    if (slash && snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
                          path) >= (int)sizeof(folder))
        return -ENAMETOOLONG;
    int r = passage();
    if (r < 0)
        return r;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int disk_make(const char *path, int *ret_fd)
{
    int r = passage();

    if (r < 0)
        return r;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

int disk_name_anew(const char *from, const char *to)
{
    int r = passage();

    if (r == 0)
        r = link(from, to) < 0 ? -errno : 0;
    return r == 0 ? disk_remove(from) : r;
}

int disk_replace(const char *from, const char *to)
{
    int r = passage();

    if (r == 0)
        r = rename(from, to) < 0 ? -errno : 0;
    return r;
}

int disk_remove(const char *path)
{
    int r = passage();

    if (r == 0)
        r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    return r;
}

int disk_scrub(const char *path)
{
    static const uint8_t zeros[SCRUB_BYTES];
    struct stat st;

    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int r = fstat(fd, &st) < 0 ? -errno : 0;
    for (uint64_t at = 0; r == 0 && st.st_nlink == 1 && at < (uint64_t)st.st_size;
         at += SCRUB_BYTES) {
        uint64_t left = (uint64_t)st.st_size - at;
        r = disk_write_at(fd, zeros, left < SCRUB_BYTES ? left : SCRUB_BYTES, at);
    }
    if (r == 0)
        r = disk_sync(fd);
    close(fd);
    return r == 0 ? disk_remove(path) : r;
}
