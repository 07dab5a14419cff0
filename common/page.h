/* page.h - keyset pages: a token names the last key shown, so that a page goes on right after it whatever came or went meanwhile. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/key.h"
#include "common/status.h"

enum { PAGE_DEFAULT = 50 };

/* What a list goes on from. */
struct page {
    uint32_t size;
    struct key after; /* the last key of the page before; empty on the first page */
};

/* Reads size and token. `scope` says what the list is of; a token of another scope is a violation of page_token. True when all is well. */
bool page_read(uint32_t size, const char *token, const char *scope, struct page *ret,
               struct status *status) must_check;
/* The token that goes on after `last`. NULL past the arena's cap. */
char *page_token(struct arena *arena, const char *scope, struct slice last) must_check;
/* Where a scan begins: the first key after the page before. */
void page_start(const struct page *p, struct key *ret);
