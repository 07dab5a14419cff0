/* process_test.c - the toy with personal data as a process: what only threads, sockets and kills can show.
 *
 * FOKUS_CRASH_ROUNDS says how often it is killed. */
#define TOY "letters"
#include "tests/process_testing.h"

#include <sodium.h>

#include "common/peers.h"
#include "fokus/letters/v1/letters.fokus.h"

#define LETTERS "fokus.letters.v1.LettersService/"

/* ---- short ways ---- */

static struct reply registering(struct process *p, const char *address)
{
    RegisterWriterRequest req = REGISTER_WRITER_REQUEST_INIT;

    req.address = (char *)address;
    req.name = "Siv Andersdotter";
    return call(p, p->call, LETTERS "RegisterWriter", &req);
}

static const char *registered(struct process *p, const char *address)
{
    struct reply r = registering(p, address);

    assert_int_equal(r.header->status, CODE_OK);
    const RegisterWriterResponse *res = fokus__letters__v1__register_writer_response__unpack(
        arena_pb(p->arena), r.body.len, r.body.data);
    assert_non_null(res);
    return res->writer;
}

static struct reply writing(struct process *p, const char *writer, const char *text)
{
    WriteLetterRequest req = WRITE_LETTER_REQUEST_INIT;

    req.writer = (char *)writer;
    req.text = (char *)text;
    return call(p, p->call, LETTERS "WriteLetter", &req);
}

static const char *written(struct process *p, const char *writer, const char *text)
{
    struct reply r = writing(p, writer, text);

    assert_int_equal(r.header->status, CODE_OK);
    const WriteLetterResponse *res = fokus__letters__v1__write_letter_response__unpack(
        arena_pb(p->arena), r.body.len, r.body.data);
    assert_non_null(res);
    return res->letter;
}

static uint32_t erasing(struct process *p, const char *writer)
{
    EraseWriterRequest req = ERASE_WRITER_REQUEST_INIT;

    req.writer = (char *)writer;
    return call(p, p->call, LETTERS "EraseWriter", &req).header->status;
}

static uint32_t getting(struct process *p, const char *writer)
{
    GetWriterRequest req = GET_WRITER_REQUEST_INIT;

    req.writer = (char *)writer;
    return call(p, p->call, LETTERS "GetWriter", &req).header->status;
}

static const CountWritersResponse *count(struct process *p)
{
    CountWritersRequest req = COUNT_WRITERS_REQUEST_INIT;

    return respond(p, p->call, LETTERS "CountWriters", &req, COUNT_WRITERS_RESPONSE_DESCRIPTOR);
}

