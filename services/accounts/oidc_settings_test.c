#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/testing_tree.h"
#include "services/accounts/oidc_testing.h"

static char home[] = "/tmp/fokus-oidc-XXXXXX";
static struct err err;

static int make_home(void **state)
{
    (void)state;
    return mkdtemp(home) && oidc_json_ready() == 0 && unsetenv("FOKUS_OIDC") == 0 ? 0 : -1;
}

static int remove_home(void **state)
{
    (void)state;
    return testing_remove_tree(home);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", home, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* A provider's settings with members added or replaced; those that are null are left out. */
static json_t *provider_with(const char *changes)
{
    json_t *p = json_loads("{\"id\":\"bankid\",\"name\":{\"sv\":\"BankID\",\"en\":\"BankID\"},"
                           "\"issuer\":\"https://idp.example.se\","
                           "\"client_id\":\"fokus\",\"client_auth\":{\"method\":\"none\"},"
                           "\"redirect_uri\":\"https://fokus.example.se/sign-in/bankid\"}",
                           0, NULL);
    json_t *changed = json_loads(changes, 0, NULL), *value;
    const char *name;

    assert_non_null(p);
    assert_non_null(changed);
    json_object_foreach(changed, name, value)(void)(
        json_is_null(value) ? json_object_del(p, name)
                            : json_object_set(p, name, value)); /* memory does not end in a test */
    json_decref(changed);
    return p;
}

static int open_providers(struct oidc **ret, size_t n, const char *const *changes)
{
    json_t *file = json_pack("{s:[]}", "providers");

    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            json_array_append_new(json_object_get(file, "providers"), provider_with(changes[i])),
            0);
    char *text = json_dumps(file, 0);
    write_file("oidc.json", text, 0644);
    free(text);
    json_decref(file);
    return oidc_open(ret, home, &err);
}

static int open_one(struct oidc **ret, const char *changes)
{
    return open_providers(ret, 1, &changes);
}

static void refused(const char *changes, const char *says)
{
    struct oidc *oidc = NULL;

    assert_int_equal(open_one(&oidc, changes), -EINVAL);
    if (strcmp(err.text, says) != 0)
        fail_msg("%s: %s", changes, err.text);
}

static void without_a_file_there_are_no_providers(void **state)
{
    struct oidc *oidc;

    (void)state;
    assert_int_equal(oidc_open(&oidc, home, &err), 0);
    assert_int_equal(oidc_provider_count(oidc), 0);
    assert_null(oidc_provider_at(oidc, 0));
    assert_null(oidc_provider_find(oidc, "bankid"));
    oidc_close(oidc);
    oidc_close(NULL);
}

static void a_file_that_is_named_must_be_there(void **state)
{
    struct oidc *oidc;
    char path[PATH_MAX];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/elsewhere.json", home);
    assert_int_equal(setenv("FOKUS_OIDC", path, 1), 0);
    assert_int_equal(oidc_open(&oidc, home, &err), -ENOENT);
    assert_non_null(strstr(err.text, "elsewhere.json"));
    write_file("elsewhere.json", "{\"providers\":[]}", 0644);
    assert_int_equal(oidc_open(&oidc, home, &err), 0);
    oidc_close(oidc);
    assert_int_equal(setenv("FOKUS_OIDC", "", 1), 0); /* is not set */
    assert_int_equal(oidc_open(&oidc, home, &err), 0);
    oidc_close(oidc);
    assert_int_equal(unsetenv("FOKUS_OIDC"), 0);
}

static void the_least_has_defaults(void **state)
{
    struct oidc *oidc;

    (void)state;
    assert_int_equal(open_one(&oidc, "{}"), 0);
    const struct oidc_settings *s = oidc_provider_settings(oidc_provider_find(oidc, "bankid"));
    assert_string_equal(s->id, "bankid");
    assert_string_equal(s->scope, "openid");
    assert_int_equal(s->client_auth, OIDC_CLIENT_PUBLIC);
    assert_null(s->claims);
    assert_null(s->ca_file);
    assert_false(s->userinfo);
    assert_int_equal(s->n_levels, 0);
    assert_int_equal(s->max_token_lifetime_s, 3600);
    oidc_close(oidc);
}

