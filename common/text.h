/* text.h - Swedish words for a search: cut out of any text, folded, stemmed, and compounds taken apart.
 *
 * A document and a query go through the same functions, so whatever these make of a word, both sides make the same of it:
 *
 *     text_tokens(a, bytes, len, 1000, &tokens, &n);         "Hälso- och sjukvården"
 *     tokens[2].word          "sjukvården"                   normalised (NFKC) and case folded
 *     tokens[2].folded        "sjukvarden"                   without diacritics as well
 *     tokens[2].stem          "sjukvård"                     any inflection gives the same
 *     tokens[2].folded_stem   "sjukvard"                     the same for who types no dots
 *     text_compound(a, tokens[2].word, ...)                  sjuk + vård
 *
 * The text may be hostile: bytes that are not UTF-8 separate words, a word counts with its first TEXT_WORD_MAX code points,
 * and the caller says how many words at most. Time is linear in the text; memory comes from the arena.
 *
 * Results end up in tables. They are a function of the text and of text_version(), which therefore belongs to the schema
 * number of every service that stores them. All functions may be called from any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/macros.h"

enum {
    TEXT_WORD_MAX = 64,                  /* code points of a word that count */
    TEXT_WORD_BYTES = TEXT_WORD_MAX * 4, /* bytes they take at most */
    TEXT_CASEFOLD_MAX = 512,             /* bytes that text_casefold() looks at */
    TEXT_PARTS_MAX = 12,                 /* smallest parts of a compound */
};

/* `folded_stem` is text_stem() of `folded`; it is also `stem` without its diacritics, but for one word in two hundred whose bare
 * letters spell another word ("öron" and "oron"). All strings are closed by NUL and live in the arena. Equal strings may be one
 * pointer: `folded == word` when the word has no diacritics, `folded_stem == stem` when they are equal, and so on. */
struct text_token {
    const char *word;
    const char *folded;
    const char *stem;
    const char *folded_stem;
    uint32_t start; /* the word as it stands in the text: bytes [start, end), for highlights */
    uint32_t end;
};

/* Cuts the text into words: runs of letters, digits and marks in any script. "S.P.E.S." is the one word "spes"; the ending in
 * "TLV:s" is dropped, though it lies within [start, end); hyphens separate. Stops after `max` words.
 * -ENOMEM past the arena's cap. */
int text_tokens(struct arena *a, const char *text, size_t len, size_t max, struct text_token **ret,
                size_t *ret_n) must_check;

/* The same, but fills in only `word`, `start` and `end`: for an index, which knows most words already. Several times quicker. */
int text_words(struct arena *a, const char *text, size_t len, size_t max, struct text_token **ret,
               size_t *ret_n) must_check;

/* A compound taken apart, or a part of it. The smallest parts (`leaf`) come first, in order; then, where there are three or
 * more, the runs of them that begin or end the word and are words of their own kind: bröst, cancer, förbund, bröstcancer,
 * cancerförbund. */
struct text_part {
    const char *
        word; /* in its base form, where a linking form was found: "hälsa" for the "hälso" of "hälsovård" */
    const char *folded;
    const char *stem;
    const char *folded_stem;
    uint16_t start; /* bytes [start, end) of the word, the linking letters included */
    uint16_t end;
    bool leaf;
};

/* Takes a word as in text_token.word (or .folded: someone may write no dots) apart. `*ret_n` is 0 when it is no compound,
 * or none that can be told. Some microseconds. -ENOMEM past the arena's cap. */
int text_compound(struct arena *a, const char *word, struct text_part **ret,
                  size_t *ret_n) must_check;

/* The stem of a word as in text_token.word or .folded. Returns its length; `ret` is closed by NUL. A word longer than
 * TEXT_WORD_BYTES is cut. */
size_t text_stem(const char *word, char ret[TEXT_WORD_BYTES + 1]);

/* Normalises (NFKC) and folds case, and with `diacritics` removes those too (å becomes a, ø o, æ ae). Keeps spaces and
 * punctuation. Looks at the first TEXT_CASEFOLD_MAX bytes. Writes at most `room` bytes, whole characters, without a NUL, and
 * returns how many: the one fold that names, keys and words share. */
size_t text_casefold(const char *text, size_t len, bool diacritics, char *to, size_t room);

/* Whether the word (as in text_token.word or .folded) is a dictionary word, in any inflection: such a word is rarely a typo. */
bool text_is_known(const char *word);

/* Whether it is a word of a Swedish region's or municipality's name: "västra", "göteborg", "jönköpings". */
bool text_is_place(const char *word);

/* Changes whenever a result of the above may: a digest of the lexicon, of what the stemmer does, and of ICU's version. */
uint32_t text_version(void);
