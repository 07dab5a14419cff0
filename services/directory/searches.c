/* searches.c - a table of fixed size. A text has a place in one of its sets, found by a keyed hash, so that nobody can choose texts that
 * crowd one set; when a set is full, the least asked for gives way, of equals the one not asked for the longest. */
#include "services/directory/searches.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/ustring.h>

#include "common/text.h"

enum {
    SETS = 512,
    PLACES = 8, /* of a set */
    DIGITS_MAX = 4,
    WORDS_MAX = 12,
};
#define KEPT_MS (30 * 24 * 3600 * (int64_t)1000)

struct place {
    char text[SEARCHES_TEXT_BYTES + 1]; /* "": free */
    uint32_t found;
    uint64_t asked; /* since it was last taken */
    int64_t first_ms, last_ms;
};

static struct {
    pthread_mutex_t lock;
    bool keyed;
    uint8_t key[crypto_shorthash_KEYBYTES];
    struct place places[SETS][PLACES];
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- which texts count ---- */

/* Digits of any script, and whatever is an at sign once it is normalised. */
static bool could_point_to_a_person(const char *text, size_t len)
{
    char plain[TEXT_CASEFOLD_MAX];
    UChar units[TEXT_CASEFOLD_MAX];
    UErrorCode status = U_ZERO_ERROR;
    int32_t n = 0, digits = 0;
    size_t plain_len = text_casefold(text, len, false, plain, sizeof(plain));
    u_strFromUTF8WithSub(units, TEXT_CASEFOLD_MAX, &n, plain, (int32_t)plain_len, 0xfffd, NULL,
                         &status);
    if (U_FAILURE(status))
        return true; /* what cannot be told does not count */
    for (int32_t i = 0; i < n; i++) {
        digits += u_isdigit(units[i]) ? 1 : 0;
        if (units[i] == '@' || digits > DIGITS_MAX)
            return true;
    }
    return false;
}

bool searches_text(struct arena *arena, const char *text, size_t len,
                   char ret[SEARCHES_TEXT_BYTES + 1])
{
    struct text_token *tokens;
    size_t n, at = 0;
    if (len > (size_t)SEARCHES_TEXT_CHARS * 4 || could_point_to_a_person(text, len) ||
        text_words(arena, text, len, WORDS_MAX + 1, &tokens, &n) < 0 || n == 0 || n > WORDS_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t word_len = strlen(tokens[i].word);
        if (at + 1 + word_len > SEARCHES_TEXT_BYTES)
            return false;
        if (i > 0)
            ret[at++] = ' ';
        memcpy(ret + at, tokens[i].word, word_len);
        at += word_len;
    }
    ret[at] = '\0';
    return text_length(ret) <= SEARCHES_TEXT_CHARS;
}

/* ---- the table; its lock is held ---- */

static struct place *find_place(const char *text)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint32_t number;
    if (!memory.keyed) {
        randombytes_buf(memory.key, sizeof(memory.key));
        memory.keyed = true;
    }
    crypto_shorthash(hash, (const uint8_t *)text, strlen(text), memory.key);
    memcpy(&number, hash, sizeof(number));
    struct place *set = memory.places[number % SETS], *least = &set[0];
    for (size_t i = 0; i < PLACES; i++) {
        struct place *p = &set[i];
        if (strcmp(p->text, text) == 0)
            return p;
        if (p->asked < least->asked || (p->asked == least->asked && p->last_ms < least->last_ms))
            least = p;
    }
    *least = (struct place) { 0 };
    return least;
}

void searches_count(struct arena *arena, const char *text, size_t len, uint64_t found,
                    int64_t now_ms)
{
    char words[SEARCHES_TEXT_BYTES + 1];
    if (!searches_text(arena, text, len, words))
        return;
    pthread_mutex_lock(&memory.lock);
    struct place *p = find_place(words);
    bool old = *p->text && now_ms - p->first_ms > KEPT_MS && p->asked < SEARCHES_LEAST;
    if (!*p->text || old) {
        *p = (struct place) { .first_ms = now_ms, .last_ms = now_ms - SEARCHES_ONCE_MS };
        memcpy(p->text, words, strlen(words) + 1);
    }
    if (searches_once_over(p->last_ms, now_ms)) {
        p->asked++;
        p->last_ms = now_ms;
        p->found = found < UINT32_MAX ? (uint32_t)found : UINT32_MAX;
    }
    pthread_mutex_unlock(&memory.lock);
}

