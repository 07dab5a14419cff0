/* person.c - what a service holds about a person: shown to her, or erased, when the service that signs her in asks; and its vault,
 * shown to the operator or taken over to another master key.
 *
 * Shown is what the tables hold, as the service opens it, then every event that she caused or that is about her, found by going
 * through the log in pages. Of events, what is sealed is left out: in the log nobody opens it, the tables have it opened. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/core.h"
#include "common/json.h"
#include "common/pack.h"
#include "common/packed.h"
#include "fokus/runtime/v1/runtime.fokus.h"

enum {
    MAX_ITEMS = 20000,
    PAGE_BYTES =
        1024 * 1024, /* of events; a person's things in the tables come all on the first page */
    ITEM_BYTES = 12 * 1024 * 1024,
    SEARCH_BYTES = 8 * 1024 * 1024, /* looked through for a page of events */
    RECORD_EVENTS = 6,              /* field numbers of fokus.event.v1 */
    EVENT_SEQUENCE = 1,
    EVENT_TYPE = 3,
    EVENT_TIME_MS = 4,
    EVENT_ACTOR = 5,
    EVENT_SUBJECT = 6,
    EVENT_DATA = 9,
};

/* The page being made. */
struct person_export {
    const struct query_in *in;
    const char *person;
    char **items;
    size_t n, room, bytes;
};

/* ---- items ---- */

