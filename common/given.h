/* given.h - how a service's rules are tested: given events, when a command, then events or a refusal.
 *
 *     TEST(locking_a_locked_thread_changes_nothing)
 *     {
 *         given(&thread_started(7));
 *         when(editor(), "fokus.forum.v1.ForumService/LockThread", &(LockThreadRequest){ ... });
 *         then_no_event();
 *     }
 *     TESTS(&forum_service)
 *
 * No sockets; a scratch store in a temporary folder, removed afterwards. Each test is registered where it is written and
 * runnable by name (first argument of the program). After every test the log is replayed and all tables compared.
 *
 * A service with personal data has a vault under a master key of its own there. After every test whoever is in the vault must be
 * in the tables, too. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/core.h"

typedef void given_test(void);
void given_register(const char *name, given_test *test);
int given_main(const struct service_def *def, int argc, char **argv);

/* Registers and defines a test. */
#define TEST(name)                                                                                 \
    static void name(void);                                                                        \
    __attribute__((constructor)) static void register_##name(void)                                 \
    {                                                                                              \
        given_register(#name, name);                                                               \
    }                                                                                              \
    static void name(void)
/* Ends a test file: its main(). */
#define TESTS(def)                                                                                 \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return given_main(def, argc, argv);                                                        \
    }

/* The clock: starts at 2026-01-01T12:00:00Z, moves only so. */
int64_t given_now_ms(void);
void given_time_passes(int64_t ms);

struct caller anonymous(void);
struct caller operator_caller(void);
struct caller with_role(const char *id, int role);
struct caller with_role_for(const char *id, int role, const char *scope);
struct caller signed_in(const char *id);
/* The house itself: "@gateway". */
struct caller house_caller(const char *name);
/* Where the calls from now on come from; its slices must live until the end of the test. Nowhere, at a test's start. */
void given_origin(const struct origin *origin);

/* Puts an event (the service's Event message) straight into log and tables. */
void given(const void *event, const char *subject);
/* Puts a person into the vault, durably, as if a command had: to be followed by the event that tells of her. */
void given_person(const char *person, const struct vault_lookup *lookups, size_t n);
/* The vault, and a key to open and seal with: of the test's own. */
struct vault *given_vault(void);
struct seal_key *given_key(void);
/* Runs a command through all checks. The request is packed first, so it must be a whole message. */
void when(struct caller who, const char *method, const void *request);
void when_with_key(struct caller who, const char *method, const void *request,
                   const char *idempotency_key);
/* Carries out what effects are due, each with the command that records it, until none is; returns how many that were. HOME is
 * given_home(). */
size_t when_effects_run(void);
const char *given_home(void);
/* Runs a query; the response in *ret lives until the end of the test. Refusals are looked at with then_refused(). */
void ask(struct caller who, const char *method, const void *request, void *ret);

/* Looks at the last command or query. All print both values when they differ. */
void then_ok(void);
/* What the last command did to the session. */
const struct session_change *then_session(void);
/* The response of the last command. */
const void *then_response(void);
void then_refused(enum code code);
/* One of the violations is at this path. */
void then_violation(const char *field);
void then_no_event(void);
size_t then_event_count(void);
/* How many of them are of this type. */
size_t then_events_of(const char *type);
/* The last command's nth event is of this type; returns it unpacked (the service's Event message). */
const void *then_event(size_t n, const char *type);
/* How many entries the table has, such as those that no query shows. */
uint64_t then_entries(const struct table *t);
