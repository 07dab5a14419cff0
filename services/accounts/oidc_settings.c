/* oidc_settings.c - the providers' settings, out of the operator's JSON file. Anything that is not a setting, or not as it must be, is refused
 * with the path of the field: a provider is never half set up. Secrets and keys stand in files of their own, named here, which nobody
 * but their owner and group may read. */
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/format.h"
#include "fokus/v1/options.pb-c.h"
#include "services/accounts/oidc_internal.h"

enum {
    MAX_FILE = 1024 * 1024,
    MAX_PROVIDERS = 32,
    MAX_LIST = 64,
    MAX_SECRET = 1024,
    DEFAULT_LIFETIME_S = 3600,
    MAX_LIFETIME_S = 24 * 3600,
};

struct reader {
    const char *path; /* of the file */
    struct arena *arena;
    char at[64]; /* "providers[1]" */
    struct err *err;
};

static int bad(const struct reader *r, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int bad(const struct reader *r, const char *field, const char *format, ...)
{
    const char *name = strrchr(r->path, '/');
    char what[128];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args); /* cut when longer */
    va_end(args);
    return err_set(r->err, EINVAL, "%s: %s%s%s%s%s", name ? name + 1 : r->path, r->at,
                   r->at[0] && field[0] ? "." : "", field, r->at[0] || field[0] ? ": " : "", what);
}

/* Every member of an object is one of the names. */
static int only(const struct reader *r, const json_t *object, const char *prefix,
                const char *const *names)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key) != 0)
            i++;
        if (!names[i]) {
            char field[96];
            (void)snprintf(field, sizeof(field), "%s%s%.60s", prefix, prefix[0] ? "." : "",
                           key); /* cut when longer */
            return bad(r, field, "is not a setting");
        }
    }
    return 0;
}

/* A copy of a member's text. */
static int text(const struct reader *r, const json_t *object, const char *name, const char *field,
                size_t max, const char **ret)
{
    const char *value = oidc_json_text(object, name, max);

    if (!value)
        return bad(r, field, "must be text of 1 to %zu characters", max);
    *ret = arena_strdup(r->arena, value);
    return *ret ? 0 : bad(r, field, "is too much");
}

static int url(const struct reader *r, const json_t *object, const char *name, const char **ret)
{
    int e = text(r, object, name, name, OIDC_MAX_URL, ret);
    const char *problem = e ? NULL : fetch_url_problem(*ret);

    return problem ? bad(r, name, "%s", problem) : e;
}

/* ---- files named in the file ---- */

/* A path beside the settings, unless it begins at the root. */
static int path_of(const struct reader *r, const json_t *object, const char *name,
                   const char *field, const char **ret)
{
    const char *value, *slash = strrchr(r->path, '/');
    int e = text(r, object, name, field, PATH_MAX / 2, &value);

    if (e || value[0] == '/' || !slash) {
        if (!e)
            *ret = value;
        return e;
    }
    *ret = arena_printf(r->arena, "%.*s/%s", (int)(slash - r->path), r->path, value);
    return *ret ? 0 : bad(r, field, "is too much");
}

static int read_whole(FILE *file, struct buf *to)
{
    size_t n = fread(to->data, 1, to->max, file);

    if (ferror(file))
        return -EIO;
    to->len = n;
    return fgetc(file) == EOF ? 0 : -EFBIG;
}

/* The bytes of a secret file; wipe them. */
static int read_secret(const struct reader *r, const char *path, const char *field, struct buf *ret)
{
    FILE *file = fopen(path, "re");
    struct stat st;
    struct buf bytes = oidc_secret_buf(OIDC_MAX_TOKEN);
    int e = 0;

    if (!file)
        e = bad(r, field, "the file cannot be opened: %s", strerror(errno));
    else if (fstat(fileno(file), &st) || !S_ISREG(st.st_mode) || st.st_mode & (S_IWGRP | S_IRWXO))
        e = bad(r, field,
                "the file must be one that only its owner and group may read: chmod 0600");
    else if (bytes.failed || read_whole(file, &bytes))
        e = bad(r, field, "the file cannot be read, or is too long");
    if (file)
        (void)fclose(file); /* was only read */
    if (e)
        oidc_wipe(&bytes);
    else
        *ret = bytes;
    return e;
}

/* ---- how the provider recognises us ---- */

