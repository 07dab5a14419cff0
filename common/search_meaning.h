/* search_meaning.h - what the words of a query may mean: private to search_query.c, which has them found, and search_meaning.c,
 * which finds. */
#pragma once
#include "common/search_lists.h"

struct query {
    struct lists lists;
    struct arena *arena; /* the result's */
    const struct search_request *request;
    struct search_result *result;
    struct dictionary_budget dictionary;
    struct text_token *tokens;
    size_t n_tokens;
    struct group groups[SEARCH_QUERY_WORDS]; /* of the tokens */
    bool counts[SEARCH_QUERY_WORDS];         /* whether the token is looked for */
};

/* Whether the word only says that an organisation is looked for. */
bool meaning_is_generic(const struct text_token *token);
/* Adds what phrases of the query are synonyms of to the groups of their words. */
int meaning_add_synonyms(struct query *q) must_check;
/* Adds what neighbours in the query are when written as one word. */
int meaning_add_runs(struct query *q) must_check;
/* Adds to the group of token `at` the lists by which documents have it, or may. `unfinished`: more letters may follow. */
int meaning_find_word(struct query *q, size_t at, bool unfinished) must_check;
