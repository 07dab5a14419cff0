/* A process as its operator sees it: status, figures, log lines, files, backup, verify, start and end. */
#include "tests/notes/process_testing.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/* ---- status, metrics, logs ---- */

static void status_tells_how_the_service_is(void **state)
{
    struct process *p = *state;

    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    const GetStatusResponse *s = get_status(p);
    assert_string_equal(s->service, "notes");
    assert_string_equal(s->version, FOKUS_VERSION);
    assert_string_equal(s->state, "serving");
    assert_string_equal(s->reason, "");
    assert_int_equal(s->last_sequence, 1);
    assert_int_equal(s->last_record, 1);
    assert_int_equal(strlen(s->log_id), 36);
    assert_in_range(s->calls_total, 2, 10);
    assert_in_range(s->store_bytes, 1, 1 << 20);
    assert_int_equal(s->queue_depth, 0);
}

static void describe_carries_the_schema(void **state)
{
    struct process *p = *state;
    DescribeRequest ask = DESCRIBE_REQUEST_INIT;
    const DescribeResponse *r =
        respond(p, p->call, RUNTIME "Describe", &ask, DESCRIBE_RESPONSE_DESCRIPTOR);

    assert_string_equal(r->service, "notes");
    assert_int_equal(r->descriptor_set.len, notes_contract.descriptor_set_len);
    assert_memory_equal(r->descriptor_set.data, notes_contract.descriptor_set,
                        notes_contract.descriptor_set_len);
}

static void the_metrics_page_is_what_prometheus_wants(void **state)
{
    struct process *p = *state;
    ListNotesRequest none = LIST_NOTES_REQUEST_INIT;

    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    (void)call(p, p->call, "made/Up\"\\", &none);
    const char *text = metrics_text(p);
    assert_non_null(strstr(text, "fokus_rpc_server_duration_seconds_count{service=\"notes\",method="
                                 "\"fokus.notes.v1.NotesService/AddNote\",code=\"ok\"} 1\n"));
    assert_non_null(strstr(text, "method=\"unknown\",code=\"unimplemented\"} 1\n"));
    assert_null(strstr(text, "made"));
    assert_non_null(
        strstr(text, "fokus_commands_per_commit_bucket{service=\"notes\",le=\"1\"} 1\n"));
    assert_non_null(strstr(text, "fokus_log_sequence{service=\"notes\"} 1\n"));
    assert_non_null(strstr(text, "fokus_events_published_total{service=\"notes\"} 1\n"));
    FILE *promtool = popen("/usr/bin/promtool check metrics", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(text, 1, strlen(text), promtool), strlen(text));
    assert_int_equal(pclose(promtool), 0);
}

static void log_lines_never_hold_what_a_call_carried(void **state)
{
    struct process *p = *state;
    Fokus__Wire__V1__Caller caller = FOKUS__WIRE__V1__CALLER__INIT;
    Fokus__Wire__V1__CallHeader header = FOKUS__WIRE__V1__CALL_HEADER__INIT;
    AddNoteRequest *request = (AddNoteRequest *)note(p, "canary-slug");
    static const char *const titles[] = { "canary title", "decide-fails", "apply-fails" };

    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    assert_int_equal(setenv("FOKUS_LOG", "debug", 1), 0);
    start(p);
    assert_int_equal(unsetenv("FOKUS_LOG"), 0);
    uint8_t proof[CALLER_PROOF_BYTES];
    caller.id = "0ca0a21e-0000-4000-8000-0000ca0a21e0";
    caller.roles = (char *[]) { "representative:canary-scope" };
    caller.n_roles = 1;
    header.caller = &caller;
    prove(p, &header, proof);
    header.idempotency_key = "canary-key";
    header.locale = "canary-locale";
    header.traceparent = "canary-trace";
    request->text = "canary text";
    request->tags = (char *[]) { "canary tag" };
    request->n_tags = 1;
    for (size_t i = 0; i < 3; i++) {
        request->title = (char *)titles[i];
        (void)call_with(p, p->call, &header, NOTES "AddNote", request);
    }
    (void)call_with(p, p->call, &header, "canary.v1.Method/Name", request);
    request->slug = "Canary Refused";
    (void)call_with(p, p->call, &header, NOTES "AddNote", request);
    const char *log = log_text(p);
    assert_non_null(strstr(log, "\"rpc\":\"fokus.notes.v1.NotesService/AddNote\",\"code\":\"ok\""));
    assert_non_null(strstr(log, "\"code\":\"invalid_argument\""));
    assert_non_null(strstr(log, "\"code\":\"unimplemented\""));
    assert_null(strstr(log, "canary"));
    assert_null(strstr(log, "Canary"));
    assert_null(strstr(log, "0ca0a21e"));
}