/* The file's one line, in libsodium's memory. */
static int read_client_secret(const struct reader *r, const json_t *object,
                              struct oidc_settings *to)
{
    const char *path, field[] = "client_auth.secret_file";
    struct buf bytes;
    char *secret = NULL;
    int e = path_of(r, object, "secret_file", field, &path);

    if (e || (e = read_secret(r, path, field, &bytes)))
        return e;
    size_t len = bytes.len;
    while (len > 0 && (bytes.data[len - 1] == '\n' || bytes.data[len - 1] == '\r'))
        len--;
    for (size_t i = 0; i < len && e == 0; i++)
        if (bytes.data[i] < 0x20 || bytes.data[i] >= 0x7f)
            e = bad(r, field, "must hold one line of plain ASCII");
    if (e == 0 && (len == 0 || len > MAX_SECRET))
        e = bad(r, field, "must hold a secret of 1 to %d characters", MAX_SECRET);
    if (e == 0 && !(secret = sodium_malloc(len + 1)))
        e = bad(r, field, "no memory for the secret");
    if (e == 0) {
        memcpy(secret, bytes.data, len);
        secret[len] = '\0';
        to->client_secret = secret;
    }
    oidc_wipe(&bytes);
    return e;
}

static int read_key(const struct reader *r, const json_t *object, struct oidc_settings *to)
{
    const char *path, *why, field[] = "client_auth.key_file";
    struct buf bytes;
    int e = path_of(r, object, "key_file", field, &path);

    if (e || (e = read_secret(r, path, field, &bytes)))
        return e;
    if (oidc_signer_read(&to->signer, (struct slice) { bytes.data, bytes.len }, &why))
        e = bad(r, field, "%s", why);
    oidc_wipe(&bytes);
    return e;
}

static int read_client_auth(const struct reader *r, const json_t *provider,
                            struct oidc_settings *to)
{
    static const char *const none[] = { "method", NULL },
                             *const secret[] = { "method", "secret_file", NULL },
                             *const key[] = { "method", "key_file", NULL };
    const json_t *object = json_object_get(provider, "client_auth");
    const char *method = oidc_json_text(object, "method", 64);
    int e;

    if (method && strcmp(method, "none") == 0) {
        to->client_auth = OIDC_CLIENT_PUBLIC;
        return only(r, object, "client_auth", none);
    }
    if (method && strcmp(method, "private_key_jwt") == 0) {
        to->client_auth = OIDC_CLIENT_PRIVATE_KEY_JWT;
        e = only(r, object, "client_auth", key);
        return e ? e : read_key(r, object, to);
    }
    if (!method ||
        (strcmp(method, "client_secret_basic") != 0 && strcmp(method, "client_secret_post") != 0))
        return bad(r, "client_auth.method",
                   "must be private_key_jwt, client_secret_basic, client_secret_post or none");
    to->client_auth = strcmp(method, "client_secret_basic") == 0 ? OIDC_CLIENT_SECRET_BASIC
                                                                 : OIDC_CLIENT_SECRET_POST;
    e = only(r, object, "client_auth", secret);
    return e ? e : read_client_secret(r, object, to);
}

/* ---- lists ---- */

static int read_levels(const struct reader *r, const json_t *provider, struct oidc_settings *to)
{
    static const char *const names[] = { "acr", "level", NULL };
    const json_t *list = json_object_get(provider, "levels"), *each;
    size_t i;

    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > MAX_LIST)
        return bad(r, "levels", "must be a list of at most %d", MAX_LIST);
    to->levels = arena_calloc(r->arena, json_array_size(list) + 1, sizeof(*to->levels));
    if (!to->levels)
        return bad(r, "levels", "is too much");
    json_array_foreach(list, i, each)
    {
        char field[32];
        json_int_t level = json_integer_value(json_object_get(each, "level"));
        int e;
        (void)snprintf(field, sizeof(field), "levels[%zu]", i);
        if (!json_is_object(each) || level < 1 || level > 4)
            return bad(r, field, "must be {\"acr\": text, \"level\": 1 to 4}");
        if ((e = only(r, each, field, names)) ||
            (e = text(r, each, "acr", field, OIDC_MAX_TEXT, &to->levels[i].acr)))
            return e;
        if (strchr(to->levels[i].acr, ' '))
            return bad(r, field, "an acr has no spaces");
        to->levels[i].level = (unsigned)level;
        to->n_levels++;
    }
    return 0;
}

