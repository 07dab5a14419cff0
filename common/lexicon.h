/* lexicon.h - the Swedish words that the build compiled into the program: which there are, what they are inflections of, and
 * where they may stand in a compound.
 *
 * One minimal automaton over the UTF-8 bytes of every form, case folded, made by common/lexicon from Debian's hunspell-sv.
 * It is read-only and backed by the program's file: it costs pages of cache, no heap. A word that has diacritics is in it
 * twice, the second time without them, unless that is another word. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lexicon_flag {
    LEXICON_WORD = 1,   /* stands alone: a dictionary word, in any inflection */
    LEXICON_FIRST = 2,  /* may begin a compound, with its linking letters: "ungdoms", "hälso" */
    LEXICON_MIDDLE = 4, /* may stand inside one */
    LEXICON_LAST = 8,   /* may end one, in any inflection */
    LEXICON_NAME = 16,  /* a proper name */
    LEXICON_PLACE = 32, /* a word of a region's or municipality's name */
    LEXICON_TAIL =
        64, /* may end a compound whose first part nobody knows: "addison" + "föreningen" */
    LEXICON_NEVER_FIRST = 128, /* a particle or prefix: "ut" makes no compound of "utbildning" */
    LEXICON_NEVER_LAST =
        256, /* a suffix that looks like a word: "dom" makes no compound of "sjukdom" */
    LEXICON_SHORT_FIRST = 512, /* two letters, but a word that compounds begin with: "el" */
    LEXICON_WEAK_FIRST =
        1024, /* not so in the dictionary, but it is the first part of other words there */
    LEXICON_WEAK_LAST = 2048, /* likewise the last part */
};

/* A form's properties. An edit says: strip so many bytes, then append that string. */
struct lexicon_value {
    uint16_t flags;
    uint8_t lemma_strip; /* to the base form of an inflection */
    uint8_t lemma_add;
    uint8_t base_strip; /* to the base form of a linking form */
    uint8_t base_add;
    uint8_t
        stem_strip; /* to the stem: Snowball's of the base form, diacritics taken away afterwards where the form has none */
    uint8_t stem_add;
};

/* ---- the table: a header, then edges, values and strings ----
 *
 * An edge is label << 24 | last sibling << 23 | the first edge of the node it leads to. Siblings are sorted by label. The
 * label 0 ends a word and leads to its value. Strings have LEXICON_ADD_BYTES each, padded with NULs; number 0 is empty. */
enum { LEXICON_ADD_BYTES = 12, LEXICON_LAST_SIBLING = 1 << 23, LEXICON_TARGET = (1 << 23) - 1 };

struct lexicon_header {
    uint32_t digest; /* of all that follows, and of the format */
    uint32_t root;
    uint32_t n_edges;
    uint32_t n_values;
    uint32_t n_strings;
};

/* ---- reading ---- */

/* A walk begins at lexicon_root(). Moves along one byte; false when no word goes on so. */
uint32_t lexicon_root(void);
bool lexicon_step(uint32_t *node, uint8_t byte);
/* The properties of the word that ends at this node, or NULL. */
const struct lexicon_value *lexicon_value_at(uint32_t node);

const struct lexicon_value *lexicon_find(const char *word, size_t len);

/* Writes the form edited into `to`, which has room for `size` bytes, closed by NUL. Returns the length, or 0 without room. */
size_t lexicon_edit(const char *form, size_t len, uint8_t strip, uint8_t add, char *to,
                    size_t size);

uint32_t lexicon_digest(void);
