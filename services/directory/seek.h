/* seek.h - what a query is taken to ask for, and the documents that answer it in order: between the words of common/search and what
 * the directory knows of places, areas and names. */
#pragma once
#include "services/directory/findable.h"
#include "services/directory/place.h"

struct seek {
    const struct query_in *in;
    const char *text; /* as written */
    size_t len;
    struct text_token *tokens; /* of the first SEARCH_QUERY_BYTES */
    size_t n_tokens;
    struct place places[PLACES_MAX];
    size_t n_places;
    bool overridden; /* the filter names a place itself: those of the text only leave the words */
    const char
        *words; /* the text with blanks where the places stand, so that bytes are where they were */
    struct search_result result;
    struct search_hit *hits; /* the page */
    size_t n_hits;
};

struct seek_request {
    const char *text;
    const SearchFilter *filter; /* NULL: no limits */
    char *const *plain_words;
    size_t n_plain_words;
    uint32_t limit, offset;
    bool counts;       /* also by type, kind, level, region and care area */
    bool leave_places; /* places narrow nothing: what there is elsewhere */
};

/* 0, or a negative errno as of search_query(). */
int seek(const struct query_in *in, const struct seek_request *request,
         struct seek *ret) must_check;
