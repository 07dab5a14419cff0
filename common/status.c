/* status.c - refusals with their texts, and the story of a failure.
 *
 * Texts live in the status' arena. When the arena is spent the code still stands and the text falls back to a
 * constant: a refusal is never lost because its words could not be stored. What they quote may have been cut in the middle of
 * a character; a reply must be UTF-8, so that is mended here. */
#include "common/status.h"

#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

static const struct {
    const char *name;
    int http;
} codes[] = {
    [CODE_OK] = { "ok", 200 },
    [CODE_CANCELED] = { "canceled", 499 },
    [CODE_UNKNOWN] = { "unknown", 500 },
    [CODE_INVALID_ARGUMENT] = { "invalid_argument", 400 },
    [CODE_DEADLINE_EXCEEDED] = { "deadline_exceeded", 504 },
    [CODE_NOT_FOUND] = { "not_found", 404 },
    [CODE_ALREADY_EXISTS] = { "already_exists", 409 },
    [CODE_PERMISSION_DENIED] = { "permission_denied", 403 },
    [CODE_RESOURCE_EXHAUSTED] = { "resource_exhausted", 429 },
    [CODE_FAILED_PRECONDITION] = { "failed_precondition", 400 },
    [CODE_ABORTED] = { "aborted", 409 },
    [CODE_OUT_OF_RANGE] = { "out_of_range", 400 },
    [CODE_UNIMPLEMENTED] = { "unimplemented", 501 },
    [CODE_INTERNAL] = { "internal", 500 },
    [CODE_UNAVAILABLE] = { "unavailable", 503 },
    [CODE_DATA_LOSS] = { "data_loss", 500 },
    [CODE_UNAUTHENTICATED] = { "unauthenticated", 401 },
};

static const char no_memory[] = "the text of this refusal did not fit in the call's memory";

const char *code_name(enum code code)
{
    return (size_t)code < ARRAY_LEN(codes) ? codes[code].name : codes[CODE_UNKNOWN].name;
}

int code_http(enum code code)
{
    return (size_t)code < ARRAY_LEN(codes) ? codes[code].http : codes[CODE_UNKNOWN].http;
}

int status_refuse(struct status *s, enum code code, const char *format, ...)
{
    if (s->code != CODE_OK)
        return 0;
    va_list args;
    va_start(args, format);
    char *text = utf8_mend(arena_vprintf(s->arena, format, args));
    va_end(args);
    s->code = code;
    s->message = text ? text : no_memory;
    return 0;
}

/* The array has no room member: it is full whenever its length is zero or a power of two from 4 on. */
static struct violation *next_violation(struct status *s)
{
    size_t n = s->n_violations;
    bool full = n == 0 || (n >= 4 && (n & (n - 1)) == 0);
    if (full) {
        struct violation *more = arena_calloc(s->arena, n ? n * 2 : 4, sizeof(*more));
        if (!more)
            return NULL;
        if (n)
            memcpy(more, s->violations, n * sizeof(*more));
        s->violations = more;
    }
    return &s->violations[n];
}

int status_violation(struct status *s, const char *field, const char *format, ...)
{
    if (s->code == CODE_OK)
        s->code = CODE_INVALID_ARGUMENT;
    if (s->n_violations == STATUS_MAX_VIOLATIONS) {
        s->n_dropped++;
        return 0;
    }
    struct violation *v = next_violation(s);
    if (!v) {
        s->n_dropped++;
        return 0;
    }
    va_list args;
    va_start(args, format);
    char *text = utf8_mend(arena_vprintf(s->arena, format, args));
    va_end(args);
    char *path = utf8_mend(arena_strdup(s->arena, field));
    *v = (struct violation) { path ? path : "", text ? text : no_memory };
    s->n_violations++;
    return 0;
}

void status_finish(struct status *s)
{
    if (s->code == CODE_OK || (s->message && s->message[0]))
        return;
    if (s->n_violations == 0) {
        s->message = s->n_dropped ? no_memory : code_name(s->code);
        return;
    }
    const struct violation *first = &s->violations[0];
    size_t more = s->n_violations - 1 + s->n_dropped;
    const char *colon = first->field[0] ? ": " : "";
    char *text = more ? arena_printf(s->arena, "%s%s%s (and %zu more)", first->field, colon,
                                     first->description, more)
                      : arena_printf(s->arena, "%s%s%s", first->field, colon, first->description);
    s->message = text ? text : first->description;
}

int err_set(struct err *err, int errnum, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(err->text, sizeof(err->text), format, args); /* cut short is good enough */
        va_end(args);
    }
    return -errnum;
}
