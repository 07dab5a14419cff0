/* export.c - everything that every service holds about a person, as one JSON document.
 *
 * It is gathered before the command is decided: each service is asked by her id there, accounts itself among them. What one cannot tell
 * now is named as missing; the rest is hers all the same. That it was taken out is recorded, so that she sees if somebody else did. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/json.h"
#include "common/peers.h"
#include "services/accounts/consents.h"
#include "services/accounts/identities.h"
#include "services/accounts/keys.h"
#include "services/accounts/persons.h"
#include "services/accounts/roles.h"
#include "services/accounts/sessions.h"

#define SELF "accounts"
enum {
    ARCHIVE_MAX = 12 * 1024 * 1024,
    ASK_MS = 8000,
    PAGES_MAX = 2000, /* of one service */
    MISSING_MAX = PEERS_MAX + 1,
};

struct archive {
    const struct prepare_in *in;
    struct buf json;
    const char *missing[MISSING_MAX];
    size_t n_missing;
};

/* What was prepared. */
struct gathered {
    char *text;
    char **missing;
    size_t n_missing;
};

/* ---- gathering ---- */

static bool ask(struct archive *a, const char *service, const char *method,
                const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type, void *ret)
{
    const struct peers_ask asked = { .service = service,
                                     .method = method,
                                     .request = request,
                                     .timeout_ms = ASK_MS,
                                     .query = true };
    struct client_reply reply;
    peers_call(a->in->peers, &asked, a->in->arena, &reply);
    void *message = reply.code == CODE_OK
                        ? protobuf_c_message_unpack(type, arena_pb(a->in->arena), reply.body.len,
                                                    reply.body.data)
                        : NULL;
    memcpy(ret, &message, sizeof(message));
    return message != NULL;
}

/* All pages of one service. False: they could not all be had, and nothing of them is in the archive. */
static bool put_pages(struct archive *a, const char *service, const char *person)
{
    Fokus__Runtime__V1__ExportPersonRequest request =
        FOKUS__RUNTIME__V1__EXPORT_PERSON_REQUEST__INIT;
    Fokus__Runtime__V1__ExportPersonResponse *page;
    size_t begin = a->json.len, items = 0;
    request.person = (char *)person;
    buf_append_str(&a->json, items || a->json.data[begin - 1] == '{' ? "" : ",");
    json_string(&a->json, service, strlen(service));
    buf_append_str(&a->json, ":[");
    for (int i = 0; i < PAGES_MAX; i++) {
        if (!ask(a, service, "fokus.runtime.v1.RuntimeService/ExportPerson", &request.base,
                 &fokus__runtime__v1__export_person_response__descriptor, &page))
            break;
        for (size_t j = 0; j < page->n_items; j++) {
            buf_append_str(&a->json, items++ ? ",\n" : "\n");
            buf_append_str(&a->json, page->items[j]);
        }
        if (a->json.failed)
            break;
        request.from = page->next;
        if (page->next == 0) {
            buf_append_str(&a->json, "]");
            return !a->json.failed;
        }
    }
    a->json.len = begin;
    a->json.failed = false;
    return false;
}

static void put_service(struct archive *a, const char *service, const char *person)
{
    if (!put_pages(a, service, person) && a->n_missing < MISSING_MAX)
        a->missing[a->n_missing++] = service;
}

static int put_peers(struct archive *a)
{
    GetPseudonymKeyRequest request = GET_PSEUDONYM_KEY_REQUEST_INIT;
    GetPseudonymKeyResponse *answer;
    const char *const *names;
    size_t n;
    int r = peers_list(a->in->peers, a->in->arena, &names, &n);
    if (r < 0)
        return r;
    request.person = (char *)a->in->caller.id;
    bool known = ask(a, SELF, "fokus.accounts.v1.AccountsService/GetPseudonymKey", &request.base,
                     GET_PSEUDONYM_KEY_RESPONSE_DESCRIPTOR, &answer) &&
                 answer->pseudonym_key.len == CALLER_KEY_BYTES;
    for (size_t i = 0; i < n; i++) {
        char id[ID_CHARS + 1];
        if (known)
            caller_person_id(answer->pseudonym_key.data, names[i], id);
        if (known)
            put_service(a, names[i], id);
        else if (a->n_missing < MISSING_MAX)
            a->missing[a->n_missing++] = names[i];
    }
    return 0;
}