static void all_of_it_is_read(void **state)
{
    struct oidc *oidc;
    char ca[PATH_MAX];

    (void)state;
    write_file("secret", "påhittad hemlighet\n", 0600);
    refused("{\"client_auth\":{\"method\":\"client_secret_basic\",\"secret_file\":\"secret\"}}",
            "oidc.json: providers[0].client_auth.secret_file: must hold one line of plain ASCII");
    write_file("secret", "invented secret: +&%\n", 0640);
    assert_int_equal(
        open_one(
            &oidc,
            "{\"client_auth\":{\"method\":\"client_secret_post\",\"secret_file\":\"secret\"},"
            "\"scopes\":[\"openid\",\"profile\",\"https://id.oidc.se/scope/naturalPersonInfo\"],"
            "\"claims\":[\"https://id.oidc.se/claim/"
            "personalIdentityNumber\",\"email\"],\"userinfo\":true,"
            "\"levels\":[{\"acr\":\"loa3\",\"level\":3},{\"acr\":\"loa2\",\"level\":2}],\"max_"
            "token_lifetime\":300,"
            "\"ca_file\":\"ca.pem\"}"),
        0);
    const struct oidc_settings *s = oidc_provider_settings(oidc_provider_at(oidc, 0));
    assert_string_equal(s->client_secret, "invented secret: +&%");
    assert_string_equal(s->scope, "openid profile https://id.oidc.se/scope/naturalPersonInfo");
    assert_string_equal(
        s->claims,
        "{\"userinfo\":{\"https://id.oidc.se/claim/personalIdentityNumber\":null,\"email\":null}}");
    assert_int_equal(s->n_levels, 2);
    assert_string_equal(s->levels[0].acr, "loa3");
    assert_int_equal(s->levels[1].level, 2);
    assert_int_equal(s->max_token_lifetime_s, 300);
    (void)snprintf(ca, sizeof(ca), "%s/ca.pem", home);
    assert_string_equal(s->ca_file, ca);
    oidc_close(oidc);
}

static void what_is_wrong_is_said_with_its_path(void **state)
{
    (void)state;
    refused("{\"id\":null}", "oidc.json: providers[0].id: must be text of 1 to 40 characters");
    refused(
        "{\"issuer\":\"http://idp.example.se\"}",
        "oidc.json: providers[0].issuer: must begin with https:// (http:// only to this machine)");
    refused("{\"issuer\":\"https://idp.example.se?x\"}",
            "oidc.json: providers[0].issuer: must not have a query");
    refused("{\"redirect_uri\":\"https://fokus.example.se/#x\"}",
            "oidc.json: providers[0].redirect_uri: must not have a fragment");
    refused("{\"client_id\":7}",
            "oidc.json: providers[0].client_id: must be text of 1 to 255 characters");
    refused("{\"name\":\"BankID\"}",
            "oidc.json: providers[0].name: must be {\"sv\": text, \"en\": text}");
    refused("{\"name\":{\"sv\":\"BankID\"}}",
            "oidc.json: providers[0].name.en: must be text of 1 to 100 characters");
    refused("{\"name\":{\"sv\":\"x\",\"en\":\"x\",\"fi\":\"x\"}}",
            "oidc.json: providers[0].name.fi: is not a setting");
    refused("{\"clientid\":\"x\"}", "oidc.json: providers[0].clientid: is not a setting");
    refused("{\"client_auth\":null}",
            "oidc.json: providers[0].client_auth.method: must be private_key_jwt, "
            "client_secret_basic, client_secret_post or none");
    refused("{\"client_auth\":{\"method\":\"none\",\"secret_file\":\"x\"}}",
            "oidc.json: providers[0].client_auth.secret_file: is not a setting");
    refused("{\"scopes\":\"openid\"}",
            "oidc.json: providers[0].scopes: must be a list of at most 64");
    refused("{\"scopes\":[\"a b\"]}",
            "oidc.json: providers[0].scopes: must be texts of 1 to 255 characters without spaces");
    refused("{\"claims\":[7]}",
            "oidc.json: providers[0].claims: must be texts of 1 to 255 characters without spaces");
    refused("{\"levels\":{\"loa3\":3}}",
            "oidc.json: providers[0].levels: must be a list of at most 64");
    refused("{\"levels\":[{\"acr\":\"a\",\"level\":3},{\"acr\":\"b\",\"level\":5}]}",
            "oidc.json: providers[0].levels[1]: must be {\"acr\": text, \"level\": 1 to 4}");
    refused("{\"levels\":[{\"acr\":\"a\",\"level\":3,\"x\":1}]}",
            "oidc.json: providers[0].levels[0].x: is not a setting");
    refused("{\"levels\":[{\"acr\":\"a b\",\"level\":3}]}",
            "oidc.json: providers[0].levels[0]: an acr has no spaces");
    refused("{\"userinfo\":\"yes\"}", "oidc.json: providers[0].userinfo: must be true or false");
    refused("{\"max_token_lifetime\":0}",
            "oidc.json: providers[0].max_token_lifetime: must be 1 to 86400 seconds");
    refused("{\"max_token_lifetime\":\"300\"}",
            "oidc.json: providers[0].max_token_lifetime: must be 1 to 86400 seconds");
}