static unsigned mode_of(const struct process *p, const char *file)
{
    char path[200];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", p->home, file); /* short */
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

/* Whatever the umask of whoever started it. */
static void only_who_may_reaches_sockets_and_store(void **state)
{
    struct process *p = *state;
    mode_t mask = umask(0);

    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    start(p);
    (void)umask(mask);
    assert_int_equal(mode_of(p, "run") & 0007, 0);
    assert_int_equal(mode_of(p, "run/notes.admin"), 0600);
    assert_int_equal(mode_of(p, "run/notes.call"), 0660);
    assert_int_equal(mode_of(p, "run/notes.events"), 0660);
    assert_int_equal(mode_of(p, "store"), 0700);
    assert_int_equal(mode_of(p, "store/notes"), 0700);
    assert_int_equal(mode_of(p, "store/notes/data.mdb"), 0600);
    assert_int_equal(mode_of(p, "store/notes/lock.mdb"), 0600);
    assert_int_equal(mode_of(p, "store/notes/owner"), 0600);
}

/* ---- the operator's long calls ---- */

static void a_backup_can_be_read_and_says_what_it_is(void **state)
{
    struct process *p = *state;
    BackupRequest backup = BACKUP_REQUEST_INIT;
    char folder[100], file[120], text[1000] = "";

    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    backup.directory = "relative";
    expect_refusal(call(p, p->admin, RUNTIME "Backup", &backup), CODE_INVALID_ARGUMENT, "absolute");
    (void)snprintf(folder, sizeof(folder), "%s/backup", p->home);
    backup.directory = folder;
    expect_refusal(call(p, p->admin, RUNTIME "Backup", &backup), CODE_INVALID_ARGUMENT,
                   "cannot be opened");
    assert_int_equal(mkdir(folder, 0700), 0);
    const BackupResponse *r =
        respond(p, p->admin, RUNTIME "Backup", &backup, BACKUP_RESPONSE_DESCRIPTOR);
    assert_int_equal(r->last_sequence, 1);
    assert_int_equal(r->last_record, 1);
    assert_int_equal(strlen(r->checksum), 64);
    assert_string_equal(r->log_id, get_status(p)->log_id);
    expect_refusal(call(p, p->admin, RUNTIME "Backup", &backup), CODE_INVALID_ARGUMENT,
                   "must be empty");

    (void)snprintf(file, sizeof(file), "%s/backup.json", folder);
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    assert_int_equal(fclose(f), 0);
    assert_non_null(strstr(text, r->checksum));
    assert_non_null(strstr(text, "\"service\":\"notes\""));
    (void)snprintf(file, sizeof(file), "%s/data.mdb", folder);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_size, r->size_bytes);
    assert_int_equal(mode_of(p, "backup/data.mdb"), 0600);
    assert_int_equal(mode_of(p, "backup/backup.json"), 0600);

    size_t files = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));)
        files += e->d_name[0] != '.';
    assert_int_equal(closedir(dir), 0);
    assert_int_equal(files, 2); /* no lock, no trace of the look into it */
}

