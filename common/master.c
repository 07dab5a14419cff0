/* master.c - the master key's file, its rotation and escrow. A key is written as text: it can be looked at, copied and kept in any
 * tool for secrets, and what is cut short or mistyped is seen. All of it goes through libsodium's memory.
 *
 * Processes that start at once, and the end of a rotation, keep out of each other's way by a lock on the folder HOME: shared while
 * a master is open, exclusive while a key is made or replaced. */
#include "common/master.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/disk.h"
#include "common/vault_file.h"

static const char key_begin[] = "fokus-master-key-1:", escrow_begin[] = "fokus-escrow-1:";

enum {
    CHECK_BYTES = 8,
    KEY_BEGIN = sizeof(key_begin) - 1,
    KEY_CHARS = KEY_BEGIN + 2 * MASTER_KEY_BYTES + 1 + 2 * CHECK_BYTES + 1,
    ESCROW_BEGIN = sizeof(escrow_begin) - 1,
    ESCROW_BYTES = MASTER_KEY_BYTES + crypto_box_SEALBYTES,
};

_Static_assert(ESCROW_BEGIN + 2 * ESCROW_BYTES + 1 == MASTER_ESCROW_CHARS, "the escrow's length");
_Static_assert(MASTER_ESCROW_KEY_BYTES == crypto_box_PUBLICKEYBYTES, "the escrow's key");

/* In libsodium's memory. */
struct secrets {
    struct master_key current, next, other;
    char text[KEY_CHARS + 1], again[KEY_CHARS + 1];
};

struct master {
    char home[PATH_MAX], current_path[PATH_MAX], next_path[PATH_MAX], vaults[PATH_MAX];
    bool from_credentials, has_next;
    int home_fd; /* holds the lock */
    struct secrets *secrets;
};

/* ---- a key as text ---- */

static void write_text(const uint8_t key[MASTER_KEY_BYTES], char ret[KEY_CHARS + 1])
{
    uint8_t check[crypto_generichash_BYTES_MIN];
    char *to = ret;

    crypto_generichash(check, sizeof(check), key, MASTER_KEY_BYTES, NULL, 0); /* cannot fail */
    memcpy(to, key_begin, KEY_BEGIN);
    to += KEY_BEGIN;
    sodium_bin2hex(to, 2 * MASTER_KEY_BYTES + 1, key, MASTER_KEY_BYTES);
    to += 2 * MASTER_KEY_BYTES;
    *to++ = ':';
    sodium_bin2hex(to, 2 * CHECK_BYTES + 1, check, CHECK_BYTES);
    memcpy(to + 2 * CHECK_BYTES, "\n", 2);
}

/* Reads the secrets' text. False: it is none, or its checksum does not fit. */
static bool read_text(struct secrets *x, struct master_key *ret)
{
    static const char what[] = "fokus master key id";
    size_t n = 0;

    if (sodium_hex2bin(ret->bytes, sizeof(ret->bytes), x->text + KEY_BEGIN, 2 * MASTER_KEY_BYTES,
                       NULL, &n, NULL) != 0 ||
        n != sizeof(ret->bytes))
        return false;
    write_text(ret->bytes, x->again);
    crypto_generichash(ret->id, sizeof(ret->id), (const uint8_t *)what, sizeof(what), ret->bytes,
                       sizeof(ret->bytes));
    return sodium_memcmp(x->text, x->again, KEY_CHARS) == 0;
}

/* ---- reading ---- */

static int check_file(int fd, const char *path, bool credential, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set(err, errno, "master key %s: cannot look at it: %m", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, EACCES, "master key %s: it is not a plain file", path);
    /* The service manager sees to its own files, and gives them owners and modes of its own. */
    if (!credential && (st.st_mode & 07777) != 0600)
        return err_set(err, EACCES,
                       "master key %s: its mode is %04o, wanted is 0600: find out who could read "
                       "it, then chmod 600",
                       path, (unsigned)st.st_mode & 07777U);
    if (!credential && st.st_uid != geteuid())
        return err_set(err, EACCES, "master key %s: it belongs to user %u, not to us (%u)", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_size != KEY_CHARS)
        return err_set(err, EBADMSG,
                       "master key %s: it has %lld bytes instead of %d: it is cut short, or "
                       "something else. Put the right one back",
                       path, (long long)st.st_size, KEY_CHARS);
    return 0;
}

