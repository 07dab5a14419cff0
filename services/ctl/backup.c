/* backup.c - fokusctl backup and restore.
 *
 * A backup is a folder with data.mdb (a compact copy of the store) and backup.json (what it is, and its checksum). The service makes
 * both while it runs; a restore is made while it does not. Nothing is overwritten: the store that stood there is moved aside, and
 * the new one appears whole, by one rename. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/json.h"
#include "fokus/runtime/v1/runtime.pb-c.h"
#include "services/ctl/ctl.h"

enum { HASH_BYTES = 32, CARD_MAX = 4096 };

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* what was written was synced before */
}

static int sync_folder(const char *path)
{
    AUTO(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

/* 20261121T120000Z: for names. */
static void time_text(char ret[32])
{
    time_t now = time(NULL);
    struct tm t;

    if (!gmtime_r(&now, &t) || strftime(ret, 32, "%Y%m%dT%H%M%SZ", &t) == 0)
        ret[0] = '\0';
}

/* ---- backup ---- */

static char *absolute(struct ctl *ctl, const char *path)
{
    char folder[PATH_MAX];

    if (*path == '/')
        return arena_strdup(ctl->arena, path);
    return getcwd(folder, sizeof(folder)) ? arena_printf(ctl->arena, "%s/%s", folder, path) : NULL;
}

static int print_backup_as_json(struct ctl *ctl, const char *service, const char *folder,
                                const Fokus__Runtime__V1__BackupResponse *b)
{
    struct buf out = BUF_INIT(64 * 1024);

    buf_append_str(&out, "{\"service\":");
    json_string(&out, service, strlen(service));
    buf_append_str(&out, ",\"directory\":");
    json_string(&out, folder, strlen(folder));
    buf_printf(&out,
               ",\"log_id\":\"%s\",\"schema\":%u,\"last_sequence\":%" PRIu64
               ",\"last_record\":%" PRIu64 ",\"size_bytes\":%" PRIu64 ",\"checksum\":\"%s\"}",
               b->log_id, b->schema, b->last_sequence, b->last_record, b->size_bytes, b->checksum);
    int code = ctl_print_json(ctl, &out);
    buf_free(&out);
    return code;
}

static int take_backup(struct ctl *ctl, struct remote *r, char *folder)
{
    Fokus__Runtime__V1__BackupRequest request = FOKUS__RUNTIME__V1__BACKUP_REQUEST__INIT;
    const Fokus__Runtime__V1__BackupResponse *b;

    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return ctl_fail(ctl, CTL_REFUSED, "cannot make the folder %s: %s", folder, strerror(errno));
    request.directory = folder;
    int code = remote_runtime(ctl, r, "Backup", &request.base,
                              &fokus__runtime__v1__backup_response__descriptor, CTL_LONG_MS, &b);
    if (code != 0)
        return code;
    if (ctl->json)
        return print_backup_as_json(ctl, r->name, folder, b);
    printf("%s: backup in %s\n  %" PRIu64 " bytes, up to event %" PRIu64 " (record %" PRIu64
           "), schema %u\n  log %s\n  checksum %s\n",
           r->name, folder, b->size_bytes, b->last_sequence, b->last_record, b->schema, b->log_id,
           b->checksum);
    return CTL_OK;
}

int ctl_backup(struct ctl *ctl, int argc, char **argv)
{
    static const char *const none[] = { NULL };
    struct remote r;

    argc = ctl_options(ctl, argc, argv, none, NULL);
    if (argc < 0)
        return CTL_USAGE;
    if (argc != 3)
        return ctl_usage(ctl, "backup", "backup takes a service and a folder");
    char *folder = absolute(ctl, argv[2]);
    if (!folder)
        return ctl_fail(ctl, CTL_REFUSED, "cannot tell the current folder");
    int code = remote_open(ctl, argv[1], &r);
    if (code == 0)
        code = take_backup(ctl, &r, folder);
    remote_close(&r);
    return code;
}

/* ---- restore ---- */

struct restore {
    struct ctl *ctl;
    const char *service;
    const char *from; /* the backup */
    char *store;      /* HOME/store/NAME */
    char *fresh;      /* where the new one is made */
    char *aside;      /* where the old one goes, or "" when there was none */
    char checksum[2 * HASH_BYTES + 1];
    char sequence[24], log_id[64];
};

static int read_card(struct restore *re)
{
    char text[CARD_MAX] = "", service[SERVICE_NAME_MAX + 1];
    struct ctl *ctl = re->ctl;

    char *path = arena_printf(ctl->arena, "%s/backup.json", re->from);
    if (!path)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        return ctl_fail(ctl, CTL_REFUSED, "cannot read %s: %s; is this a backup?", path,
                        strerror(errno));
    if (!ctl_json_member(text, "checksum", re->checksum, sizeof(re->checksum)) ||
        strlen(re->checksum) != sizeof(re->checksum) - 1 ||
        !ctl_json_member(text, "last_sequence", re->sequence, sizeof(re->sequence)) ||
        !ctl_json_member(text, "log_id", re->log_id, sizeof(re->log_id)))
        return ctl_fail(ctl, CTL_REFUSED, "%s lacks the checksum, the last sequence or the log id",
                        path);
    if (!ctl_json_member(text, "service", service, sizeof(service)) ||
        strcmp(service, re->service) != 0)
        return ctl_fail(ctl, CTL_REFUSED, "%s is not a backup of %s", re->from, re->service);
    return 0;
}

/* Copies data.mdb and hashes what is written, so that what is checked is what will be used. */
static int copy_data(struct restore *re, int from, int to)
{
    static uint8_t bytes[1024 * 1024];
    uint8_t hash[HASH_BYTES];
    char text[2 * HASH_BYTES + 1];
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    for (;;) {
        ssize_t n = read(from, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ctl_fail(re->ctl, CTL_REFUSED, "cannot read the backup: %s", strerror(errno));
        if (n == 0)
            break;
        crypto_generichash_update(&state, bytes, (size_t)n);
        if (write(to, bytes, (size_t)n) != n)
            return ctl_fail(re->ctl, CTL_REFUSED, "cannot write the store: %s", strerror(errno));
    }
    crypto_generichash_final(&state, hash, sizeof(hash));
    sodium_bin2hex(text, sizeof(text), hash, sizeof(hash));
    if (strcmp(text, re->checksum) != 0)
        return ctl_fail(re->ctl, CTL_REFUSED,
                        "the backup is damaged: its checksum is %s, backup.json says %s; nothing "
                        "was changed",
                        text, re->checksum);
    if (fsync(to) < 0)
        return ctl_fail(re->ctl, CTL_REFUSED, "cannot sync the store: %s", strerror(errno));
    return 0;
}

static int make_fresh(struct restore *re)
{
    struct ctl *ctl = re->ctl;

    char *source = arena_printf(ctl->arena, "%s/data.mdb", re->from);
    char *target = arena_printf(ctl->arena, "%s/data.mdb", re->fresh);
    if (!source || !target)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    AUTO(close_fd) int from = open(source, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return ctl_fail(ctl, CTL_REFUSED, "cannot open %s: %s", source, strerror(errno));
    if (mkdir(re->fresh, 0700) < 0)
        return ctl_fail(ctl, CTL_REFUSED, "cannot make %s: %s", re->fresh, strerror(errno));
    AUTO(close_fd) int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int code = to < 0 ? ctl_fail(ctl, CTL_REFUSED, "cannot make %s: %s", target, strerror(errno))
                      : copy_data(re, from, to);
    if (code == 0 && sync_folder(re->fresh) < 0)
        code = ctl_fail(ctl, CTL_REFUSED, "cannot sync %s", re->fresh);
    if (code != 0) {
        /* Half a store is of no use; what cannot be removed is in nobody's way. */
        (void)unlink(target);
        (void)rmdir(re->fresh);
    }
    return code;
}

/* The service holds a lock on the file "owner" of its store while it runs. Takes it, so that none starts meanwhile; *ret is -1 when
 * there is no store yet. */
static int lock_store(struct restore *re, int *ret)
{
    char *path = arena_printf(re->ctl->arena, "%s/owner", re->store);

    if (!path)
        return ctl_fail(re->ctl, CTL_REFUSED, "out of memory");
    *ret = open(path, O_RDWR | O_CLOEXEC);
    if (*ret < 0 && errno == ENOENT)
        return 0;
    if (*ret < 0)
        return ctl_fail(re->ctl, CTL_REFUSED, "cannot open %s: %s", path, strerror(errno));
    if (flock(*ret, LOCK_EX | LOCK_NB) < 0)
        return ctl_fail(re->ctl, CTL_REFUSED,
                        "%s runs and has its store in use; stop it first: fokusctl stop %s",
                        re->service, re->service);
    return 0;
}

/* Moves the store that is there aside and the fresh one into its place. Both at once where the file system can: whoever kills us
 * between two renames would leave no store, and the service would begin with an empty one. */
static int exchange(struct restore *re)
{
    if (renameat2(AT_FDCWD, re->fresh, AT_FDCWD, re->store, RENAME_EXCHANGE) == 0) {
        if (rename(re->fresh, re->aside) < 0)
            re->aside = re->fresh; /* it is kept all the same, under the name it has now */
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (rename(re->store, re->aside) < 0)
        return -errno;
    return rename(re->fresh, re->store) < 0 ? -errno : 0;
}

static int swap(struct restore *re)
{
    char *parent = arena_printf(re->ctl->arena, "%s/store", re->ctl->home);
    int r;

    if (access(re->store, F_OK) < 0) {
        re->aside[0] = '\0';
        r = rename(re->fresh, re->store) < 0 ? -errno : 0;
    } else {
        r = exchange(re);
    }
    if (r < 0)
        return ctl_fail(re->ctl, CTL_REFUSED,
                        "cannot put %s in the place of %s: %s; if that is gone, it is %s",
                        re->fresh, re->store, strerror(-r), *re->aside ? re->aside : "absent");
    if (!parent || sync_folder(parent) < 0)
        return ctl_fail(re->ctl, CTL_REFUSED, "the store is in place, but could not be synced");
    return 0;
}

static int tell_restored(const struct restore *re)
{
    struct buf out = BUF_INIT(64 * 1024);

    if (!re->ctl->json) {
        printf("%s: restored up to event %s of log %s\n", re->service, re->sequence, re->log_id);
        if (*re->aside)
            printf("  the store that was there is kept in %s\n", re->aside);
        printf("  start it: fokusctl start %s\n", re->service);
        return CTL_OK;
    }
    buf_append_str(&out, "{\"service\":");
    json_string(&out, re->service, strlen(re->service));
    buf_printf(&out, ",\"last_sequence\":%s,\"log_id\":", re->sequence);
    json_string(&out, re->log_id, strlen(re->log_id));
    buf_append_str(&out, ",\"aside\":");
    json_string(&out, re->aside, strlen(re->aside));
    buf_append_byte(&out, '}');
    int code = ctl_print_json(re->ctl, &out);
    buf_free(&out);
    return code;
}

static int restore(struct restore *re)
{
    struct ctl *ctl = re->ctl;
    char when[32];
    AUTO(close_fd) int owner = -1;

    time_text(when);
    char *parent = arena_printf(ctl->arena, "%s/store", ctl->home);
    re->store = arena_printf(ctl->arena, "%s/store/%s", ctl->home, re->service);
    re->fresh = arena_printf(ctl->arena, "%s.restoring-%d", re->store, (int)getpid());
    re->aside = arena_printf(ctl->arena, "%s.%s", re->store, when);
    if (!parent || !re->store || !re->fresh || !re->aside)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    if ((mkdir(ctl->home, 0750) < 0 && errno != EEXIST) ||
        (mkdir(parent, 0700) < 0 && errno != EEXIST))
        return ctl_fail(ctl, CTL_REFUSED, "cannot make %s: %s", parent, strerror(errno));
    int code = read_card(re);
    if (code == 0)
        code = lock_store(re, &owner);
    if (code == 0)
        code = make_fresh(re);
    if (code == 0)
        code = swap(re);
    return code == 0 ? tell_restored(re) : code;
}

int ctl_restore(struct ctl *ctl, int argc, char **argv)
{
    static const char *const none[] = { NULL };

    argc = ctl_options(ctl, argc, argv, none, NULL);
    if (argc < 0)
        return CTL_USAGE;
    if (argc != 3)
        return ctl_usage(ctl, "restore", "restore takes a service and a folder");
    if (!ctl_name_valid(argv[1]))
        return ctl_usage(ctl, "restore", "\"%s\" is no service's name", argv[1]);
    if (sodium_init() < 0)
        return ctl_fail(ctl, CTL_REFUSED, "the cryptographic library does not start");
    return restore(&(struct restore) { .ctl = ctl, .service = argv[1], .from = argv[2] });
}
