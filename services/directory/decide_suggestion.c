/* decide_suggestion.c - what the public proposes, and what the editors make of it.
 *
 * Security: anyone may write here, so both queues are bounded, the same content twice is one entry, and what looks like a
 * person's e-mail address or personal identity number is refused before it reaches the log, which never forgets. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "services/directory/rules.h"

enum { MAX_OPEN = 5000 }; /* suggestions, and as many error reports, that wait for an editor */

static void refuse_personal_numbers(struct complaints *c, const char *field, const char *text)
{
    if (text_has_personal_number(text))
        complain(c, field, "holds what looks like a personal identity number: leave it out");
    if (text_has_personal_email(text))
        complain(c, field,
                 "holds what looks like a person's e-mail address: leave it out, or "
                 "give the address of a function, such as info@ or kansli@");
}

static void refuse_personal_data(struct complaints *c, const Organisation *o)
{
    refuse_personal_numbers(c, "name", o->name);
    refuse_personal_numbers(c, "short_name", o->short_name);
    for (size_t i = 0; i < o->n_former_names; i++)
        refuse_personal_numbers(c, "former_names", o->former_names[i]);
    refuse_personal_numbers(c, "description", o->description);
    refuse_personal_numbers(c, "source", o->source);
    if (!o->contact)
        return;
    if (text_is_personal_email(o->contact->email))
        complain(c, "contact.email",
                 "looks like a person's address; give that of a function, such as info@ or "
                 "kansli@");
    refuse_personal_numbers(c, "contact.phone", o->contact->phone);
    refuse_personal_numbers(c, "contact.visiting_address", o->contact->visiting_address);
    refuse_personal_numbers(c, "contact.postal_address", o->contact->postal_address);
}

int directory_suggest_organisation(const struct decide_in *in,
                                   const SuggestOrganisationRequest *req,
                                   SuggestOrganisationResponse *res, struct outcome *out)
{
    Organisation *o = organisation_copy(in->arena, req->organisation);
    if (!o)
        return -ENOMEM;
    organisation_clear_own_fields(o);
    o->revision = 0;
    struct complaints c = { .status = &out->status, .prefix = "organisation." };
    if (text_is_blank(o->name))
        complain(&c, "name", "must not be empty");
    refuse_personal_data(&c, o);
    if (c.count > 0)
        return 0;

    struct key k;
    int r = content_key(in->arena, CONTENT_SUGGESTION, o, &k);
    if (r < 0)
        return r;
    r = content_find(in->state, &k, &res->number);
    if (r != -ENOENT)
        return r;
    if (rd_count(in->state, &T_SUGGESTION_OPEN) >= MAX_OPEN)
        return outcome_refuse(out, CODE_RESOURCE_EXHAUSTED,
                              "too many suggestions wait for an editor already: try again in some "
                              "days");
    r = next_number(in->state, &T_SUGGESTION, &res->number);
    if (r < 0)
        return r;
    OrganisationSuggested event = ORGANISATION_SUGGESTED_INIT;
    event.number = res->number;
    event.organisation = o;
    char *subject = arena_printf(in->arena, "suggestion-%" PRIu64, res->number);
    return subject ? emit_organisation_suggested(out, subject, &event) : -ENOMEM;
}

static int find_suggestion(const struct rd *rd, uint64_t number, Suggestion **ret,
                           struct outcome *out)
{
    int r = rd_get(rd, &T_SUGGESTION, KEY_U64(number), ret);
    if (r == -ENOENT)
        (void)outcome_refuse(out, CODE_NOT_FOUND,
                             "number: there is no suggestion %" PRIu64, /* returns 0 always */
                             number);
    return r;
}

