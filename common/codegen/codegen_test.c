/* codegen_test.c - what protoc-gen-fokus makes of sample/, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fokus/sample/v1/sample.fokus.h"
#include "fokus/v1/options.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"

#include "common/testing_tree.h"

typedef Google__Protobuf__FileDescriptorSet FileSet;
typedef Google__Protobuf__FileDescriptorProto File;

/* ---- the handlers that the generated table wants, and the runtime's side of emit ---- */

static struct emitted emitted;

int sample_add_thing(const struct decide_in *in, const AddThingRequest *req, AddThingResponse *res,
                     struct outcome *out)
{
    (void)in;
    (void)res;
    return emit_thing_added(out, req->thing->short_name,
                            &(ThingAdded) { .base = PROTOBUF_C_MESSAGE_INIT(THING_ADDED_DESCRIPTOR),
                                            .thing = req->thing });
}

int sample_get_thing(const struct query_in *in, const GetThingRequest *req, GetThingResponse *res,
                     struct status *status)
{
    (void)in;
    (void)res;
    (void)status;
    return req->which_case == GET_THING_REQUEST_WHICH_NUMBER ? -EIO : 0;
}

int sample_prepare_weigh_thing(const struct prepare_in *in, const WeighThingRequest *req,
                               const void **ret_prepared, struct status *status)
{
    static const uint64_t grams = 7;

    (void)in;
    (void)status;
    *ret_prepared = req->slug[0] ? &grams : NULL;
    return 0;
}

int sample_weigh_thing(const struct decide_in *in, const WeighThingRequest *req,
                       WeighThingResponse *res, struct outcome *out)
{
    (void)req;
    (void)out;
    res->grams = *(const uint64_t *)in->prepared;
    return 0;
}

int sample_clear_things(const struct decide_in *in, const Google__Protobuf__Empty *req,
                        Google__Protobuf__Empty *res, struct outcome *out)
{
    (void)in;
    (void)req;
    (void)res;
    return emit_things_cleared(out, "", &(ThingsCleared)THINGS_CLEARED_INIT);
}

int outcome_emit(struct outcome *out, int kind, const char *subject, const ProtobufCMessage *event)
{
    out->n_events++;
    emitted = (struct emitted) { .kind = kind, .subject = subject, .event = event };
    return 0;
}

/* ---- what is generated ---- */

static const struct method *method(const char *full_name)
{
    for (size_t i = 0; i < sample_contract.n_methods; i++)
        if (strcmp(sample_contract.methods[i].full_name, full_name) == 0)
            return &sample_contract.methods[i];
    fail_msg("no method %s", full_name);
    return NULL;
}

static void methods_carry_their_options(void **state)
{
    const struct method *add = method("fokus.sample.v1.SampleService/AddThing");
    const struct method *get = method("fokus.sample.v1.SampleService/GetThing");
    const struct method *clear = method("fokus.sample.v1.SampleService/ClearThings");

    (void)state;
    assert_int_equal(sample_contract.n_methods, 4);
    assert_true(add->command && !add->long_running && add->decide && !add->query);
    assert_null(add->prepare);
    assert_null(get->prepare);
    assert_int_equal(add->audience, FOKUS__V1__AUDIENCE__AUDIENCE_ROLE);
    assert_int_equal(add->roles,
                     1U << FOKUS__V1__ROLE__ROLE_EDITOR | 1U << FOKUS__V1__ROLE__ROLE_JURY);
    assert_ptr_equal(add->request, ADD_THING_REQUEST_DESCRIPTOR);
    assert_ptr_equal(add->response, ADD_THING_RESPONSE_DESCRIPTOR);
    assert_true(!get->command && get->long_running && get->query && !get->decide);
    assert_int_equal(get->audience, FOKUS__V1__AUDIENCE__AUDIENCE_PUBLIC);
    assert_int_equal(get->roles, 0);
    assert_true(clear->command);
    assert_int_equal(clear->audience, 0);
    assert_ptr_equal(clear->request, &google__protobuf__empty__descriptor);
}

