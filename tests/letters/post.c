/* post.c - the toy's effect: a letter becomes a file in HOME/post, with its writer's address and its text. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/letters/tables.h"

struct posting {
    char *writer, *letter, *address, *text;
    bool first;
    RecordPostedRequest record;
};

static int open_letter(const struct query_in *in, const Letter *letter, struct posting *p)
{
    const struct seal_place place = letters_text(letter->id);
    Writer *writer;

    int r = vault_key(in->vault, letter->writer, in->key);
    if (r == 0)
        r = writer_find(in->state, letter->writer, &writer);
    if (r == 0)
        r = opened_text(in->arena, in->key, &letters_address, writer->address, &p->address);
    if (r == 0)
        r = opened_text(in->arena, in->key, &place, letter->text, &p->text);
    if (r == -ENOENT) {
        p->address = p->text = NULL; /* erased meanwhile: there is nothing to post */
        r = 0;
    }
    p->writer = arena_strdup(in->arena, letter->writer);
    p->letter = arena_strdup(in->arena, letter->id);
    p->first = letter->tries == 0;
    return r == 0 && (!p->writer || !p->letter) ? -ENOMEM : r;
}

/* The outbox's first entry, if it is due. */
static int first_due(const struct query_in *in, char writer[KEY_MAX], char letter[KEY_MAX],
                     int64_t *ret_due_ms)
{
    struct key all = KEY_INIT;
    struct scan s;
    int r = -ENOENT;

    scan_prefix(&s, in->state, &outbox_table, &all);
    if (scan_next(&s)) {
        struct key_reader reader = { .rest = s.key };
        r = key_read_i64(&reader, ret_due_ms) && key_read_text(&reader, writer, KEY_MAX) &&
                    key_read_text(&reader, letter, KEY_MAX)
                ? 0
                : -EBADMSG;
    }
    int end = scan_end(&s);
    if (r == 0 && *ret_due_ms > in->now_ms)
        r = -ENOENT;
    return end < 0 ? end : r;
}

static int next(const struct query_in *in, void **ret_job, int64_t *ret_due_ms)
{
    char writer[KEY_MAX], id[KEY_MAX];
    Letter *letter;

    *ret_job = NULL;
    *ret_due_ms = INT64_MAX;
    int r = first_due(in, writer, id, ret_due_ms);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    struct posting *p = arena_calloc(in->arena, 1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    r = letter_find(in->state, writer, id, &letter);
    if (r == 0)
        r = open_letter(in, letter, p);
    if (r == 0)
        *ret_job = p;
    return r;
}

/* Appends, so that what is done twice is seen. */
static bool post(const struct effect_in *in, const struct posting *p)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/post", in->home);
    (void)mkdir(path, 0700); /* there already, or the next says so */
    (void)snprintf(path, sizeof(path), "%s/post/%s", in->home, p->letter);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = dprintf(fd, "%s: %s\n", p->address, p->text) > 0;
    return close(fd) == 0 && good;
}

static void carry_out(const struct effect_in *in, void *job, struct chore *ret)
{
    struct posting *p = job;

    p->record = (RecordPostedRequest)RECORD_POSTED_REQUEST_INIT;
    p->record.writer = p->writer;
    p->record.letter = p->letter;
    p->record.arrived = !p->text || (!(p->first && strcmp(p->text, "lost") == 0) && post(in, p));
    *ret = (struct chore) { "fokus.letters.v1.LettersService/RecordPosted", &p->record.base };
}

const struct effect letters_posting = { next, carry_out };
