/* text_stem.c - one stem for all inflections of a word.
 *
 * Snowball alone is not enough for Swedish: it leaves -et, -an and -na on ("förbundet", "flickan", "ägarna"), and knows no
 * vowel that changes ("händer"). So the lexicon brings a form to its base first; of a word it does not have, the longest end
 * that it has ("hyperhidros" + "föreningarna"). Snowball then finds what the base forms of related words have in common ("vård",
 * "vårda"); the compiler of the lexicon has asked it already. A word without diacritics finds its stem as well: the lexicon has
 * both spellings. */
#include <errno.h>
#include <libstemmer.h>
#include <pthread.h>
#include <string.h>

#include "common/lexicon.h"
#include "common/text_internal.h"

enum {
    TAIL_SHORT = 3, /* characters of an end that may decide about the whole word */
    TAIL_LONG = 5,  /* and of one that may whatever stands before it */
    HEAD_MIN = 3,   /* bytes before it */
};

/* A stemmer holds state, so each thread has its own; the key's destructor gives it back. */
static pthread_key_t stemmer_key;
static pthread_once_t key_made = PTHREAD_ONCE_INIT;
static bool has_key;

static void delete_stemmer(void *stemmer)
{
    sb_stemmer_delete(stemmer);
}

static void make_key(void)
{
    has_key = pthread_key_create(&stemmer_key, delete_stemmer) == 0;
}

static struct sb_stemmer *thread_stemmer(void)
{
    pthread_once(&key_made, make_key);
    if (!has_key)
        return NULL;
    struct sb_stemmer *stemmer = pthread_getspecific(stemmer_key);
    if (stemmer)
        return stemmer;
    stemmer = sb_stemmer_new("swedish", "UTF_8");
    if (stemmer && pthread_setspecific(stemmer_key, stemmer) != 0) {
        sb_stemmer_delete(stemmer);
        return NULL;
    }
    return stemmer;
}

/* Of a word that the lexicon has whole. */
static size_t whole_stem(const char *word, size_t len, char ret[TEXT_WORD_BYTES + 1])
{
    const struct lexicon_value *v = lexicon_find(word, len);
    if (!v || !(v->flags & (LEXICON_WORD | LEXICON_NAME)))
        return 0;
    return lexicon_edit(word, len, v->stem_strip, v->stem_add, ret, TEXT_WORD_BYTES + 1);
}

/* Whether an end of so many characters may decide about the whole: a short one only after something that may stand before it,
 * or "podcastar" would be a kind of "star". */
static bool may_decide(const char *word, size_t at, size_t characters)
{
    if (characters >= TAIL_LONG)
        return true;
    const struct lexicon_value *head = lexicon_find(word, at);
    return head &&
           head->flags & (LEXICON_FIRST | LEXICON_MIDDLE | LEXICON_WEAK_FIRST | LEXICON_WORD);
}

/* The same by the longest end of the word that may end a compound. */
static size_t tail_stem(const char *word, size_t len, char ret[TEXT_WORD_BYTES + 1])
{
    size_t characters = 0;
    for (size_t i = 0; i < len; i++)
        characters += ((unsigned char)word[i] & 0xc0) != 0x80;
    for (size_t at = 0; at < len && characters >= TAIL_SHORT; at++) {
        if (((unsigned char)word[at] & 0xc0) == 0x80)
            continue;
        const struct lexicon_value *v = at < HEAD_MIN ? NULL : lexicon_find(word + at, len - at);
        if (v && v->flags & (LEXICON_LAST | LEXICON_WEAK_LAST) &&
            !(v->flags & LEXICON_NEVER_LAST) && may_decide(word, at, characters))
            return lexicon_edit(word, len, v->stem_strip, v->stem_add, ret, TEXT_WORD_BYTES + 1);
        characters--;
    }
    return 0;
}

/* Snowball's, of a word that the lexicon knows nothing about. Without memory for a stemmer it is the word itself. */
static size_t plain_stem(const char *word, size_t len, char ret[TEXT_WORD_BYTES + 1])
{
    struct sb_stemmer *stemmer = thread_stemmer();

    if (len > 5 && memcmp(word + len - 4, "ellt", 4) == 0)
        len--; /* the t of the neuter, which Snowball leaves on -ell */
    const sb_symbol *stem =
        stemmer ? sb_stemmer_stem(stemmer, (const sb_symbol *)word, (int)len) : NULL;
    size_t n = stem ? (size_t)sb_stemmer_length(stemmer) : len;
    if (n > TEXT_WORD_BYTES)
        n = TEXT_WORD_BYTES;
    memcpy(ret, stem ? (const char *)stem : word, n);
    ret[n] = '\0';
    return n;
}

size_t text_stem(const char *word, char ret[TEXT_WORD_BYTES + 1])
{
    size_t len = strnlen(word, TEXT_WORD_BYTES);

    size_t n = whole_stem(word, len, ret);
    if (n == 0)
        n = tail_stem(word, len, ret);
    return n > 0 ? n : plain_stem(word, len, ret);
}

int text_make_forms(struct arena *a, const char *word, struct text_forms *ret)
{
    char bytes[TEXT_WORD_BYTES + 1];
    struct text_forms f = { .folded = word };

    size_t len = strlen(word), n = text_casefold(word, len, true, bytes, TEXT_WORD_BYTES);
    if (n != len || memcmp(bytes, word, n) != 0)
        f.folded = arena_strndup(a, bytes, n);
    if (!f.folded)
        return -ENOMEM;
    n = text_stem(word, bytes);
    f.stem = n == len && memcmp(bytes, word, n) == 0 ? word : arena_strndup(a, bytes, n);
    f.folded_stem = f.stem;
    if (f.folded != word) {
        n = text_stem(f.folded, bytes);
        if (strcmp(bytes, f.folded) == 0)
            f.folded_stem = f.folded;
        else if (!f.stem || strcmp(bytes, f.stem) != 0)
            f.folded_stem = arena_strndup(a, bytes, n);
    }
    if (!f.stem || !f.folded_stem)
        return -ENOMEM;
    *ret = f;
    return 0;
}

uint32_t text_stemmer_digest(void)
{
    /* Words that meet each rule of Snowball's Swedish stemmer. */
    static const char *const samples[] = {
        "flickornas",  "hemligheterna", "löparens",  "jaktkarlarne", "resandet",  "barnens",
        "vackrast",    "gjordes",       "löst",      "friskt",       "tidningar", "möjligen",
        "fullt",       "lampornas",     "klockor",   "sanningens",   "byggd",     "hoppades",
        "jämförandes", "arbetaren",     "vagnarnas",
    };
    struct sb_stemmer *stemmer = thread_stemmer();
    uint32_t h = 2166136261u;

    for (size_t i = 0; stemmer && i < ARRAY_LEN(samples); i++) {
        const sb_symbol *stem =
            sb_stemmer_stem(stemmer, (const sb_symbol *)samples[i], (int)strlen(samples[i]));
        for (int at = 0; stem && at < sb_stemmer_length(stemmer); at++)
            h = (h ^ stem[at]) * 16777619u;
        h = (h ^ '/') * 16777619u;
    }
    return h;
}
