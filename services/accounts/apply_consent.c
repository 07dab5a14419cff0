/* apply_consent.c - what the events of consents do to the tables. */
#include <errno.h>

#include "services/accounts/apply.h"
#include "services/accounts/consents.h"

int apply_consent_text(struct wr *wr, const ConsentText *text)
{
    struct key k;
    if (!text)
        return -EBADMSG;
    consent_text_key(text->purpose, text->version, &k);
    wr_put(wr, &T_CONSENT_TEXT, &k, text);
    return 0;
}

/* The consent that holds, if one does, holds no longer. */
static int end_consent(struct wr *wr, const char *person, const char *purpose, int64_t time_ms)
{
    ConsentRow *row;
    uint64_t sequence;
    struct key k;
    int r = consent_find(wr_rd(wr), person, purpose, &row, &sequence);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    row->withdrawn_ms = time_ms;
    key_of_u64(person, sequence, &k);
    wr_put(wr, &T_CONSENT, &k, row);
    for (size_t i = 0; i < row->n_checks; i++)
        wr_delete(wr, &T_CONSENT_CHECK, KEY_BYTES(row->checks[i]));
    key_of(person, purpose, &k);
    wr_delete(wr, &T_CONSENT_NOW, &k);
    return 0;
}

int apply_consent_given(struct wr *wr, const struct fact *fact, const ConsentGiven *e)
{
    ConsentRow row = CONSENT_ROW_INIT;
    ConsentCheck check = CONSENT_CHECK_INIT;
    struct key k, sequence = KEY_INIT;
    int r = end_consent(wr, e->person, e->purpose, fact->time_ms);
    if (r < 0)
        return r;
    row.purpose = e->purpose;
    row.version = e->version;
    row.given_ms = fact->time_ms;
    row.checks = e->checks;
    row.n_checks = e->n_checks;
    key_of_u64(e->person, fact->sequence, &k);
    wr_put(wr, &T_CONSENT, &k, &row);
    key_u64(&sequence, fact->sequence);
    key_of(e->person, e->purpose, &k);
    wr_put_bytes(wr, &T_CONSENT_NOW, &k, sequence.bytes, sequence.len);
    check.version = e->version;
    check.given_ms = fact->time_ms;
    for (size_t i = 0; i < e->n_checks; i++)
        wr_put(wr, &T_CONSENT_CHECK, KEY_BYTES(e->checks[i]), &check);
    return 0;
}

int apply_consent_withdrawn(struct wr *wr, const struct fact *fact, const ConsentWithdrawn *e)
{
    return end_consent(wr, e->person, e->purpose, fact->time_ms);
}

static int drop_checks(struct wr *wr, const struct key *k, struct slice value)
{
    (void)value; /* read as a message below */
    ConsentRow *row;
    int r = rd_get(wr_rd(wr), &T_CONSENT, k, &row);
    for (size_t i = 0; r == 0 && i < row->n_checks; i++)
        wr_delete(wr, &T_CONSENT_CHECK, KEY_BYTES(row->checks[i]));
    return r;
}

int apply_drop_consents(struct wr *wr, const char *person)
{
    int r = apply_drop_prefix(wr, &T_CONSENT_NOW, KEY_TEXT(person), NULL);
    return r < 0 ? r : apply_drop_prefix(wr, &T_CONSENT, KEY_TEXT(person), drop_checks);
}
