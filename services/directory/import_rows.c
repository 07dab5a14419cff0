/* import_rows.c - the one loop of all imports of reference data: all rows are stored or none, every mistake is reported by row and
 * column, a row that says what is known already changes nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/directory/reference.h"

struct named_row {
    const char *identity;
    size_t index;
};

static int by_identity(const void *a, const void *b)
{
    const struct named_row *x = a, *y = b;
    int order = strcmp(x->identity, y->identity);
    if (order != 0)
        return order;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* For each row the index of the first row with the same identity. 0 or -ENOMEM. */
static int find_repeats(struct arena *arena, const char *const *identities, size_t n, size_t *first)
{
    struct named_row *rows = arena_calloc(arena, n ? n : 1, sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct named_row) { .identity = identities[i], .index = i };
    qsort(rows, n, sizeof(*rows), by_identity);
    for (size_t i = 0; i < n; i++) {
        bool same = i > 0 && strcmp(rows[i].identity, rows[i - 1].identity) == 0;
        first[rows[i].index] = same ? first[rows[i - 1].index] : rows[i].index;
    }
    return 0;
}

/* Counts the row as new, changed or the same; sets *ret_store when it is to be recorded. */
static int compare_row(const struct decide_in *in, const struct reference *kind, void *row,
                       const char *identity, struct import *import, bool *ret_store)
{
    struct key k = KEY_INIT;
    if (kind->key)
        kind->key(row, &k);
    else
        key_text(&k, identity);
    void *old = NULL;
    int r = rd_get(in->state, kind->table, &k, &old);
    bool known = r == 0, withdraws = kind->withdraws && kind->withdraws(row);
    if (r < 0 && r != -ENOENT)
        return r;
    if (withdraws) {
        *ret_store = known;
        import->revised += known;
        import->unchanged += !known;
        return 0;
    }
    if (!known) {
        import->registered++;
        *ret_store = true;
        return 0;
    }
    if (kind->keep)
        kind->keep(row, old);
    char **changed;
    size_t n_changed;
    r = changed_fields(in->arena, old, row, &changed, &n_changed);
    if (r < 0)
        return r;
    *ret_store = n_changed > 0;
    if (*ret_store)
        import->revised++;
    else
        import->unchanged++;
    return 0;
}

int import_rows(const struct decide_in *in, const struct reference *kind, void **rows, size_t n,
                bool dry_run, struct import *import, struct outcome *out)
{
    *import = (struct import) { .arena = in->arena };
    const char **identities = arena_calloc(in->arena, n ? n : 1, sizeof(*identities));
    size_t *first = arena_calloc(in->arena, n ? n : 1, sizeof(*first));
    bool *store = arena_calloc(in->arena, n ? n : 1, sizeof(*store));
    if (!identities || !first || !store)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        identities[i] = kind->identity(in->arena, rows[i]);
        if (!identities[i])
            return -ENOMEM;
    }
    int r = find_repeats(in->arena, identities, n, first);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct complaints c = { .import = import, .row = (uint32_t)i + 1 };
        if (first[i] != i)
            complain(&c, kind->key_field, "row %zu is about the same", first[i] + 1);
        kind->check(in->state, rows[i], &c);
        if (c.count == 0)
            r = compare_row(in, kind, rows[i], identities[i], import, &store[i]);
    }
    if (r == 0 && import->out_of_memory)
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && import->n_reports == 0 && !dry_run && i < n; i++) {
        if (store[i])
            r = kind->emit(out, identities[i], rows[i]);
    }
    return r;
}

/* ---- checks that several kinds share ---- */

void need_codes(struct complaints *c, const char *field, char *const *codes, size_t n,
                size_t digits)
{
    for (size_t i = 0; i < n; i++) {
        if (!text_is_digits(codes[i], digits))
            complain(c, field, "'%.40s' is no code of %zu digits", codes[i], digits);
    }
}

void need_known(const struct rd *rd, struct complaints *c, const char *field, const struct table *t,
                const char *what, const char *key)
{
    if (!rd_has(rd, t, KEY_TEXT(key)))
        complain(c, field, "there is no %s '%.100s'; import those first", what, key);
}
