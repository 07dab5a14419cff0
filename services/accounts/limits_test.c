/* limits_test.c - the key under which what is counted against limits is named: how long it lives, and what it takes with it. What the
 * limits are is tested where they hold: sign_in_test.c, provider_test.c. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/accounts/limits.h"
#include "services/accounts/testing.h"

#define WEEK_MS (7 * DAY_MS)

/* What the last command made, first of all; NULL: no key. */
static const LimitKeyMade *made_key(void)
{
    if (then_events_of("LimitKeyMade") == 0)
        return NULL;
    const AccountsEvent *event = then_event(0, "LimitKeyMade");
    return event->limit_key_made;
}

static const LimitKeyMade *first_key(const struct browser *b, const char *address)
{
    start(b, address);
    const LimitKeyMade *made = made_key();
    assert_non_null(made);
    return made;
}

static bool readable(const char *slot, uint8_t ret[VAULT_SECRET_BYTES])
{
    int r = vault_secret(given_vault(), slot, given_key(), ret);
    assert_true(r == 0 || r == -ENOENT);
    return r == 0;
}

static void keep_house(void)
{
    KeepHouseRequest request = KEEP_HOUSE_REQUEST_INIT;
    when(operator_caller(), "KeepHouse", &request);
    then_ok();
}

static void erase_anew(const char *slot)
{
    Fokus__Runtime__V1__ErasePersonRequest request = FOKUS__RUNTIME__V1__ERASE_PERSON_REQUEST__INIT;
    request.person = (char *)slot;
    when(operator_caller(), "fokus.runtime.v1.RuntimeService/ErasePerson", &request);
}

static void lose(const char *slot)
{
    struct err err;
    assert_int_equal(vault_erase(given_vault(), &slot, 1, &err), 0);
}

/* ---- a week ---- */

TEST(a_week_later_the_key_is_another_and_the_old_one_is_gone)
{
    struct browser b = a_browser(1);
    uint8_t first[VAULT_SECRET_BYTES], second[VAULT_SECRET_BYTES];
    const LimitKeyMade *old = first_key(&b, ANNA);
    assert_string_equal(old->replaces, "");
    assert_int_equal(old->ends_ms, given_now_ms() + WEEK_MS);
    assert_true(readable(old->slot, first));
    given_time_passes(WEEK_MS - 1);
    start(&b, ANNA);
    assert_null(made_key());
    given_time_passes(1);
    const LimitKeyMade *new = first_key(&b, ANNA);
    assert_string_equal(new->replaces, old->slot);
    assert_string_not_equal(new->slot, old->slot);
    assert_false(readable(old->slot, first));
    assert_true(readable(new->slot, second));
    assert_memory_not_equal(first, second, sizeof(first));
    assert_int_equal(then_entries(&T_LIMIT_KEY), 1);
    start(&b, ANNA);
    assert_null(made_key());
}

TEST(it_goes_after_its_week_also_when_nobody_asks_for_anything)
{
    struct browser b = a_browser(1);
    uint8_t secret[VAULT_SECRET_BYTES];
    keep_house();
    then_no_event(); /* made when first needed */
    const LimitKeyMade *old = first_key(&b, ANNA);
    given_time_passes(WEEK_MS - 1);
    keep_house();
    assert_null(made_key());
    given_time_passes(1);
    keep_house();
    assert_int_equal(then_events_of("LimitKeyMade"), 1);
    assert_false(readable(old->slot, secret));
    start(&b, ANNA);
    assert_null(made_key());
}

TEST(a_clock_that_jumps_makes_no_key_last_longer)
{
    struct browser b = a_browser(1);
    first_key(&b, ANNA);
    given_time_passes(-MINUTE_MS);
    start(&b, ANNA); /* put right by a little */
    assert_null(made_key());
    given_time_passes(-1);
    assert_non_null(first_key(&b, ANNA));
    given_time_passes(-365 * DAY_MS); /* it was a year ahead */
    assert_non_null(first_key(&b, ANNA));
    given_time_passes(WEEK_MS);
    assert_non_null(first_key(&b, ANNA));
    given_time_passes(365 * DAY_MS);
    assert_non_null(first_key(&b, ANNA));
    assert_int_equal(then_entries(&T_LIMIT_KEY), 1);
}

TEST(counting_begins_anew_with_a_new_key)
{
    struct browser b = a_browser(1);
    first_key(&b, BERTA);
    given_time_passes(WEEK_MS - MINUTE_MS);
    for (int i = 0; i < 5; i++)
        start(&b, ANNA);
    StartSignInRequest request = START_SIGN_IN_REQUEST_INIT;
    request.address = ANNA;
    when(anonymous(), "StartSignIn", &request);
    then_refused(CODE_RESOURCE_EXHAUSTED);
    given_time_passes(MINUTE_MS);
    first_key(&b, ANNA);
}

