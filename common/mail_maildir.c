/* mail_maildir.c - mail as files, one each (https://cr.yp.to/proto/maildir.html): written in tmp/, synced, then named in new/, where
 * any mail reader and any script finds it whole or not at all. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/disk.h"
#include "common/mail_internal.h"

enum { NAME_BYTES = 100 };

/* Security: sign-in codes lie here. */
static int open_folder(const char *path, struct err *err)
{
    struct stat st;

    if (mkdir(path, 0700) == 0) {
        int r = disk_sync_folder(path);
        if (r < 0)
            return err_set(err, -r, "maildir %s: cannot make it: %s", path, strerror(-r));
    } else if (errno != EEXIST) {
        return err_set(err, errno, "maildir %s: cannot make it: %m", path);
    }
    if (lstat(path, &st) < 0)
        return err_set(err, errno, "maildir %s: cannot look at it: %m", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ENOTDIR, "maildir %s: it is not a folder", path);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return err_set(err, EACCES,
                       "maildir %s: others may read it (mode %04o, user %u): it must be ours, mode "
                       "0700",
                       path, (unsigned)st.st_mode & 07777U, (unsigned)st.st_uid);
    return 0;
}

/* Security: what a kill left half written holds an address and perhaps a code, and is nobody's mail. One that another process still
 * writes fails there, and is tried again. */
static void remove_leftovers(const char *mail)
{
    static const char end[] = ".fokus";
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%.*s/tmp", PATH_MAX - NAME_BYTES, mail); /* fits */
    DIR *dir = opendir(path);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        size_t len = strlen(e->d_name);
        if (len < sizeof(end) || strcmp(e->d_name + len - strlen(end), end) != 0)
            continue;
        (void)unlinkat(dirfd(dir), e->d_name, 0); /* one that stays is tried at the next start */
    }
    if (dir)
        (void)closedir(dir); /* only read */
}

int maildir_open(struct maildir *ret, const char *home, struct err *err)
{
    static const char *const folders[] = { "", "/tmp", "/new", "/cur" };
    char path[PATH_MAX];

    *ret = (struct maildir) { 0 };
    if (snprintf(ret->path, sizeof(ret->path), "%s/mail", home) + NAME_BYTES >= PATH_MAX)
        return err_set(err, ENAMETOOLONG, "maildir: the path is too long");
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        (void)snprintf(path, sizeof(path), "%.*s%s", PATH_MAX - NAME_BYTES, ret->path, folders[i]);
        int r = open_folder(path, err);
        if (r < 0)
            return r;
    }
    remove_leftovers(ret->path);
    return 0;
}

/* The message with lines that end in LF. Every CR in it is half of a line's end. */
static int write_lines(int fd, const struct buf *message)
{
    struct buf lines = BUF_INIT(MAIL_MAX);

    uint8_t *to = buf_reserve(&lines, message->len);
    if (to)
        for (size_t i = 0; i < message->len; i++)
            if (message->data[i] != '\r')
                to[lines.len++] = message->data[i];
    int r = to ? disk_write_at(fd, lines.data, lines.len, 0) : -ENOMEM;
    buf_free(&lines);
    return r;
}

int maildir_put(struct maildir *d, const struct buf *message, struct err *err)
{
    char id[ID_CHARS + 1], from[PATH_MAX], to[PATH_MAX];
    int64_t now_ms = wall_ms();
    int fd, length = PATH_MAX - NAME_BYTES;

    id_next(&d->ids, now_ms, id);
    (void)snprintf(from, sizeof(from), "%.*s/tmp/%lld.%s.fokus", length, d->path,
                   (long long)(now_ms / 1000), id);
    (void)snprintf(to, sizeof(to), "%.*s/new/%lld.%s.fokus", length, d->path,
                   (long long)(now_ms / 1000), id);
    int r = disk_make(from, &fd);
    if (r < 0)
        return err_set(err, -r, "maildir: cannot write to it: %s", strerror(-r));
    r = write_lines(fd, message);
    if (r == 0)
        r = disk_sync(fd);
    close(fd);
    if (r == 0)
        r = disk_name_anew(from, to);
    if (r == 0)
        r = disk_sync_folder(to);
    else
        (void)!disk_remove(
            from); /* a leftover in tmp/ is nobody's mail; the failure before counts */
    return r < 0 ? err_set(err, -r, "maildir: cannot write to it: %s", strerror(-r)) : 0;
}