static int add_item(struct person_export *to, const struct buf *json)
{
    char *item = json->failed || to->bytes + json->len > ITEM_BYTES
                     ? NULL
                     : arena_strndup(to->in->arena, (const char *)json->data, json->len);

    if (!item || to->n == MAX_ITEMS)
        return -ENOMEM;
    if (to->n == to->room) {
        size_t room = to->room ? 2 * to->room : 64;
        char **grown = arena_alloc(to->in->arena, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        if (to->n > 0)
            memcpy(grown, to->items, to->n * sizeof(*grown));
        to->items = grown;
        to->room = room;
    }
    to->items[to->n++] = item;
    to->bytes += json->len;
    return 0;
}

static const struct schema_message *shape_of(const struct person_export *to,
                                             const ProtobufCMessageDescriptor *type)
{
    return schema_message(core_schema(to->in->core), type->name);
}

int export_add(struct person_export *to, const char *what, const ProtobufCMessage *message)
{
    const struct schema_message *shape = shape_of(to, message->descriptor);
    struct buf json = BUF_INIT(ITEM_BYTES);
    struct slice packed;

    if (!shape)
        return -EBADMSG;
    if (!pack_in(to->in->arena, message, ITEM_BYTES, &packed))
        return -ENOMEM;
    buf_append_str(&json, "{\"kind\":\"record\",\"what\":");
    json_string(&json, what, strlen(what));
    buf_append_str(&json, ",\"data\":");
    int r = json_from_wire(shape, packed.data, packed.len, &json);
    buf_append_str(&json, "}");
    if (r == 0)
        r = add_item(to, &json);
    buf_free(&json);
    return r == -ENOSPC ? -ENOMEM : r;
}

/* ---- events ---- */

/* What of a stored event is shown, or decides whether it is. */
struct seen {
    uint64_t sequence;
    int64_t time_ms;
    struct slice type, actor, subject, data;
};

static int see(struct slice event, struct seen *ret)
{
    struct packed_field field = { 0 };
    int r;

    *ret = (struct seen) { 0 };
    while ((r = packed_take(&event, &field)) > 0) {
        if (field.number == EVENT_SEQUENCE)
            ret->sequence = field.value;
        else if (field.number == EVENT_TYPE)
            ret->type = packed_bytes(&field);
        else if (field.number == EVENT_TIME_MS)
            ret->time_ms = (int64_t)field.value;
        else if (field.number == EVENT_ACTOR)
            ret->actor = packed_bytes(&field);
        else if (field.number == EVENT_SUBJECT)
            ret->subject = packed_bytes(&field);
        else if (field.number == EVENT_DATA)
            ret->data = packed_bytes(&field);
    }
    return r;
}

static bool is_text(struct slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static void append_raw(struct buf *out, const struct packed_field *f)
{
    packed_append_tag(out, f->number, (enum packed_type)f->type);
    if (f->type == PACKED_VARINT)
        packed_append_varint(out, f->value);
    else
        buf_append(out, &f->value,
                   f->type == PACKED_FIXED64 ? 8 : 4); /* little-endian, as on the wire */
}

/* Copies a message without its sealed fields: bytes that the proto calls personal. No message is recursive. */
static int without_sealed(const struct schema_message *shape, struct slice packed, struct buf *out)
{
    struct packed_field field = { 0 };
    int r;

    while ((r = packed_take(&packed, &field)) > 0) {
        const struct schema_field *f = schema_field_by_number(shape, field.number);
        if (!f || (f->rules.personal && f->kind == KIND_BYTES))
            continue;
        if (field.type != PACKED_LEN) {
            append_raw(out, &field);
            continue;
        }
        if (f->kind != KIND_MESSAGE) {
            packed_append_bytes(out, field.number, field.data, field.len);
            continue;
        }
        struct buf inner = BUF_INIT(ITEM_BYTES);
        r = without_sealed(f->message, packed_bytes(&field), &inner);
        packed_append_bytes(out, field.number, inner.data, inner.len);
        buf_free(&inner);
        if (r < 0)
            return r;
    }
    return r;
}

static int put_data(struct person_export *to, struct slice packed, struct buf *json)
{
    const struct schema_message *shape = shape_of(to, to->in->def->contract->event);
    struct buf open = BUF_INIT(ITEM_BYTES);

    int r = shape ? without_sealed(shape, packed, &open) : -EBADMSG;
    if (r == 0)
        r = json_from_wire(shape, open.data, open.len, json);
    buf_free(&open);
    return r;
}

static int add_event(struct person_export *to, const struct seen *event)
{
    struct buf json = BUF_INIT(ITEM_BYTES);
    time_t seconds = (time_t)(event->time_ms / 1000);
    char when[32];
    struct tm utc;

    (void)gmtime_r(&seconds, &utc);                                 /* the log's times are valid */
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc); /* fits */
    buf_printf(&json, "{\"kind\":\"event\",\"sequence\":%" PRIu64 ",\"time\":\"%s\",\"type\":",
               event->sequence, when);
    json_string(&json, (const char *)event->type.data, event->type.len);
    buf_append_str(&json, ",\"subject\":");
    json_string(&json, (const char *)event->subject.data, event->subject.len);
    buf_append_str(&json, ",\"data\":");
    int r = put_data(to, event->data, &json);
    buf_append_str(&json, "}");
    if (r == 0)
        r = add_item(to, &json);
    buf_free(&json);
    return r == -ENOSPC ? -ENOMEM : r;
}

/* One page of events on its way through the log. */
struct search {
    struct person_export *to;
    uint64_t next; /* the first sequence not dealt with */
    size_t bytes;
    bool full;
};

static int look_at_record(struct search *s, struct slice record)
{
    struct packed_field field = { 0 };
    struct seen event;
    int r = 0, taken;

    while (r == 0 && (taken = packed_take(&record, &field)) != 0) {
        if (taken < 0)
            return taken;
        if (field.number != RECORD_EVENTS || field.type != PACKED_LEN)
            continue;
        s->bytes += field.len;
        r = see(packed_bytes(&field), &event);
        if (r < 0 || event.sequence < s->next)
            continue;
        if (s->full)
            return 0;
        if (is_text(event.actor, s->to->person) || is_text(event.subject, s->to->person))
            r = add_event(s->to, &event);
        s->next = event.sequence + 1;
        s->full = s->to->bytes > PAGE_BYTES || s->to->n == MAX_ITEMS || s->bytes > SEARCH_BYTES;
    }
    return r;
}

/* Goes on from event `from`; *ret_next is where the next page does, 0 at the end. */
static int add_events(struct person_export *to, uint64_t from, uint64_t *ret_next)
{
    struct search s = { .to = to, .next = from, .full = to->bytes > PAGE_BYTES };
    struct key key = KEY_INIT;
    struct log_head head;
    uint64_t number;
    struct scan scan;
    int r = 0;

    *ret_next = 0;
    if (log_head(to->in->state, &head) != LOG_OK)
        return -EIO;
    if (from >= head.next_sequence)
        return 0;
    if (log_find_event(to->in->state, from, &number) != LOG_OK)
        return -EBADMSG;
    for (scan_from(&scan, to->in->state, &log_tables_log, key_u64(&key, number), NULL);
         r == 0 && !s.full && scan_next(&scan);)
        r = look_at_record(&s, scan.value);
    int end = scan_end(&scan);
    if (s.next < head.next_sequence)
        *ret_next = s.next;
    return r < 0 ? r : end;
}

/* ---- the methods ---- */

int runtime_export_person(const struct query_in *in, const ExportPersonRequest *req,
                          ExportPersonResponse *res, struct status *status)
{
    struct person_export to = { .in = in, .person = req->person };
    int r = 0;

    (void)status; /* somebody of whom there is nothing has an empty export */
    if (req->from == 0 && in->def->export_person)
        r = in->def->export_person(in, req->person, &to);
    if (r == 0)
        r = add_events(&to, req->from ? req->from : 1, &res->next);
    res->items = to.items;
    res->n_items = to.n;
    return r;
}

int runtime_erase_person(const struct decide_in *in, const ErasePersonRequest *req,
                         ErasePersonResponse *res, struct outcome *out)
{
    int r = in->def->erase_person ? in->def->erase_person(in, req->person, out) : 0;
    res->erased = out->n_events > 0;
    return r;
}

/* ---- the vault ---- */

int runtime_get_vault(const struct query_in *in, const GetVaultRequest *req, GetVaultResponse *res,
                      struct status *status)
{
    enum { SHOWN_BYTES = 4 }; /* of the master key's id, as the vault's own messages show it */
    struct vault_stats stats;
    char *id = arena_alloc(in->arena, 2 * SHOWN_BYTES + 1);

    (void)req; /* has no fields */
    (void)status;
    if (!id)
        return -ENOMEM;
    if (!in->vault)
        return 0;
    vault_stats(in->vault, &stats);
    res->personal = true;
    res->persons = stats.persons;
    res->slots = stats.slots;
    res->damaged = stats.damaged;
    res->rotated = stats.rotated;
    res->master_key = sodium_bin2hex(id, 2 * SHOWN_BYTES + 1, stats.master_id, SHOWN_BYTES);
    if (stats.broken)
        res->broken = "an earlier write failed; it takes changes again after a restart";
    return 0;
}

int runtime_rotate_vault(const struct decide_in *in, const RotateVaultRequest *req,
                         RotateVaultResponse *res, struct outcome *out)
{
    struct err err = { "" };
    struct vault_stats stats;
    bool done = true;

    (void)req; /* has no fields */
    if (in->vault && core_rotate_vault(in->core, &done, &err) < 0)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION, "%s", err.text);
    res->done = done;
    if (in->vault) {
        vault_stats(in->vault, &stats);
        res->slots = stats.slots;
        res->rotated = done ? stats.slots : stats.rotated;
    }
    return 0;
}
