#include "tests/notes/tables.h"

const struct table notes_table = { "notes", NOTE_DESCRIPTOR };
const struct table signers_table = { "signers", NULL };

static const struct table *const tables[] = { &notes_table, &signers_table, NULL };

const struct service_def notes_service = {
    .name = "notes",
    .schema = 1,
    .contract = &notes_contract,
    .tables = tables,
    .apply = notes_apply,
};

int note_find(const struct rd *rd, const char *slug, Note **ret)
{
    struct key k = KEY_INIT;

    return rd_get(rd, &notes_table, key_text(&k, slug), ret);
}

bool note_is_signed(const struct rd *rd, const char *slug, const char *signer)
{
    struct key k = KEY_INIT;

    return rd_has(rd, &signers_table, key_text(key_text(&k, slug), signer));
}
