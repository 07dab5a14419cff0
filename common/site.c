/* site.c - see site.h. */
#include "common/site.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool path_of(const char *home, const char *suffix, char ret[PATH_MAX])
{
    return snprintf(ret, PATH_MAX, "%s/run/gateway.http%s", home, suffix) < PATH_MAX;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t len = (ssize_t)strlen(text);

    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, (size_t)len);
    int r = n == len ? 0 : n < 0 ? -errno : -ENOSPC;
    return close(fd) < 0 && r == 0 ? -errno : r;
}

int site_tell(const char *home, const char *address, struct err *err)
{
    char path[PATH_MAX], fresh[PATH_MAX];

    if (!path_of(home, "", path) || !path_of(home, ".new", fresh))
        return err_set(err, ENAMETOOLONG, "the home folder's path is too long");
    int r = write_file(fresh, address);
    /* Whoever reads finds the whole of it, or what stood there before. */
    if (r == 0 && rename(fresh, path) < 0)
        r = -errno;
    return r == 0 ? 0 : err_set(err, -r, "cannot write %.150s: %s", path, strerror(-r));
}

/* 0.0.0.0, [::] and all other ways to write them. */
static bool is_everywhere(const char *address)
{
    const char *colon = strrchr(address, ':');

    return !colon || strspn(address, "[0:.]") >= (size_t)(colon - address);
}

void site_find(const char *home, char ret[SITE_MAX])
{
    static const char scheme[] = "http://";
    const char *given = getenv("FOKUS_SITE");
    char path[PATH_MAX], address[SITE_MAX - sizeof(scheme)];
    int fd = -1;

    ret[0] = '\0';
    if (given && *given && strlen(given) < SITE_MAX) {
        size_t len = strlen(given);
        while (len > 0 && given[len - 1] == '/')
            len--;
        memcpy(ret, given, len);
        ret[len] = '\0';
        return;
    }
    if (path_of(home, "", path))
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* no gateway has been there yet */
    ssize_t n = read(fd, address, sizeof(address) - 1);
    close(fd);
    address[n > 0 ? n : 0] = '\0';
    if (!is_everywhere(address))
        (void)snprintf(ret, SITE_MAX, "%s%s", scheme, address); /* fits */
}
