/* sealed.c - seal.h over an arena. */
#include "common/sealed.h"

#include <errno.h>
#include <string.h>

int sealed_bytes(struct arena *arena, const struct seal_key *key, const struct seal_place *at,
                 struct slice bytes, ProtobufCBinaryData *ret)
{
    size_t size = bytes.len <= SEAL_MAX_BYTES ? seal_size(bytes.len) : 0;

    if (size == 0)
        return -EMSGSIZE;
    uint8_t *to = arena_alloc(arena, size);
    if (!to)
        return -ENOMEM;
    int r = seal_close(key, at, bytes, to);
    if (r == 0)
        *ret = (ProtobufCBinaryData) { size, to };
    return r;
}

int sealed_text(struct arena *arena, const struct seal_key *key, const struct seal_place *at,
                const char *text, ProtobufCBinaryData *ret)
{
    return sealed_bytes(arena, key, at, (struct slice) { (const uint8_t *)text, strlen(text) },
                        ret);
}

int opened_bytes(struct arena *arena, const struct seal_key *key, const struct seal_place *at,
                 ProtobufCBinaryData sealed, struct slice *ret)
{
    uint8_t *to = arena_alloc(arena, sealed.len + 1); /* and a NUL, for a text */
    size_t len;

    if (!to)
        return -ENOMEM;
    int r = seal_open(key, at, (struct slice) { sealed.data, sealed.len }, to, &len);
    if (r < 0)
        return r;
    to[len] = '\0';
    *ret = (struct slice) { to, len };
    return 0;
}

int opened_text(struct arena *arena, const struct seal_key *key, const struct seal_place *at,
                ProtobufCBinaryData sealed, char **ret)
{
    struct slice opened;

    int r = opened_bytes(arena, key, at, sealed, &opened);
    if (r < 0)
        return r;
    if (memchr(opened.data, '\0', opened.len))
        return -EBADMSG;
    *ret = (char *)opened.data; /* made above, in the caller's arena */
    return 0;
}
