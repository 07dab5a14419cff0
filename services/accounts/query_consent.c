/* query_consent.c - the texts, one's own consents, and "may I?". */
#include <errno.h>
#include <string.h>

#include "services/accounts/consents.h"

void consent_text_key(const char *purpose, uint32_t version, struct key *ret)
{
    *ret = KEY_INIT;
    key_u64(key_text(ret, purpose), version);
}

int consent_newest(const struct rd *rd, const char *purpose, uint32_t *ret)
{
    ConsentText *text = NULL;
    struct scan s;
    scan_backwards(&s, rd, &T_CONSENT_TEXT, KEY_TEXT(purpose));
    int r = scan_next(&s) ? scan_message(&s, &text) : -ENOENT;
    int ended = scan_end(&s);
    if (ended < 0 || r < 0)
        return ended < 0 ? ended : r;
    *ret = text->version;
    return 0;
}

int consent_check_hash(const struct sealing *s, const char *service, const char *person,
                       const char *purpose, ProtobufCBinaryData *ret)
{
    uint8_t *hash = arena_alloc(s->arena, VAULT_HASH_BYTES);
    /* Names hold no line feed, so that no two readings of it are the same. */
    char *text = arena_printf(s->arena, "%s\n%s\n%s", service, person, purpose);
    if (!hash || !text)
        return -ENOMEM;
    vault_hash(s->vault, HASH_CONSENT, slice_text(text), hash);
    *ret = (ProtobufCBinaryData) { VAULT_HASH_BYTES, hash };
    return 0;
}

int accounts_list_consent_texts(const struct query_in *in, const ListConsentTextsRequest *req,
                                ListConsentTextsResponse *res, struct status *status)
{
    (void)status; /* refuses nothing */
    struct scan s;
    size_t room = rd_count(in->state, &T_CONSENT_TEXT);
    res->texts = arena_calloc(in->arena, room + 1, sizeof(*res->texts));
    if (!res->texts)
        return -ENOMEM;
    for (scan_prefix(&s, in->state, &T_CONSENT_TEXT, &KEY_INIT);
         res->n_texts < room && scan_next(&s);) {
        ConsentText *text;
        int r = scan_message(&s, &text);
        if (r < 0)
            return scan_give_up(&s, r);
        bool newer = !req->include_old && res->n_texts > 0 &&
                     strcmp(res->texts[res->n_texts - 1]->purpose, text->purpose) == 0;
        res->n_texts -= newer; /* takes the place of the version before */
        room -= newer;
        res->texts[res->n_texts++] = text;
    }
    return scan_end(&s);
}

static int show_consent(const struct query_in *in, const ConsentRow *row, Consent **ret)
{
    Consent *shown = arena_alloc(in->arena, sizeof(*shown));
    uint32_t newest;
    struct key k;
    if (!shown)
        return -ENOMEM;
    *shown = (Consent)CONSENT_INIT;
    shown->given_ms = row->given_ms;
    shown->withdrawn_ms = row->withdrawn_ms;
    consent_text_key(row->purpose, row->version, &k);
    int r = rd_get(in->state, &T_CONSENT_TEXT, &k, &shown->text);
    if (r == 0)
        r = consent_newest(in->state, row->purpose, &newest);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    shown->newer = newest > row->version;
    *ret = shown;
    return 0;
}

int accounts_list_my_consents(const struct query_in *in, const ListMyConsentsRequest *req,
                              ListMyConsentsResponse *res, struct status *status)
{
    enum { SHOWN = 200 };
    (void)req;    /* asks nothing */
    (void)status; /* refuses nothing */
    struct scan s;
    res->consents = arena_calloc(in->arena, SHOWN, sizeof(*res->consents));
    if (!res->consents)
        return -ENOMEM;
    for (scan_backwards(&s, in->state, &T_CONSENT, KEY_TEXT(in->caller.id));
         res->n_consents < SHOWN && scan_next(&s);) {
        ConsentRow *row;
        int r = scan_message(&s, &row);
        if (r == 0)
            r = show_consent(in, row, &res->consents[res->n_consents++]);
        if (r < 0)
            return scan_give_up(&s, r);
    }
    return scan_end(&s);
}

int accounts_check_consent(const struct query_in *in, const CheckConsentRequest *req,
                           CheckConsentResponse *res, struct status *status)
{
    (void)status; /* refuses nothing: who may not ask gets a no */
    ProtobufCBinaryData hash;
    ConsentCheck *check;
    if (!caller_is_house(&in->caller))
        return 0;
    int r = consent_check_hash(&SEALING(in), in->caller.id + 1, req->person, req->purpose, &hash);
    if (r == 0)
        r = rd_get(in->state, &T_CONSENT_CHECK, KEY_BYTES(hash), &check);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    res->given = true;
    res->version = check->version;
    res->given_ms = check->given_ms;
    return 0;
}
