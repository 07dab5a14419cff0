/* keys.c - fokusctl keys: the master key's state, rotation and escrow. Here, and in no service, it is made new. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "common/master.h"
#include "fokus/runtime/v1/runtime.pb-c.h"
#include "services/ctl/ctl.h"

enum { SHOWN_BYTES = 4, HEX_KEY = 2 * MASTER_ESCROW_KEY_BYTES, MAX_FILE = 4096 };

static int fail(struct ctl *ctl, const struct err *err)
{
    return ctl_fail(ctl, CTL_REFUSED, "%s", err->text);
}

static int open_master(struct ctl *ctl, struct master **ret)
{
    struct err err = { "" };

    return master_open(ret, ctl->home, getenv("CREDENTIALS_DIRECTORY"), &err) < 0 ? fail(ctl, &err)
                                                                                  : 0;
}

/* ---- status ---- */

static const char *shown_id(const struct master_key *key, char ret[2 * SHOWN_BYTES + 1])
{
    return key ? sodium_bin2hex(ret, 2 * SHOWN_BYTES + 1, key->id, SHOWN_BYTES) : "";
}

struct line {
    char service[SERVICE_NAME_MAX + 1];
    const Fokus__Runtime__V1__GetVaultResponse *vault;
};

/* The vaults of the services that run; returns how many. */
static size_t ask_vaults(struct ctl *ctl, struct line lines[CTL_MAX_SERVICES])
{
    Fokus__Runtime__V1__GetVaultRequest request = FOKUS__RUNTIME__V1__GET_VAULT_REQUEST__INIT;
    char names[CTL_MAX_SERVICES][SERVICE_NAME_MAX + 1];
    size_t n_names = ctl_services(ctl, names), n = 0;

    for (size_t i = 0; i < n_names; i++) {
        const char *path = ctl_socket_path(ctl, names[i], "admin");
        struct remote r;
        if (!path || !ctl_socket_alive(path))
            continue;
        int code = remote_open(ctl, names[i], &r);
        if (code == 0)
            code = remote_runtime(ctl, &r, "GetVault", &request.base,
                                  &fokus__runtime__v1__get_vault_response__descriptor, CTL_CALL_MS,
                                  &lines[n].vault);
        remote_close(&r);
        if (code == 0 && lines[n].vault->personal)
            memcpy(lines[n++].service, names[i], sizeof(names[i])); /* as long */
    }
    return n;
}

static int print_status_json(struct ctl *ctl, const char *current, const char *next,
                             const struct line *lines, size_t n)
{
    struct buf out = BUF_INIT(1024 * 1024);

    buf_printf(&out, "{\"master_key\":\"%s\",\"next_master_key\":\"%s\",\"vaults\":[", current,
               next);
    for (size_t i = 0; i < n; i++) {
        const Fokus__Runtime__V1__GetVaultResponse *v = lines[i].vault;
        buf_printf(&out,
                   "%s{\"service\":\"%s\",\"master_key\":\"%s\",\"persons\":%" PRIu64
                   ",\"slots\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"rotated\":%" PRIu64
                   ",\"broken\":",
                   i ? "," : "", lines[i].service, v->master_key, v->persons, v->slots, v->damaged,
                   v->rotated);
        json_string(&out, v->broken, strlen(v->broken));
        buf_append_byte(&out, '}');
    }
    buf_append_str(&out, "]}");
    int code = ctl_print_json(ctl, &out);
    buf_free(&out);
    return code;
}

static void print_status(const struct ctl *ctl, const char *current, const char *next,
                         const struct line *lines, size_t n)
{
    printf("master key %s%s%s\n", current, *next ? ", a rotation is under way to " : "", next);
    if (n > 0)
        printf("%-20s %-10s %10s %10s  %s\n", "VAULT", "KEY", "PERSONS", "SLOTS", "STATE");
    for (size_t i = 0; i < n; i++) {
        const Fokus__Runtime__V1__GetVaultResponse *v = lines[i].vault;
        bool good = !*v->broken && v->damaged == 0;
        printf("%-20s %-10s %10" PRIu64 " %10" PRIu64 "  %s%s%s", lines[i].service, v->master_key,
               v->persons, v->slots, good ? ctl_green(ctl) : ctl_red(ctl),
               good         ? "good"
               : *v->broken ? v->broken
                            : "damaged slots: ",
               ctl_plain(ctl));
        if (v->damaged > 0)
            printf("%" PRIu64, v->damaged);
        printf("\n");
    }
}