/* ---- what is seen of it ---- */

static int by_count(const void *a, const void *b)
{
    const SearchedText *x = *(SearchedText *const *)a, *y = *(SearchedText *const *)b;
    if (x->asked != y->asked)
        return x->asked < y->asked ? 1 : -1;
    return strcmp(x->text, y->text);
}

void searches_sort(SearchedText **counts, size_t n)
{
    qsort(counts, n, sizeof(SearchedText *), by_count);
}

static struct place *place_at(size_t i)
{
    return &memory.places[i / PLACES][i % PLACES];
}

static SearchedText *copy_count(struct arena *arena, const struct place *p)
{
    SearchedText *count = arena_alloc(arena, sizeof(*count));
    char *text = arena_strdup(arena, p->text);
    if (!count || !text)
        return NULL;
    *count = (SearchedText)SEARCHED_TEXT_INIT;
    count->text = text;
    count->asked = p->asked;
    count->found = p->found;
    return count;
}

static int copy_often(struct arena *arena, SearchedText ***ret, size_t *ret_n)
{
    size_t n = 0;
    for (size_t i = 0; i < SETS * PLACES; i++)
        n += place_at(i)->asked >= SEARCHES_LEAST;
    SearchedText **counts = arena_calloc(arena, n + 1, sizeof(SearchedText *));
    if (!counts)
        return -ENOMEM;
    n = 0;
    for (size_t i = 0; i < SETS * PLACES; i++) {
        if (place_at(i)->asked < SEARCHES_LEAST)
            continue;
        counts[n] = copy_count(arena, place_at(i));
        if (!counts[n++])
            return -ENOMEM;
    }
    searches_sort(counts, n);
    *ret = counts;
    *ret_n = n;
    return 0;
}

int searches_often(struct arena *arena, SearchedText ***ret, size_t *ret_n)
{
    pthread_mutex_lock(&memory.lock);
    int r = copy_often(arena, ret, ret_n);
    pthread_mutex_unlock(&memory.lock);
    return r;
}

int searches_take(struct arena *arena, int64_t now_ms, SearchedText ***ret, size_t *ret_n)
{
    pthread_mutex_lock(&memory.lock);
    int r = copy_often(arena, ret, ret_n);
    if (r == 0 && *ret_n > SEARCHES_TAKEN_MAX)
        *ret_n = SEARCHES_TAKEN_MAX; /* the others are taken the next time */
    for (size_t i = 0; r == 0 && i < *ret_n; i++)
        *find_place((*ret)[i]->text) = (struct place) { 0 };
    for (size_t i = 0; i < SETS * PLACES; i++) {
        struct place *p = place_at(i);
        if (p->asked < SEARCHES_LEAST && now_ms - p->first_ms > KEPT_MS)
            *p = (struct place) { 0 };
    }
    pthread_mutex_unlock(&memory.lock);
    return r;
}

void searches_forget(void)
{
    pthread_mutex_lock(&memory.lock);
    memset(memory.places, 0, sizeof(memory.places));
    pthread_mutex_unlock(&memory.lock);
}

bool searches_chore(struct arena *arena, int64_t now_ms, struct chore *ret)
{
    static const RecordSearchesRequest nothing = RECORD_SEARCHES_REQUEST_INIT;
    RecordSearchesRequest *request = arena_memdup(arena, &nothing, sizeof(nothing));
    if (!request || searches_take(arena, now_ms, &request->counts, &request->n_counts) < 0 ||
        request->n_counts == 0)
        return false;
    *ret = (struct chore) { "fokus.directory.v1.DirectoryService/RecordSearches", &request->base };
    return true;
}
