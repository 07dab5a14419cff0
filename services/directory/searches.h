/* searches.h - how often which text was searched for, in the memory of this process and nowhere else.
 *
 * Security: what somebody searched for says how they are. So a text leaves this memory only when it was asked for ten times: then
 * its count, not the asking, is recorded, and begins anew from nought. What was asked for less often is in no table, event, answer,
 * metric or line of the log, and is gone with the process, or after thirty days, or when the bounded table needs its place.
 *
 * The directory does not know who asks, on purpose; ten askings may be one person's. Therefore the same text counts once a second,
 * only the first page without filters counts (a person who leafs and narrows asks once), and what could point to a person does not
 * count at all: e-mail addresses, five digits or more (telephone and personal identity numbers), long texts. Nor do words of a
 * crisis, nor type-ahead: the callers see to that.
 *
 * Beside this the directory remembers only answers (answers.h) outside its store. All functions may be called by any thread. */
#pragma once
#include "services/directory/tables.h"

enum {
    SEARCHES_LEAST = 10,      /* askings, before anybody can see them */
    SEARCHES_TEXT_CHARS = 60, /* longer texts do not count */
    SEARCHES_TEXT_BYTES = 120,
    SEARCHES_TAKEN_MAX = 1000, /* at once, the most asked for */
    SEARCHES_ONCE_MS = 1000,   /* the same text counts once in this time */
};

/* The text as it is counted: its words in small letters with single spaces between. False: it does not count. */
bool searches_text(struct arena *arena, const char *text, size_t len,
                   char ret[SEARCHES_TEXT_BYTES + 1]) must_check;

/* Whether what last counted at `last_ms` counts again. A clock that was put back does not hold it up. */
static inline bool searches_once_over(int64_t last_ms, int64_t now_ms)
{
    return now_ms - last_ms >= SEARCHES_ONCE_MS || now_ms < last_ms;
}

/* Counts one asking, which found so many entries. */
void searches_count(struct arena *arena, const char *text, size_t len, uint64_t found,
                    int64_t now_ms);

/* Those asked for SEARCHES_LEAST times or more since they were last taken, the most asked for first. 0 or -ENOMEM. */
int searches_often(struct arena *arena, SearchedText ***ret, size_t *ret_n) must_check;
/* The same, and they begin anew. Forgets what has been here for long. */
int searches_take(struct arena *arena, int64_t now_ms, SearchedText ***ret,
                  size_t *ret_n) must_check;
/* Forgets everything: for tests. */
void searches_forget(void);

/* The most asked for first, then by text. */
void searches_sort(SearchedText **counts, size_t n);

/* What the service tells itself each hour and at its end (service.h): RecordSearches with what was taken. */
bool searches_chore(struct arena *arena, int64_t now_ms, struct chore *ret);
