/* crisis.h - somebody in a crisis: which words say so, and the help that is shown above every result.
 *
 * The words are data (CrisisWord), reviewed by editors and imported like any other. A query of crisis is never counted and
 * never logged. */
#pragma once
#include "services/directory/tables.h"

enum { CRISIS_PHRASE_WORDS = 6 };

/* What tells one word or phrase of crisis from another: the language and the words' stems without dots, of English ones the words
 * themselves. -EINVAL: it holds no word, or more than CRISIS_PHRASE_WORDS, or too long ones. */
int crisis_identity(struct arena *arena, const char *word, WordLanguage language,
                    char **ret) must_check;
