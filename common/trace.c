/* trace.c - log lines, made on the stack and written with one write(2) each, so that lines of several threads never mix.
 *
 * A line has room for its fixed parts always; long values are cut. When many calls fail at once, a hundred lines a
 * second tell the story and the rest is counted. */
#include "common/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/status.h"
#include "common/utf8.h"

enum {
    LINE_MAX_BYTES = 4096,
    VALUE_MAX = 512,
    SLOW_US = 250000,
    CALL_LINES_PER_SECOND = 100,
};

/* Set once by trace_init(), before there are threads. */
static struct {
    const char *service;
    enum trace_level level;
    bool journal;
} settings = { .service = "", .level = TRACE_INFO };

/* The journal says which stream it reads; only then do priorities make sense. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static const char *level_name(enum trace_level level)
{
    switch (level) {
    case TRACE_ERROR:
        return "error";
    case TRACE_WARNING:
        return "warning";
    case TRACE_INFO:
        return "info";
    case TRACE_DEBUG:
        return "debug";
    }
    return "info";
}

void trace_init(const char *service)
{
    static const enum trace_level levels[] = { TRACE_ERROR, TRACE_WARNING, TRACE_INFO,
                                               TRACE_DEBUG };
    const char *wanted = getenv("FOKUS_LOG");

    settings.service = service;
    settings.journal = stderr_is_journal();
    settings.level = TRACE_INFO;
    for (size_t i = 0; wanted && i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(wanted, level_name(levels[i])) == 0)
            settings.level = levels[i];
    }
}

/* ---- a line ---- */

struct line {
    size_t len;
    char text[LINE_MAX_BYTES];
};

/* What does not fit is left out; room for the end of the line (`"}` and a line feed) is always kept. */
static bool line_add(struct line *l, const char *text, size_t len)
{
    if (len > sizeof(l->text) - 4 - l->len)
        return false;
    memcpy(l->text + l->len, text, len);
    l->len += len;
    return true;
}

/* One character as JSON; returns how many bytes of the text it took, 0 when the line is full. */
static size_t line_character(struct line *l, const unsigned char *c)
{
    char escape[8];
    size_t len = *c < 0x80 ? 1 : utf8_sequence(c, c + strnlen((const char *)c, 4));

    if (len == 0)
        return line_add(l, "\xef\xbf\xbd", 3) ? 1 : 0;
    if (*c == '"' || *c == '\\')
        return line_add(l, (const char[]) { '\\', (char)*c }, 2) ? 1 : 0;
    if (*c < 0x20) {
        (void)snprintf(escape, sizeof(escape), "\\u%04x", *c); /* always fits */
        return line_add(l, escape, 6) ? 1 : 0;
    }
    return line_add(l, (const char *)c, len) ? len : 0;
}

/* A pair is begun only where its name fits; a long value is cut between characters. */
static void line_pair(struct line *l, const char *name, const char *value)
{
    const unsigned char *c = (const unsigned char *)value, *end = c + VALUE_MAX;
    const char *comma = l->text[l->len - 1] == '{' ? "" : ",";
    char start[64];

    (void)snprintf(start, sizeof(start), "%s\"%.40s\":\"", comma, name); /* always fits */
    if (!line_add(l, start, strlen(start)))
        return;
    for (size_t taken = 1; *c && c < end && taken > 0; c += taken)
        taken = line_character(l, c);
    l->text[l->len++] = '"';
}

static void line_millis(struct line *l, const char *name, uint64_t micros)
{
    char text[80];

    (void)snprintf(text, sizeof(text), ",\"%.40s\":%llu.%03u", name,
                   (unsigned long long)(micros / 1000),
                   (unsigned)(micros % 1000)); /* always fits */
    (void)line_add(l, text, strlen(text));     /* left out of a full line, as any pair */
}

static void line_begin(struct line *l, enum trace_level level, const char *message)
{
    struct timespec now = { 0 };
    struct tm utc = { 0 };
    char ts[40];

    l->len = 0;
    if (settings.journal)
        (void)line_add(l, (const char[]) { '<', (char)('0' + (int)level), '>' }, 3); /* empty */
    (void)line_add(l, "{", 1);                 /* the line is empty */
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    (void)gmtime_r(&now.tv_sec, &utc);         /* cannot fail for a year of this age */
    size_t n = strftime(ts, sizeof(ts), "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(ts + n, sizeof(ts) - n, ".%03uZ",
                   (unsigned)(now.tv_nsec / 1000000) % 1000); /* always fits */
    line_pair(l, "ts", ts);
    line_pair(l, "level", level_name(level));
    line_pair(l, "svc", settings.service);
    line_pair(l, "msg", message);
}

static void line_write(struct line *l)
{
    memcpy(l->text + l->len, "}\n", 2);
    l->len += 2;
    /* There is nowhere to say that stderr is gone. */
    while (write(STDERR_FILENO, l->text, l->len) < 0 && errno == EINTR)
        ;
}

