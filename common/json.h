/* json.h - packed protobuf to and from canonical proto3 JSON over a schema, without an intermediate tree
 * (protobuf.dev ProtoJSON; the rules are in the design's protocols page, section 1.7).
 *
 * Reading: unknown fields are skipped (at any depth up to the limit), a bad value is refused with its path and
 * what would be right, duplicate keys of one field are refused, two members of one oneof are refused, null means absent.
 * Writing: unknown fields are dropped; input must have passed schema_check(). */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/schema.h"
#include "common/status.h"

/* Appends the packed message to `out`. False with `status` filled (invalid_argument with one violation, its path in
 * JSON names; resource_exhausted when `out` is full) when the text is not such a message; `out` is then to be dropped. */
bool json_to_wire(const struct schema_message *m, const char *json, size_t len, struct buf *out,
                  struct status *status) must_check;

/* Appends the message as compact JSON to `out`. 0; -EBADMSG: the bytes are not such a message; -ENOSPC: `out` is full. */
int json_from_wire(const struct schema_message *m, const uint8_t *bytes, size_t len,
                   struct buf *out) must_check;

/* Appends a JSON string with quotes: for whoever writes JSON beside a message (errors, log lines). Invalid UTF-8
 * becomes U+FFFD. */
void json_string(struct buf *out, const char *text, size_t len);