/* -ENOENT, without `err`: there is none. */
static int read_key(struct secrets *x, const char *path, bool credential, struct master_key *ret,
                    struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (credential ? 0 : O_NOFOLLOW));

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0)
        return err_set(err, errno, "master key %s: cannot read it: %m", path);
    int r = check_file(fd, path, credential, err);
    if (r == 0) {
        r = disk_read_at(fd, x->text, KEY_CHARS, 0);
        if (r < 0)
            (void)err_set(err, -r, "master key %s: cannot read it: %s", path, strerror(-r));
    }
    close(fd);
    if (r == 0 && !read_text(x, ret))
        r = err_set(err, EBADMSG,
                    "master key %s: its text is damaged: wanted are \"%s\", %d hex digits and "
                    "their checksum. Put the right one back",
                    path, key_begin, 2 * MASTER_KEY_BYTES);
    sodium_memzero(x->text, sizeof(x->text));
    sodium_memzero(x->again, sizeof(x->again));
    return r;
}

static bool is_vault(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && strcmp(dot, ".vault") == 0;
}

/* Calls `look` for each vault until it answers something other than 0. */
static int each_vault(struct master *m, int (*look)(struct master *, const char *, struct err *),
                      struct err *err)
{
    DIR *dir = opendir(m->vaults);
    const struct dirent *entry;
    char path[PATH_MAX + NAME_MAX + 2];
    int r = 0;

    if (!dir)
        return errno == ENOENT ? 0
                               : err_set(err, errno, "cannot read the folder %s: %m", m->vaults);
    while (r == 0 && (entry = readdir(dir)))
        if (is_vault(entry->d_name)) {
            (void)snprintf(path, sizeof(path), "%s/%s", m->vaults, entry->d_name);
            r = look(m, path, err);
        }
    closedir(dir);
    return r;
}

/* ---- making ---- */

/* A new file with this key, whole or not at all. */
static int write_key(struct secrets *x, const char *path, const uint8_t key[MASTER_KEY_BYTES],
                     struct err *err)
{
    char fresh[PATH_MAX + 4];
    int fd;

    if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= PATH_MAX)
        return err_set(err, ENAMETOOLONG, "master key: the path is too long");
    int r = disk_remove(fresh); /* of a start that was cut off */
    if (r == 0)
        r = disk_make(fresh, &fd);
    if (r == 0) {
        write_text(key, x->text);
        r = fchmod(fd, 0600) < 0 ? -errno : 0; /* whatever the umask says */
        if (r == 0)
            r = disk_write_at(fd, x->text, KEY_CHARS, 0);
        if (r == 0)
            r = disk_sync(fd);
        close(fd);
        sodium_memzero(x->text, sizeof(x->text));
        if (r == 0)
            r = disk_name_anew(fresh, path);
        if (r < 0)
            (void)!disk_scrub(fresh); /* a leftover goes the next time; the failure before counts */
    }
    if (r == 0)
        r = disk_sync_folder(path);
    if (r == -EEXIST)
        return err_set(err, EEXIST, "master key %s: there is one already; it was left as it is",
                       path);
    return r < 0 ? err_set(err, -r, "master key %s: cannot make it: %s", path, strerror(-r)) : 0;
}

static struct secrets *new_secrets(void)
{
    struct secrets *x = seal_ready() < 0 ? NULL : sodium_malloc(sizeof(*x));

    if (x)
        sodium_memzero(x, sizeof(*x));
    return x;
}

int master_make_file(const char *path, struct err *err)
{
    struct secrets *x = new_secrets();

    if (!x)
        return err_set(err, ENOMEM, "master key %s: no memory for it", path);
    randombytes_buf(x->other.bytes, MASTER_KEY_BYTES);
    int r = write_key(x, path, x->other.bytes, err);
    sodium_free(x);
    return r;
}

/* ---- opening ---- */

static int lock_home(struct master *m, int how, struct err *err)
{
    int r;

    do
        r = flock(m->home_fd, how);
    while (r < 0 && errno == EINTR);
    return r < 0 ? err_set(err, errno, "cannot lock the folder %s: %m", m->home) : 0;
}

static int refuse_to_make(struct master *m, const char *vault, struct err *err)
{
    return err_set(err, ENOENT,
                   "master key %s: it is missing, but only it opens %s. Put it back, or recover it "
                   "from its escrow; nothing was made",
                   m->current_path, vault);
}

/* The first start of all, or a key gone astray. */
static int make_first(struct master *m, struct err *err)
{
    struct secrets *x = m->secrets;

    int r = lock_home(m, LOCK_EX, err);
    if (r == 0)
        r = read_key(x, m->current_path, false, &x->current, err);
    if (r == -ENOENT) {
        r = each_vault(m, refuse_to_make, err);
        if (r == 0 && access(m->next_path, F_OK) == 0)
            r = refuse_to_make(m, m->next_path, err);
        if (r == 0)
            r = master_make_file(m->current_path, err);
        if (r == 0)
            r = read_key(x, m->current_path, false, &x->current, err);
    }
    int unlocked = lock_home(m, LOCK_SH, err);
    return r < 0 ? r : unlocked;
}

