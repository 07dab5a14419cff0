/* testing_tree.h - for tests only: takes a temporary folder away with all that is in it. */
#pragma once
#include <ftw.h>
#include <stdio.h>

static inline int testing_remove_entry(const char *path, const struct stat *st, int type,
                                       struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* 0, or -1 with errno. */
static inline int testing_remove_tree(const char *path)
{
    return nftw(path, testing_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
