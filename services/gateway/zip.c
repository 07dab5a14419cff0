/* zip.c - zlib with a small window: 24 KiB of state instead of 256, kept between calls. */
#include "services/gateway/zip.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    GZIP = 16,        /* added to the window's bits */
    WINDOW_BITS = 12, /* 4 KiB */
    MEMORY_LEVEL = 5,
    LEVEL = 1,
    STEP = 16 * 1024,
};

int zip_unpack(const uint8_t *bytes, size_t len, struct buf *out)
{
    z_stream z = { .next_in = (Bytef *)bytes, .avail_in = (uInt)len };

    if (len > UINT32_MAX || inflateInit2(&z, 15 + GZIP) != Z_OK)
        return -ENOMEM;
    int r = 0, status = Z_OK;
    while (status == Z_OK) {
        size_t left = out->max - out->len;
        size_t step = left < STEP ? left : STEP;
        if (step == 0) {
            r = -EFBIG;
            break;
        }
        uint8_t *to = buf_reserve(out, step);
        if (!to) {
            r = -ENOMEM;
            break;
        }
        z.next_out = to;
        z.avail_out = (uInt)step;
        status = inflate(&z, Z_NO_FLUSH);
        out->len += step - z.avail_out;
        if (status == Z_OK && z.avail_in == 0 && z.avail_out)
            break; /* cut short */
    }
    if (r == 0 && (status != Z_STREAM_END || z.avail_in))
        r = -EBADMSG;
    (void)inflateEnd(&z); /* fails only for a stream that was never begun */
    return r;
}

struct zip {
    z_stream z;
    bool begun;
};

struct zip *zip_new(void)
{
    return calloc(1, sizeof(struct zip));
}

void zip_free(struct zip *z)
{
    if (z && z->begun)
        (void)deflateEnd(&z->z); /* as above */
    free(z);
}

int zip_pack(struct zip *z, const uint8_t *bytes, size_t len, struct buf *out)
{
    if (!z->begun && deflateInit2(&z->z, LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP, MEMORY_LEVEL,
                                  Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    z->begun = true;
    if (deflateReset(&z->z) != Z_OK || len > UINT32_MAX)
        return -ENOMEM;
    size_t room = deflateBound(&z->z, len);
    uint8_t *to = buf_reserve(out, room);
    if (!to)
        return -ENOMEM;
    z->z.next_in = (Bytef *)bytes;
    z->z.avail_in = (uInt)len;
    z->z.next_out = to;
    z->z.avail_out = (uInt)room;
    if (deflate(&z->z, Z_FINISH) != Z_STREAM_END)
        return -ENOMEM;
    out->len += room - z->z.avail_out;
    return 0;
}
