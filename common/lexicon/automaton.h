/* automaton.h - builds a minimal acyclic automaton from words in sorted order, each with a value.
 *
 * After Daciuk et al., "Incremental construction of minimal acyclic finite-state automata": the path of the last word stays
 * open; what the next word cannot share is closed, and a node equal to one seen before is replaced by that one. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

struct automaton;

struct automaton *automaton_new(void);
void automaton_free(struct automaton *a);

/* Adds a word without NULs, longer than nothing, that sorts (as bytes) after all before it. -EINVAL when it does not,
 * -E2BIG when the automaton or the word is too large, -ENOMEM. */
int automaton_add(struct automaton *a, const char *word, uint32_t value) must_check;

/* Closes the automaton: edges as common/lexicon.h draws them, and the root's first. They belong to `a`. */
int automaton_finish(struct automaton *a, const uint32_t **ret_edges, uint32_t *ret_n,
                     uint32_t *ret_root) must_check;
