/* decide_consent.c - consents: the texts, which never change once recorded, and who said yes to them. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/format.h"
#include "common/name.h"
#include "fokus/v1/options.pb-c.h"
#include "services/accounts/consents.h"
#include "services/accounts/persons.h"
#include "services/accounts/sessions.h"

/* ---- texts ---- */

struct import {
    struct arena *arena;
    ImportConsentTextsResponse *res;
    uint32_t row; /* from 1 */
    bool out_of_memory;
};

__attribute__((format(printf, 3, 4))) static void report(struct import *import, const char *field,
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    RowReport *r = arena_alloc(import->arena, sizeof(*r));
    char *message = arena_vprintf(import->arena, format, args);
    va_end(args);
    if (!r || !message) {
        import->out_of_memory = true;
        return;
    }
    *r = (RowReport)ROW_REPORT_INIT;
    r->row = import->row;
    r->field = (char *)field;
    r->message = message;
    import->res->reports[import->res->n_reports++] = r;
}

static bool same_text(const ConsentText *a, const ConsentText *b)
{
    bool same = strcmp(a->title_sv, b->title_sv) == 0 && strcmp(a->text_sv, b->text_sv) == 0 &&
                strcmp(a->title_en, b->title_en) == 0 && strcmp(a->text_en, b->text_en) == 0 &&
                a->n_services == b->n_services;
    for (size_t i = 0; same && i < a->n_services; i++)
        same = strcmp(a->services[i], b->services[i]) == 0;
    return same;
}

static void check_words(struct import *import, const ConsentText *text)
{
    const struct {
        const char *field, *value;
        int format;
    } fields[] = {
        { "title_sv", text->title_sv, FOKUS__V1__STRING_FORMAT__STRING_FORMAT_LINE },
        { "text_sv", text->text_sv, FOKUS__V1__STRING_FORMAT__STRING_FORMAT_TEXT },
        { "title_en", text->title_en, FOKUS__V1__STRING_FORMAT__STRING_FORMAT_LINE },
        { "text_en", text->text_en, FOKUS__V1__STRING_FORMAT__STRING_FORMAT_TEXT },
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const char *problem = *fields[i].value ? format_problem(fields[i].format, fields[i].value,
                                                                strlen(fields[i].value))
                                               : "must not be empty";
        if (problem) {
            report(import, fields[i].field, "%s", problem);
            return; /* one report a row is room enough */
        }
    }
}

/* At most one report a row. *ret_new: it is to be recorded. */
static int check_row(struct import *import, const struct rd *rd,
                     const ImportConsentTextsRequest *req, bool *ret_new)
{
    const ConsentText *text = req->rows[import->row - 1];
    size_t before = import->res->n_reports;
    ConsentText *known;
    struct key k;
    *ret_new = false;
    if (format_problem(FOKUS__V1__STRING_FORMAT__STRING_FORMAT_SLUG, text->purpose,
                       strlen(text->purpose)))
        report(import, "purpose", "must be 1 to 100 of a-z, 0-9 and single hyphens inside");
    else
        check_words(import, text);
    for (size_t i = 0; import->res->n_reports == before && i < text->n_services; i++)
        if (!service_name_valid(text->services[i], strlen(text->services[i])))
            report(import, "services", "'%.40s' is no name of a service", text->services[i]);
    for (uint32_t i = 1; import->res->n_reports == before && i < import->row; i++)
        if (req->rows[i - 1]->version == text->version &&
            strcmp(req->rows[i - 1]->purpose, text->purpose) == 0)
            report(import, "version", "row %u is about the same", i);
    if (import->res->n_reports > before)
        return 0;
    consent_text_key(text->purpose, text->version, &k);
    int r = rd_get(rd, &T_CONSENT_TEXT, &k, &known);
    if (r == 0 && same_text(known, text)) {
        import->res->unchanged++;
        return 0;
    }
    if (r == 0) {
        report(import, "version",
               "version %u is recorded with other words: they never change, "
               "take the next number",
               text->version);
        return 0;
    }
    uint32_t newest = 0;
    r = r == -ENOENT ? consent_newest(rd, text->purpose, &newest) : r;
    if (r < 0 && r != -ENOENT)
        return r;
    if (text->version <= newest)
        report(import, "version", "must be more than %u, the newest", newest);
    *ret_new = text->version > newest;
    return 0;
}

