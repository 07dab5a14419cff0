/* zip.h - gzip both ways. What comes in is bounded; what goes out is quick rather than small. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* Unpacks one gzip member. 0; -EBADMSG: it is none, or is cut short or has a tail; -EFBIG: it would not fit `out`. */
int zip_unpack(const uint8_t *bytes, size_t len, struct buf *out) must_check;

/* Packs. 0; -ENOMEM: send it as it is. */
struct zip;
struct zip *zip_new(void);
void zip_free(struct zip *z);
int zip_pack(struct zip *z, const uint8_t *bytes, size_t len, struct buf *out) must_check;