static void a_long_command_is_prepared_and_then_decided(void **state)
{
    const struct method *weigh = method("fokus.sample.v1.SampleService/WeighThing");
    WeighThingRequest req = WEIGH_THING_REQUEST_INIT;
    WeighThingResponse res = WEIGH_THING_RESPONSE_INIT;
    struct decide_in in = { 0 };
    struct outcome out = { 0 };

    (void)state;
    req.slug = "stone";
    assert_true(weigh->command && weigh->long_running && weigh->decide && !weigh->query);
    assert_int_equal(weigh->prepare(&(struct prepare_in) { 0 }, &req, &in.prepared, NULL), 0);
    assert_int_equal(weigh->decide(&in, &req, &res, &out), 0);
    assert_int_equal(res.grams, 7);
}

static void events_are_indexed_by_arm(void **state)
{
    (void)state;
    assert_int_equal(sample_contract.n_events, 5);
    assert_string_equal(sample_contract.events[SAMPLE_EVENT_THING_ADDED].name, "ThingAdded");
    assert_int_equal(sample_contract.events[SAMPLE_EVENT_THING_ADDED].visibility,
                     FOKUS__V1__VISIBILITY__VISIBILITY_PUBLIC);
    assert_null(sample_contract.events[2].name);
    assert_string_equal(sample_contract.events[4].name, "ThingsCleared");
    assert_int_equal(sample_contract.events[4].visibility, 0);
    assert_ptr_equal(sample_contract.event, SAMPLE_EVENT_DESCRIPTOR);
}

static void a_command_emits_through_its_thunk(void **state)
{
    struct arena *arena = arena_new(65536);
    struct outcome out = { .status.arena = arena };
    Thing thing = THING_INIT;
    AddThingRequest req = ADD_THING_REQUEST_INIT;
    AddThingResponse res = ADD_THING_RESPONSE_INIT;
    const SampleEvent *event;
    int arm;

    (void)state;
    thing.short_name = (char *)"spoon";
    thing.level = LEVEL_NATIONAL;
    thing.kind = THING_KIND_SMALL;
    req.thing = &thing;
    assert_int_equal(
        method("fokus.sample.v1.SampleService/AddThing")->decide(NULL, &req, &res, &out), 0);
    assert_int_equal(emitted.kind, SAMPLE_EVENT_THING_ADDED);
    assert_string_equal(emitted.subject, "spoon");
    event = (const SampleEvent *)emitted.event;
    memcpy(&arm, (const char *)event + sample_contract.event_case_offset, sizeof(arm));
    assert_int_equal(arm, SAMPLE_EVENT_THING_ADDED);
    assert_string_equal(event->thing_added->thing->short_name, "spoon");
    arena_free(arena);
}

static void an_event_past_the_arenas_cap_is_a_failure(void **state)
{
    struct arena *arena = arena_new(1);
    struct outcome out = { .status.arena = arena };

    (void)state;
    assert_int_equal(emit_things_cleared(&out, "", &(ThingsCleared)THINGS_CLEARED_INIT), -ENOMEM);
    assert_int_equal(out.n_events, 0);
    arena_free(arena);
}

static void a_query_answers_through_its_thunk(void **state)
{
    GetThingRequest req = GET_THING_REQUEST_INIT;
    GetThingResponse res = GET_THING_RESPONSE_INIT;
    const struct method *get = method("fokus.sample.v1.SampleService/GetThing");

    (void)state;
    assert_int_equal(get->query(NULL, &req, &res, NULL), 0);
    req.which_case = GET_THING_REQUEST_WHICH_NUMBER;
    assert_int_equal(get->query(NULL, &req, &res, NULL), -EIO);
}

/* Compiles only when the sentinel is right: the switch has no default. */
static void switches_over_arms_and_enums_are_exhaustive(void **state)
{
    SampleEvent event = SAMPLE_EVENT_INIT;

    (void)state;
    switch (event.body_case) {
    case SAMPLE_EVENT_THING_ADDED:
    case SAMPLE_EVENT_THINGS_CLEARED:
        fail();
        break;
    case SAMPLE_EVENT_NOT_SET:
        PB_SENTINEL(SAMPLE_EVENT) : break;
    }
    switch ((Level)LEVEL_NATIONAL) {
    case LEVEL_UNSPECIFIED:
        PB_SENTINEL(LEVEL) : fail();
        break;
    case LEVEL_NATIONAL:
        break;
    }
}

