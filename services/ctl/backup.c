/* backup.c - fokusctl backup.
 *
 * A backup is a folder with data.mdb (a compact copy of the store) and backup.json (what it is, and its checksum). The service makes
 * both while it runs. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "fokus/runtime/v1/runtime.pb-c.h"
#include "services/ctl/ctl.h"

static char *absolute(struct ctl *ctl, const char *path)
{
    char folder[PATH_MAX];

    if (*path == '/')
        return arena_strdup(ctl->arena, path);
    return getcwd(folder, sizeof(folder)) ? arena_printf(ctl->arena, "%s/%s", folder, path) : NULL;
}

static int print_backup_as_json(struct ctl *ctl, const char *service, const char *folder,
                                const Fokus__Runtime__V1__BackupResponse *b)
{
    struct buf out = BUF_INIT(64 * 1024);

    buf_append_str(&out, "{\"service\":");
    json_string(&out, service, strlen(service));
    buf_append_str(&out, ",\"directory\":");
    json_string(&out, folder, strlen(folder));
    buf_printf(&out,
               ",\"log_id\":\"%s\",\"schema\":%u,\"last_sequence\":%" PRIu64
               ",\"last_record\":%" PRIu64 ",\"size_bytes\":%" PRIu64 ",\"checksum\":\"%s\"}",
               b->log_id, b->schema, b->last_sequence, b->last_record, b->size_bytes, b->checksum);
    int code = ctl_print_json(ctl, &out);
    buf_free(&out);
    return code;
}

static int take_backup(struct ctl *ctl, struct remote *r, char *folder)
{
    Fokus__Runtime__V1__BackupRequest request = FOKUS__RUNTIME__V1__BACKUP_REQUEST__INIT;
    const Fokus__Runtime__V1__BackupResponse *b;

    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return ctl_fail(ctl, CTL_REFUSED, "cannot make the folder %s: %s", folder, strerror(errno));
    request.directory = folder;
    int code = remote_runtime(ctl, r, "Backup", &request.base,
                              &fokus__runtime__v1__backup_response__descriptor, CTL_LONG_MS, &b);
    if (code != 0)
        return code;
    if (ctl->json)
        return print_backup_as_json(ctl, r->name, folder, b);
    printf("%s: backup in %s\n  %" PRIu64 " bytes, up to event %" PRIu64 " (record %" PRIu64
           "), schema %u\n  log %s\n  checksum %s\n",
           r->name, folder, b->size_bytes, b->last_sequence, b->last_record, b->schema, b->log_id,
           b->checksum);
    return CTL_OK;
}

int ctl_backup(struct ctl *ctl, int argc, char **argv)
{
    static const char *const none[] = { NULL };
    struct remote r;

    argc = ctl_options(ctl, argc, argv, none, NULL);
    if (argc < 0)
        return CTL_USAGE;
    if (argc != 3)
        return ctl_usage(ctl, "backup", "backup takes a service and a folder");
    char *folder = absolute(ctl, argv[2]);
    if (!folder)
        return ctl_fail(ctl, CTL_REFUSED, "cannot tell the current folder");
    int code = remote_open(ctl, argv[1], &r);
    if (code == 0)
        code = take_backup(ctl, &r, folder);
    remote_close(&r);
    return code;
}
