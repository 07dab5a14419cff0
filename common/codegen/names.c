/* names.c - how protobuf-c and we spell things in C.
 *
 * protobuf-c's rules (c_helpers.cc of 1.4.1) are repeated here: a generated name that drifts from them is a compile error
 * in the generated code, never a silent mistake. */
#include "common/codegen/codegen.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *text(const char *format, ...)
{
    va_list args;
    char *ret = NULL;

    va_start(args, format);
    if (vasprintf(&ret, format, args) < 0)
        abort(); /* Without memory there is nothing left to say. */
    va_end(args);
    return ret;
}

void *zeroed(size_t count, size_t size)
{
    void *ret = calloc(count ? count : 1, size);

    if (!ret)
        abort();
    return ret;
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* protobuf-c puts an underscore before a capital that follows anything but a capital. */
static char *snake(const char *camel, int (*letter)(int))
{
    char *ret = zeroed(2 * strlen(camel) + 1, 1), *out = ret;
    bool was_upper = true;

    for (const char *c = camel; *c; c++) {
        if (is_upper(*c) && !was_upper)
            *out++ = '_';
        *out++ = (char)letter((unsigned char)*c);
        was_upper = is_upper(*c);
    }
    return ret;
}

char *lower_snake(const char *camel)
{
    return snake(camel, tolower);
}

char *upper_snake(const char *camel)
{
    return snake(camel, toupper);
}

char *upper(const char *s)
{
    char *ret = text("%s", s);

    for (char *c = ret; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return ret;
}

char *pascal(const char *snake_text)
{
    char *ret = zeroed(strlen(snake_text) + 1, 1), *out = ret;
    bool first = true;

    for (const char *c = snake_text; *c; c++) {
        if (*c != '_')
            *out++ = first ? (char)toupper((unsigned char)*c) : *c;
        first = *c == '_';
    }
    return ret;
}

/* Spells each part of a dotted name and joins them with two underscores. */
static char *spell(const char *full, char *(*part)(const char *))
{
    char *ret = text("%s", ""), *rest = text("%s", full[0] == '.' ? full + 1 : full), *word;

    while ((word = strsep(&rest, ".")))
        ret = text("%s%s%s", ret, *ret ? "__" : "", part(word));
    return ret;
}

char *pb_type(const char *full)
{
    return spell(full, pascal);
}

char *pb_constant(const char *full)
{
    return spell(full, upper_snake);
}

char *pb_function(const char *full)
{
    return spell(full, lower_snake);
}

char *package_word(const char *package)
{
    char *rest = text("%s", package), *word, *before = NULL, *last = NULL;

    while ((word = strsep(&rest, "."))) {
        before = last;
        last = word;
    }
    return before ? before : last;
}

char *file_base(const FileProto *file)
{
    size_t len = strlen(file->name);

    if (len > 6 && strcmp(file->name + len - 6, ".proto") == 0)
        len -= 6;
    return text("%.*s", (int)len, file->name);
}