/* How often the letter was posted. */
static unsigned posted(const struct process *p, const char *letter)
{
    char path[200], text[4096];
    unsigned n = 0;

    (void)snprintf(path, sizeof(path), "%s/post/%s", p->home, letter);
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(text, 1, sizeof(text), f) : 0;
    if (f)
        (void)fclose(f); /* only read */
    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

static void wait_until_posted(struct process *p, const char *writer, const char *letter)
{
    int64_t until_ms = test_now_ms() + PATIENCE_MS;
    ListLettersRequest req = LIST_LETTERS_REQUEST_INIT;

    req.writer = (char *)writer;
    while (test_now_ms() < until_ms) {
        const ListLettersResponse *res =
            respond(p, p->call, LETTERS "ListLetters", &req, LIST_LETTERS_RESPONSE_DESCRIPTOR);
        for (size_t i = 0; i < res->n_letters; i++)
            if (strcmp(res->letters[i]->id, letter) == 0 && res->letters[i]->due_ms == 0)
                return;
        (void)usleep(2000);
    }
    fail_msg("letter %s was not posted", letter);
}

/* ---- tests ---- */

static void every_thread_opens_what_is_sealed(void **state)
{
    struct process *p = *state;
    const char *siv = registered(p, "siv@post.example");

    assert_int_equal(getting(p, siv), CODE_OK);
    assert_int_equal(count(p)->readable, 1); /* on the pool */
    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    start(p);
    assert_int_equal(getting(p, siv), CODE_OK);
    assert_int_equal(erasing(p, siv), CODE_OK);
    assert_int_equal(getting(p, siv), CODE_NOT_FOUND);
}

static void a_long_command_is_prepared_and_decided(void **state)
{
    struct process *p = *state;
    const char *siv = registered(p, "siv@post.example");

    (void)written(p, siv, "Dear all");
    expect_refusal(writing(p, siv, "unfit"), CODE_FAILED_PRECONDITION, "stamped");
    expect_refusal(writing(p, siv, "fails"), CODE_UNAVAILABLE, "");
    expect_refusal(writing(p, siv, ""), CODE_INVALID_ARGUMENT, "");
    expect_refusal(writing(p, "01900000-0000-7000-8000-000000000001", "Dear all"), CODE_NOT_FOUND,
                   "no such writer");
    assert_int_equal(get_status(p)->queue_depth, 0);
}

static void many_long_commands_at_once_are_all_answered(void **state)
{
    struct process *p = *state;
    const char *siv = registered(p, "siv@post.example");
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    WriteLetterRequest req = WRITE_LETTER_REQUEST_INIT;
    enum { LETTERS_AT_ONCE = 100 };
    unsigned answered = 0, good = 0;

    req.writer = (char *)siv;
    req.text = "Dear all";
    for (int i = 0; i < LETTERS_AT_ONCE; i++)
        (void)add_call(p, &frame, NULL, LETTERS "WriteLetter", &req);
    send_frame(p->call, (struct slice) { frame.data, frame.len });
    buf_free(&frame);
    while (answered < LETTERS_AT_ONCE) {
        const Fokus__Wire__V1__Replies *replies = next_replies(p, p->call, PATIENCE_MS);
        assert_non_null(replies);
        for (size_t i = 0; i < replies->n_replies; i++)
            good += replies->replies[i]->header->status == CODE_OK;
        answered += (unsigned)replies->n_replies;
    }
    assert_int_equal(answered, LETTERS_AT_ONCE);
    assert_int_equal(good, LETTERS_AT_ONCE); /* three threads with room for 64 each */
}

static void an_effect_is_carried_out_soon_and_once(void **state)
{
    struct process *p = *state;
    const char *siv = registered(p, "siv@post.example");
    const char *letter = written(p, siv, "Dear all");

    wait_until_posted(p, siv, letter);
    assert_int_equal(posted(p, letter), 1);
    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    start(p);
    const char *other = written(p, siv, "Dear all, again");
    wait_until_posted(p, siv, other);
    assert_int_equal(posted(p, letter), 1);
    assert_int_equal(posted(p, other), 1);
}

static void an_effect_that_failed_is_tried_again_by_the_next_process(void **state)
{
    struct process *p = *state;
    const char *siv = registered(p, "siv@post.example");
    char path[200];

    /* A file in the folder's place: nothing can be posted. */
    (void)snprintf(path, sizeof(path), "%s/post", p->home);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    const char *letter = written(p, siv, "Dear all");
    assert_int_equal(stop(p, SIGTERM), 0);
    assert_int_equal(posted(p, letter), 0);
    assert_int_equal(unlink(path), 0);
    disconnect(p);
    start(p);
    wait_until_posted(p, siv, letter);
    assert_int_equal(posted(p, letter), 1);
}

/* ---- other services of the house ---- */

static struct client_reply ask_peer(struct process *p, struct peers *peers, const char *service,
                                    const char *method, const void *request)
{
    const struct peers_ask ask = {
        .service = service, .method = method, .request = request, .query = true, .timeout_ms = 5000
    };
    struct client_reply reply;

    peers_call(peers, &ask, p->arena, &reply);
    return reply;
}

static void a_peer_calls_as_the_house(void **state)
{
    struct process *p = *state;
    struct peers *peers = peers_new(p->bus, p->home, "accounts");
    ExportPersonRequest export = EXPORT_PERSON_REQUEST_INIT;
    const char *const *names;
    size_t n;

    assert_non_null(peers);
    export.person = (char *)registered(p, "siv@post.example");
    assert_int_equal(peers_list(peers, p->arena, &names, &n), 0);
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "letters");
    struct client_reply reply = ask_peer(p, peers, "letters", RUNTIME "ExportPerson", &export);
    assert_int_equal(reply.code, CODE_OK);
    const ExportPersonResponse *res = fokus__runtime__v1__export_person_response__unpack(
        arena_pb(p->arena), reply.body.len, reply.body.data);
    assert_non_null(res);
    assert_int_equal(res->n_items, 2);
    assert_non_null(strstr(res->items[0], "siv@post.example"));
    /* It has no rights but the house's. */
    reply = ask_peer(p, peers, "letters", RUNTIME "ReadRecords",
                     &(ReadRecordsRequest)READ_RECORDS_REQUEST_INIT);
    assert_int_equal(reply.code, CODE_PERMISSION_DENIED);
    reply = ask_peer(p, peers, "../letters", RUNTIME "ExportPerson", &export);
    assert_int_equal(reply.code, CODE_UNAVAILABLE);
    peers_free(peers);
    peers = peers_new(p->bus, p->home, "letters");
    assert_non_null(peers);
    assert_int_equal(peers_list(peers, p->arena, &names, &n), 0);
    assert_int_equal(n, 0); /* not itself */
    peers_free(peers);
}