int accounts_import_consent_texts(const struct decide_in *in, const ImportConsentTextsRequest *req,
                                  ImportConsentTextsResponse *res, struct outcome *out)
{
    struct import import = { .arena = in->arena, .res = res };
    bool *is_new = arena_calloc(in->arena, req->n_rows + 1, sizeof(*is_new));
    res->reports = arena_calloc(in->arena, req->n_rows + 1, sizeof(*res->reports));
    if (!is_new || !res->reports)
        return -ENOMEM;
    int r = 0;
    for (size_t i = 0; r == 0 && i < req->n_rows; i++) {
        import.row = (uint32_t)i + 1;
        r = check_row(&import, in->state, req, &is_new[i]);
    }
    if (r < 0 || import.out_of_memory)
        return r < 0 ? r : -ENOMEM;
    res->accepted = res->n_reports == 0;
    if (!res->accepted)
        res->unchanged = 0;
    for (size_t i = 0; r == 0 && res->accepted && i < req->n_rows; i++) {
        ConsentTextRecorded event = CONSENT_TEXT_RECORDED_INIT;
        if (!is_new[i])
            continue;
        res->registered++;
        event.text = req->rows[i];
        r = req->dry_run ? 0 : emit_consent_text_recorded(out, req->rows[i]->purpose, &event);
    }
    return r;
}

/* ---- saying yes, and no more ---- */

/* What the services that may ask will find: only who knows the person by her id there can ask. */
static int make_checks(const struct decide_in *in, const PersonRow *row, const ConsentText *text,
                       ConsentGiven *event)
{
    struct slice pseudonym_key;
    int r = open_bytes(&SEALING(in), in->caller.id, AT_PSEUDONYM_KEY, row->sealed_pseudonym_key,
                       &pseudonym_key);
    event->checks = arena_calloc(in->arena, text->n_services + 1, sizeof(*event->checks));
    if (r < 0 || !event->checks)
        return r < 0 ? r : -ENOMEM;
    if (pseudonym_key.len != CALLER_KEY_BYTES)
        return -EBADMSG;
    for (size_t i = 0; r == 0 && i < text->n_services; i++) {
        char id[ID_CHARS + 1];
        caller_person_id(pseudonym_key.data, text->services[i], id);
        r = consent_check_hash(&SEALING(in), text->services[i], id, text->purpose,
                               &event->checks[i]);
        event->n_checks += r == 0;
    }
    return r;
}

int accounts_give_consent(const struct decide_in *in, const GiveConsentRequest *req,
                          GiveConsentResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    ConsentGiven event = CONSENT_GIVEN_INIT;
    ConsentText *text;
    ConsentRow *before;
    PersonRow *row;
    uint64_t sequence;
    uint32_t newest;
    struct key k;
    if (!came_in_person(in, out))
        return 0;
    int r = consent_newest(in->state, req->purpose, &newest);
    if (r == -ENOENT)
        return outcome_refuse(out, CODE_NOT_FOUND, "purpose: there is no such text");
    if (r < 0)
        return r;
    if (req->version != newest)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "version: the newest is %u: read it first", newest);
    r = caller_person(&SEALING(in), in->state, in->caller.id, &row, &out->status);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = consent_find(in->state, in->caller.id, req->purpose, &before, &sequence);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && before->version == newest)
        return 0;
    consent_text_key(req->purpose, newest, &k);
    r = rd_get(in->state, &T_CONSENT_TEXT, &k, &text);
    if (r == 0)
        r = make_checks(in, row, text, &event);
    event.person = (char *)in->caller.id;
    event.purpose = req->purpose;
    event.version = newest;
    return r < 0 ? r : emit_consent_given(out, in->caller.id, &event);
}

int accounts_withdraw_consent(const struct decide_in *in, const WithdrawConsentRequest *req,
                              WithdrawConsentResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    ConsentWithdrawn event = CONSENT_WITHDRAWN_INIT;
    ConsentRow *row;
    uint64_t sequence;
    if (!came_in_person(in, out))
        return 0;
    int r = consent_find(in->state, in->caller.id, req->purpose, &row, &sequence);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    event.person = (char *)in->caller.id;
    event.purpose = req->purpose;
    return emit_consent_withdrawn(out, in->caller.id, &event);
}