static int finish(struct archive *a, struct gathered *ret)
{
    buf_append_str(&a->json, "},\"missing\":[");
    for (size_t i = 0; i < a->n_missing; i++) {
        buf_append_str(&a->json, i ? "," : "");
        json_string(&a->json, a->missing[i], strlen(a->missing[i]));
    }
    buf_append_str(&a->json, "]}\n");
    ret->text = a->json.failed
                    ? NULL
                    : arena_strndup(a->in->arena, (const char *)a->json.data, a->json.len);
    ret->missing = arena_memdup(a->in->arena, a->missing, sizeof(a->missing));
    ret->n_missing = a->n_missing;
    return ret->text && ret->missing ? 0 : -ENOMEM;
}

static int gather(struct archive *a, struct gathered *ret)
{
    time_t seconds = (time_t)(a->in->now_ms / SECOND_MS);
    char made[32];
    struct tm utc;
    (void)gmtime_r(&seconds, &utc); /* the clock's times are valid */
    (void)strftime(made, sizeof(made), "%Y-%m-%dT%H:%M:%SZ", &utc); /* fits */
    buf_printf(&a->json, "{\"format\":\"fokus-export-1\",\"made\":\"%s\",\"services\":{", made);
    put_service(a, SELF, a->in->caller.id);
    int r = put_peers(a);
    return r < 0 ? r : finish(a, ret);
}

int accounts_prepare_export_account(const struct prepare_in *in, const ExportAccountRequest *req,
                                    const void **ret_prepared, struct status *status)
{
    (void)req; /* asks nothing */
    struct archive a = { .in = in, .json = BUF_INIT(ARCHIVE_MAX) };
    struct gathered *gathered = arena_calloc(in->arena, 1, sizeof(*gathered));
    if (!gathered)
        return -ENOMEM;
    if (in->origin->session.len == 0)
        return status_refuse(status, CODE_PERMISSION_DENIED,
                             "this is done in the browser, signed in: an API key may not");
    if (!in->peers)
        return status_refuse(status, CODE_UNAVAILABLE, "no service can be asked");
    int r = gather(&a, gathered);
    buf_free(&a.json);
    *ret_prepared = gathered;
    return r;
}

int accounts_export_account(const struct decide_in *in, const ExportAccountRequest *req,
                            ExportAccountResponse *res, struct outcome *out)
{
    (void)req; /* asks nothing */
    const struct gathered *gathered = in->prepared;
    AccountExported event = ACCOUNT_EXPORTED_INIT;
    PersonRow *row;
    int r = caller_person(&SEALING(in), in->state, in->caller.id, &row, &out->status);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    res->archive = gathered->text;
    res->missing = gathered->missing;
    res->n_missing = gathered->n_missing;
    event.person = (char *)in->caller.id;
    return emit_account_exported(out, in->caller.id, &event);
}

int accounts_get_pseudonym_key(const struct query_in *in, const GetPseudonymKeyRequest *req,
                               GetPseudonymKeyResponse *res, struct status *status)
{
    PersonRow *row;
    struct slice key;
    /* Security: whoever had it could join her ids in all services. */
    if (strcmp(in->caller.id, "@" SELF) != 0)
        return status_refuse(status, CODE_PERMISSION_DENIED, "accounts tells this only itself");
    int r = person_find(in->state, req->person, &row);
    if (r == 0)
        r = open_bytes(&SEALING(in), req->person, AT_PSEUDONYM_KEY, row->sealed_pseudonym_key,
                       &key);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    res->pseudonym_key = (ProtobufCBinaryData) { key.len, (uint8_t *)key.data };
    return 0;
}

/* ---- what accounts itself holds ---- */

/* Each list as its owner sees it in the method that lists it: nothing is held that she cannot see there. */
static int add_lists(const struct query_in *in, struct person_export *to)
{
    struct status status = { .arena = in->arena };
    GetMeResponse me = GET_ME_RESPONSE_INIT;
    ListSessionsResponse sessions = LIST_SESSIONS_RESPONSE_INIT;
    ListApiKeysResponse keys = LIST_API_KEYS_RESPONSE_INIT;
    ListMyClaimsResponse claims = LIST_MY_CLAIMS_RESPONSE_INIT;
    ListMyConsentsResponse consents = LIST_MY_CONSENTS_RESPONSE_INIT;
    int r = accounts_get_me(in, NULL, &me, &status);
    if (r == 0)
        r = export_add(to, "account", &me.base);
    if (r == 0)
        r = accounts_list_sessions(in, NULL, &sessions, &status);
    if (r == 0)
        r = export_add(to, "sessions", &sessions.base);
    if (r == 0)
        r = accounts_list_api_keys(in, NULL, &keys, &status);
    if (r == 0)
        r = export_add(to, "api_keys", &keys.base);
    if (r == 0)
        r = accounts_list_my_claims(in, NULL, &claims, &status);
    if (r == 0)
        r = export_add(to, "claims", &claims.base);
    if (r == 0)
        r = accounts_list_my_consents(in, NULL, &consents, &status);
    return r < 0 ? r : export_add(to, "consents", &consents.base);
}