static int keys_status(struct ctl *ctl)
{
    char current[2 * SHOWN_BYTES + 1], next[2 * SHOWN_BYTES + 1];
    struct line lines[CTL_MAX_SERVICES];
    struct master *master;

    int code = open_master(ctl, &master);
    if (code != 0)
        return code;
    const char *now = shown_id(master_current(master), current);
    const char *then = shown_id(master_next(master), next);
    size_t n = ask_vaults(ctl, lines);
    if (ctl->json)
        code = print_status_json(ctl, now, then, lines, n);
    else
        print_status(ctl, now, then, lines, n);
    master_close(master);
    return code;
}

/* ---- rotation ---- */

static int begin_rotation(struct ctl *ctl)
{
    struct err err = { "" };
    struct master *master;

    int code = open_master(ctl, &master);
    if (code != 0)
        return code;
    /* Given as a credential, the next key is there already or has to be put there. */
    if (!master_next(master) && master_rotate(master, &err) < 0)
        code = fail(ctl, &err);
    master_close(master);
    return code;
}

static int rotate_service(struct ctl *ctl, const char *service)
{
    Fokus__Runtime__V1__RotateVaultRequest request = FOKUS__RUNTIME__V1__ROTATE_VAULT_REQUEST__INIT;
    const Fokus__Runtime__V1__RotateVaultResponse *slice = NULL;
    struct remote r;

    int code = remote_open(ctl, service, &r);
    while (code == 0 && (!slice || !slice->done))
        code = remote_runtime(ctl, &r, "RotateVault", &request.base,
                              &fokus__runtime__v1__rotate_vault_response__descriptor, CTL_LONG_MS,
                              &slice);
    remote_close(&r);
    return code;
}

static int rotate_running(struct ctl *ctl)
{
    char names[CTL_MAX_SERVICES][SERVICE_NAME_MAX + 1];
    size_t n = ctl_services(ctl, names);
    int code = 0;

    for (size_t i = 0; code == 0 && i < n; i++) {
        const char *path = ctl_socket_path(ctl, names[i], "admin");
        /* A vault of one that does not run is named when the rotation shall end. */
        if (path && ctl_socket_alive(path))
            code = rotate_service(ctl, names[i]);
    }
    return code;
}

static int end_rotation(struct ctl *ctl)
{
    char id[2 * SHOWN_BYTES + 1];
    struct err err = { "" };
    struct master *master;

    int code = open_master(ctl, &master);
    if (code != 0)
        return code;
    if (master_rotated(master, &err) < 0)
        code = fail(ctl, &err);
    else if (ctl->json)
        printf("{\"master_key\":\"%s\"}\n", shown_id(master_newest(master), id));
    else
        printf("all vaults lie under the new master key %s: make an escrow of it\n",
               shown_id(master_newest(master), id));
    master_close(master);
    return code;
}

static int keys_rotate(struct ctl *ctl)
{
    int code = begin_rotation(ctl);

    if (code == 0)
        code = rotate_running(ctl);
    return code == 0 ? end_rotation(ctl) : code;
}

/* ---- escrow ---- */

static int read_hex_key(struct ctl *ctl, const char *text, const char *what,
                        uint8_t ret[MASTER_ESCROW_KEY_BYTES])
{
    size_t n = 0;

    if (strlen(text) != HEX_KEY ||
        sodium_hex2bin(ret, MASTER_ESCROW_KEY_BYTES, text, HEX_KEY, NULL, &n, NULL) != 0 ||
        n != MASTER_ESCROW_KEY_BYTES)
        return ctl_fail(ctl, CTL_USAGE, "%s must be %d hexadecimal digits", what, HEX_KEY);
    return 0;
}

/* Reads a small file whole, as text. */
static int read_file(struct ctl *ctl, const char *path, char ret[MAX_FILE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, ret, MAX_FILE - 1);
    int problem = errno;

    if (fd >= 0)
        (void)close(fd); /* only read */
    if (len < 0)
        return ctl_fail(ctl, CTL_REFUSED, "cannot read %s: %s", path, strerror(problem));
    ret[len] = '\0';
    return 0;
}

