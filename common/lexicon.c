/* lexicon.c - reads the automaton that common/lexicon compiled. The bytes are part of the program: they are trusted as its
 * code is, and lexicon_table.c puts them there. */
#include "common/lexicon.h"

#include <string.h>

extern const uint32_t fokus_lexicon[]; /* lexicon_table.c; aligned for all that is in it */

static const struct lexicon_header *header(void)
{
    return (const struct lexicon_header *)fokus_lexicon;
}

static const uint32_t *edges(void)
{
    return fokus_lexicon + sizeof(struct lexicon_header) / sizeof(uint32_t);
}

static const struct lexicon_value *values(void)
{
    return (const struct lexicon_value *)(edges() + header()->n_edges);
}

static const char *string_at(uint8_t number)
{
    return (const char *)(values() + header()->n_values) + (size_t)number * LEXICON_ADD_BYTES;
}

uint32_t lexicon_root(void)
{
    return header()->root;
}

bool lexicon_step(uint32_t *node, uint8_t byte)
{
    const uint32_t *edge = edges() + *node, label = (uint32_t)byte << 24;

    /* Four at a time; what follows the last edges are values. */
    while (edge[3] < label && !((edge[0] | edge[1] | edge[2] | edge[3]) & LEXICON_LAST_SIBLING))
        edge += 4;
    while (*edge < label && !(*edge & LEXICON_LAST_SIBLING))
        edge++;
    if (*edge >> 24 != byte)
        return false;
    *node = *edge & LEXICON_TARGET;
    return true;
}

const struct lexicon_value *lexicon_value_at(uint32_t node)
{
    uint32_t edge = edges()[node];

    return edge >> 24 == 0 ? values() + (edge & LEXICON_TARGET) : NULL;
}

const struct lexicon_value *lexicon_find(const char *word, size_t len)
{
    uint32_t node = lexicon_root();

    for (size_t i = 0; i < len; i++) {
        if (word[i] == '\0' || !lexicon_step(&node, (uint8_t)word[i]))
            return NULL;
    }
    return lexicon_value_at(node);
}

size_t lexicon_edit(const char *form, size_t len, uint8_t strip, uint8_t add, char *to, size_t size)
{
    const char *end = string_at(add);
    size_t keep = len - strip, n = strnlen(end, LEXICON_ADD_BYTES);

    if (strip > len || keep + n >= size)
        return 0;
    memcpy(to, form, keep);
    memcpy(to + keep, end, n);
    to[keep + n] = '\0';
    return keep + n;
}

uint32_t lexicon_digest(void)
{
    return header()->digest;
}
