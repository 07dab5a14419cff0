/* known_test.c - the table of known callers: what is found, for how long, within which bounds, and what goes to each service. */
#include "services/gateway/known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "018f0000-0000-7000-8000-000000000001"
enum { NOW = 1000000, HOUR = 3600 * 1000 };
static const int64_t WALL = 1800000000000;
static uint8_t key_a[CALLER_KEY_BYTES] = { 1 }, key_b[CALLER_KEY_BYTES] = { 2 };

/* What is said of caller number `n`, until the next call of this. */
static Fokus__Runtime__V1__ResolveCallerResponse *said(unsigned n)
{
    static Fokus__Runtime__V1__ResolveCallerResponse r;
    static uint8_t pseudonym_key[CALLER_KEY_BYTES];
    static char watch[32], *roles[] = { (char *)"member", (char *)"representative:a-group" };

    memset(pseudonym_key, (int)n, sizeof(pseudonym_key));
    (void)snprintf(watch, sizeof(watch), "watch-%u", n);
    r = (Fokus__Runtime__V1__ResolveCallerResponse)
        FOKUS__RUNTIME__V1__RESOLVE_CALLER_RESPONSE__INIT;
    r.id = (char *)ID;
    r.pseudonym_key = (ProtobufCBinaryData) { sizeof(pseudonym_key), pseudonym_key };
    r.watch = watch;
    r.roles = roles;
    r.n_roles = 2;
    r.expires_ms = WALL + HOUR / 2;
    return &r;
}

static struct credential credential(unsigned n)
{
    struct credential c = { .kind = CREDENTIAL_SESSION };

    memcpy(c.hash, &n, sizeof(n));
    return c;
}

static struct person *put(struct known *k, unsigned n)
{
    const struct credential c = credential(n);
    struct person *p;

    assert_int_equal(known_put(k, &c, said(n), NOW, WALL, &p), 0);
    return p;
}

static bool is_known(struct known *k, unsigned n)
{
    const struct credential c = credential(n);

    return known_find(k, &c, NOW) != NULL;
}

static void what_was_put_is_found_until_its_time(void **state)
{
    (void)state;
    struct known *k = known_new(10, 1 << 20);
    struct credential c = credential(7);
    Fokus__Runtime__V1__ResolveCallerResponse *r = said(7);
    struct person *p;

    assert_null(known_find(k, &c, NOW));
    put(k, 7);
    assert_non_null(known_find(k, &c, NOW + HOUR / 2 - 1));
    c.kind = CREDENTIAL_KEY;
    assert_null(known_find(k, &c, NOW)); /* a session's token is no key */
    c.kind = CREDENTIAL_SESSION;
    assert_null(known_find(k, &c, NOW + HOUR / 2));
    assert_int_equal(known_count(k), 0);
    r->expires_ms = INT64_MAX; /* nothing counts for ever */
    assert_int_equal(known_put(k, &c, r, NOW, WALL, &p), 0);
    assert_non_null(known_find(k, &c, NOW + HOUR - 1));
    assert_null(known_find(k, &c, NOW + HOUR));
    for (int64_t over = INT64_MIN; over <= WALL; over = over < 0 ? 0 : over + WALL) {
        r->expires_ms = over;
        assert_int_equal(known_put(k, &c, r, NOW, WALL, &p), 0);
        assert_null(known_find(k, &c, NOW));
    }
    known_free(k);
}

static void a_later_answer_takes_an_earlier_ones_place(void **state)
{
    (void)state;
    struct known *k = known_new(10, 1 << 20);
    struct credential c = credential(1);
    Fokus__Runtime__V1__ResolveCallerResponse *r;
    char *services[] = { (char *)"mill", (char *)"bakery" };
    struct person *p = put(k, 1);

    assert_false(known_only_asks(p));
    assert_true(known_may_call(p, "anything"));
    r = said(1);
    r->queries_only = true;
    r->services = services;
    r->n_services = 2;
    assert_int_equal(known_put(k, &c, r, NOW, WALL, &p), 0);
    assert_int_equal(known_count(k), 1);
    p = known_find(k, &c, NOW);
    assert_true(known_only_asks(p));
    assert_true(known_may_call(p, "mill") && known_may_call(p, "bakery"));
    assert_false(known_may_call(p, "mil") || known_may_call(p, "mills") || known_may_call(p, ""));
    known_free(k);
}