static void what_is_no_settings_file_is_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } files[] = {
        { "[]", "oidc.json: must be an object" },
        { "{}", "oidc.json: providers: must be a list of at most 32" },
        { "{\"providers\":{}}", "oidc.json: providers: must be a list of at most 32" },
        { "{\"providers\":[7]}", "oidc.json: providers[0]: must be an object" },
        { "{\"providers\":[],\"x\":1}", "oidc.json: x: is not a setting" },
    };
    struct oidc *oidc;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        write_file("oidc.json", files[i].text, 0644);
        assert_int_equal(oidc_open(&oidc, home, &err), -EINVAL);
        if (strcmp(err.text, files[i].says) != 0)
            fail_msg("%s: %s", files[i].text, err.text);
    }
    write_file("oidc.json", "{\"providers\":[],\"providers\":[]}", 0644);
    assert_int_equal(oidc_open(&oidc, home, &err), -EINVAL);
    assert_non_null(strstr(err.text, "oidc.json: line 1: duplicate object key"));
    write_file("oidc.json", "", 0644);
    assert_int_equal(oidc_open(&oidc, home, &err), -EINVAL);
}

/* With addresses of their own, an answer of one cannot be taken for another's. */
static void providers_stand_apart(void **state)
{
    struct oidc *oidc;
    static const char *const apart[] = {
        "{}", "{\"id\":\"freja\",\"redirect_uri\":\"https://fokus.example.se/sign-in/freja\"}"
    };
    static const char *const same_id[] = {
        "{}", "{\"redirect_uri\":\"https://fokus.example.se/sign-in/freja\"}"
    };
    static const char *const same_uri[] = { "{}", "{\"id\":\"freja\"}" };

    (void)state;
    assert_int_equal(open_providers(&oidc, 2, apart), 0);
    assert_int_equal(oidc_provider_count(oidc), 2);
    assert_ptr_equal(oidc_provider_find(oidc, "freja"), oidc_provider_at(oidc, 1));
    assert_null(oidc_provider_find(oidc, "siths"));
    oidc_close(oidc);
    assert_int_equal(open_providers(&oidc, 2, same_id), -EINVAL);
    assert_string_equal(err.text, "oidc.json: providers[1].id: is another provider's too");
    assert_int_equal(open_providers(&oidc, 2, same_uri), -EINVAL);
    assert_string_equal(
        err.text,
        "oidc.json: providers[1].redirect_uri: is another provider's too: each needs its own");
}

#define SECRET "{\"client_auth\":{\"method\":\"client_secret_basic\",\"secret_file\":\"secret\"}}"

static void a_secret_that_others_can_read_is_none(void **state)
{
    static const mode_t open_modes[] = { 0604, 0644, 0620, 0602, 0601 };
    struct oidc *oidc;
    char path[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(open_modes); i++) {
        write_file("secret", "invented\n", open_modes[i]);
        refused(SECRET, "oidc.json: providers[0].client_auth.secret_file: the file must be one "
                        "that only its owner and group may read: chmod 0600");
    }
    write_file("secret", "\n", 0600);
    refused(SECRET, "oidc.json: providers[0].client_auth.secret_file: must hold a secret of 1 to "
                    "1024 characters");
    write_file("secret", "two\nlines\n", 0600);
    refused(SECRET,
            "oidc.json: providers[0].client_auth.secret_file: must hold one line of plain ASCII");
    write_file("secret", "invented", 0400);
    assert_int_equal(open_one(&oidc, SECRET), 0);
    oidc_close(oidc);
    (void)snprintf(path, sizeof(path), "%s/secret", home);
    assert_int_equal(unlink(path), 0);
    refused(SECRET, "oidc.json: providers[0].client_auth.secret_file: the file cannot be opened: "
                    "No such file or directory");
}