static int read_next(struct master *m, struct err *err)
{
    int r = read_key(m->secrets, m->next_path, m->from_credentials, &m->secrets->next, err);

    m->has_next = r == 0;
    return r == -ENOENT ? 0 : r;
}

static int read_keys(struct master *m, const char *credentials, struct err *err)
{
    struct secrets *x = m->secrets;
    char given[PATH_MAX], given_next[PATH_MAX];

    if (!credentials || !credentials[0])
        credentials = NULL;
    if (credentials &&
        (snprintf(given, sizeof(given), "%s/fokus-master-key", credentials) >= PATH_MAX ||
         snprintf(given_next, sizeof(given_next), "%s/fokus-master-key.next", credentials) >=
             PATH_MAX))
        return err_set(err, ENAMETOOLONG, "master key: the path of the credentials is too long");
    int r = credentials ? read_key(x, given, true, &x->current, err) : -ENOENT;
    if (r < 0 && r != -ENOENT)
        return r;
    m->from_credentials = r == 0;
    r = read_key(x, m->current_path, false, m->from_credentials ? &x->other : &x->current, err);
    if (!m->from_credentials) {
        if (r == -ENOENT)
            r = make_first(m, err);
        return r == 0 ? read_next(m, err) : r;
    }
    if (r == 0 && sodium_memcmp(&x->current, &x->other, sizeof(x->current)) != 0)
        return err_set(err, EEXIST,
                       "master key %s: another one is given as a credential. Take away the wrong "
                       "one",
                       m->current_path);
    if (r < 0 && r != -ENOENT)
        return r;
    memcpy(m->current_path, given, sizeof(given));
    memcpy(m->next_path, given_next, sizeof(given_next));
    return read_next(m, err);
}

int master_open(struct master **ret, const char *home, const char *credentials, struct err *err)
{
    struct master *m = calloc(1, sizeof(*m));

    if (!m || !(m->secrets = new_secrets())) {
        free(m);
        return err_set(err, ENOMEM, "master key: no memory for it");
    }
    m->home_fd = -1;
    int r = 0;
    if (snprintf(m->home, PATH_MAX, "%s", home) >= PATH_MAX ||
        snprintf(m->current_path, PATH_MAX, "%s/master.key", home) >= PATH_MAX ||
        snprintf(m->next_path, PATH_MAX, "%s/master.key.next", home) >= PATH_MAX ||
        snprintf(m->vaults, PATH_MAX, "%s/vault", home) >= PATH_MAX)
        r = err_set(err, ENAMETOOLONG, "master key: the path is too long");
    if (r == 0) {
        m->home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (m->home_fd < 0)
            r = err_set(err, errno, "master key: cannot open the folder %s: %m", home);
    }
    if (r == 0)
        r = lock_home(m, LOCK_SH, err);
    if (r == 0)
        r = read_keys(m, credentials, err);
    if (r < 0) {
        master_close(m);
        return r;
    }
    *ret = m;
    return 0;
}

void master_close(struct master *m)
{
    if (!m)
        return;
    if (m->home_fd >= 0)
        close(m->home_fd);
    sodium_free(m->secrets); /* wipes */
    free(m);
}

const struct master_key *master_current(const struct master *m)
{
    return &m->secrets->current;
}

const struct master_key *master_next(const struct master *m)
{
    return m->has_next ? &m->secrets->next : NULL;
}

const struct master_key *master_newest(const struct master *m)
{
    return m->has_next ? &m->secrets->next : &m->secrets->current;
}

int master_vault_path(const char *home, const char *service, char *ret, size_t size)
{
    if (!service_name_valid(service, strlen(service)))
        return -EINVAL;
    int n = snprintf(ret, size, "%s/vault/%s.vault", home, service);
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* ---- rotation ---- */

int master_rotate(struct master *m, struct err *err)
{
    if (m->has_next)
        return 0;
    if (m->from_credentials)
        return err_set(err, ENOTSUP,
                       "master key %s: it is given as a credential: make a new one, give it as "
                       "fokus-master-key.next and start again",
                       m->current_path);
    int r = lock_home(m, LOCK_EX, err);
    if (r == 0)
        r = read_next(m, err); /* another process may have been first */
    if (r == 0 && !m->has_next) {
        r = master_make_file(m->next_path, err);
        if (r == 0)
            r = read_next(m, err);
    }
    int unlocked = lock_home(m, LOCK_SH, err);
    return r < 0 ? r : unlocked;
}

/* Does this vault lie under the next key? */
static int check_taken_over(struct master *m, const char *path, struct err *err)
{
    static const uint64_t places[] = { 0, HEADER_COPY_AT };
    struct vault_header *h = sodium_malloc(sizeof(*h));
    uint8_t bytes[HEADER_BYTES];

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r =
        h && fd >= 0 ? 0 : err_set(err, h ? errno : ENOMEM, "vault %s: cannot open it: %m", path);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++) {
        if (disk_read_at(fd, bytes, sizeof(bytes), places[i]) < 0 || !header_look(bytes, h))
            r = err_set(err, EBADMSG,
                        "vault %s: its header is damaged, so the old master key is kept", path);
        else if (memcmp(h->master_id, m->secrets->next.id, MASTER_ID_BYTES) != 0)
            r = err_set(err, EBUSY,
                        "vault %s: it still lies under the old master key, which is kept: its "
                        "service must take it over first",
                        path);
    }
    if (fd >= 0)
        close(fd);
    sodium_free(h);
    return r;
}