static void answers_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const ids[] = { "", "@gateway", "018F0000-0000-7000-8000-000000000001" };
    struct known *k = known_new(10, 1 << 20);
    const struct credential c = credential(1);
    char longer[102], *names[CALLER_MAX_ROLES + 1];
    struct person *p;

    memset(longer, 'x', sizeof(longer));
    longer[101] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        names[i] = longer;
    for (unsigned i = 0; i < 9; i++) {
        Fokus__Runtime__V1__ResolveCallerResponse *r = said(1);
        if (i < 3)
            r->id = (char *)ids[i];
        r->pseudonym_key.len -= i == 3;
        if (i == 4)
            r->watch = (char *)"";
        if (i == 5)
            r->watch = longer;
        if (i == 6) {
            r->roles = names;
            r->n_roles = ARRAY_LEN(names);
        }
        if (i >= 7) { /* a name that is none, and too many */
            r->services = names;
            r->n_services = i == 7 ? 1 : 61;
            names[0] = i == 7 ? longer : (char *)"mill";
        }
        assert_int_equal(known_put(k, &c, r, NOW, WALL, &p), -EBADMSG);
        assert_int_equal(known_count(k) + known_bytes(k), 0);
    }
    known_free(k);
}

static void what_a_watch_names_is_forgotten(void **state)
{
    (void)state;
    struct known *k = known_new(100, 1 << 20);

    for (unsigned i = 0; i < 100; i++)
        put(k, i);
    assert_int_equal(known_forget(k, "watch-7"), 1);
    assert_int_equal(known_forget(k, "watch-7"), 0);
    assert_int_equal(known_forget(k, ""), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(is_known(k, i), i != 7);
    known_forget_all(k);
    assert_int_equal(known_count(k) + known_bytes(k), 0);
    assert_false(is_known(k, 8));
    put(k, 8);
    assert_true(is_known(k, 8));
    known_free(k);
}

static void it_stays_within_its_bounds(void **state)
{
    (void)state;
    struct known *few = known_new(50, 1 << 20), *small = known_new(100000, 20000);
    const struct known_service mill = { .index = 3, .name = "mill", .key = key_a };
    struct slice caller, proof;

    for (unsigned i = 0; i < 1000; i++) {
        put(few, i);
        assert_true(is_known(few, 0)); /* in use all the time */
        assert_true(known_count(few) <= 50);
        assert_int_equal(known_caller(small, put(small, i), &mill, WALL, &caller, &proof), 0);
        assert_true(known_bytes(small) <= 20000 && known_count(small) > (i < 50 ? 0U : 40U));
    }
    assert_int_equal(known_evicted(few), 950);
    assert_true(is_known(few, 999) && !is_known(few, 500));
    known_free(few);
    known_free(small);
}

static void expect_caller(struct slice packed, struct slice proof, const uint8_t *key,
                          const char *id, int64_t expires_ms)
{
    struct arena *arena = arena_new(1 << 20);
    struct caller caller;
    int64_t until_ms;

    assert_true(caller_proven(key, packed, (struct slice) { 0 }, proof));
    assert_int_equal(caller_read(packed, arena, &caller, &until_ms), 0);
    assert_string_equal(caller.id, id);
    assert_int_equal(caller.n_held, 2);
    assert_string_equal(caller.held[1].scope, "a-group");
    assert_int_equal(until_ms, expires_ms);
    arena_free(arena);
}

static void each_service_gets_another_caller(void **state)
{
    (void)state;
    struct known *k = known_new(10, 1 << 20);
    struct person *p = put(k, 5);
    const struct known_service a = { .index = 0, .name = "mill", .key = key_a },
                               b = { .index = 1, .name = "bakery", .key = key_b },
                               home = {
                                   .index = 2, .name = "porter", .key = key_b, .resolves = true
                               };
    struct slice caller, proof, again;
    uint8_t pseudonym_key[CALLER_KEY_BYTES], first[CALLER_PROOF_BYTES];
    char id_a[ID_CHARS + 1], id_b[ID_CHARS + 1];

    memset(pseudonym_key, 5, sizeof(pseudonym_key));
    caller_person_id(pseudonym_key, "mill", id_a);
    caller_person_id(pseudonym_key, "bakery", id_b);
    assert_string_not_equal(id_a, id_b);
    assert_int_equal(known_caller(k, p, &a, WALL, &caller, &proof), 0);
    expect_caller(caller, proof, key_a, id_a, WALL + KNOWN_PROOF_MS);
    memcpy(first, proof.data, sizeof(first));
    assert_int_equal(known_caller(k, p, &b, WALL, &caller, &proof), 0);
    expect_caller(caller, proof, key_b, id_b, WALL + KNOWN_PROOF_MS);
    assert_int_equal(known_caller(k, p, &home, WALL, &caller, &proof), 0);
    expect_caller(caller, proof, key_b, ID, WALL + KNOWN_PROOF_MS);

    /* Kept while it counts for long enough; made anew before it runs out, and after the clock was set back. */
    const size_t bytes = known_bytes(k);
    const int64_t late = WALL + KNOWN_PROOF_MS - KNOWN_PROOF_LEAST_MS;
    assert_int_equal(known_caller(k, p, &a, late, &caller, &proof), 0);
    assert_memory_equal(proof.data, first, sizeof(first));
    assert_int_equal(known_caller(k, p, &a, late + 1, &again, &proof), 0);
    expect_caller(again, proof, key_a, id_a, late + 1 + KNOWN_PROOF_MS);
    assert_int_equal(known_caller(k, p, &a, WALL - HOUR, &again, &proof), 0);
    expect_caller(again, proof, key_a, id_a, WALL - HOUR + KNOWN_PROOF_MS);
    assert_int_equal(known_bytes(k), bytes);
    known_free(k);
}

/* Against a plain list of what ought to be known. */
static void chance_agrees_with_a_list(void **state)
{
    (void)state;
    enum { CALLERS = 300, STEPS = 60000 };
    static bool known[CALLERS];
    struct known *k = known_new(CALLERS, 16 << 20);
    unsigned seed = 4711;
    char watch[32];

    for (unsigned i = 0; i < STEPS; i++) {
        unsigned n = (seed = seed * 1664525 + 1013904223) >> 8;
        unsigned what = n / CALLERS % 8;
        n %= CALLERS;
        (void)snprintf(watch, sizeof(watch), "watch-%u", n);
        const struct credential c = credential(n);
        if (what < 4) {
            put(k, n);
            known[n] = true;
        } else if (what == 4) {
            known_drop(k, &c);
            known[n] = false;
        } else if (what == 5) {
            assert_int_equal(known_forget(k, watch), known[n]);
            known[n] = false;
        } else {
            assert_int_equal(is_known(k, n), known[n]);
        }
        if (i % 10000 == 9999) {
            known_forget_all(k);
            memset(known, 0, sizeof(known));
        }
    }
    size_t n_known = 0;
    for (unsigned n = 0; n < CALLERS; n++)
        n_known += known[n];
    assert_int_equal(known_count(k), n_known);
    assert_int_equal(known_evicted(k), 0);
    known_free(k);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_until_its_time),
        cmocka_unit_test(a_later_answer_takes_an_earlier_ones_place),
        cmocka_unit_test(answers_that_are_none_are_refused),
        cmocka_unit_test(what_a_watch_names_is_forgotten),
        cmocka_unit_test(it_stays_within_its_bounds),
        cmocka_unit_test(each_service_gets_another_caller),
        cmocka_unit_test(chance_agrees_with_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