TEST(what_was_counted_under_an_old_key_leaves_the_tables)
{
    struct browser b = a_browser(1);
    first_key(&b, ANNA);
    given_time_passes(WEEK_MS);
    start(&b, ANNA);
    assert_int_equal(then_entries(&T_LIMIT), 4);
}

TEST(a_code_that_was_asked_for_under_the_old_key_counts_and_is_guessed_at_as_seldom)
{
    struct browser b = a_browser(1);
    first_key(&b, BERTA);
    given_time_passes(WEEK_MS - MINUTE_MS);
    const StartSignInResponse *started = start(&b, ANNA);
    const MailContent *mail = last_mail();
    given_time_passes(MINUTE_MS);
    const FinishSignInResponse *wrong = finish(&b, started->sign_in, not_code(mail->code), "");
    assert_non_null(made_key());
    then_event(1, "SignInTried");
    assert_int_equal(wrong->tries_left, 4);
    assert_int_equal(finish(&b, started->sign_in, mail->code, "")->outcome,
                     SIGN_IN_OUTCOME_SIGNED_IN);
}

/* ---- a key that is lost ---- */

/* As after a backup from before the change was restored: the start has the slot erased that the vault no longer has. */
TEST(a_restored_store_whose_key_is_gone_gets_another)
{
    struct browser b = a_browser(1);
    uint8_t secret[VAULT_SECRET_BYTES];
    const LimitKeyMade *old = first_key(&b, ANNA);
    /* Security: whoever may erase persons does not make counting begin anew. */
    erase_anew(old->slot);
    then_refused(CODE_FAILED_PRECONDITION);
    lose(old->slot);
    erase_anew(old->slot);
    then_ok();
    const LimitKeyMade *new = made_key();
    assert_non_null(new);
    assert_string_equal(new->replaces, old->slot);
    assert_true(readable(new->slot, secret));
    assert_int_equal(then_entries(&T_LIMIT_KEY), 1);
    erase_anew(old->slot);
    then_ok();
    then_no_event();
    start(&b, ANNA);
    assert_null(made_key());
}

TEST(a_key_that_the_vault_has_not_is_replaced_when_it_is_needed)
{
    struct browser b = a_browser(1);
    const LimitKeyMade *old = first_key(&b, ANNA);
    lose(old->slot);
    assert_string_equal(first_key(&b, ANNA)->replaces, old->slot);
}

TEST(what_is_refused_makes_no_key)
{
    struct browser b = a_browser(1);
    struct vault_stats before, after;
    StartSignInRequest request = START_SIGN_IN_REQUEST_INIT;
    request.address = "nobody";
    from(&b);
    vault_stats(given_vault(), &before);
    when(anonymous(), "StartSignIn", &request);
    then_refused(CODE_INVALID_ARGUMENT);
    vault_stats(given_vault(), &after);
    assert_int_equal(before.persons, after.persons);
}

/* ---- Security: who was it? With log, vault and master key ---- */

/* Everything that the log says of one sign-in: asking for a code, guessing, getting in. */
struct said {
    ProtobufCBinaryData hashes[16];
    size_t n;
};

static void note(struct said *said, ProtobufCBinaryData hash)
{
    assert_true(said->n < ARRAY_LEN(said->hashes));
    said->hashes[said->n++] = hash;
}

static struct said said_of_sign_in(struct browser *b, const char *address)
{
    struct said said = { .n = 0 };
    const StartSignInResponse *started = start(b, address);
    const MailContent *mail = last_mail();
    const AccountsEvent *event = then_event(then_event_count() - 2, "SignInStarted");
    for (size_t i = 0; i < event->sign_in_started->n_uses; i++)
        note(&said, event->sign_in_started->uses[i]->who);
    note(&said, event->sign_in_started->browser);
    finish(b, started->sign_in, not_code(mail->code), "");
    event = then_event(0, "SignInTried");
    note(&said, event->sign_in_tried->uses[0]->who);
    finish(b, started->sign_in, mail->code, "");
    event = then_event(then_event_count() - 1, "SessionStarted");
    note(&said, event->session_started->device);
    take_session(b);
    return said;
}

static bool was_said(const struct said *said, const uint8_t hash[VAULT_HASH_BYTES])
{
    for (size_t i = 0; i < said->n; i++)
        if (said->hashes[i].len == VAULT_HASH_BYTES &&
            memcmp(said->hashes[i].data, hash, VAULT_HASH_BYTES) == 0)
            return true;
    return false;
}

