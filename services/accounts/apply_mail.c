/* apply_mail.c - what the events of mails do to the tables. */
#include <errno.h>
#include <string.h>

#include "services/accounts/apply.h"

void apply_copy_key(const struct scan *s, struct key *ret)
{
    *ret = KEY_INIT;
    ret->len = (uint16_t)s->key.len;
    memcpy(ret->bytes, s->key.data, s->key.len);
}

int apply_drop_prefix(struct wr *wr, const struct table *index, const struct key *prefix,
                      int (*each)(struct wr *wr, const struct key *k, struct slice value))
{
    for (;;) { /* one at a time: a table is not written while it is walked */
        struct scan s;
        struct key k = KEY_INIT;
        struct slice value = { 0 };
        scan_prefix(&s, wr_rd(wr), index, prefix);
        bool found = scan_next(&s);
        if (found) {
            apply_copy_key(&s, &k);
            uint8_t *copy = arena_memdup(rd_arena(wr_rd(wr)), s.value.data, s.value.len);
            if (!copy && s.value.len > 0)
                return scan_give_up(&s, -ENOMEM);
            value = (struct slice) { copy, s.value.len };
        }
        int r = scan_end(&s);
        if (r < 0 || !found)
            return r;
        r = each ? each(wr, &k, value) : 0;
        if (r < 0)
            return r;
        wr_delete(wr, index, &k);
        r = wr_status(wr);
        if (r < 0)
            return r;
    }
}

int apply_mail_queued(struct wr *wr, const struct fact *fact, const MailQueued *e)
{
    MailRow row = MAIL_ROW_INIT;
    struct key k;
    row.slot = e->slot;
    row.kind = e->kind;
    row.sealed = e->sealed;
    row.queued_ms = row.due_ms = fact->time_ms;
    row.expires_ms = e->expires_ms;
    wr_put(wr, &T_MAIL, KEY_TEXT(e->mail), &row);
    key_at(row.due_ms, e->mail, &k);
    wr_put_bytes(wr, &T_MAIL_DUE, &k, "", 0);
    key_of(e->slot, e->mail, &k);
    wr_put_bytes(wr, &T_MAIL_OF, &k, "", 0);
    return 0;
}

int apply_mail_gone(struct wr *wr, const char *mail)
{
    MailRow *row;
    struct key k;
    int r = rd_get(wr_rd(wr), &T_MAIL, KEY_TEXT(mail), &row);
    if (r < 0)
        return r;
    key_at(row->due_ms, mail, &k);
    wr_delete(wr, &T_MAIL_DUE, &k);
    key_of(row->slot, mail, &k);
    wr_delete(wr, &T_MAIL_OF, &k);
    wr_delete(wr, &T_MAIL, KEY_TEXT(mail));
    return 0;
}

int apply_mail_deferred(struct wr *wr, const MailDeferred *e)
{
    MailRow *row;
    struct key k;
    int r = rd_get(wr_rd(wr), &T_MAIL, KEY_TEXT(e->mail), &row);
    if (r < 0)
        return r;
    key_at(row->due_ms, e->mail, &k);
    wr_delete(wr, &T_MAIL_DUE, &k);
    row->due_ms = e->next_ms;
    row->reply_code = e->reply_code;
    row->tries++;
    wr_put(wr, &T_MAIL, KEY_TEXT(e->mail), row);
    key_at(row->due_ms, e->mail, &k);
    wr_put_bytes(wr, &T_MAIL_DUE, &k, "", 0);
    return 0;
}

static int drop_mail(struct wr *wr, const struct key *k, struct slice value)
{
    (void)value; /* an index: nothing */
    struct key_reader reader = { .rest = { k->bytes, k->len } };
    char slot[ID_CHARS + 1], mail[ID_CHARS + 1];
    if (!key_read_text(&reader, slot, sizeof(slot)) || !key_read_text(&reader, mail, sizeof(mail)))
        return -EBADMSG;
    return apply_mail_gone(wr, mail);
}

int apply_drop_mails(struct wr *wr, const char *slot)
{
    return apply_drop_prefix(wr, &T_MAIL_OF, KEY_TEXT(slot), drop_mail);
}
