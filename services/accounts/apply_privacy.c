/* apply_privacy.c - what happened to accounts, kept for a while; and what the end of one does to the tables: everything of hers goes. */
#include <errno.h>

#include "services/accounts/apply.h"

#define SECURITY_KEPT_MS (400 * DAY_MS)
enum { PRUNED_AT_ONCE = 2 }; /* more than are added, so that what is too old goes */

static int prune(struct wr *wr, const struct table *t, const struct key *prefix, int64_t now_ms)
{
    for (int i = 0; i < PRUNED_AT_ONCE; i++) {
        struct scan s;
        struct key k = KEY_INIT;
        SecurityRow *row = NULL;
        scan_prefix(&s, wr_rd(wr), t, prefix);
        int r = scan_next(&s) ? scan_message(&s, &row) : 0;
        bool old = r == 0 && row && row->time_ms < now_ms - SECURITY_KEPT_MS;
        if (old)
            apply_copy_key(&s, &k);
        int ended = scan_end(&s);
        if (r < 0 || ended < 0)
            return r < 0 ? r : ended;
        if (!old)
            return 0;
        wr_delete(wr, t, &k);
    }
    return 0;
}

int apply_security(struct wr *wr, const struct fact *fact, const char *person, SecurityRow *row)
{
    SecurityRow bare = SECURITY_ROW_INIT;
    struct key k;
    int r = prune(wr, &T_SECURITY_ALL, &KEY_INIT, fact->time_ms);
    row->time_ms = bare.time_ms = fact->time_ms;
    bare.kind = row->kind;
    bare.role = row->role;
    if (r < 0)
        return r;
    wr_put(wr, &T_SECURITY_ALL, KEY_U64(fact->sequence), &bare);
    if (!*person)
        return 0;
    r = prune(wr, &T_SECURITY, KEY_TEXT(person), fact->time_ms);
    if (r < 0)
        return r;
    key_of_u64(person, fact->sequence, &k);
    wr_put(wr, &T_SECURITY, &k, row);
    return 0;
}

/* ---- the end of an account ---- */

static int drop_session(struct wr *wr, const struct key *k, struct slice token_hash)
{
    (void)k; /* session_of's own is taken away by the caller */
    SessionRow *row;
    struct key ends;
    int r = session_find(wr_rd(wr), token_hash, &row);
    if (r < 0)
        return r;
    key_at_bytes(row->expires_ms, token_hash, &ends);
    wr_delete(wr, &T_SESSION_ENDS, &ends);
    wr_delete(wr, &T_SESSION, KEY_BYTES(token_hash));
    return 0;
}

static int drop_key(struct wr *wr, const struct key *k, struct slice token_hash)
{
    (void)k; /* likewise */
    return apply_key_gone(wr, token_hash);
}

static int drop_device(struct wr *wr, const struct key *k, struct slice value)
{
    (void)value; /* an index: nothing */
    struct key_reader reader = { .rest = { k->bytes, k->len } };
    char person[ID_CHARS + 1];
    uint8_t hash[VAULT_HASH_BYTES];
    size_t len;
    if (!key_read_text(&reader, person, sizeof(person)) ||
        !key_read_bytes(&reader, hash, sizeof(hash), &len))
        return -EBADMSG;
    wr_delete(wr, &T_DEVICE, key_bytes(&KEY_INIT, hash, len));
    return 0;
}

static int drop_role(struct wr *wr, const struct key *k, struct slice value)
{
    (void)value; /* the key says enough */
    struct key_reader reader = { .rest = { k->bytes, k->len } };
    char person[ID_CHARS + 1], scope[CALLER_MAX_SCOPE * 4 + 1];
    uint8_t role;
    struct key holder;
    if (!key_read_text(&reader, person, sizeof(person)) || !key_read_u8(&reader, &role) ||
        !key_read_text(&reader, scope, sizeof(scope)))
        return -EBADMSG;
    role_holder_key(role, scope, person, &holder);
    wr_delete(wr, &T_ROLE_HOLDER, &holder);
    return 0;
}

