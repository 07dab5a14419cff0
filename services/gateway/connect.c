/* connect.c - see connect.h. Nothing here allocates but through a bounded buf, and every text is read to its end at most once. */
#include "services/gateway/connect.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base64.h"
#include "common/json.h"
#include "common/packed.h"

/* ---- headers ---- */

enum encoding connect_content_type(const char *text)
{
    static const char json[] = "application/json";

    if (!text)
        return ENCODING_NONE;
    if (strcasecmp(text, "application/proto") == 0)
        return ENCODING_PROTO;
    if (strncasecmp(text, json, sizeof(json) - 1) != 0)
        return ENCODING_NONE;
    text += sizeof(json) - 1;
    if (!*text)
        return ENCODING_JSON;
    if (*text++ != ';')
        return ENCODING_NONE;
    text += *text == ' ';
    if (strcasecmp(text, "charset=utf-8") == 0 || strcasecmp(text, "charset=utf8") == 0)
        return ENCODING_JSON;
    return ENCODING_NONE;
}

enum compression connect_compression(const char *name)
{
    if (!name || !*name || strcasecmp(name, "identity") == 0)
        return COMPRESSION_NONE;
    return strcasecmp(name, "gzip") == 0 ? COMPRESSION_GZIP : COMPRESSION_UNKNOWN;
}

bool connect_timeout(const char *text, uint32_t *ret_ms)
{
    uint64_t ms = 0;
    size_t digits = 0;

    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 11; digits++)
        ms = ms * 10 + (uint64_t)(text[digits] - '0');
    if (digits == 0 || digits > 10 || text[digits])
        return false;
    if (ms > CONNECT_MAX_TIMEOUT_MS)
        ms = CONNECT_MAX_TIMEOUT_MS;
    *ret_ms = ms ? (uint32_t)ms : 1;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether the parameters of one list entry say q=0: "not this one". */
static bool refused_by_weight(const char *text, size_t len)
{
    const char *q = memchr(text, ';', len);

    if (!q)
        return false;
    size_t left = len - (size_t)(q - text);
    for (q++, left--; left && is_blank(*q); q++, left--)
        ;
    if (left < 3 || (q[0] != 'q' && q[0] != 'Q') || q[1] != '=' || q[2] != '0')
        return false;
    for (size_t i = 3; i < left; i++)
        if (q[i] >= '1' && q[i] <= '9')
            return false;
    return true;
}

bool connect_accepts_gzip(const char *text)
{
    while (text && *text) {
        while (is_blank(*text) || *text == ',')
            text++;
        size_t len = strcspn(text, ",");
        size_t name = strcspn(text, ",; \t");
        if (name == 4 && strncasecmp(text, "gzip", 4) == 0)
            return !refused_by_weight(text, len);
        text += len;
    }
    return false;
}

bool connect_etag_matches(const char *header, const char *etag)
{
    if (strncmp(etag, "W/", 2) == 0)
        etag += 2;
    size_t len = strlen(etag);

    while (header && *header) {
        while (is_blank(*header) || *header == ',')
            header++;
        if (strcmp(header, "*") == 0)
            return true;
        if (strncmp(header, "W/", 2) == 0)
            header += 2;
        if (strncmp(header, etag, len) == 0 &&
            (!header[len] || header[len] == ',' || is_blank(header[len])))
            return true;
        header += strcspn(header, ",");
    }
    return false;
}

bool connect_request_id_sane(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strspn(text, allowed);

    return len >= 1 && len <= 64 && !text[len];
}

/* ---- the query string of a GET ---- */

static const struct refusal BAD_PERCENT = {
    400, CODE_INVALID_ARGUMENT,
    "A % in the query string must be followed by two hexadecimal digits."
};
static const struct refusal BAD_BASE64 = {
    400, CODE_INVALID_ARGUMENT,
    "The parameter message must be base64 of the URL-safe alphabet when base64=1."
};
static const struct refusal TOO_LONG = { 413, CODE_RESOURCE_EXHAUSTED,
                                         "The message is above the limit of 1 MiB." };
static const struct refusal NO_ENCODING = {
    415, CODE_INVALID_ARGUMENT, "The parameter encoding must be json or proto for a GET call."
};
static const struct refusal BAD_COMPRESSION = {
    501, CODE_UNIMPLEMENTED, "The parameter compression must be gzip or identity, or be left out."
};
static const struct refusal BAD_VERSION = { 400, CODE_INVALID_ARGUMENT,
                                            "The parameter connect must be v1." };
