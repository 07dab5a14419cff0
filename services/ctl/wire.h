/* wire.h - protobuf's wire form where the message's type is known only at run time: writers, and a reader over
 * common/packed.h. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/packed.h"

void wire_put_varint(struct buf *out, uint64_t value);
void wire_put_tag(struct buf *out, uint32_t field, enum packed_type type);
void wire_put_bytes(struct buf *out, uint32_t field, const void *bytes, size_t len);
void wire_put_fixed(struct buf *out, uint64_t value, size_t bytes);

/* Takes the next field from the front of `rest`. False at the end, and for bytes that are no message. */
bool wire_next(struct slice *rest, struct packed_field *ret);