#define KEY "{\"client_auth\":{\"method\":\"private_key_jwt\",\"key_file\":\"key\"}}"

static void key_refused(const cjose_jwk_t *jwk, bool private, const char *more, const char *says)
{
    json_t *object = jwk_json(jwk, private, more);
    char *text = json_dumps(object, 0), whole[200];

    write_file("key", text, 0600);
    free(text);
    json_decref(object);
    (void)snprintf(whole, sizeof(whole), "oidc.json: providers[0].client_auth.key_file: %s", says);
    refused(KEY, whole);
}

static void our_key_signs_who_we_are(void **state)
{
    cjose_jwk_t *ec = new_ec();
    json_t *private = jwk_json(ec, true, "{\"alg\":\"ES256\",\"kid\":\"ours\"}"),
           *public = jwk_json(ec, false, "{\"kid\":\"ours\"}"), *payload;
    char *text = json_dumps(private, 0);
    struct oidc_keys *keys = keys_of(1, &public);
    struct buf assertion = oidc_secret_buf(4096);
    struct oidc *oidc;
    const char *why;
    int64_t exp, iat;

    (void)state;
    write_file("key", text, 0600);
    assert_int_equal(open_one(&oidc, KEY), 0);
    assert_int_equal(oidc_signer_assert(oidc_provider_settings(oidc_provider_at(oidc, 0))->signer,
                                        "fokus", "https://idp.example.se", 1000, &assertion),
                     0);
    assert_int_equal(
        oidc_token_open((struct slice) { assertion.data, assertion.len }, keys, &payload, &why), 0);
    assert_string_equal(oidc_json_text(payload, "iss", 99), "fokus");
    assert_string_equal(oidc_json_text(payload, "sub", 99), "fokus");
    assert_string_equal(oidc_json_text(payload, "aud", 99), "https://idp.example.se");
    assert_int_equal(strlen(oidc_json_text(payload, "jti", 99)), 32);
    assert_true(oidc_json_time(payload, "iat", &iat) && oidc_json_time(payload, "exp", &exp));
    assert_int_equal(iat, 1000);
    assert_int_equal(exp, 1060);
    json_decref(payload);
    oidc_wipe(&assertion);
    oidc_close(oidc);
    oidc_keys_free(keys);
    json_decref(private);
    free(text);
    key_refused(ec, true, NULL, "must have an alg that fits its kty: ES256, PS256 or RS256");
    key_refused(ec, true, "{\"alg\":\"RS256\"}",
                "must have an alg that fits its kty: ES256, PS256 or RS256");
    key_refused(ec, true, "{\"alg\":\"HS256\"}",
                "must have an alg that fits its kty: ES256, PS256 or RS256");
    key_refused(ec, false, "{\"alg\":\"ES256\"}", "must be a private key, with d");
    key_refused(ec, true, "{\"alg\":\"ES256\",\"crv\":\"P-384\"}", "must be of the curve P-256");
    key_refused(ec, true, "{\"alg\":\"ES256\",\"x\":\"AAAA\"}", "must be a whole JWK");
    write_file("key", "-----BEGIN PRIVATE KEY-----\n", 0600);
    refused(KEY, "oidc.json: providers[0].client_auth.key_file: must be a JWK, in JSON");
    cjose_jwk_release(ec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file_there_are_no_providers),
        cmocka_unit_test(a_file_that_is_named_must_be_there),
        cmocka_unit_test(the_least_has_defaults),
        cmocka_unit_test(all_of_it_is_read),
        cmocka_unit_test(what_is_wrong_is_said_with_its_path),
        cmocka_unit_test(what_is_no_settings_file_is_refused),
        cmocka_unit_test(providers_stand_apart),
        cmocka_unit_test(a_secret_that_others_can_read_is_none),
        cmocka_unit_test(our_key_signs_who_we_are),
    };

    return cmocka_run_group_tests(tests, make_home, remove_home);
}
