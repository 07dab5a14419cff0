/* crisis.h - somebody in a crisis: which words say so, and the help that is shown above every result.
 *
 * The words are data (CrisisWord), reviewed by editors and imported like any other. A query of crisis is never counted and
 * never logged. */
#pragma once
#include "services/directory/tables.h"

enum { CRISIS_PHRASE_WORDS = 6 };

/* What tells one word or phrase of crisis from another: the language and the words' stems without dots, of other languages the words
 * themselves. -EINVAL: it holds no word, or more than CRISIS_PHRASE_WORDS, or too long ones. */
int crisis_identity(struct arena *arena, const char *word, WordLanguage language,
                    char **ret) must_check;

/* The helplines for whoever writes this text, 112 first, then 1177, then those for the matter, the longest phrase first. None when
 * nothing in the text speaks of a crisis. The text may be any bytes; the work is bounded. */
int crisis_help(const struct rd *rd, struct arena *arena, const char *text, size_t len,
                Helpline ***ret, size_t *ret_n) must_check;
