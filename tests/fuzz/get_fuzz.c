/* get_fuzz.c - the query string of a GET call: percent escapes, base64, parameters; and headers that strangers write. */
#include <stdlib.h>
#include <string.h>

#include "services/gateway/connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct buf message = BUF_INIT(CONNECT_MAX_BODY);
    struct connect_get get;
    uint32_t ms;

    const struct refusal *why = connect_get_parse((const char *)data, len, &message, &get);
    if (!why && (get.encoding == ENCODING_NONE || message.len > len))
        abort(); /* decoding never makes longer */
    buf_free(&message);

    char *text = malloc(len + 1);
    if (!text)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    (void)connect_content_type(text);
    (void)connect_accepts_gzip(text);
    (void)connect_compression(text);
    (void)connect_timeout(text, &ms);
    (void)connect_etag_matches(text, "W/\"0123-4\"");
    struct buf path = BUF_INIT(CONNECT_MAX_BODY);
    connect_json_path(NULL, text, &path);
    buf_free(&path);
    free(text);
    return 0;
}