static void verify_finds_a_sound_store_identical(void **state)
{
    struct process *p = *state;
    VerifyRequest verify = VERIFY_REQUEST_INIT;

    for (int i = 0; i < 20; i++) {
        char slug[16];
        (void)snprintf(slug, sizeof(slug), "n-%d", i);
        (void)call(p, p->call, NOTES "AddNote", note(p, slug));
    }
    const VerifyResponse *r =
        respond(p, p->admin, RUNTIME "Verify", &verify, VERIFY_RESPONSE_DESCRIPTOR);
    assert_string_equal(r->problem, "");
    assert_true(r->identical);
    assert_int_equal(r->events, 20);
    assert_int_equal(r->records, 20);
    assert_in_range(r->n_tables, 2, 64);
}

/* ---- start ---- */

/* Runs the program to its end and returns its exit code; what it wrote is in the log. */
static int run_program(struct process *p, const char *option, const char *value)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
            _exit(99);
        (void)execl("toy/fokus-notes", "fokus-notes", option, value, (char *)NULL);
        _exit(98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void options_are_explained(void **state)
{
    struct process *p = *state;

    assert_int_equal(run_program(p, "--version", NULL), 0);
    assert_non_null(strstr(log_text(p), "fokus-notes " FOKUS_VERSION "\n"));
    assert_int_equal(run_program(p, "--help", NULL), 0);
    assert_non_null(strstr(log_text(p), "--home DIR"));
    assert_int_equal(run_program(p, "--nonsense", NULL), 2);
    assert_int_equal(run_program(p, "argument", NULL), 2);
    assert_non_null(strstr(log_text(p), "takes no argument such as 'argument'"));
}

static void a_second_process_on_the_same_store_is_refused(void **state)
{
    struct process *p = *state;

    assert_int_equal(run_program(p, "--home", p->home), 1);
    assert_non_null(strstr(log_text(p), "\"msg\":\"cannot serve\""));
    assert_string_equal(get_status(p)->state, "serving"); /* its sockets were left alone */
    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    assert_true(note_exists(p, "one"));
}

static void a_home_too_deep_for_a_socket_is_refused_with_the_reason(void **state)
{
    struct process *p = *state;
    char home[200];

    (void)snprintf(home, sizeof(home), "%s/%0100d", p->home, 0);
    assert_int_equal(run_program(p, "--home", home), 1);
    assert_non_null(strstr(log_text(p), "choose a shorter home folder"));
}

/* Reads what systemd would get until a message begins so; waits. */
static void expect_notice(int fd, const char *begin)
{
    char text[200];
    do {
        ssize_t len = recv(fd, text, sizeof(text) - 1, 0);
        assert_true(len > 0);
        text[len] = '\0';
    } while (strncmp(text, begin, strlen(begin)) != 0);
}

static void systemd_is_told_of_start_life_and_end(void **state)
{
    struct process *p = *state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", p->home);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "200000", 1), 0);
    start(p);
    assert_int_equal(unsetenv("NOTIFY_SOCKET") + unsetenv("WATCHDOG_USEC"), 0);
    expect_notice(fd, "READY=1\nSTATUS=serving");
    expect_notice(fd, "WATCHDOG=1");
    expect_notice(fd, "WATCHDOG=1");
    assert_int_equal(stop(p, SIGTERM), 0);
    expect_notice(fd, "STOPPING=1");
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS(status_tells_how_the_service_is),
        PROCESS(describe_carries_the_schema),
        PROCESS(the_metrics_page_is_what_prometheus_wants),
        PROCESS(log_lines_never_hold_what_a_call_carried),
        PROCESS(only_who_may_reaches_sockets_and_store),
        PROCESS(a_backup_can_be_read_and_says_what_it_is),
        PROCESS(verify_finds_a_sound_store_identical),
        PROCESS(systemd_is_told_of_start_life_and_end),
        PROCESS(options_are_explained),
        PROCESS(a_second_process_on_the_same_store_is_refused),
        PROCESS(a_home_too_deep_for_a_socket_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