/* A list of words without spaces: each is handed on. */
static int words(const struct reader *r, const json_t *provider, const char *name,
                 int each(void *arg, const char *word), void *arg)
{
    const json_t *list = json_object_get(provider, name), *value;
    size_t i;

    if (list && (!json_is_array(list) || json_array_size(list) > MAX_LIST))
        return bad(r, name, "must be a list of at most %d", MAX_LIST);
    json_array_foreach(list, i, value)
    {
        const char *word = json_string_value(value);
        size_t len = word ? strlen(word) : 0;
        if (len == 0 || len > OIDC_MAX_TEXT || strpbrk(word, " \"\\") || (uint8_t)word[0] < 0x20)
            return bad(r, name, "must be texts of 1 to %d characters without spaces",
                       OIDC_MAX_TEXT);
        if (each(arg, word))
            return bad(r, name, "is too much");
    }
    return 0;
}

static int add_scope(void *arg, const char *word)
{
    struct buf *scope = arg;

    if (strcmp(word, "openid") == 0)
        return 0; /* stands first, once */
    buf_append_byte(scope, ' ');
    buf_append_str(scope, word);
    return scope->failed ? -EMSGSIZE : 0;
}

static int read_scopes(const struct reader *r, const json_t *provider, struct oidc_settings *to)
{
    struct buf scope = BUF_INIT(1024);
    int e;

    buf_append_str(&scope, "openid");
    e = words(r, provider, "scopes", add_scope, &scope);
    if (e == 0 && !scope.failed)
        to->scope = arena_strndup(r->arena, (const char *)scope.data, scope.len);
    buf_free(&scope);
    return e || to->scope ? e : bad(r, "scopes", "is too much");
}

static int add_claim(void *arg, const char *word)
{
    return json_object_set_new(arg, word, json_null());
}

/* The `claims` parameter (OpenID Connect Core 1.0, 5.5): where a claim is asked for is where it is read. */
static int read_claims(const struct reader *r, const json_t *provider, struct oidc_settings *to)
{
    json_t *names = json_object();
    int e = names ? words(r, provider, "claims", add_claim, names) : bad(r, "claims", "no memory");

    if (e == 0 && json_object_size(names) > 0) {
        json_t *claims = json_pack("{s:O}", to->userinfo ? "userinfo" : "id_token", names);
        char *dump = claims ? json_dumps(claims, JSON_COMPACT) : NULL;
        to->claims = dump ? arena_strdup(r->arena, dump) : NULL;
        if (!to->claims || strlen(to->claims) > 1024)
            e = bad(r, "claims", "is too much");
        free(dump);
        json_decref(claims);
    }
    json_decref(names);
    return e;
}

/* ---- a provider ---- */

static int read_names(const struct reader *r, const json_t *provider, struct oidc_settings *to)
{
    static const char *const names[] = { "sv", "en", NULL };
    const json_t *name = json_object_get(provider, "name");
    int e;

    if (!json_is_object(name))
        return bad(r, "name", "must be {\"sv\": text, \"en\": text}");
    if ((e = only(r, name, "name", names)) ||
        (e = text(r, name, "sv", "name.sv", 100, &to->name_sv)))
        return e;
    return text(r, name, "en", "name.en", 100, &to->name_en);
}

static int read_others(const struct reader *r, const json_t *provider, struct oidc_settings *to)
{
    const json_t *userinfo = json_object_get(provider, "userinfo"),
                 *lifetime = json_object_get(provider, "max_token_lifetime");

    if (userinfo && !json_is_boolean(userinfo))
        return bad(r, "userinfo", "must be true or false");
    to->userinfo = json_is_true(userinfo);
    to->max_token_lifetime_s = lifetime ? json_integer_value(lifetime) : DEFAULT_LIFETIME_S;
    if (to->max_token_lifetime_s < 1 || to->max_token_lifetime_s > MAX_LIFETIME_S)
        return bad(r, "max_token_lifetime", "must be 1 to %d seconds", MAX_LIFETIME_S);
    return json_object_get(provider, "ca_file")
               ? path_of(r, provider, "ca_file", "ca_file", &to->ca_file)
               : 0;
}

