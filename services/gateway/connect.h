/* connect.h - the Connect protocol's words (connectrpc.com, unary calls), apart from any socket: what a header or a
 * query string says, and how an error is written. All texts here come from strangers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/schema.h"
#include "common/status.h"

enum {
    CONNECT_MAX_BODY = 1024 * 1024, /* bytes of a message, before and after decompression */
    CONNECT_MAX_TIMEOUT_MS = 60000, /* longer ones are cut to this */
    CONNECT_DEFAULT_TIMEOUT_MS = 10000,
};

enum encoding { ENCODING_NONE, ENCODING_JSON, ENCODING_PROTO };
enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_UNKNOWN };

/* Why a request goes no further. */
struct refusal {
    int http;
    enum code code;
    const char *message;
};

/* Of a unary request: "application/json", also with a charset of UTF-8, or "application/proto". NULL is no type. */
enum encoding connect_content_type(const char *text);
/* The value of Content-Encoding or of the query's `compression`; NULL is none. */
enum compression connect_compression(const char *name);
/* 1 to 10 digits. False for anything else. Clamped to CONNECT_MAX_TIMEOUT_MS; 0 becomes 1. */
bool connect_timeout(const char *text, uint32_t *ret_ms);
/* Whether an Accept-Encoding header takes gzip. */
bool connect_accepts_gzip(const char *text);
/* Whether an If-None-Match header names this entity tag (weak comparison) or is "*". */
bool connect_etag_matches(const char *header, const char *etag);
/* Whether a request id from outside may be passed on: 1 to 64 of A-Z a-z 0-9 . _ - */
bool connect_request_id_sane(const char *text);

/* A GET call's query string. */
struct connect_get {
    enum encoding encoding;
    enum compression compression;
};
/* Reads the query string; the decoded message is appended to `message`. NULL when all is well. */
const struct refusal *connect_get_parse(const char *query, size_t len, struct buf *message,
                                        struct connect_get *ret);

/* A field's path in JSON names: "rows[3].care_areas[0]" becomes "rows[3].careAreas[0]". What the schema does not know is kept. */
void connect_json_path(const struct schema_message *m, const char *path, struct buf *out);

/* {"code":..,"message":..,"details":[..]}: an error's body. `m` is the request's type or NULL. */
void connect_error(struct buf *out, enum code code, const char *message,
                   const struct violation *violations, size_t n_violations,
                   const struct schema_message *m);
