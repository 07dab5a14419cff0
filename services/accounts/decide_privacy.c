/* decide_privacy.c - the end of an account.
 *
 * One command erases the person here: her rows, and after the commit her key, so that no copy of what was sealed for her can be read
 * any more, in the log, in tables, in backups. Her ids in other services follow from her pseudonym key, which the vault keeps in a slot of the
 * erasure's own until every service has followed; then that goes, too. It is in the vault and not in the log, and its name follows
 * from hers, so that a store from before, put back, takes the erasure up where it was. What stays is a keyed hash of her address, so that
 * nobody writes to her again unasked. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "services/accounts/limits.h"
#include "services/accounts/persons.h"
#include "services/accounts/sessions.h"
#include "services/accounts/sign_ins.h"

int suppression_hash(const struct sealing *s, const char *address, ProtobufCBinaryData *ret)
{
    uint8_t *hash = arena_alloc(s->arena, VAULT_HASH_BYTES);
    if (!hash)
        return -ENOMEM;
    vault_hash(s->vault, HASH_SUPPRESSED, slice_text(address), hash);
    *ret = (ProtobufCBinaryData) { VAULT_HASH_BYTES, hash };
    return 0;
}

char *erasure_of(struct arena *arena, const char *person)
{
    static const char purpose[] = "fokus-accounts erasure";
    uint8_t id[ID_BYTES];
    char *ret = arena_alloc(arena, ID_CHARS + 1);
    if (!ret)
        return NULL;
    (void)crypto_generichash(id, sizeof(id), (const uint8_t *)person, strlen(person),
                             (const uint8_t *)purpose,
                             sizeof(purpose) - 1); /* the sizes are right */
    id_make_custom(id);
    id_write(id, ret);
    return ret;
}

/* Her pseudonym key, from under her own key into the erasure's slot. */
static int keep_pseudonym_key(const struct decide_in *in, const PersonRow *row,
                              const PersonErased *event)
{
    struct slice pseudonym_key;
    struct err err;
    int r = open_bytes(&SEALING(in), event->person, AT_PSEUDONYM_KEY, row->sealed_pseudonym_key,
                       &pseudonym_key);
    if (r == 0 && pseudonym_key.len != VAULT_SECRET_BYTES)
        r = -EBADMSG;
    return r < 0 ? r : vault_add_secret(in->vault, event->erasure, pseudonym_key.data, &err);
}

int accounts_erase_account(const struct decide_in *in, const EraseAccountRequest *req,
                           EraseAccountResponse *res, struct outcome *out)
{
    PersonErased event = PERSON_ERASED_INIT;
    PersonRow *row;
    Profile *profile;
    if (!came_in_person(in, out))
        return 0;
    if (!req->confirm)
        return outcome_violation(out, "confirm",
                                 "must be true: an account that is erased cannot be had back");
    int r = caller_person(&SEALING(in), in->state, in->caller.id, &row, &out->status);
    if (r == 0)
        r = person_profile(&SEALING(in), in->caller.id, row, &profile);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    event.person = (char *)in->caller.id;
    event.erasure = erasure_of(in->arena, in->caller.id);
    if (!event.erasure)
        return -ENOMEM;
    r = keep_pseudonym_key(in, row, &event);
    if (r == 0 && *profile->address)
        r = suppression_hash(&SEALING(in), profile->address, &event.suppression);
    if (r == 0)
        r = callers_forget(in->state, out, in->caller.id);
    if (r == 0)
        r = emit_person_erased(out, in->caller.id, &event);
    if (r < 0)
        return r;
    res->erasure = event.erasure;
    outcome_set_session(out, "", 0);
    return outcome_erase_person(out, in->caller.id);
}

/* ---- after a restore ---- */

/* Of somebody whose key is gone, an older store knows what is not sealed. Other services have followed the erasure that this store has
 * forgotten, unless its slot is still in the vault: then it goes on. What her address was nobody can tell, so that it is no longer
 * suppressed. */
int accounts_erase_person(const struct decide_in *in, const char *slot, struct outcome *out)
{
    PersonErased erased = PERSON_ERASED_INIT;
    ErasureCompleted completed = ERASURE_COMPLETED_INIT;
    int r = vault_key(in->vault, slot, in->key);
    /* Security: no other service can erase an account. */
    if (r == 0)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION, "an account is erased by its owner");
    if (r != -ENOENT)
        return r;
    if (rd_has(in->state, &T_SIGN_IN, KEY_TEXT(slot)))
        return sign_in_end(out, slot, SIGN_IN_END_EXPIRED, "");
    if (rd_has(in->state, &T_LIMIT_KEY, KEY_TEXT(slot)))
        return limit_key_renew(in, out);
    completed.erasure = erased.person = (char *)slot;
    if (rd_has(in->state, &T_ERASURE, KEY_TEXT(slot)))
        return emit_erasure_completed(out, slot, &completed);
    if (!rd_has(in->state, &T_PERSON, KEY_TEXT(slot)))
        return 0;
    char *erasure = erasure_of(in->arena, slot);
    r = erasure ? vault_key(in->vault, erasure, in->key) : -ENOMEM;
    if (r == 0)
        erased.erasure = erasure;
    if (r == 0 || r == -ENOENT)
        r = callers_forget(in->state, out, slot);
    return r < 0 ? r : emit_person_erased(out, slot, &erased);
}

/* ---- other services ---- */

/* After the first attempt that did not reach every service, the second, ...; then each hour, until all have followed. */
static const int64_t again_after_ms[] = { 15 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS,
                                          15 * MINUTE_MS };

int accounts_record_erasure(const struct decide_in *in, const RecordErasureRequest *req,
                            RecordErasureResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    ErasureFollowed followed = ERASURE_FOLLOWED_INIT;
    ErasureCompleted completed = ERASURE_COMPLETED_INIT;
    ErasureRow *row;
    int r = rd_get(in->state, &T_ERASURE, KEY_TEXT(req->erasure), &row);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (req->complete) {
        completed.erasure = req->erasure;
        r = emit_erasure_completed(out, req->erasure, &completed);
        return r < 0 ? r : outcome_erase_person(out, req->erasure);
    }
    followed.erasure = req->erasure;
    followed.done = req->done;
    followed.n_done = req->n_done;
    followed.next_ms =
        in->now_ms +
        (row->tries < ARRAY_LEN(again_after_ms) ? again_after_ms[row->tries] : HOUR_MS);
    return emit_erasure_followed(out, req->erasure, &followed);
}