/* ---- the master key ---- */

/* Runs fokusctl keys with up to three arguments; its exit code, what it printed in *ret. */
static int keys(struct process *p, const char *a, const char *b, const char *c, const char **ret)
{
    char *text = arena_calloc(p->arena, 1, 8192);
    int pipes[2], status;
    size_t len = 0;

    assert_non_null(text);
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(pipes[1], STDOUT_FILENO);
        (void)dup2(pipes[1], STDERR_FILENO);
        (void)execl("bin/fokusctl", "fokusctl", "--home", p->home, "keys", a, b, c, (char *)NULL);
        _exit(98);
    }
    (void)close(pipes[1]); /* the child's */
    for (ssize_t n; len < 8191 && (n = read(pipes[0], text + len, 8191 - len)) > 0;)
        len += (size_t)n;
    (void)close(pipes[0]); /* only read */
    assert_int_equal(waitpid(child, &status, 0), child);
    *ret = text;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const GetVaultResponse *get_vault(struct process *p)
{
    GetVaultRequest req = GET_VAULT_REQUEST_INIT;

    return respond(p, p->admin, RUNTIME "GetVault", &req, GET_VAULT_RESPONSE_DESCRIPTOR);
}

static void the_master_key_is_rotated_while_the_service_runs(void **state)
{
    struct process *p = *state;
    const char *siv = registered(p, "siv@post.example"), *text;
    const char *before = get_vault(p)->master_key;

    assert_int_equal(get_vault(p)->persons, 1);
    if (keys(p, "rotate", NULL, NULL, &text) != 0)
        fail_msg("%s", text);
    const char *after = get_vault(p)->master_key;
    assert_string_not_equal(before, after);
    assert_non_null(strstr(text, after));
    assert_int_equal(getting(p, siv), CODE_OK);
    assert_int_equal(keys(p, "status", NULL, NULL, &text), 0);
    assert_non_null(strstr(text, after));
    assert_non_null(strstr(text, "letters"));
    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    start(p);
    assert_int_equal(getting(p, siv), CODE_OK);
    assert_int_equal(stop(p, SIGTERM), 0);
    /* Its vault cannot be taken over while it does not run: the old key stays. */
    assert_int_equal(keys(p, "rotate", NULL, NULL, &text), 1);
    assert_non_null(strstr(text, "letters"));
    disconnect(p);
    start(p);
    assert_int_equal(getting(p, siv), CODE_OK);
    assert_int_equal(keys(p, "rotate", NULL, NULL, &text), 0);
    assert_int_equal(getting(p, siv), CODE_OK);
}

