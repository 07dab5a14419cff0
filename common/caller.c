/* caller.c - callers between struct and wire, their proof, and the file of its key. */
#include "common/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/disk.h"
#include "common/name.h"
#include "common/packed.h"
#include "fokus/v1/options.pb-c.h"

enum {
    KEY_CHARS = 2 * CALLER_KEY_BYTES + 1, /* and a newline */
    CALLER_ID = 1,                        /* field numbers of fokus.wire.v1.Caller and Origin */
    CALLER_ROLES = 2,
    CALLER_EXPIRES_MS = 3,
    ORIGIN_NETWORK = 1,
    ORIGIN_BROWSER = 2,
    ORIGIN_SESSION = 3,
};

/* As they stand on the wire and in tools. */
static const char *const role_words[] = {
    [FOKUS__V1__ROLE__ROLE_MEMBER] = "member",
    [FOKUS__V1__ROLE__ROLE_REPRESENTATIVE] = "representative",
    [FOKUS__V1__ROLE__ROLE_PROFESSIONAL] = "professional",
    [FOKUS__V1__ROLE__ROLE_EDITOR] = "editor",
    [FOKUS__V1__ROLE__ROLE_MODERATOR] = "moderator",
    [FOKUS__V1__ROLE__ROLE_JURY] = "jury",
    [FOKUS__V1__ROLE__ROLE_PARTNER] = "partner",
    [FOKUS__V1__ROLE__ROLE_OPERATOR] = "operator",
};

const char *role_word(int role)
{
    return role > 0 && (size_t)role < ARRAY_LEN(role_words) ? role_words[role] : NULL;
}

bool role_has_scope(int role)
{
    return role == FOKUS__V1__ROLE__ROLE_REPRESENTATIVE ||
           role == FOKUS__V1__ROLE__ROLE_PROFESSIONAL || role == FOKUS__V1__ROLE__ROLE_JURY ||
           role == FOKUS__V1__ROLE__ROLE_PARTNER;
}

bool caller_holds(const struct caller *c, int role, const char *scope)
{
    if (c->operator_socket)
        return true;
    for (size_t i = 0; i < c->n_held; i++)
        if (c->held[i].role == role &&
            (!role_has_scope(role) || strcmp(c->held[i].scope, scope) == 0))
            return true;
    return false;
}

/* ---- reading ---- */

static bool id_is_sane(const char *id)
{
    uint8_t bytes[ID_BYTES];

    return !id[0] ||
           (id[0] == '@' ? service_name_valid(id + 1, strlen(id + 1)) : id_read(id, bytes));
}

/* 0: a role this build does not know. */
static int role_of(const char *word, size_t len)
{
    for (size_t i = 1; i < ARRAY_LEN(role_words); i++)
        if (strlen(role_words[i]) == len && memcmp(role_words[i], word, len) == 0)
            return (int)i;
    return 0;
}

static int add_role(struct slice text, struct arena *arena, struct held_role *held,
                    struct caller *ret)
{
    const char *word = arena_strndup(arena, text.len ? (const char *)text.data : "", text.len);

    if (!word)
        return -ENOMEM;
    size_t len = strcspn(word, ":");
    int role = role_of(word, len);
    const char *scope = word + len + (word[len] == ':');
    /* Security: a role that lost its scope on the way is not held everywhere. */
    if (role == 0 || role_has_scope(role) != (scope[0] != '\0'))
        return 0;
    held[ret->n_held++] = (struct held_role) { (uint8_t)role, scope };
    ret->roles |= 1U << role;
    return 0;
}

int caller_read(struct slice packed, struct arena *arena, struct caller *ret,
                int64_t *ret_expires_ms)
{
    struct packed_field field = { 0 };
    struct held_role held[CALLER_MAX_ROLES];
    int r;

    *ret = (struct caller) { .id = "" };
    *ret_expires_ms = 0;
    while ((r = packed_take(&packed, &field)) > 0) {
        if (field.number > CALLER_EXPIRES_MS)
            continue;
        if (field.type != (field.number == CALLER_EXPIRES_MS ? PACKED_VARINT : PACKED_LEN))
            return -EBADMSG;
        if (field.number == CALLER_ID)
            ret->id = arena_strndup(arena, (const char *)field.data, field.len);
        else if (field.number == CALLER_EXPIRES_MS)
            *ret_expires_ms = (int64_t)field.value;
        else if (ret->n_held == CALLER_MAX_ROLES)
            return -EBADMSG;
        else
            r = add_role(packed_bytes(&field), arena, held, ret);
        if (r < 0 || !ret->id)
            return r < 0 ? r : -ENOMEM;
    }
    if (r < 0 || !id_is_sane(ret->id))
        return -EBADMSG;
    if (ret->n_held > 0) {
        ret->held = arena_memdup(arena, held, ret->n_held * sizeof(*held));
        if (!ret->held)
            return -ENOMEM;
    }
    return 0;
}

