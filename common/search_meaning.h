/* search_meaning.h - what the words of a query may mean: private to search_query.c, which has them found, and to search_meaning.c and
 * search_guess.c, which find. */
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
    bool counts[SEARCH_QUERY_WORDS];         /* whether the token is looked for, */
    bool tells[SEARCH_QUERY_WORDS];          /* and search_tells() */
};

/* Whether the word only says that an organisation is looked for. */
bool meaning_is_generic(const char *stem);
/* Whether the word only says who it is about, or that help is looked for, as "mamma", "vuxen" and "stöd" do. */
bool meaning_is_aside(const struct text_token *token);
/* Whether it only says that somebody needs help: of those aside, what an answer need not have. */
bool meaning_is_help(const struct text_token *token);
/* Whether the word says how what is before it stands to what follows: "cancer i magen". */
bool meaning_relates(const char *word);
/* Adds what phrases of the query are synonyms of to the groups of their words. */
int meaning_add_synonyms(struct query *q) must_check;
/* Adds what neighbours in the query are when written as one word. */
int meaning_add_runs(struct query *q) must_check;
/* Adds what words of the query with fillers between them are when written as one. */
int meaning_add_told_apart(struct query *q) must_check;
/* Adds to the group of token `at` the lists by which documents have it, or may. `unfinished`: more letters may follow. */
int meaning_find_word(struct query *q, size_t at, bool unfinished) must_check;

/* ---- for search_guess.c ---- */

/* Adds a list and its variants to the group, unless it is empty. */
int meaning_add_list(struct query *q, struct group *g, struct list l) must_check;
/* Remembers for highlights what documents may have matched by. */
int meaning_add_stem(struct query *q, const char *folded, size_t len, bool prefix) must_check;
/* Reads a word's list, and notes its stem if it is not empty. */
int meaning_read_word(struct query *q, const char *word, struct list *ret) must_check;
/* Adds what words that token `at` may have meant are synonyms of. */
int meaning_add_synonyms_like(struct query *q, size_t at, const struct candidate *c, size_t n,
                              float weight) must_check;