/* A claim's number is never given again, so that its row stays, with nothing in it. */
static int drop_claim(struct wr *wr, const struct key *k, struct slice value)
{
    (void)value; /* an index: nothing */
    static const ClaimRow nothing = CLAIM_ROW_INIT;
    struct key_reader reader = { .rest = { k->bytes, k->len } };
    char person[ID_CHARS + 1];
    uint64_t number;
    if (!key_read_text(&reader, person, sizeof(person)) || !key_read_u64(&reader, &number))
        return -EBADMSG;
    wr_put(wr, &T_CLAIM, KEY_U64(number), &nothing);
    wr_delete(wr, &T_CLAIM_OPEN, KEY_U64(number));
    return 0;
}

static int drop_everything(struct wr *wr, const char *person)
{
    static const struct {
        const struct table *index;
        int (*each)(struct wr *wr, const struct key *k, struct slice value);
    } of[] = {
        { &T_SESSION_OF, drop_session }, { &T_DEVICE_OF, drop_device }, { &T_ROLE, drop_role },
        { &T_CLAIM_OF, drop_claim },     { &T_IDENTITY, NULL },         { &T_KEY_OF, drop_key },
        { &T_SECURITY, NULL },
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(of); i++)
        r = apply_drop_prefix(wr, of[i].index, KEY_TEXT(person), of[i].each);
    if (r == 0)
        r = apply_drop_consents(wr, person);
    if (r == 0)
        r = apply_drop_mails(wr, person);
    wr_delete(wr, &T_PERSON, KEY_TEXT(person));
    return r;
}

static void erasure_begun(struct wr *wr, const struct fact *fact, const PersonErased *e)
{
    ErasureRow row = ERASURE_ROW_INIT;
    struct key k;
    row.sealed_pseudonym_key = e->sealed_pseudonym_key;
    row.erased_ms = row.due_ms = fact->time_ms;
    wr_put(wr, &T_ERASURE, KEY_TEXT(e->erasure), &row);
    key_at(row.due_ms, e->erasure, &k);
    wr_put_bytes(wr, &T_ERASURE_DUE, &k, "", 0);
}

int apply_person_erased(struct wr *wr, const struct fact *fact, const PersonErased *e)
{
    SuppressedRow suppressed = SUPPRESSED_ROW_INIT;
    SecurityRow security = SECURITY_ROW_INIT;
    int r = drop_everything(wr, e->person);
    if (r < 0)
        return r;
    if (*e->erasure)
        erasure_begun(wr, fact, e);
    suppressed.since_ms = fact->time_ms;
    if (e->suppression.len > 0)
        wr_put(wr, &T_SUPPRESSED, KEY_BYTES(e->suppression), &suppressed);
    security.kind = SECURITY_KIND_ERASED;
    return apply_security(wr, fact, "", &security);
}

/* ---- what other services do about it ---- */

int apply_erasure_followed(struct wr *wr, const ErasureFollowed *e)
{
    ErasureRow *row;
    struct key k;
    int r = rd_get(wr_rd(wr), &T_ERASURE, KEY_TEXT(e->erasure), &row);
    if (r < 0)
        return r;
    key_at(row->due_ms, e->erasure, &k);
    wr_delete(wr, &T_ERASURE_DUE, &k);
    row->done = e->done;
    row->n_done = e->n_done;
    row->due_ms = e->next_ms;
    row->tries++;
    wr_put(wr, &T_ERASURE, KEY_TEXT(e->erasure), row);
    key_at(row->due_ms, e->erasure, &k);
    wr_put_bytes(wr, &T_ERASURE_DUE, &k, "", 0);
    return 0;
}

int apply_erasure_completed(struct wr *wr, const ErasureCompleted *e)
{
    ErasureRow *row;
    struct key k;
    int r = rd_get(wr_rd(wr), &T_ERASURE, KEY_TEXT(e->erasure), &row);
    if (r < 0)
        return r;
    key_at(row->due_ms, e->erasure, &k);
    wr_delete(wr, &T_ERASURE_DUE, &k);
    wr_delete(wr, &T_ERASURE, KEY_TEXT(e->erasure));
    return 0;
}