void trace_log(enum trace_level level, const char *message, ...)
{
    struct line l;
    va_list pairs;

    if (level > settings.level)
        return;
    line_begin(&l, level, message);
    va_start(pairs, message);
    for (const char *name; (name = va_arg(pairs, const char *));) {
        const char *value = va_arg(pairs, const char *);
        line_pair(&l, name, value ? value : "");
    }
    va_end(pairs);
    line_write(&l);
}

/* ---- calls ---- */

static bool our_fault(int code)
{
    return code == CODE_UNKNOWN || code == CODE_INTERNAL || code == CODE_UNAVAILABLE ||
           code == CODE_DATA_LOSS;
}

/* Whether this second still has room for a line; says how many were left out in the last one that had not. */
static bool line_allowed(void)
{
    static _Atomic int64_t second;
    static _Atomic unsigned written, left_out;
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* cannot fail */
    if (atomic_exchange(&second, now.tv_sec) != now.tv_sec) {
        atomic_store(&written, 0);
        unsigned n = atomic_exchange(&left_out, 0);
        char count[16];
        (void)snprintf(count, sizeof(count), "%u", n); /* always fits */
        if (n > 0)
            trace_log(TRACE_WARNING, "lines about calls were left out", "count", count, NULL);
    }
    if (atomic_fetch_add(&written, 1) < CALL_LINES_PER_SECOND)
        return true;
    atomic_fetch_add(&left_out, 1);
    return false;
}

void trace_call(const struct trace_call *call)
{
    bool notable = our_fault(call->code) || call->micros > SLOW_US;
    enum trace_level level = notable ? TRACE_INFO : TRACE_DEBUG;
    struct line l;
    char id[33];

    if (level > settings.level || (level == TRACE_INFO && !line_allowed()))
        return;
    line_begin(&l, level, "call");
    line_pair(&l, "rpc", call->method ? call->method : "unknown");
    line_pair(&l, "code", code_name((enum code)call->code));
    line_millis(&l, "dur_ms", call->micros);
    (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)call->call_id); /* always fits */
    line_pair(&l, "call_id", id);
    if (trace_parent_valid(call->traceparent)) {
        (void)snprintf(id, sizeof(id), "%.32s", call->traceparent + 3); /* always fits */
        line_pair(&l, "trace_id", id);
        (void)snprintf(id, sizeof(id), "%.16s", call->traceparent + 36); /* always fits */
        line_pair(&l, "span_id", id);
    }
    line_write(&l);
}

/* ---- W3C trace context ---- */

/* Whether `len` characters are lower-case hexadecimal; `ret_zero` says whether all are 0. */
static bool is_hex(const char *text, size_t len, bool *ret_zero)
{
    bool zero = true;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        zero = zero && c == '0';
    }
    *ret_zero = zero;
    return true;
}

int trace_parent_valid(const char *text)
{
    bool zero, trace_zero, span_zero;

    if (!text || strnlen(text, TRACE_PARENT_CHARS) < TRACE_PARENT_CHARS)
        return 0;
    if (!is_hex(text, 2, &zero) || strncmp(text, "ff", 2) == 0)
        return 0;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-')
        return 0;
    if (!is_hex(text + 3, 32, &trace_zero) || !is_hex(text + 36, 16, &span_zero) ||
        !is_hex(text + 53, 2, &zero))
        return 0;
    if (trace_zero || span_zero)
        return 0;
    char after = text[TRACE_PARENT_CHARS];
    return after == '\0' || (after == '-' && strncmp(text, "00", 2) != 0);
}

/* Random bytes come in pools: a system call for each id would show in every call's time. */
static void random_bytes(unsigned char *to, size_t len)
{
    static _Thread_local unsigned char pool[256];
    static _Thread_local size_t left;

    if (left < len) {
        /* Up to 256 bytes come whole once the system is up; an all-zero id would be invalid. */
        if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
            pool[0] |= 1;
        left = sizeof(pool);
    }
    left -= len;
    memcpy(to, pool + left, len);
}

static void random_hex(char *to, size_t chars)
{
    unsigned char bytes[16] = { 0 };
    bool zero;

    do {
        random_bytes(bytes, chars / 2);
        for (size_t i = 0; i < chars; i++)
            to[i] = "0123456789abcdef"[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
    } while (!is_hex(to, chars, &zero) || zero);
}

void trace_parent_next(const char *parent, char ret[TRACE_PARENT_CHARS + 1])
{
    char next[TRACE_PARENT_CHARS + 1] = "00-                                -                -02";

    if (trace_parent_valid(parent)) {
        memcpy(next + 3, parent + 3, 32);
        /* Of the flags only sampled and random are known; the rest must not be passed on. */
        char low = parent[54];
        int value = low <= '9' ? low - '0' : low - 'a' + 10;
        next[54] = (char)('0' + (value & 3));
    } else {
        random_hex(next + 3, 32);
    }
    random_hex(next + 36, 16);
    memcpy(ret, next, sizeof(next));
}