/* A field of a fixed length, or left out. */
static bool take_fixed(const struct packed_field *field, size_t len, struct slice *ret)
{
    *ret = packed_bytes(field);
    return field->type == PACKED_LEN && (field->len == len || field->len == 0);
}

int origin_read(struct slice packed, struct origin *ret)
{
    struct packed_field field = { 0 };
    bool good = true;
    int r;

    *ret = (struct origin) { 0 };
    while (good && (r = packed_take(&packed, &field)) != 0) {
        if (r < 0)
            return r;
        if (field.number == ORIGIN_NETWORK)
            good = take_fixed(&field, CALLER_NETWORK_BYTES, &ret->network);
        else if (field.number == ORIGIN_BROWSER)
            good = take_fixed(&field, CALLER_HASH_BYTES, &ret->browser);
        else if (field.number == ORIGIN_SESSION)
            good = take_fixed(&field, CALLER_HASH_BYTES, &ret->session);
    }
    return good ? 0 : -EBADMSG;
}

bool caller_copy(struct arena *arena, const struct caller *from, struct caller *ret)
{
    struct held_role *held = NULL;

    *ret = *from;
    ret->id = from->id[0] ? arena_strdup(arena, from->id) : "";
    if (from->n_held > 0) {
        held = arena_memdup(arena, from->held, from->n_held * sizeof(*held));
        ret->held = held;
    }
    if (!ret->id || (from->n_held > 0 && !held))
        return false;
    for (size_t i = 0; i < from->n_held; i++) {
        held[i].scope = arena_strdup(arena, from->held[i].scope);
        if (!held[i].scope)
            return false;
    }
    return true;
}

/* ---- writing ---- */

void caller_put(struct buf *out, const char *id, const char *const *roles, size_t n_roles,
                int64_t expires_ms)
{
    packed_append_bytes(out, CALLER_ID, id, strlen(id));
    for (size_t i = 0; i < n_roles; i++)
        packed_append_bytes(out, CALLER_ROLES, roles[i], strlen(roles[i]));
    packed_append_tag(out, CALLER_EXPIRES_MS, PACKED_VARINT);
    packed_append_varint(out, (uint64_t)expires_ms);
}

void origin_put(struct buf *out, const struct origin *origin)
{
    const struct slice *const fields[] = { [ORIGIN_NETWORK] = &origin->network,
                                           [ORIGIN_BROWSER] = &origin->browser,
                                           [ORIGIN_SESSION] = &origin->session };

    for (uint32_t i = ORIGIN_NETWORK; i <= ORIGIN_SESSION; i++)
        if (fields[i]->len > 0)
            packed_append_bytes(out, i, fields[i]->data, fields[i]->len);
}

/* ---- proof ---- */

void caller_key_of(const uint8_t key[CALLER_KEY_BYTES], const char *service,
                   uint8_t ret[CALLER_KEY_BYTES])
{
    /* These fail only for wrong lengths, which are constants here. */
    (void)crypto_generichash(ret, CALLER_KEY_BYTES, (const uint8_t *)service, strlen(service), key,
                             CALLER_KEY_BYTES);
}

void caller_prove(const uint8_t service_key[CALLER_KEY_BYTES], struct slice caller,
                  struct slice origin, uint8_t ret[CALLER_PROOF_BYTES])
{
    static const char what[] = "fokus-caller-1";
    crypto_generichash_state state;
    const uint64_t len = caller.len; /* little-endian, as packed.c asserts of the machine */

    (void)crypto_generichash_init(&state, service_key, CALLER_KEY_BYTES, CALLER_PROOF_BYTES);
    (void)crypto_generichash_update(&state, (const uint8_t *)what, sizeof(what) - 1);
    (void)crypto_generichash_update(&state, (const uint8_t *)&len, sizeof(len));
    (void)crypto_generichash_update(&state, caller.data, caller.len);
    (void)crypto_generichash_update(&state, origin.data, origin.len);
    (void)crypto_generichash_final(&state, ret, CALLER_PROOF_BYTES);
}

bool caller_proven(const uint8_t service_key[CALLER_KEY_BYTES], struct slice caller,
                   struct slice origin, struct slice proof)
{
    uint8_t right[CALLER_PROOF_BYTES];

    if (proof.len != CALLER_PROOF_BYTES)
        return false;
    caller_prove(service_key, caller, origin, right);
    return sodium_memcmp(right, proof.data, CALLER_PROOF_BYTES) == 0;
}

