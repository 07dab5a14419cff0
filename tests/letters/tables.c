#include "tests/letters/tables.h"

#include <errno.h>
#include <string.h>

const struct table writers_table = { "writers", WRITER_DESCRIPTOR };
const struct table letters_table = { "letters", LETTER_DESCRIPTOR };
const struct table outbox_table = { "outbox", NULL };
const struct seal_place letters_address = { "address", "" };
const struct seal_place letters_name = { "name", "" };

static const struct table *const tables[] = { &writers_table, &letters_table, &outbox_table, NULL };
static const struct table *const slots[] = { &writers_table, NULL };

/* Each letter's own, so that none can be put in another's place. */
struct seal_place letters_text(const char *letter)
{
    return (struct seal_place) { "text", letter };
}

struct key *letter_key(struct key *k, const char *writer, const char *letter)
{
    return key_text(key_text(k, writer), letter);
}

const struct service_def letters_service = {
    .name = "letters",
    .schema = 1,
    .contract = &letters_contract,
    .tables = tables,
    .apply = letters_apply,
    .effect = &letters_posting,
    .personal = true,
    .slots = slots,
    .export_person = letters_export_person,
    .erase_person = letters_erase_person,
};

int writer_find(const struct rd *rd, const char *id, Writer **ret)
{
    struct key k = KEY_INIT;

    return rd_get(rd, &writers_table, key_text(&k, id), ret);
}

int letter_find(const struct rd *rd, const char *writer, const char *id, Letter **ret)
{
    struct key k = KEY_INIT;

    return rd_get(rd, &letters_table, letter_key(&k, writer, id), ret);
}

int writer_with_address(const struct rd *rd, struct arena *arena, struct vault *vault,
                        struct seal_key *key, const char *address, Writer **ret,
                        const char **ret_stale)
{
    struct slice value = { (const uint8_t *)address, strlen(address) };
    char *hers;

    *ret_stale = NULL;
    int r = vault_find(vault, KIND_ADDRESS, value, key);
    if (r < 0)
        return r;
    r = writer_find(rd, seal_key_person(key), ret);
    if (r == 0)
        r = opened_text(arena, key, &letters_address, (*ret)->address, &hers);
    if (r == 0 && strcmp(hers, address) == 0)
        return 0;
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_stale = arena_strdup(arena, seal_key_person(key));
    return *ret_stale ? -ENOENT : -ENOMEM;
}
