/* query_export.c - the organisations as a file: CSV with the import's columns, or one JSON object a line. In order of slug, page by page. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/json.h"
#include "common/page.h"
#include "common/schema.h"
#include "services/directory/tables.h"

enum {
    PAGE_BYTES = 900 * 1024, /* a page is full past this; a line adds at most some ten kilobytes */
    PAGE_ROOM = 2 * 1024 * 1024,
};

/* ---- CSV by RFC 4180 ---- */

static const char HEADING[] = "slug,name,short_name,kind,level,region_code,municipality_code,"
                              "care_areas,parent_slug,website,description,source\r\n";

static void put_cell(struct buf *b, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        buf_append_str(b, text);
        return;
    }
    buf_append_byte(b, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            buf_append_byte(b, '"');
        buf_append_byte(b, (uint8_t)*p);
    }
    buf_append_byte(b, '"');
}

static void put_list(struct buf *b, char *const *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_append_byte(b, '|');
        buf_append_str(b, values[i]);
    }
}

/* ORGANISATION_KIND_CARE_PROVIDER reads care_provider, as in the import. */
static void put_enum(struct buf *b, const ProtobufCEnumDescriptor *type, size_t prefix, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
    if (!value || number == 0)
        return;
    for (const char *p = value->name + prefix; *p; p++)
        buf_append_byte(b, (uint8_t)tolower((unsigned char)*p));
}

static void put_csv(struct buf *b, const Organisation *o)
{
    put_cell(b, o->slug);
    buf_append_byte(b, ',');
    put_cell(b, o->name);
    buf_append_byte(b, ',');
    put_cell(b, o->short_name);
    buf_append_byte(b, ',');
    put_enum(b, &fokus__directory__v1__organisation_kind__descriptor,
             sizeof("ORGANISATION_KIND_") - 1, (int)o->kind);
    buf_append_byte(b, ',');
    put_enum(b, &fokus__directory__v1__organisation_level__descriptor,
             sizeof("ORGANISATION_LEVEL_") - 1, (int)o->level);
    buf_append_byte(b, ',');
    put_list(b, o->region_codes, o->n_region_codes);
    buf_append_byte(b, ',');
    put_list(b, o->municipality_codes, o->n_municipality_codes);
    buf_append_byte(b, ',');
    put_list(b, o->care_areas, o->n_care_areas);
    buf_append_byte(b, ',');
    put_cell(b, o->parent_slug);
    buf_append_byte(b, ',');
    put_cell(b, o->website);
    buf_append_byte(b, ',');
    put_cell(b, o->description);
    buf_append_byte(b, ',');
    put_cell(b, o->source);
    buf_append_str(b, "\r\n");
}

/* ---- pages ---- */

static int put_line(struct buf *b, const struct schema_message *json, const struct scan *s)
{
    if (json) {
        int r = json_from_wire(json, s->value.data, s->value.len, b);
        buf_append_byte(b, '\n');
        return r;
    }
    Organisation *o;
    int r = scan_message((struct scan *)s, &o);
    if (r == 0 && o->state != ORGANISATION_STATE_MERGED)
        put_csv(b, o);
    return r;
}

static int fill_page(const struct query_in *in, const struct page *page,
                     const struct schema_message *json, struct buf *b, struct key *ret_last,
                     bool *ret_more)
{
    struct key start;
    page_start(page, &start);
    struct scan s;
    for (scan_from(&s, in->state, &T_ORGANISATION, &start, NULL); scan_next(&s);) {
        if (b->len >= PAGE_BYTES) {
            *ret_more = true;
            break;
        }
        int r = put_line(b, json, &s);
        if (r < 0)
            return scan_give_up(&s, r);
        ret_last->len = (uint16_t)s.key.len;
        memcpy(ret_last->bytes, s.key.data, s.key.len);
    }
    int r = scan_end(&s);
    return r == 0 && b->failed ? -ENOMEM : r;
}

static void close_schema(struct schema **schema)
{
    if (*schema)
        schema_close(*schema);
}

int directory_export_organisations(const struct query_in *in, const ExportOrganisationsRequest *req,
                                   ExportOrganisationsResponse *res, struct status *status)
{
    bool as_json = req->format == EXPORT_FORMAT_JSON_LINES;
    if (!as_json && req->format != EXPORT_FORMAT_CSV)
        return status_violation(status, "format", "must be CSV or JSON lines");
    const char *scope = as_json ? "export/json" : "export/csv";
    struct page page;
    if (!page_read(0, req->page_token, scope, &page, status))
        return 0;

    /* Reading the schema takes about a millisecond: nothing beside a page. */
    AUTO(close_schema) struct schema *schema = NULL;
    const struct schema_message *json = NULL;
    if (as_json) {
        int r = schema_open(&schema, directory_contract.descriptor_set,
                            directory_contract.descriptor_set_len, NULL);
        if (r < 0)
            return r;
        json = schema_message(schema, ORGANISATION_DESCRIPTOR->name);
        if (!json)
            return -EBADMSG;
    }
    AUTO(buf_free) struct buf b = BUF_INIT(PAGE_ROOM);
    if (!as_json && page.after.len == 0)
        buf_append_str(&b, HEADING);
    struct key last = KEY_INIT;
    bool more = false;
    int r = fill_page(in, &page, json, &b, &last, &more);
    if (r < 0)
        return r;
    res->content = arena_strndup(in->arena, b.data ? (const char *)b.data : "", b.len);
    if (!res->content)
        return -ENOMEM;
    if (!more)
        return 0;
    res->next_page_token = page_token(in->arena, scope, (struct slice) { last.bytes, last.len });
    return res->next_page_token ? 0 : -ENOMEM;
}
