/* answer.h - what queries of the search share: hits made of documents, stretches of text, help in a crisis. 0 or a negative errno. */
#pragma once
#include "services/directory/seek.h"

/* Bytes [start, end) of the text. NULL past the arena's cap. */
TextSpan *answer_span(struct arena *a, const char *text, uint32_t start, uint32_t end) must_check;
/* What of the text fits the query. */
int answer_highlight(const struct seek *s, const char *text, TextSpan ***ret,
                     size_t *ret_n) must_check;
/* The Swedish name, or the English one for who asks in English. */
char *answer_name(const struct seek *s, char *sv, char *en);
/* One entry as a hit, which is empty so far: what it shows, and with answer_fill() also what of it fits. */
int answer_show(const struct seek *s, const struct entry *e, SearchHit *hit) must_check;
int answer_fill(const struct seek *s, const struct entry *e, SearchHit *hit) must_check;
/* The page. */
int answer_hits(const struct seek *s, SearchHit ***ret, size_t *ret_n) must_check;
/* `*ret` stays as it is when the text speaks of no crisis. */
int answer_crisis(const struct query_in *in, const char *text, CrisisHelp **ret) must_check;

/* Whether nothing was found for the place asked for, or nothing at all; and what to try then (search_help.c). */
bool search_needs_help(const struct seek *s, const SearchDirectoryResponse *res);
int search_help(const struct seek *s, const SearchDirectoryRequest *req,
                SearchDirectoryResponse *res) must_check;