int directory_accept_suggestion(const struct decide_in *in, const AcceptSuggestionRequest *req,
                                AcceptSuggestionResponse *res, struct outcome *out)
{
    Suggestion *suggestion;
    int r = find_suggestion(in->state, req->number, &suggestion, out);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    Organisation *old;
    r = organisation_find(in->state, req->slug, &old);
    if (r < 0 && r != -ENOENT)
        return r;
    if (suggestion->state == SUGGESTION_STATE_ACCEPTED && r == 0 &&
        strcmp(suggestion->slug, req->slug) == 0) {
        res->organisation = old;
        return 0;
    }
    if (suggestion->state == SUGGESTION_STATE_ACCEPTED)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "suggestion %" PRIu64 " was already accepted, as '%s'", req->number,
                              suggestion->slug);
    if (suggestion->state == SUGGESTION_STATE_DECLINED)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "suggestion %" PRIu64 " was declined: %s", req->number,
                              suggestion->reason);
    if (r == 0)
        return outcome_refuse(out, CODE_ALREADY_EXISTS,
                              "slug: there is already an organisation '%s': choose another slug, "
                              "or decline the suggestion",
                              req->slug);

    Organisation *o = organisation_copy(in->arena, suggestion->organisation);
    if (!o)
        return -ENOMEM;
    o->slug = req->slug;
    struct complaints c = { .status = &out->status, .prefix = "organisation." };
    organisation_take(o, req->organisation, req->update_mask, &c);
    OrganisationState state = o->state;
    organisation_clear_own_fields(o);
    o->state = state;
    r = check_organisation(in->state, NULL, o, &c);
    if (r < 0 || c.count > 0)
        return r;

    OrganisationRegistered registered = ORGANISATION_REGISTERED_INIT;
    registered.organisation = o;
    r = emit_organisation_registered(out, o->slug, &registered);
    if (r < 0)
        return r;
    SuggestionAccepted accepted = SUGGESTION_ACCEPTED_INIT;
    accepted.number = req->number;
    accepted.slug = o->slug;
    res->organisation = o;
    return emit_suggestion_accepted(out, o->slug, &accepted);
}

int directory_decline_suggestion(const struct decide_in *in, const DeclineSuggestionRequest *req,
                                 DeclineSuggestionResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    Suggestion *suggestion;
    int r = find_suggestion(in->state, req->number, &suggestion, out);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (suggestion->state == SUGGESTION_STATE_DECLINED &&
        strcmp(suggestion->reason, req->reason) == 0)
        return 0;
    if (suggestion->state == SUGGESTION_STATE_DECLINED)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "suggestion %" PRIu64 " was already declined: %s", req->number,
                              suggestion->reason);
    if (suggestion->state == SUGGESTION_STATE_ACCEPTED)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "suggestion %" PRIu64 " was already accepted, as '%s'", req->number,
                              suggestion->slug);
    SuggestionDeclined event = SUGGESTION_DECLINED_INIT;
    event.number = req->number;
    event.reason = req->reason;
    char *subject = arena_printf(in->arena, "suggestion-%" PRIu64, req->number);
    return subject ? emit_suggestion_declined(out, subject, &event) : -ENOMEM;
}

/* ---- error reports ---- */

static int term_exists(const struct rd *rd, const char *abbreviation, bool *ret)
{
    struct text_folded folded;
    text_fold(abbreviation, &folded);
    struct scan s;
    scan_prefix(&s, rd, &T_TERM, KEY_TEXT(folded.text));
    bool found = scan_next(&s);
    int r = scan_end(&s);
    if (r == 0)
        *ret = found;
    return r;
}

static int right_exists(const struct rd *rd, const char *slug, bool *ret)
{
    struct scan s;
    bool found = false;
    for (scan_prefix(&s, rd, &T_PATIENT_RIGHT, &KEY_INIT); !found && scan_next(&s);) {
        PatientRight *right;
        int r = scan_message(&s, &right);
        if (r < 0)
            return scan_give_up(&s, r);
        found = strcmp(right->slug, slug) == 0;
    }
    int r = scan_end(&s);
    if (r == 0)
        *ret = found;
    return r;
}