static void a_lost_master_key_comes_back_out_of_its_escrow(void **state)
{
    struct process *p = *state;
    const char *siv = registered(p, "siv@post.example"), *line, *escrow, *text;
    char secret[100], sealed[100], master[100];

    (void)snprintf(secret, sizeof(secret), "%s/secret", p->home);
    (void)snprintf(sealed, sizeof(sealed), "%s/escrow", p->home);
    (void)snprintf(master, sizeof(master), "%s/master.key", p->home);
    assert_int_equal(keys(p, "pair", secret, NULL, &line), 0);
    assert_int_equal(strlen(line), 65);
    const char *public_key = arena_strndup(p->arena, line, 64);
    assert_int_equal(keys(p, "escrow", public_key, NULL, &escrow), 0);
    FILE *f = fopen(sealed, "w");
    assert_non_null(f);
    assert_true(fputs(escrow, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(keys(p, "recover", sealed, secret, &text), 1); /* there is a key */
    assert_int_equal(stop(p, SIGTERM), 0);
    assert_int_equal(unlink(master), 0);
    if (keys(p, "recover", sealed, secret, &text) != 0)
        fail_msg("%s", text);
    disconnect(p);
    start(p);
    assert_int_equal(getting(p, siv), CODE_OK);
    assert_int_equal(keys(p, "escrow", "abc", NULL, &text), 2);
}

/* ---- kills ---- */

enum { MAX_KNOWN = 4000, TALKS = 12 };

struct known {
    const char *writer, *address, *letter; /* the letter NULL: none was acknowledged */
    bool erase_asked, erased;
};

struct story {
    struct process *p;
    struct known *known;
    size_t n;
    unsigned unanswered;
};

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : otherwise;
}

static bool is_dead(struct process *p)
{
    int status;

    if (waitpid(p->pid, &status, WNOHANG) != p->pid)
        return false;
    p->pid = 0;
    return true;
}

/* Sends what the moment's chance says until the kill leaves it without an answer. */
static const Fokus__Wire__V1__Reply *ask_or_die(struct story *s, const char *method,
                                                const void *request)
{
    int64_t until_ms = test_now_ms() + PATIENCE_MS;
    const Fokus__Wire__V1__Replies *replies = NULL;
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    bool sent = false;

    (void)add_call(s->p, &frame, NULL, method, request);
    const struct slice bytes = { frame.data, frame.len };
    while (!replies && !is_dead(s->p) && test_now_ms() < until_ms) {
        sent = sent || bus_send(s->p->call, &bytes, 1) == 0;
        replies = next_replies(s->p, s->p->call, 10);
    }
    buf_free(&frame);
    if (!replies && s->p->pid)
        fail_msg("%s was not answered", method);
    return replies ? replies->replies[0] : NULL;
}

static bool register_one(struct story *s)
{
    RegisterWriterRequest req = REGISTER_WRITER_REQUEST_INIT;
    struct known *k = &s->known[s->n];

    k->address = arena_printf(s->p->arena, "writer%zu@post.example", s->n + s->unanswered);
    req.address = (char *)k->address;
    req.name = "Siv Andersdotter";
    const Fokus__Wire__V1__Reply *reply = ask_or_die(s, LETTERS "RegisterWriter", &req);
    if (!reply) {
        s->unanswered++; /* she may be there, or not */
        return false;
    }
    assert_int_equal(reply->header->status, CODE_OK);
    const RegisterWriterResponse *res = fokus__letters__v1__register_writer_response__unpack(
        arena_pb(s->p->arena), reply->body.len, reply->body.data);
    assert_non_null(res);
    k->writer = res->writer;
    s->n++;
    return true;
}

static bool write_one(struct story *s, struct known *k)
{
    WriteLetterRequest req = WRITE_LETTER_REQUEST_INIT;

    req.writer = (char *)k->writer;
    req.text = "Dear all";
    const Fokus__Wire__V1__Reply *reply = ask_or_die(s, LETTERS "WriteLetter", &req);
    if (!reply)
        return false;
    if (reply->header->status == CODE_NOT_FOUND && k->erase_asked)
        return true;
    assert_int_equal(reply->header->status, CODE_OK);
    const WriteLetterResponse *res = fokus__letters__v1__write_letter_response__unpack(
        arena_pb(s->p->arena), reply->body.len, reply->body.data);
    assert_non_null(res);
    k->letter = res->letter;
    return true;
}

static bool erase_one(struct story *s, struct known *k)
{
    EraseWriterRequest req = ERASE_WRITER_REQUEST_INIT;

    req.writer = (char *)k->writer;
    k->erase_asked = true;
    const Fokus__Wire__V1__Reply *reply = ask_or_die(s, LETTERS "EraseWriter", &req);
    if (!reply)
        return false;
    assert_int_equal(reply->header->status, CODE_OK);
    k->erased = true;
    return true;
}

/* Talks to the process, which a helper process kills at a moment of its own. */
static void talk_until_killed(struct story *s)
{
    unsigned us = randombytes_uniform(60000);
    pid_t victim = s->p->pid, killer = fork();

    assert_true(killer >= 0);
    if (killer == 0) {
        (void)usleep(us);
        (void)kill(victim, SIGKILL);
        _exit(0);
    }
    for (bool alive = true; alive && s->n < MAX_KNOWN;) {
        struct known *k = s->n ? &s->known[randombytes_uniform((uint32_t)s->n)] : NULL;
        uint32_t what = randombytes_uniform(4);
        if (!k || k->erased || what < 2)
            alive = register_one(s);
        else
            alive = what == 2 ? write_one(s, k) : erase_one(s, k);
    }
    assert_int_equal(waitpid(killer, NULL, 0), killer);
    if (s->p->pid)
        assert_int_equal(stop(s->p, SIGKILL), -1);
}

static void look_at_all(struct story *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct known *k = &s->known[i];
        uint32_t status = getting(s->p, k->writer);
        if (k->erased && status != CODE_NOT_FOUND)
            fail_msg("writer %zu was erased, and can be read (%u)", i, status);
        if (!k->erase_asked && status != CODE_OK)
            fail_msg("writer %zu was acknowledged, and is not there (%u)", i, status);
        if (!k->erase_asked && k->letter)
            wait_until_posted(s->p, k->writer, k->letter);
    }
    const CountWritersResponse *all = count(s->p);
    assert_int_equal(all->readable, all->writers);
}

static void a_kill_at_any_moment_loses_nobody_and_brings_nobody_back(void **state)
{
    unsigned long rounds = setting("FOKUS_CRASH_ROUNDS", TALKS);
    struct story s = { .p = *state, .known = calloc(MAX_KNOWN + 1, sizeof(*s.known)) };

    assert_non_null(s.known);
    for (unsigned long i = 0; i < rounds; i++) {
        talk_until_killed(&s);
        disconnect(s.p);
        start(s.p);
        look_at_all(&s);
    }
    print_message("%lu kills, %zu writers known\n", rounds, s.n);
    free(s.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS(every_thread_opens_what_is_sealed),
        PROCESS(a_long_command_is_prepared_and_decided),
        PROCESS(many_long_commands_at_once_are_all_answered),
        PROCESS(an_effect_is_carried_out_soon_and_once),
        PROCESS(a_peer_calls_as_the_house),
        PROCESS(the_master_key_is_rotated_while_the_service_runs),
        PROCESS(a_lost_master_key_comes_back_out_of_its_escrow),
        PROCESS(an_effect_that_failed_is_tried_again_by_the_next_process),
        PROCESS(a_kill_at_any_moment_loses_nobody_and_brings_nobody_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
