/* oidc_json.c - what strangers' JSON and text is read with, and forms are written with. Names that stand twice, NUL and what is not
 * UTF-8 are refused, so that whoever reads the same bytes after us reads the same. */
#include <cjose/util.h>
#include <errno.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "services/accounts/oidc_internal.h"

/* ---- memory that held secrets or somebody's name ---- */

static void wiping_free(void *p)
{
    if (p)
        sodium_memzero(p, malloc_usable_size(p));
    free(p);
}

static void *wiping_realloc(void *p, size_t size)
{
    void *larger = malloc(size);

    if (larger && p) {
        size_t had = malloc_usable_size(p);
        memcpy(larger, p, had < size ? had : size);
        wiping_free(p);
    }
    return larger;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int outcome;

/* libcjose hands the functions on to jansson, and to OpenSSL, which takes them unless it has allocated something before. */
static void set_up(void)
{
    outcome = sodium_init() < 0 ? -EIO : 0;
    cjose_set_alloc_funcs(malloc, wiping_realloc, wiping_free);
}

int oidc_json_ready(void)
{
    (void)pthread_once(&once, set_up); /* fails only for an uninitialised `once` */
    return outcome;
}

struct buf oidc_secret_buf(size_t max)
{
    struct buf b = BUF_INIT(max);

    if (!buf_reserve(&b, max))
        b.failed = true;
    return b;
}

void oidc_wipe(struct buf *secret)
{
    if (secret->data)
        sodium_memzero(secret->data, secret->room);
    buf_free(secret);
}

bool oidc_same(const char *a, const char *b)
{
    size_t len;

    if (!a || !b)
        return false;
    len = strlen(a);
    return len == strlen(b) && sodium_memcmp(a, b, len) == 0;
}

/* ---- JSON ---- */

json_t *oidc_json_object(struct slice text, size_t max)
{
    json_t *value;

    if (text.len == 0 || text.len > max)
        return NULL;
    value = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (value && !json_is_object(value)) {
        json_decref(value);
        value = NULL;
    }
    return value;
}

static bool is_text(const char *text, size_t max)
{
    size_t len = strlen(text);

    if (len == 0 || len > max)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

const char *oidc_json_text(const json_t *object, const char *name, size_t max)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text && is_text(text, max) ? text : NULL;
}

bool oidc_json_names(const json_t *object, const char *name, const char *text)
{
    const json_t *member = json_object_get(object, name), *each;
    size_t i;

    if (json_is_string(member))
        return strcmp(json_string_value(member), text) == 0;
    json_array_foreach(member, i, each) if (json_is_string(each) &&
                                            strcmp(json_string_value(each), text) == 0) return true;
    return false;
}

bool oidc_json_time(const json_t *object, const char *name, int64_t *ret_s)
{
    const json_t *member = json_object_get(object, name);
    double seconds = json_number_value(member);

    /* Past the year 9999 nothing means a time any more. */
    if (!json_is_number(member) || !(seconds >= 0 && seconds < 253402300800.0))
        return false;
    *ret_s = (int64_t)seconds;
    return true;
}

/* ---- text over the wire ---- */

uint8_t *oidc_unbase64(struct slice text, size_t *ret_len)
{
    uint8_t *bytes;
    ptrdiff_t len;

    if (memchr(text.data, '=', text.len) || !(bytes = malloc(base64_decoded_max(text.len))))
        return NULL;
    len = base64_decode(text, BASE64_URL, bytes);
    if (len < 0) {
        free(bytes);
        return NULL;
    }
    *ret_len = (size_t)len;
    return bytes;
}

void oidc_put_base64(struct buf *to, struct slice bytes)
{
    uint8_t *at = buf_reserve(to, base64_encoded_len(bytes.len));

    if (!at)
        return;
    uint8_t *end = base64_encode(at, bytes.data, bytes.len, false);
    for (uint8_t *p = at; p < end; p++)
        if (*p == '+' || *p == '/')
            *p = *p == '+' ? '-' : '_';
    to->len += (size_t)(end - at);
}

void oidc_put_encoded(struct buf *to, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= 'a' && *p <= 'z') || strchr("-._~", *p);
        if (plain) {
            buf_append_byte(to, *p);
        } else {
            buf_append_byte(to, '%');
            buf_append_byte(to, (uint8_t)digits[*p >> 4]);
            buf_append_byte(to, (uint8_t)digits[*p & 15]);
        }
    }
}

void oidc_put_parameter(struct buf *to, const char *name, const char *value)
{
    if (to->len > 0)
        buf_append_byte(to, '&');
    buf_append_str(to, name);
    buf_append_byte(to, '=');
    oidc_put_encoded(to, value);
}