static int read_provider(const struct reader *r, const json_t *provider, struct oidc_settings *to)
{
    static const char *const names[] = {
        "id",     "name",   "issuer", "client_id", "client_auth",        "redirect_uri",
        "scopes", "claims", "levels", "userinfo",  "max_token_lifetime", "ca_file",
        NULL
    };
    const char *problem;
    int e;

    if (!json_is_object(provider))
        return bad(r, "", "must be an object");
    if ((e = only(r, provider, "", names)) || (e = text(r, provider, "id", "id", 40, &to->id)))
        return e;
    if ((problem =
             format_problem(FOKUS__V1__STRING_FORMAT__STRING_FORMAT_SLUG, to->id, strlen(to->id))))
        return bad(r, "id", "%s", problem);
    if ((e = read_names(r, provider, to)) || (e = url(r, provider, "issuer", &to->issuer)))
        return e;
    if (strchr(to->issuer, '?'))
        return bad(r, "issuer", "must not have a query");
    if ((e = text(r, provider, "client_id", "client_id", OIDC_MAX_TEXT, &to->client_id)) ||
        (e = url(r, provider, "redirect_uri", &to->redirect_uri)) ||
        (e = read_others(r, provider, to)) || (e = read_scopes(r, provider, to)) ||
        (e = read_claims(r, provider, to)) || (e = read_levels(r, provider, to)))
        return e;
    return read_client_auth(r, provider, to);
}

/* Security: with an address of its own, each provider's callbacks are told apart whatever they say (RFC 9700, 4.4.2). */
static int check_apart(const struct reader *r, const struct oidc *oidc,
                       const struct oidc_settings *one)
{
    for (size_t i = 0; i < oidc->n; i++) {
        const struct oidc_settings *other = &oidc->providers[i].settings;
        if (other == one)
            continue;
        if (strcmp(other->id, one->id) == 0)
            return bad(r, "id", "is another provider's too");
        if (strcmp(other->redirect_uri, one->redirect_uri) == 0)
            return bad(r, "redirect_uri", "is another provider's too: each needs its own");
    }
    return 0;
}

static int read_providers(struct reader *r, const json_t *file, struct oidc *oidc)
{
    static const char *const names[] = { "providers", NULL };
    const json_t *list = json_object_get(file, "providers"), *each;
    size_t i, n = json_array_size(list);
    int e = only(r, file, "", names);

    if (e)
        return e;
    if (!json_is_array(list) || n > MAX_PROVIDERS)
        return bad(r, "providers", "must be a list of at most %d", MAX_PROVIDERS);
    oidc->providers = calloc(n + 1, sizeof(*oidc->providers));
    if (!oidc->providers)
        return bad(r, "providers", "no memory");
    json_array_foreach(list, i, each)
    {
        struct oidc_provider *p = &oidc->providers[oidc->n++];
        (void)pthread_mutex_init(&p->lock, NULL); /* cannot fail on Linux without attributes */
        (void)snprintf(r->at, sizeof(r->at), "providers[%zu]", i);
        if ((e = read_provider(r, each, &p->settings)) || (e = check_apart(r, oidc, &p->settings)))
            return e;
    }
    return 0;
}

void oidc_settings_wipe(struct oidc_settings *settings)
{
    sodium_free((void *)settings->client_secret); /* overwrites it; NULL is fine */
    oidc_signer_free(settings->signer);
}

int oidc_settings_read(struct oidc *oidc, const char *path, struct err *err)
{
    struct reader r = { path, oidc->arena, "", err };
    struct buf bytes = BUF_INIT(MAX_FILE);
    FILE *file = fopen(path, "re");
    json_error_t where;
    json_t *object;
    int e;

    if (!file)
        return err_set(err, errno, "%s: %s", path, strerror(errno));
    e = buf_reserve(&bytes, MAX_FILE) ? read_whole(file, &bytes) : -ENOMEM;
    (void)fclose(file); /* was only read */
    if (e) {
        buf_free(&bytes);
        return err_set(err, -e, "%s: cannot be read, or is longer than %d bytes", path, MAX_FILE);
    }
    object = json_loadb((const char *)bytes.data, bytes.len, JSON_REJECT_DUPLICATES, &where);
    buf_free(&bytes);
    if (!object)
        return err_set(err, EINVAL, "%s: line %d: %s", path, where.line, where.text);
    e = json_is_object(object) ? read_providers(&r, object, oidc)
                               : bad(&r, "", "must be an object");
    json_decref(object);
    return e;
}