void caller_hash_token(struct slice token, uint8_t ret[CALLER_HASH_BYTES])
{
    (void)crypto_generichash(ret, CALLER_HASH_BYTES, token.data, token.len, NULL, 0); /* as above */
}

void caller_person_id(const uint8_t pseudonym_key[CALLER_KEY_BYTES], const char *service,
                      char ret[ID_CHARS + 1])
{
    uint8_t id[ID_BYTES];

    (void)crypto_generichash(id, sizeof(id), (const uint8_t *)service, strlen(service),
                             pseudonym_key, CALLER_KEY_BYTES); /* as above */
    id_make_custom(id);
    id_write(id, ret);
}

/* ---- the key's file ---- */

static int check_file(int fd, const char *path, bool credential, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set(err, errno, "caller key %s: cannot look at it: %m", path);
    if (!credential && ((st.st_mode & 07777) != 0600 || st.st_uid != geteuid()))
        return err_set(
            err, EACCES,
            "caller key %s: it must be ours alone (mode 0600, is %04o). Delete it: a new "
            "one is made",
            path, (unsigned)st.st_mode & 07777U);
    if (!S_ISREG(st.st_mode) || st.st_size != KEY_CHARS)
        return err_set(
            err, EBADMSG,
            "caller key %s: wanted are %d hex digits and a newline. Delete it: a new one is made",
            path, KEY_CHARS - 1);
    return 0;
}

/* -ENOENT, without `err`: there is none. */
static int read_file(const char *path, bool credential, uint8_t ret[CALLER_KEY_BYTES],
                     struct err *err)
{
    char text[KEY_CHARS];
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | (credential ? 0 : O_NOFOLLOW));

    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0)
        return err_set(err, errno, "caller key %s: cannot read it: %m", path);
    int r = check_file(fd, path, credential, err);
    if (r == 0) {
        r = disk_read_at(fd, text, sizeof(text), 0);
        if (r < 0)
            (void)err_set(err, -r, "caller key %s: cannot read it: %s", path, strerror(-r));
    }
    (void)close(fd); /* only read */
    if (r == 0 &&
        (sodium_hex2bin(ret, CALLER_KEY_BYTES, text, KEY_CHARS - 1, NULL, &n, NULL) != 0 ||
         n != CALLER_KEY_BYTES))
        r = err_set(
            err, EBADMSG,
            "caller key %s: it holds something else than hex digits. Delete it: a new one is made",
            path);
    sodium_memzero(text, sizeof(text));
    return r;
}

/* Makes the file whole under another name first: whoever reads it meanwhile sees all of it or nothing. */
static int make_file(const char *path, struct err *err)
{
    uint8_t key[CALLER_KEY_BYTES];
    char text[KEY_CHARS + 1], temporary[PATH_MAX];
    int fd;

    if ((size_t)snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid()) >=
        sizeof(temporary))
        return err_set(err, ENAMETOOLONG, "caller key %s: its path is too long", path);
    randombytes_buf(key, sizeof(key));
    (void)sodium_bin2hex(text, sizeof(text), key, sizeof(key));
    text[KEY_CHARS - 1] = '\n';
    int r = disk_remove(temporary); /* of a process that died */
    if (r == 0)
        r = disk_make(temporary, &fd);
    if (r == 0) {
        r = disk_write_at(fd, text, KEY_CHARS, 0);
        if (r == 0)
            r = disk_sync(fd);
        (void)close(fd); /* synced */
    }
    if (r == 0)
        r = disk_name_anew(temporary, path);
    if (r == -EEXIST)
        r = disk_remove(temporary); /* somebody made another at the same time: that one counts */
    sodium_memzero(key, sizeof(key));
    sodium_memzero(text, sizeof(text));
    return r < 0 ? err_set(err, -r, "caller key %s: cannot make it: %s", path, strerror(-r)) : 0;
}

int caller_key_open(const char *home, const char *credentials, uint8_t ret[CALLER_KEY_BYTES],
                    struct err *err)
{
    char path[PATH_MAX];

    if (sodium_init() < 0)
        return err_set(err, EIO, "libsodium cannot begin");
    if (credentials) {
        (void)snprintf(path, sizeof(path), "%.3800s/fokus-caller-key",
                       credentials); /* what is cut does not exist */
        int r = read_file(path, true, ret, err);
        if (r != -ENOENT)
            return r;
    }
    (void)snprintf(path, sizeof(path), "%.3800s/caller.key", home); /* as above */
    int r = read_file(path, false, ret, err);
    if (r != -ENOENT)
        return r;
    r = make_file(path, err);
    if (r == 0)
        r = read_file(path, false, ret, err);
    return r == -ENOENT ? err_set(err, ENOENT, "caller key %s: it was taken away at once", path)
                        : r;
}