static int write_secret(struct ctl *ctl, const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line) && fsync(fd) == 0;
    int problem = errno;

    if (fd >= 0 && close(fd) < 0)
        good = false;
    return good ? 0 : ctl_fail(ctl, CTL_REFUSED, "cannot write %s: %s", path, strerror(problem));
}

static int keys_pair(struct ctl *ctl, const char *path)
{
    uint8_t public[MASTER_ESCROW_KEY_BYTES], secret[MASTER_ESCROW_KEY_BYTES];
    char line[HEX_KEY + 2], shown[HEX_KEY + 1];

    if (crypto_box_keypair(public, secret) != 0)
        return ctl_fail(ctl, CTL_REFUSED, "no pair can be made");
    (void)sodium_bin2hex(line, sizeof(line), secret, sizeof(secret));
    memcpy(line + HEX_KEY, "\n", 2);
    int code = write_secret(ctl, path, line);
    if (code == 0)
        printf(ctl->json ? "{\"public_key\":\"%s\"}\n" : "%s\n",
               sodium_bin2hex(shown, sizeof(shown), public, sizeof(public)));
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(line, sizeof(line));
    return code;
}

static int keys_escrow(struct ctl *ctl, const char *public_key)
{
    uint8_t public[MASTER_ESCROW_KEY_BYTES];
    char line[MASTER_ESCROW_CHARS + 1];
    struct err err = { "" };
    struct master *master;

    int code = read_hex_key(ctl, public_key, "a public key", public);
    if (code == 0)
        code = open_master(ctl, &master);
    if (code != 0)
        return code;
    if (master_escrow(master, public, line, &err) < 0)
        code = fail(ctl, &err);
    else if (ctl->json)
        printf("{\"escrow\":\"%.*s\"}\n", MASTER_ESCROW_CHARS - 1, line);
    else
        printf("%s", line);
    master_close(master);
    return code;
}

static int keys_recover(struct ctl *ctl, const char *escrow_path, const char *secret_path)
{
    uint8_t public[MASTER_ESCROW_KEY_BYTES], secret[MASTER_ESCROW_KEY_BYTES];
    char escrow[MAX_FILE], text[MAX_FILE];
    const char *path = arena_printf(ctl->arena, "%s/master.key", ctl->home);
    struct err err = { "" };

    if (!path)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    int code = read_file(ctl, escrow_path, escrow);
    if (code == 0)
        code = read_file(ctl, secret_path, text);
    text[code == 0 ? strcspn(text, "\n") : 0] = '\0';
    if (code == 0)
        code = read_hex_key(ctl, text, "the secret half", secret);
    sodium_memzero(text, sizeof(text));
    if (code != 0)
        return code;
    if (crypto_scalarmult_base(public, secret) != 0)
        code = ctl_fail(ctl, CTL_REFUSED, "this is no secret half");
    else if (master_recover(escrow, public, secret, path, &err) < 0)
        code = fail(ctl, &err);
    else
        printf(ctl->json ? "{\"written\":\"%s\"}\n" : "written: %s\n", path);
    sodium_memzero(secret, sizeof(secret));
    return code;
}

int ctl_keys(struct ctl *ctl, int argc, char **argv)
{
    static const char *const none[] = { NULL };

    argc = ctl_options(ctl, argc, argv, none, NULL);
    if (argc < 0)
        return CTL_USAGE;
    const char *what = argc > 1 ? argv[1] : "";
    if (sodium_init() < 0)
        return ctl_fail(ctl, CTL_REFUSED, "libsodium cannot start");
    if (strcmp(what, "status") == 0 && argc == 2)
        return keys_status(ctl);
    if (strcmp(what, "rotate") == 0 && argc == 2)
        return keys_rotate(ctl);
    if (strcmp(what, "pair") == 0 && argc == 3)
        return keys_pair(ctl, argv[2]);
    if (strcmp(what, "escrow") == 0 && argc == 3)
        return keys_escrow(ctl, argv[2]);
    if (strcmp(what, "recover") == 0 && argc == 4)
        return keys_recover(ctl, argv[2], argv[3]);
    return ctl_usage(ctl, "keys",
                     "keys takes status, rotate, pair FILE, escrow PUBLIC_KEY or recover ESCROW "
                     "SECRET");
}