static const struct refusal NEEDS_BASE64 = {
    400, CODE_INVALID_ARGUMENT, "A binary or compressed message in a query string needs base64=1."
};
static const struct refusal REPEATED = {
    400, CODE_INVALID_ARGUMENT, "A parameter of the call stands twice in the query string."
};

static bool percent_decode(const char *text, size_t len, struct buf *out)
{
    uint8_t *to = buf_reserve(out, len ? len : 1);
    uint8_t *start = to;

    if (!to)
        return true; /* `out` says so */
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '+') {
            *to++ = ' ';
        } else if (text[i] != '%') {
            *to++ = (uint8_t)text[i];
        } else {
            int high = i + 2 < len ? hex_digit((uint8_t)text[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit((uint8_t)text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            *to++ = (uint8_t)(high << 4 | low);
            i += 2;
        }
    }
    out->len += (size_t)(to - start);
    return true;
}

/* Decodes in place; writing never overtakes reading. */
static bool decode_in_place(struct buf *text)
{
    ptrdiff_t len = base64_decode((struct slice) { text->data, text->len }, BASE64_URL, text->data);

    text->len = len < 0 ? 0 : (size_t)len;
    return len >= 0;
}

enum {
    PARAMETER_CONNECT,
    PARAMETER_BASE64,
    PARAMETER_COMPRESSION,
    PARAMETER_ENCODING,
    PARAMETER_MESSAGE,
    PARAMETERS
};

static const char *const PARAMETER_NAMES[PARAMETERS] = { "connect", "base64", "compression",
                                                         "encoding", "message" };

/* Finds the raw values; unknown parameters are passed over. */
static const struct refusal *split_query(const char *query, size_t len,
                                         struct slice values[PARAMETERS])
{
    for (const char *end = query + len; query < end;) {
        const char *stop = memchr(query, '&', (size_t)(end - query));
        if (!stop)
            stop = end;
        const char *equals = memchr(query, '=', (size_t)(stop - query));
        const char *name_end = equals ? equals : stop;
        const char *value = equals ? equals + 1 : stop;
        for (size_t i = 0; i < PARAMETERS; i++) {
            size_t name_len = strlen(PARAMETER_NAMES[i]);
            if ((size_t)(name_end - query) != name_len ||
                memcmp(query, PARAMETER_NAMES[i], name_len) != 0)
                continue;
            if (values[i].data)
                return &REPEATED;
            values[i] = (struct slice) { (const uint8_t *)value, (size_t)(stop - value) };
        }
        query = stop + (stop < end);
    }
    return NULL;
}

static bool value_is(struct slice value, const char *text)
{
    return value.data && value.len == strlen(text) && memcmp(value.data, text, value.len) == 0;
}

const struct refusal *connect_get_parse(const char *query, size_t len, struct buf *message,
                                        struct connect_get *ret)
{
    struct slice values[PARAMETERS] = { 0 };

    const struct refusal *why = split_query(query, len, values);
    if (why)
        return why;
    if (values[PARAMETER_CONNECT].data && !value_is(values[PARAMETER_CONNECT], "v1"))
        return &BAD_VERSION;
    struct connect_get get = { 0 };
    if (value_is(values[PARAMETER_ENCODING], "json"))
        get.encoding = ENCODING_JSON;
    else if (value_is(values[PARAMETER_ENCODING], "proto"))
        get.encoding = ENCODING_PROTO;
    else
        return &NO_ENCODING;
    if (value_is(values[PARAMETER_COMPRESSION], "gzip"))
        get.compression = COMPRESSION_GZIP;
    else if (values[PARAMETER_COMPRESSION].len &&
             !value_is(values[PARAMETER_COMPRESSION], "identity"))
        return &BAD_COMPRESSION;

    struct slice raw = values[PARAMETER_MESSAGE];
    bool base64 = value_is(values[PARAMETER_BASE64], "1");
    if (!base64 && raw.len && (get.encoding == ENCODING_PROTO || get.compression))
        return &NEEDS_BASE64;
    if (raw.data && !percent_decode((const char *)raw.data, raw.len, message))
        return &BAD_PERCENT;
    if (base64 && raw.len && !message->failed && !decode_in_place(message))
        return &BAD_BASE64;
    if (message->failed || message->len > CONNECT_MAX_BODY)
        return &TOO_LONG;
    *ret = get;
    return NULL;
}

/* ---- errors ---- */

/* Without a schema: care_areas becomes careAreas, as protoc does it. */
static void append_camel(struct buf *out, const char *name, size_t len)
{
    bool upper = false;

    for (size_t i = 0; i < len; i++) {
        if (name[i] == '_') {
            upper = true;
            continue;
        }
        bool lower = name[i] >= 'a' && name[i] <= 'z';
        buf_append_byte(out, (uint8_t)(upper && lower ? name[i] - 'a' + 'A' : name[i]));
        upper = false;
    }
}

void connect_json_path(const struct schema_message *m, const char *path, struct buf *out)
{
    while (*path) {
        size_t len = strcspn(path, ".[");
        const struct schema_field *field = m && len ? schema_field_by_name(m, path, len) : NULL;
        if (field)
            buf_append_str(out, field->json_name);
        else
            append_camel(out, path, len);
        path += len;
        /* An index or a map's key is copied as it stands. */
        while (*path == '[') {
            len = strcspn(path, "]");
            len += path[len] == ']';
            buf_append(out, path, len);
            path += len;
        }
        m = field ? field->message : NULL;
        if (m && field->map && m->n_fields == 2)
            m = m->fields[1].message;
        if (*path == '.')
            buf_append_byte(out, (uint8_t)*path++);
        else if (*path)
            m = NULL;
    }
}

static void append_base64(struct buf *out, const uint8_t *bytes, size_t len)
{
    uint8_t *to = buf_reserve(out, base64_encoded_len(len));

    if (to)
        out->len += (size_t)(base64_encode(to, bytes, len, false) - to);
}

/* google.rpc.BadRequest { repeated FieldViolation field_violations = 1; } of field = 1, description = 2. */
static void append_details(struct buf *out, const struct violation *violations, size_t n,
                           const struct schema_message *m)
{
    struct buf packed = BUF_INIT(CONNECT_MAX_BODY), one = packed, debug = packed, path = packed;

    for (size_t i = 0; i < n; i++) {
        const char *description = violations[i].description;
        buf_clear(&path);
        buf_clear(&one);
        connect_json_path(m, violations[i].field, &path);
        packed_append_bytes(&one, 1, path.data, path.len);
        packed_append_bytes(&one, 2, description, strlen(description));
        packed_append_bytes(&packed, 1, one.data, one.len);
        buf_append_str(&debug, i ? ",{\"field\":" : "{\"field\":");
        json_string(&debug, (const char *)path.data, path.len);
        buf_append_str(&debug, ",\"description\":");
        json_string(&debug, description, strlen(description));
        buf_append_byte(&debug, '}');
    }
    if (!packed.failed && !debug.failed && !one.failed && !path.failed) {
        buf_append_str(out, ",\"details\":[{\"type\":\"google.rpc.BadRequest\",\"value\":\"");
        append_base64(out, packed.data, packed.len);
        buf_append_str(out, "\",\"debug\":{\"fieldViolations\":[");
        buf_append(out, debug.data, debug.len);
        buf_append_str(out, "]}}]");
    }
    buf_free(&packed);
    buf_free(&one);
    buf_free(&debug);
    buf_free(&path);
}

/* A message made from a violation begins with its path: it is written in JSON names too. */
static void append_message(struct buf *out, const char *message, const struct violation *first,
                           const struct schema_message *m)
{
    size_t len = first ? strlen(first->field) : 0;

    if (!len || strncmp(message, first->field, len) != 0 || message[len] != ':') {
        json_string(out, message, strlen(message));
        return;
    }
    struct buf text = BUF_INIT(CONNECT_MAX_BODY);
    connect_json_path(m, first->field, &text);
    buf_append_str(&text, message + len);
    if (text.failed)
        json_string(out, message, strlen(message));
    else
        json_string(out, (const char *)text.data, text.len);
    buf_free(&text);
}

void connect_error(struct buf *out, enum code code, const char *message,
                   const struct violation *violations, size_t n_violations,
                   const struct schema_message *m)
{
    buf_append_str(out, "{\"code\":\"");
    buf_append_str(out, code_name(code));
    buf_append_str(out, "\",\"message\":");
    append_message(out, message, n_violations ? violations : NULL, m);
    if (n_violations)
        append_details(out, violations, n_violations, m);
    buf_append_byte(out, '}');
}