static int add_identities(const struct query_in *in, const char *person, struct person_export *to)
{
    struct identity_at *all;
    size_t n = 0;
    int r = identities_of(&SEALING(in), in->state, person, &all, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = export_add(to, "e_identification", &all[i].identity->base);
    return r;
}

static int add_devices(const struct query_in *in, const char *person, struct person_export *to)
{
    struct scan s;
    int r = 0;
    for (scan_prefix(&s, in->state, &T_DEVICE_OF, KEY_TEXT(person)); r == 0 && scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        char owner[ID_CHARS + 1];
        uint8_t hash[VAULT_HASH_BYTES];
        size_t len;
        Device *device;
        ExportedDevice shown = EXPORTED_DEVICE_INIT;
        r = key_read_text(&reader, owner, sizeof(owner)) &&
                    key_read_bytes(&reader, hash, sizeof(hash), &len)
                ? rd_get(in->state, &T_DEVICE, key_bytes(&KEY_INIT, hash, len), &device)
                : -EBADMSG;
        if (r < 0)
            break;
        shown.used_ms = device->used_ms;
        r = export_add(to, "device", &shown.base);
    }
    if (r < 0)
        return scan_give_up(&s, r == -ENOENT ? -EBADMSG : r);
    return scan_end(&s);
}

/* Mails that are still to be sent to her. */
static int add_mails(const struct query_in *in, const char *person, struct person_export *to)
{
    struct scan s;
    int r = 0;
    for (scan_prefix(&s, in->state, &T_MAIL_OF, KEY_TEXT(person)); r == 0 && scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        char slot[ID_CHARS + 1], mail[ID_CHARS + 1];
        MailContent *content;
        MailRow *row;
        r = key_read_text(&reader, slot, sizeof(slot)) && key_read_text(&reader, mail, sizeof(mail))
                ? rd_get(in->state, &T_MAIL, KEY_TEXT(mail), &row)
                : -EBADMSG;
        if (r == 0)
            r = open_message(&SEALING(in), person, AT_MAIL(mail), row->sealed,
                             MAIL_CONTENT_DESCRIPTOR, &content);
        if (r == 0)
            r = export_add(to, "mail_waiting", &content->base);
    }
    return r < 0 ? scan_give_up(&s, r) : scan_end(&s);
}

/* What happened to her account. */
static int add_security(const struct query_in *in, struct person_export *to)
{
    struct status status = { .arena = in->arena };
    ListMySecurityEventsRequest request = LIST_MY_SECURITY_EVENTS_REQUEST_INIT;
    int r = 0;
    request.page_size = 100;
    do {
        ListMySecurityEventsResponse page = LIST_MY_SECURITY_EVENTS_RESPONSE_INIT;
        r = accounts_list_my_security_events(in, &request, &page, &status);
        if (r == 0 && page.n_events > 0)
            r = export_add(to, "security_events", &page.base);
        request.page_token = page.next_page_token;
    } while (r == 0 && *request.page_token);
    return r;
}

int accounts_export_person(const struct query_in *in, const char *person, struct person_export *to)
{
    static const struct origin nowhere = { 0 };
    PersonRow *row;
    int r = person_find(in->state, person, &row);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    /* As she would ask herself. */
    struct query_in hers = *in;
    hers.caller = (struct caller) { .id = person };
    hers.origin = &nowhere;
    r = add_lists(&hers, to);
    if (r == 0)
        r = add_identities(&hers, person, to);
    if (r == 0)
        r = add_devices(&hers, person, to);
    if (r == 0)
        r = add_mails(&hers, person, to);
    if (r == 0)
        r = add_security(&hers, to);
    return r == -ENOENT ? 0 : r; /* erased since the snapshot */
}
