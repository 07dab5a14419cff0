/* main.c - fokusctl, the operator's tool: the table of its commands, and their help. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/home.h"
#include "common/json.h"
#include "services/ctl/ctl.h"

static const struct command commands[] = {
    { "run", "", "start a whole system on this machine and keep it running",
      "Starts every fokus-* program that stands beside fokusctl, the gateway last, restarts one "
      "that\n"
      "dies, and prints one line of JSON with all addresses when everything answers. SIGTERM or "
      "Ctrl-C\n"
      "stops it. A second system with another home and port runs beside the first.\n"
      "\n"
      "  --http ADDR:PORT   where the gateway listens   (default $FOKUS_HTTP, else "
      "127.0.0.1:8080)\n"
      "  --admin ADDR:PORT  its health and metrics      (default $FOKUS_ADMIN, else the next "
      "port)\n"
      "Port 0 takes a free one.\n"
      "\n"
      "  fokusctl run\n"
      "  fokusctl run --home /srv/fokus --http 127.0.0.1:9000\n",
      ctl_run },
    { "status", "", "show each service: version, state, sequence, queue, calls/s, p99",
      "  fokusctl status\n"
      "  fokusctl status --json\n"
      "Ends with 3 when a service that should run does not answer.\n",
      ctl_status },
    { "call", "METHOD [JSON|-]", "call any method of any service as the operator",
      "METHOD is \"SERVICE.Method\", its full name, or its bare name when only one service has "
      "it.\n"
      "JSON is the request, \"-\" reads it from standard input, nothing means {}.\n"
      "\n"
      "  --timeout SECONDS  how long to wait (default 10)\n"
      "  --key KEY          idempotency key: a command repeated with it is done once\n"
      "\n"
      "  fokusctl call directory.GetStatus\n"
      "  fokusctl call GetOrganisation '{\"slug\":\"bris\"}'\n"
      "  fokusctl call directory.ConfirmOrganisation - < request.json\n",
      ctl_call },
    { "import", "KIND FILE.csv", "import a CSV file, with or without a dry run",
      "KIND is what some service imports: organisations, care-areas ... (a wrong KIND lists all).\n"
      "The heading names fields; \"|\" stands between several values of one cell. Batches hold at "
      "most\n"
      "10,000 rows; each is stored whole or not at all. Rows count from 1, the heading not "
      "counted.\n"
      "\n"
      "  --dry-run  only check and report\n"
      "\n"
      "  fokusctl import organisations organisations.csv --dry-run\n"
      "  fokusctl import care-areas care_areas.csv --json\n"
      "Ends with 1 when rows were refused.\n",
      ctl_import },
    { "events", "SERVICE", "print a service's events as JSON lines",
      "  --from N      the first sequence wanted (default 1)\n"
      "  --follow      go on as events come, until Ctrl-C\n"
      "  --types A,B   only these types\n"
      "\n"
      "  fokusctl events directory --from 400\n"
      "  fokusctl events directory --follow --types OrganisationRegistered,OrganisationRevised\n",
      ctl_events },
    { "backup", "SERVICE DIR", "copy a running service's store into an empty or new folder",
      "  fokusctl backup directory /var/backups/directory-2026-11-21\n"
      "The folder then holds data.mdb and backup.json, which says what it is and its checksum.\n",
      ctl_backup },
    { "restore", "SERVICE DIR", "put a backup in place of a stopped service's store",
      "Checks the backup first. What the store holds that the backup does not is told, with how "
      "many events\n"
      "and persons that is, and then nothing is changed, unless --discard-newer says that it may "
      "be "
      "left\n"
      "behind. The old store is kept beside with a timestamp in its name; as long as the service "
      "was not\n"
      "started on the backup, moving it back undoes the restore.\n"
      "Numbers of events left behind are given again, to others. Whoever had read them (a partner, "
      "fokusctl\n"
      "events --follow) is told so when it reads on with ReadEvents' after_id, and has to read "
      "again.\n"
      "A vault is no part of a backup and stays: whoever was erased since the backup is erased "
      "anew, "
      "and\n"
      "whoever came since is erased from the vault, when the service starts.\n"
      "\n"
      "  --discard-newer  leave behind what is newer than the backup\n"
      "\n"
      "  fokusctl stop directory\n"
      "  fokusctl restore directory /var/backups/directory-2026-11-21\n"
      "  fokusctl restore directory /var/backups/directory-2026-11-21 --discard-newer\n"
      "  fokusctl start directory\n"
      "Ends with 1 when it was refused.\n",
      ctl_restore },
    { "verify", "SERVICE", "check a running service's store against its log",
      "Walks the log's hash chain, replays it into a scratch store and compares every table byte "
      "for\n"
      "byte. Ends with 1 when they differ.\n"
      "\n"
      "  fokusctl verify directory\n",
      ctl_verify },
    { "access", "", "show who may call each method of each running service",
      "Read from what the services themselves enforce. A role with a scope counts for the request "
      "whose "
      "field,\n"
      "named behind it, is that scope.\n"
      "\n"
      "  fokusctl access\n"
      "  fokusctl access --json\n",
      ctl_access },
    { "grant", "ROLE ADDRESS", "give somebody a role: the first operator, the first editor",
      "ADDRESS is her e-mail address; she finds the role at her next sign-in, and the reason in "
      "her list "
      "of\n"
      "roles. ROLE is member, editor, moderator or operator, or with --scope representative, "
      "partner (an\n"
      "organisation's slug), professional (a care unit) or jury (an award round).\n"
      "\n"
      "  --scope SCOPE   what the role is held for\n"
      "  --reason TEXT   why (default: \"Granted by the operator with fokusctl.\")\n"
      "\n"
      "  fokusctl grant operator anna@example.org\n"
      "  fokusctl grant representative bo@example.org --scope nsph --reason 'Styrelsens beslut'\n",
      ctl_grant },
    { "keys", "WHAT [FILE...]", "the master key: its state, its rotation, its escrow",
      "Personal data lies sealed under keys in each service's vault, and the vaults under the "
      "master key in\n"
      "HOME/master.key. Without it nothing of that can be read again, ever: keep an escrow.\n"
      "\n"
      "  keys status                     which key, and how each running service's vault is\n"
      "  keys rotate                     a new master key, while everything runs: old copies of "
      "the "
      "vaults\n"
      "                                  become worthless. Doing it again goes on where it "
      "stopped.\n"
      "  keys pair SECRET_FILE           a pair for escrows: writes the secret half, prints the "
      "public one\n"
      "  keys escrow PUBLIC_KEY          prints the master key, sealed to that public key, as one "
      "line\n"
      "  keys recover ESCROW_FILE SECRET_FILE   writes it back to HOME/master.key, which must not "
      "exist\n"
      "\n"
      "  fokusctl keys pair /media/safe/fokus.secret > fokus.public\n"
      "  fokusctl keys escrow \"$(cat fokus.public)\" > /var/backups/fokus/master.escrow\n"
      "  fokusctl keys rotate\n",
      ctl_keys },
    { "stop", "[SERVICE]", "stop one service, or the whole system",
      "The rest goes on; calls to the stopped service are answered \"unavailable\".\n"
      "\n"
      "  fokusctl stop directory\n"
      "  fokusctl stop\n",
      ctl_stop },
    { "start", "SERVICE", "start a stopped service",
      "  fokusctl start directory\n"
      "Starts the program as it now stands on disk: stop, install the new one, start is an "
      "upgrade.\n",
      ctl_start },
    { "restart", "SERVICE", "stop a service and start it again", "  fokusctl restart directory\n",
      ctl_restart },
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* {"name":"status","arguments":"","summary":"..."}, with "help" when that is wanted. */
static void append_command(struct buf *out, const struct command *c, bool with_help)
{
    const struct {
        const char *name, *text;
    } members[] = { { "{\"name\":", c->name },
                    { ",\"arguments\":", c->arguments },
                    { ",\"summary\":", c->summary },
                    { ",\"help\":", c->help } };

    for (size_t i = 0; i < (with_help ? 4u : 3u); i++) {
        buf_append_str(out, members[i].name);
        json_string(out, members[i].text, strlen(members[i].text));
    }
    buf_append_byte(out, '}');
}