static int entry_exists(const struct rd *rd, EntryType type, const char *key, bool *ret)
{
    const struct table *t = NULL;
    switch (type) {
    case ENTRY_TYPE_ORGANISATION:
        t = &T_ORGANISATION;
        break;
    case ENTRY_TYPE_CARE_AREA:
        t = &T_CARE_AREA;
        break;
    case ENTRY_TYPE_PATIENT_RIGHT:
        return right_exists(rd, key, ret);
    case ENTRY_TYPE_TERM:
        return term_exists(rd, key, ret);
    case ENTRY_TYPE_REGION:
        t = &T_REGION;
        break;
    case ENTRY_TYPE_MUNICIPALITY:
        t = &T_MUNICIPALITY;
        break;
    case ENTRY_TYPE_HEALTHCARE_REGION:
        t = &T_HEALTHCARE_REGION;
        break;
    case ENTRY_TYPE_HELPLINE:
        t = &T_HELPLINE;
        break;
    case ENTRY_TYPE_UNSPECIFIED:
    case _ENTRY_TYPE_IS_INT_SIZE:
        break;
    }
    *ret = t && rd_has(rd, t, KEY_TEXT(key));
    return 0;
}

int directory_report_error(const struct decide_in *in, const ReportErrorRequest *req,
                           ReportErrorResponse *res, struct outcome *out)
{
    struct complaints c = { .status = &out->status, .prefix = "" };
    if (req->entry_type < ENTRY_TYPE_ORGANISATION || req->entry_type > ENTRY_TYPE_HELPLINE)
        complain(&c, "entry_type", "is not a kind of entry there is");
    refuse_personal_numbers(&c, "text", req->text);
    if (c.count > 0)
        return 0;
    bool exists = false;
    int r = entry_exists(in->state, req->entry_type, req->key, &exists);
    if (r < 0)
        return r;
    if (!exists)
        return outcome_refuse(out, CODE_NOT_FOUND, "key: there is no such entry '%s'", req->key);

    ReportErrorRequest content = REPORT_ERROR_REQUEST_INIT;
    content.entry_type = req->entry_type;
    content.key = req->key;
    content.text = req->text;
    struct key k;
    r = content_key(in->arena, CONTENT_ERROR_REPORT, &content, &k);
    if (r < 0)
        return r;
    r = content_find(in->state, &k, &res->number);
    if (r != -ENOENT)
        return r;
    if (rd_count(in->state, &T_ERROR_REPORT_OPEN) >= MAX_OPEN)
        return outcome_refuse(out, CODE_RESOURCE_EXHAUSTED,
                              "too many reports wait for an editor already: try again in some "
                              "days");
    r = next_number(in->state, &T_ERROR_REPORT, &res->number);
    if (r < 0)
        return r;
    ErrorReported event = ERROR_REPORTED_INIT;
    event.number = res->number;
    event.entry_type = req->entry_type;
    event.key = req->key;
    event.text = req->text;
    return emit_error_reported(out, req->key, &event);
}

int directory_resolve_error_report(const struct decide_in *in, const ResolveErrorReportRequest *req,
                                   ResolveErrorReportResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    ErrorReport *report;
    int r = rd_get(in->state, &T_ERROR_REPORT, KEY_U64(req->number), &report);
    if (r == -ENOENT)
        return outcome_refuse(out, CODE_NOT_FOUND, "number: there is no error report %" PRIu64,
                              req->number);
    if (r < 0)
        return r;
    if (report->resolved && strcmp(report->resolution, req->resolution) == 0)
        return 0;
    if (report->resolved)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "error report %" PRIu64 " was already resolved: %s", req->number,
                              report->resolution);
    ErrorReportResolved event = ERROR_REPORT_RESOLVED_INIT;
    event.number = req->number;
    event.resolution = req->resolution;
    return emit_error_report_resolved(out, report->key, &event);
}