/* How many hashes are those of the address with something else: with nothing, with a network one knows, or with whatever else the log
 * says, as far as `key` (of a slot; NULL: the vault's own) makes them. */
static size_t confirmed(const struct said *said, const uint8_t *key, const struct browser *b,
                        const char *address)
{
    size_t n = 0;
    for (size_t with = 0; with < said->n + 2; with++)
        for (unsigned kind = 0; kind < 256; kind++) {
            struct slice other = with == 0   ? (struct slice) { 0 }
                                 : with == 1 ? (struct slice) { b->network, sizeof(b->network) }
                                             : slice_of(said->hashes[with - 2]);
            uint8_t text[256] = { (uint8_t)kind }, hash[VAULT_HASH_BYTES];
            size_t len = 1 + strlen(address) + 1 + other.len;
            memcpy(text + 1, address, strlen(address));
            if (other.len > 0)
                memcpy(text + 2 + strlen(address), other.data, other.len);
            if (key)
                (void)crypto_generichash(hash, sizeof(hash), text, len, key, VAULT_SECRET_BYTES);
            else
                vault_hash(given_vault(), (uint8_t)kind, (struct slice) { text + 1, len - 1 },
                           hash);
            n += was_said(said, hash);
            if (!key) { /* as limits were before: the kind of limit first */
                vault_hash(given_vault(), 21, (struct slice) { text, len }, hash);
                n += was_said(said, hash);
            }
        }
    return n;
}

TEST(a_week_later_nobody_can_try_whose_address_was_counted)
{
    struct browser b = a_browser(1), desk = a_browser(2);
    uint8_t secret[VAULT_SECRET_BYTES], next[VAULT_SECRET_BYTES];
    randombytes_buf(b.cookie, sizeof(b.cookie));
    const LimitKeyMade *key = first_key(&desk, BERTA);
    const struct said said = said_of_sign_in(&b, ANNA);
    EraseAccountRequest erase = ERASE_ACCOUNT_REQUEST_INIT;
    erase.confirm = true;
    const char *anna = arena_strdup(test_arena, resolve(&b)->id);
    from(&b);
    when(signed_in(anna), "EraseAccount", &erase);
    then_ok();
    assert_true(readable(key->slot, secret));
    /* The attack is a good one while the key lives: three of an address (with a network, alone in an hour and a day), a wrong code. */
    assert_int_equal(confirmed(&said, secret, &b, ANNA), 4);
    assert_int_equal(confirmed(&said, secret, &b, BERTA), 0);
    /* The vault's own key, which never changes, confirms nothing, whatever the log says of the browser. */
    assert_int_equal(confirmed(&said, NULL, &b, ANNA), 0);
    given_time_passes(WEEK_MS);
    keep_house();
    const AccountsEvent *after = then_event(then_event_count() - 1, "LimitKeyMade");
    assert_false(readable(key->slot, secret));
    assert_true(readable(after->limit_key_made->slot, next));
    assert_int_equal(confirmed(&said, next, &b, ANNA), 0);
    assert_int_equal(confirmed(&said, NULL, &b, ANNA), 0);
}

static bool stands_in(const char *path, const uint8_t *bytes, size_t len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    void *all = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(all, MAP_FAILED);
    (void)close(fd);
    bool found = memmem(all, (size_t)st.st_size, bytes, len) != NULL;
    (void)munmap(all, (size_t)st.st_size);
    return found;
}

/* Log and tables. */
static bool in_the_store(const uint8_t *bytes, size_t len)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/store/data.mdb", given_home());
    return stands_in(path, bytes, len);
}

TEST(what_is_said_of_a_browser_is_neither_in_log_nor_tables)
{
    struct browser b = a_browser(1);
    randombytes_buf(b.cookie, sizeof(b.cookie));
    memcpy(b.network, "\x20\x01\x0d\xb8\x5a\x17\x93\xc4", 8);
    const struct said said = said_of_sign_in(&b, ANNA);
    CountProviderAttemptRequest request = COUNT_PROVIDER_ATTEMPT_REQUEST_INIT;
    request.provider = "bankid";
    request.network = (ProtobufCBinaryData) { sizeof(b.network), b.network };
    request.browser = (ProtobufCBinaryData) { sizeof(b.cookie), b.cookie };
    when(house_caller("@accounts"), "CountProviderAttempt", &request);
    then_ok();
    start(&b, ANNA); /* as a browser that is known */
    for (size_t i = 0; i < said.n; i++)
        assert_true(in_the_store(said.hashes[i].data, said.hashes[i].len));
    assert_false(in_the_store(b.cookie, 16));
    assert_false(in_the_store(b.network, sizeof(b.network)));
}

TESTS(&accounts_service)
