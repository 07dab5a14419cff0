/* crisis.c - finds words of crisis in a query. */
#include "services/directory/crisis.h"

#include <errno.h>
#include <string.h>

#include "common/text.h"

enum { IDENTITY_BYTES = KEY_MAX - 2 }; /* a text in a key is closed by two bytes */

int crisis_identity(struct arena *arena, const char *word, WordLanguage language, char **ret)
{
    bool english = language == WORD_LANGUAGE_EN;
    struct text_token *tokens;
    size_t n;
    int r = text_tokens(arena, word, strlen(word), CRISIS_PHRASE_WORDS + 1, &tokens, &n);
    if (r < 0)
        return r;
    if (n == 0 || n > CRISIS_PHRASE_WORDS)
        return -EINVAL;
    const char *identity = english ? "en" : "sv";
    for (size_t i = 0; identity && i < n; i++)
        identity = arena_printf(arena, "%s %s", identity,
                                english ? tokens[i].folded : tokens[i].folded_stem);
    if (!identity)
        return -ENOMEM;
    if (strlen(identity) > IDENTITY_BYTES)
        return -EINVAL;
    *ret = (char *)identity;
    return 0;
}