/* The next key gets the name of the current one, whose bytes are then overwritten. */
static int replace_current(struct master *m, struct err *err)
{
    static const uint8_t zeros[KEY_CHARS];

    int old = open(m->current_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int r = old < 0 ? -errno : disk_replace(m->next_path, m->current_path);
    if (r == 0) {
        memcpy(&m->secrets->current, &m->secrets->next, sizeof(m->secrets->next));
        m->has_next = false;
        r = disk_sync_folder(m->current_path);
    }
    if (r == 0)
        r = disk_write_at(old, zeros, sizeof(zeros), 0);
    if (r == 0)
        r = disk_sync(old);
    if (old >= 0)
        close(old);
    return r < 0 ? err_set(err, -r, "master key %s: cannot end the rotation: %s", m->current_path,
                           strerror(-r))
                 : 0;
}

int master_rotated(struct master *m, struct err *err)
{
    int r = lock_home(m, LOCK_EX | LOCK_NB, err);

    if (r == -EWOULDBLOCK)
        r = err_set(err, EBUSY, "master key %s: another process has it open; try again",
                    m->current_path);
    if (r == 0)
        r = read_next(m, err); /* another process may have ended it */
    if (r == 0 && m->has_next) {
        r = each_vault(m, check_taken_over, err);
        if (r == 0 && !m->from_credentials)
            r = replace_current(m, err);
    }
    int unlocked = lock_home(m, LOCK_SH, r < 0 ? NULL : err);
    return r < 0 ? r : unlocked;
}

/* ---- escrow ---- */

int master_escrow(const struct master *m, const uint8_t public_key[MASTER_ESCROW_KEY_BYTES],
                  char ret[MASTER_ESCROW_CHARS + 1], struct err *err)
{
    uint8_t sealed[ESCROW_BYTES];

    if (crypto_box_seal(sealed, master_newest(m)->bytes, MASTER_KEY_BYTES, public_key) != 0)
        return err_set(err, EINVAL, "escrow: this cannot be a public key");
    memcpy(ret, escrow_begin, ESCROW_BEGIN);
    sodium_bin2hex(ret + ESCROW_BEGIN, 2 * ESCROW_BYTES + 1, sealed, ESCROW_BYTES);
    memcpy(ret + ESCROW_BEGIN + 2 * ESCROW_BYTES, "\n", 2);
    return 0;
}

int master_recover(const char *escrow, const uint8_t public_key[MASTER_ESCROW_KEY_BYTES],
                   const uint8_t secret_key[MASTER_ESCROW_KEY_BYTES], const char *path,
                   struct err *err)
{
    uint8_t sealed[ESCROW_BYTES];
    size_t n = 0;

    if (strnlen(escrow, MASTER_ESCROW_CHARS + 1) != MASTER_ESCROW_CHARS ||
        memcmp(escrow, escrow_begin, ESCROW_BEGIN) != 0 ||
        escrow[MASTER_ESCROW_CHARS - 1] != '\n' ||
        sodium_hex2bin(sealed, sizeof(sealed), escrow + ESCROW_BEGIN, 2 * ESCROW_BYTES, NULL, &n,
                       NULL) != 0 ||
        n != sizeof(sealed))
        return err_set(err, EBADMSG,
                       "escrow: this is none: wanted is one whole line that begins with \"%s\"",
                       escrow_begin);
    struct secrets *x = new_secrets();
    if (!x)
        return err_set(err, ENOMEM, "escrow: no memory");
    int r = 0;
    if (crypto_box_seal_open(x->other.bytes, sealed, sizeof(sealed), public_key, secret_key) != 0)
        r = err_set(err, EBADMSG, "escrow: it was made for another key, or altered");
    if (r == 0)
        r = write_key(x, path, x->other.bytes, err);
    sodium_free(x);
    return r;
}