static const File *file_of(const FileSet *set, const char *name, size_t *ret_index)
{
    for (*ret_index = 0; *ret_index < set->n_file; (*ret_index)++)
        if (strcmp(set->file[*ret_index]->name, name) == 0)
            return set->file[*ret_index];
    fail_msg("%s is not in the set", name);
    return NULL;
}

static void descriptors_are_whole_and_carry_comments(void **state)
{
    FileSet *set = google__protobuf__file_descriptor_set__unpack(
        NULL, sample_contract.descriptor_set_len, sample_contract.descriptor_set);
    size_t service_at, things_at, google_at;
    const File *service, *things, *google;
    bool found = false;

    (void)state;
    assert_non_null(set);
    service = file_of(set, "fokus/sample/v1/sample.proto", &service_at);
    things = file_of(set, "fokus/sample/v1/things.proto", &things_at);
    google = file_of(set, "google/protobuf/descriptor.proto", &google_at);
    assert_true(things_at < service_at && google_at < service_at);
    assert_string_equal(things->message_type[0]->field[0]->json_name, "shortName");
    assert_null(google->source_code_info);
    for (size_t i = 0; i < service->source_code_info->n_location; i++)
        found |= strcmp(service->source_code_info->location[i]->leading_comments,
                        " Adds a thing.\n") == 0;
    assert_true(found);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
}

/* ---- what is refused ---- */

static char folder[] = "/tmp/fokus-codegen-XXXXXX";

/* Runs protoc with the plugin over a file below `root`; what it says on standard error. Results go to `folder`. */
static const char *run_protoc(const char *root, const char *file)
{
    static char said[4096];
    char include[512], out[128], plugin[512];
    char *argv[] = {
        (char *)PROTOC, include, (char *)"-I" PROTO_ROOT, (char *)"-I" GOOGLE_PROTO, plugin, out,
        (char *)file,   NULL
    };
    posix_spawn_file_actions_t actions;
    int fds[2], exit_status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    snprintf(include, sizeof(include), "-I%s", root);
    snprintf(out, sizeof(out), "--fokus_out=%s", folder);
    snprintf(plugin, sizeof(plugin), "--plugin=%s", PLUGIN);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
    assert_int_equal(posix_spawn(&pid, PROTOC, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    while ((n = read(fds[0], said + len, sizeof(said) - 1 - len)) > 0)
        len += (size_t)n;
    said[len] = 0;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &exit_status, 0), pid);
    assert_int_equal(exit_status == 0, len == 0);
    return said;
}

static const char *protoc_says(const char *proto)
{
    const char *said;
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/bad.proto", folder);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("syntax = \"proto3\";\n", f) >= 0 && fputs(proto, f) >= 0);
    assert_int_equal(fclose(f), 0);
    said = run_protoc(folder, "bad.proto");
    unlink(path);
    return said;
}

static void assert_says(const char *proto, const char *expected)
{
    const char *said = protoc_says(proto);

    if (!strstr(said, expected))
        fail_msg("expected \"%s\" in: %s", expected, said);
}

#define HEAD          "package fokus.bad.v1; import \"fokus/v1/options.proto\";\n"
#define SERVICE(text) HEAD "message M {} service BadService { rpc Go(M) returns (M) {" text "} }"

