/* restore.c - fokusctl restore: puts a backup in the place of a stopped service's store.
 *
 * Nothing is overwritten: the store that stood there is moved aside, and the new one appears whole, by one rename. What the old store
 * holds beyond the backup is told first, and left behind only when that was asked for: once the service has started on the backup, the
 * keys of all persons who came after it are gone from the vault, so that the store kept aside cannot be read for them either. */
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
#include "common/macros.h"
#include "services/ctl/ctl.h"
#include "services/ctl/newer.h"

enum { HASH_BYTES = 32, CARD_MAX = 4096 };

#define DISCARD "--discard-newer"

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

struct restore {
    struct ctl *ctl;
    const char *service;
    const char *from; /* the backup */
    char *store;      /* HOME/store/NAME */
    char *fresh;      /* where the new one is made */
    char *aside;      /* where the old one goes, or "" when there was none */
    bool discard;     /* what is newer may be left behind */
    struct newer newer;
    char checksum[2 * HASH_BYTES + 1];
    char sequence[24], log_id[64];
    char persons[64]; /* the table that tells of them, "" for none */
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
    if (!ctl_json_member(text, "persons_table", re->persons, sizeof(re->persons)))
        re->persons[0] = '\0';
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
    return code;
}

/* What cannot be removed is in nobody's way. */
static void remove_fresh(struct restore *re)
{
    static const char *const names[] = { "data.mdb", "lock.mdb", "owner" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *path = arena_printf(re->ctl->arena, "%s/%s", re->fresh, names[i]);
        if (path)
            (void)unlink(path); /* likewise */
    }
    (void)rmdir(re->fresh); /* likewise */
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

/* ---- what would be left behind ---- */

/* What is newer, as a member of the answer. */
static void append_newer(const struct restore *re, struct buf *out)
{
    const struct newer *n = &re->newer;

    if (n->state == NEWER_UNKNOWN || n->state == NEWER_VAULT_ONLY) {
        buf_append_str(out, ",\"newer\":null");
        return;
    }
    buf_printf(out,
               ",\"newer\":{\"records\":%" PRIu64 ",\"events\":%" PRIu64 ",\"since_ms\":%" PRId64,
               n->records, n->events, n->since_ms);
    if (n->persons_unknown)
        buf_append_str(out, ",\"persons\":null},\"erased_since\":null");
    else
        buf_printf(out, ",\"persons\":%" PRIu64 "},\"erased_since\":%" PRIu64, n->persons,
                   n->erased);
}

static void append_persons(const struct restore *re, struct buf *out)
{
    const struct newer *n = &re->newer;

    if (n->persons_unknown)
        buf_append_str(out, "\n  The backup is an older version's and does not tell who is in it: "
                            "the keys of all who "
                            "came after it are erased.");
    if (n->persons > 0)
        buf_printf(
            out,
            "\n  %" PRIu64 " %s came after the backup. When %s starts on it, their keys are "
            "erased: then nobody can read\n  their data again, not in the store that is kept "
            "aside either.",
            n->persons, n->persons == 1 ? "person" : "persons", re->service);
    if (n->erased > 0)
        buf_printf(
            out, "\n  %" PRIu64 " %s erased since the backup; they are erased anew when %s starts.",
            n->erased, n->erased == 1 ? "person was" : "persons were", re->service);
}

static void append_why(const struct restore *re, struct buf *out)
{
    const struct newer *n = &re->newer;
    time_t since = (time_t)(n->since_ms / 1000);
    char when[32] = "";
    struct tm utc;

    if (n->state == NEWER_UNKNOWN) {
        buf_printf(out,
                   "%s: the store %s cannot be read, so that nobody can tell what in it is newer "
                   "than the backup",
                   re->service, re->store);
        return;
    }
    if (n->state == NEWER_VAULT_ONLY) {
        buf_printf(out,
                   "%s: there is no store here, but a vault with keys: whoever is in it and not in "
                   "this backup is erased from it when %s starts. So it must be the newest backup "
                   "there is",
                   re->service, re->service);
        return;
    }
    if (gmtime_r(&since, &utc))
        (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &utc); /* fits */
    buf_printf(out,
               "%s: the store here holds %" PRIu64
               " %s, recorded since %s UTC, that the backup does "
               "not: they would be gone",
               re->service, n->events, n->events == 1 ? "event" : "events", when);
    append_persons(re, out);
}

static int refuse_discarding(const struct restore *re)
{
    struct buf out = BUF_INIT(64 * 1024);
    int code = CTL_REFUSED;

    if (re->ctl->json) {
        buf_append_str(&out, "{\"service\":");
        json_string(&out, re->service, strlen(re->service));
        buf_append_str(&out, ",\"restored\":false");
        append_newer(re, &out);
        buf_append_byte(&out, '}');
        (void)ctl_print_json(re->ctl, &out); /* it is refused in any case */
    } else {
        append_why(re, &out);
        buf_append_byte(&out, '\0');
        code = ctl_fail(
            re->ctl, CTL_REFUSED,
            "%s\n  Nothing was changed. To do it all the same: fokusctl restore %s %s " DISCARD,
            out.failed ? "" : (const char *)out.data, re->service, re->from);
    }
    buf_free(&out);
    return code;
}

/* Compares with what is there; the lock is let go meanwhile, since comparing takes it. */
static int look_for_newer(struct restore *re, int owner)
{
    char *vault = arena_printf(re->ctl->arena, "%s/vault/%s.vault", re->ctl->home, re->service);

    if (!vault)
        return ctl_fail(re->ctl, CTL_REFUSED, "out of memory");
    if (owner >= 0)
        (void)flock(owner, LOCK_UN); /* it is ours */
    newer_find(re->store, re->fresh, re->persons, vault, &re->newer);
    if (owner >= 0 && flock(owner, LOCK_EX | LOCK_NB) < 0)
        return ctl_fail(re->ctl, CTL_REFUSED, "%s was started meanwhile; stop it first",
                        re->service);
    return re->newer.state == NEWER_NOTHING || re->discard ? 0 : refuse_discarding(re);
}

/* ---- the whole ---- */

static int tell_restored(const struct restore *re)
{
    struct buf out = BUF_INIT(64 * 1024);

    if (!re->ctl->json) {
        printf("%s: restored up to event %s of log %s\n", re->service, re->sequence, re->log_id);
        if (re->newer.state == NEWER_THERE)
            printf("  left behind: %" PRIu64
                   " events that are newer; their numbers are given again. "
                   "Who has read them is told\n  so when it reads on with ReadEvents' after_id\n",
                   re->newer.events);
        if (*re->aside)
            printf("  the store that was there is kept in %s\n"
                   "  to undo this, before %s is started: mv %s %s.undone && mv %s %s\n",
                   re->aside, re->service, re->store, re->store, re->aside, re->store);
        printf("  start it: fokusctl start %s\n", re->service);
        return CTL_OK;
    }
    buf_append_str(&out, "{\"service\":");
    json_string(&out, re->service, strlen(re->service));
    buf_printf(&out, ",\"restored\":true,\"last_sequence\":%s,\"log_id\":", re->sequence);
    json_string(&out, re->log_id, strlen(re->log_id));
    buf_append_str(&out, ",\"aside\":");
    json_string(&out, re->aside, strlen(re->aside));
    append_newer(re, &out);
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
        code = look_for_newer(re, owner);
    if (code != 0)
        remove_fresh(re);
    if (code == 0)
        code = swap(re);
    return code == 0 ? tell_restored(re) : code;
}

int ctl_restore(struct ctl *ctl, int argc, char **argv)
{
    static const char *const options[] = { DISCARD, NULL };
    const char *discard = NULL;

    argc = ctl_options(ctl, argc, argv, options, &discard);
    if (argc < 0)
        return CTL_USAGE;
    if (argc != 3)
        return ctl_usage(ctl, "restore", "restore takes a service and a folder");
    if (!ctl_name_valid(argv[1]))
        return ctl_usage(ctl, "restore", "\"%s\" is no service's name", argv[1]);
    if (sodium_init() < 0)
        return ctl_fail(ctl, CTL_REFUSED, "the cryptographic library does not start");
    return restore(&(struct restore) {
        .ctl = ctl, .service = argv[1], .from = argv[2], .discard = discard != NULL });
}