/* Of one command, or of all when it is NULL. */
static int help_as_json(const struct ctl *ctl, const struct command *c)
{
    struct buf out = BUF_INIT(1024 * 1024);

    if (c) {
        append_command(&out, c, true);
    } else {
        for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
            buf_append_str(&out, i ? "," : "{\"commands\":[");
            append_command(&out, &commands[i], false);
        }
        buf_append_str(&out, "]}");
    }
    int code = ctl_print_json(ctl, &out);
    buf_free(&out);
    return code;
}

static int help_on(const struct ctl *ctl, const struct command *c)
{
    if (ctl->json)
        return help_as_json(ctl, c);
    printf("fokusctl %s%s%s - %s\n\n%s", c->name, *c->arguments ? " " : "", c->arguments,
           c->summary, c->help);
    return CTL_OK;
}

static int help(const struct ctl *ctl, const char *name)
{
    if (name) {
        const struct command *c = find_command(name);
        return c ? help_on(ctl, c)
                 : ctl_fail(ctl, CTL_USAGE, "there is no command %s; see fokusctl help", name);
    }
    if (ctl->json)
        return help_as_json(ctl, NULL);
    printf("fokusctl COMMAND [ARGUMENTS] - runs and looks after a FOKUS system\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("  %-8s %-16s %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
    printf(
        "\nEvery command also takes:\n"
        "  --home DIR   the system's folder (default $FOKUS_HOME, else var/ in the clone)\n"
        "  --json       answers for programs: JSON on stdout, errors as JSON on stderr\n"
        "  --help       what the command does, with examples; also: fokusctl help COMMAND\n"
        "\n"
        "Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 the service does not answer.\n"
        "Colours only on a terminal, and never when NO_COLOR is set.\n");
    return CTL_OK;
}

/* What may stand anywhere on the command line, for every command. Taken out of argv; returns what is left, -1 for a mistake. */
static int common_options(struct ctl *ctl, int argc, char **argv, bool *ret_help)
{
    int kept = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[kept++] = argv[i++];
        } else if (strcmp(argv[i], "--json") == 0) {
            ctl->json = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *ret_help = true;
        } else if (strncmp(argv[i], "--home=", 7) == 0) {
            ctl->home = argv[i] + 7;
        } else if (strcmp(argv[i], "--home") == 0) {
            if (++i == argc)
                return ctl_fail(ctl, CTL_USAGE, "--home needs a folder"), -1;
            ctl->home = argv[i];
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    return kept;
}

/* Absolute, since services and their sockets are addressed by it; it need not exist yet. */
static int absolute_home(struct ctl *ctl)
{
    char folder[PATH_MAX];

    if (!*ctl->home)
        return ctl_fail(ctl, CTL_USAGE, "the home folder's name is empty");
    if (ctl->home[0] == '/')
        return 0;
    if (!getcwd(folder, sizeof(folder)))
        return ctl_fail(ctl, CTL_REFUSED, "cannot tell the current folder: %s", strerror(errno));
    const char *relative = strncmp(ctl->home, "./", 2) == 0 ? ctl->home + 2 : ctl->home;
    ctl->home = arena_printf(ctl->arena, "%s/%s", folder, relative);
    return ctl->home ? 0 : ctl_fail(ctl, CTL_REFUSED, "out of memory");
}

static bool colourful(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

static int run_command(struct ctl *ctl, const struct command *c, int argc, char **argv)
{
    int code = absolute_home(ctl);
    return code != 0 ? code : c->run(ctl, argc, argv);
}

int main(int argc, char **argv)
{
    static char home[PATH_MAX];
    struct ctl ctl = {
        .home = home_default(home),
        .colour_out = colourful(STDOUT_FILENO),
        .colour_err = colourful(STDERR_FILENO),
        .arena = arena_new(CTL_ARENA_BYTES),
    };
    bool wants_help = false;

    if (!ctl.arena)
        return ctl_fail(&ctl, CTL_REFUSED, "out of memory");
    argc = common_options(&ctl, argc, argv, &wants_help);
    int code = CTL_USAGE;
    const struct command *c = argc > 1 ? find_command(argv[1]) : NULL;
    if (argc < 0)
        code = CTL_USAGE;
    else if (argc == 1)
        code = wants_help ? help(&ctl, NULL)
                          : ctl_fail(&ctl, CTL_USAGE, "which command? see fokusctl help");
    else if (strcmp(argv[1], "help") == 0)
        code = help(&ctl, argc > 2 ? argv[2] : NULL);
    else if (strcmp(argv[1], "--version") == 0)
        code = printf(ctl.json ? "{\"version\":\"%s\"}\n" : "fokusctl %s\n", FOKUS_VERSION) > 0
                   ? CTL_OK
                   : CTL_REFUSED;
    else if (!c)
        code = ctl_fail(&ctl, CTL_USAGE, "there is no command %s; see fokusctl help", argv[1]);
    else
        code = wants_help ? help_on(&ctl, c) : run_command(&ctl, c, argc - 1, argv + 1);
    bus_free(ctl.bus);
    arena_free(ctl.arena);
    return code;
}