static void what_the_runtime_cannot_carry_is_refused(void **state)
{
    (void)state;
    assert_says("package fokus.bad; message M {}", "its package must end in a version");
    assert_says("message M {}", "must declare a package");
    assert_says("package fokus.bad.v1; message M { optional int32 n = 1; }",
                "field fokus.bad.v1.M.n is proto3 optional");
    assert_says("package fokus.bad.v1; message M { N n = 1; } message N { repeated M m = 1; }",
                "message fokus.bad.v1.M contains itself");
    assert_says("package fokus.bad.v1; message M { map<string, M> m = 1; }", "contains itself");
    assert_says("package fokus.bad.v1; message M {} service A { rpc Go(M) returns (stream M); }",
                "A.Go streams");
    assert_says("package fokus.bad.v1; message M {} service A { rpc Go(stream M) returns (M); }",
                "A.Go streams");
    assert_says("package fokus.bad.v1; service A {}", "service A has no methods");
    assert_says("package fokus.bad.v1; message M {} service A { rpc Go(M) returns (M); } service B "
                "{ rpc Go(M) returns (M); }",
                "has 2 services");
    assert_says("package fokus.bad.v1; message A { message B {} } message AB {}",
                "would both be named AB in C");
    assert_says(SERVICE("option (fokus.v1.access) = {audience: AUDIENCE_ROLE};"),
                "AUDIENCE_ROLE needs at least one role");
    assert_says(
        SERVICE("option (fokus.v1.access) = {audience: AUDIENCE_PUBLIC roles: ROLE_EDITOR};"),
        "roles go with AUDIENCE_ROLE");
}

static void a_malformed_event_is_refused(void **state)
{
    (void)state;
    assert_says("package fokus.bad.v1; message Event { int32 n = 1; }",
                "message Event must have exactly one oneof");
    assert_says("package fokus.bad.v1; message Event { oneof body { int32 n = 1; } }",
                "Event.n must be an arm of the oneof and hold a message");
    assert_says(
        "package fokus.bad.v1; message Done {} message Event { oneof body { Done gone = 1; } }",
        "Event.gone holds Done, but must hold a message of its own name, Gone");
    assert_says(
        "package fokus.bad.v1; message Done {} message Event { oneof body { Done done = 5000; } }",
        "arms are numbered up to 1000");
}

static size_t read_file(const char *root, const char *name, char *to, size_t room)
{
    char path[512];
    FILE *f;
    size_t len;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    f = fopen(path, "r");
    assert_non_null(f);
    len = fread(to, 1, room, f);
    assert_int_equal(ferror(f), 0);
    assert_int_equal(fclose(f), 0);
    return len;
}

/* Builds can be repeated byte for byte: nothing of the machine, the time or memory gets into what is generated. */
static void the_same_proto_gives_the_same_code(void **state)
{
    static char first[1024 * 1024], second[1024 * 1024];
    const char *name = "fokus/sample/v1/things.fokus.h";
    size_t len;

    (void)state;
    assert_string_equal(run_protoc(SAMPLE_ROOT, "fokus/sample/v1/things.proto"), "");
    len = read_file(folder, name, first, sizeof(first));
    assert_int_equal(len, read_file(GENERATED, name, second, sizeof(second)));
    assert_memory_equal(first, second, len);
    assert_string_equal(run_protoc(SAMPLE_ROOT, "fokus/sample/v1/sample.proto"), "");
    len = read_file(folder, "fokus/sample/v1/sample.fokus.c", first, sizeof(first));
    assert_string_equal(run_protoc(SAMPLE_ROOT, "fokus/sample/v1/sample.proto"), "");
    assert_int_equal(len,
                     read_file(folder, "fokus/sample/v1/sample.fokus.c", second, sizeof(second)));
    assert_memory_equal(first, second, len);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return testing_remove_tree(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_carry_their_options),
        cmocka_unit_test(a_long_command_is_prepared_and_then_decided),
        cmocka_unit_test(events_are_indexed_by_arm),
        cmocka_unit_test(a_command_emits_through_its_thunk),
        cmocka_unit_test(an_event_past_the_arenas_cap_is_a_failure),
        cmocka_unit_test(a_query_answers_through_its_thunk),
        cmocka_unit_test(switches_over_arms_and_enums_are_exhaustive),
        cmocka_unit_test(descriptors_are_whole_and_carry_comments),
        cmocka_unit_test(what_the_runtime_cannot_carry_is_refused),
        cmocka_unit_test(a_malformed_event_is_refused),
        cmocka_unit_test(the_same_proto_gives_the_same_code),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
