/* format.h - the shapes of text that fokus.v1.StringFormat names. */
#pragma once
#include <stddef.h>

/* NULL when the text (valid UTF-8 without NUL) has the format, else what would be right: "must be a calendar date, ...".
 * `format` is a fokus.v1.StringFormat; an unknown number has no rules. */
const char *format_problem(int format, const char *text, size_t len);
