/* decide_organisation.c - registers, revises, merges, closes and confirms organisations one at a time.
 *
 * A slug is for ever: it is never given to another organisation, also after a merge or a closure. Each change adds one to the
 * revision, and whoever changes says which revision they had read. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "services/directory/rules.h"

static int refuse_unknown(struct outcome *out, const char *field, const char *slug)
{
    return outcome_refuse(out, CODE_NOT_FOUND, "%s: there is no organisation '%s'", field, slug);
}

static int refuse_merged(struct outcome *out, const Organisation *o)
{
    return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                          "'%s' was merged into '%s': change that one, or undo the merge first",
                          o->slug, o->merged_into);
}

/* *ret is NULL when there is no such organisation, which has been refused then. */
static int find_known(const struct decide_in *in, const char *field, const char *slug,
                      struct outcome *out, Organisation **ret)
{
    *ret = NULL;
    int r = organisation_find(in->state, slug, ret);
    return r == -ENOENT ? refuse_unknown(out, field, slug) : r;
}

/* The same, and one that was merged into another is refused too: it is changed no more. */
static int find_changeable(const struct decide_in *in, const char *slug, struct outcome *out,
                           Organisation **ret)
{
    int r = find_known(in, "slug", slug, out, ret);
    if (r < 0 || !*ret || (*ret)->state != ORGANISATION_STATE_MERGED)
        return r;
    const Organisation *merged = *ret;
    *ret = NULL;
    return refuse_merged(out, merged);
}

/* 0 stands for "whatever it is now". */
static bool is_stale(const Organisation *o, uint64_t revision, struct outcome *out)
{
    if (revision == 0 || revision == o->revision)
        return false;
    (void)outcome_refuse(out, CODE_ABORTED,
                         "'%s' was changed meanwhile: it is at revision %" PRIu64
                         ", you had read %" PRIu64 "; read it again and redo your change",
                         o->slug, o->revision, revision); /* returns 0 always */
    return true;
}

int directory_register_organisation(const struct decide_in *in,
                                    const RegisterOrganisationRequest *req,
                                    RegisterOrganisationResponse *res, struct outcome *out)
{
    Organisation *o = organisation_copy(in->arena, req->organisation);
    if (!o)
        return -ENOMEM;
    organisation_clear_own_fields(o);
    struct complaints c = { .status = &out->status, .prefix = "organisation." };
    int r = check_organisation(in->state, NULL, o, &c);
    if (r < 0 || c.count > 0)
        return r;

    Organisation *old;
    r = organisation_find(in->state, o->slug, &old);
    if (r == 0) {
        Organisation as_new = *old;
        organisation_clear_own_fields(&as_new);
        char **changed;
        size_t n_changed;
        r = changed_fields(in->arena, &as_new, o, &changed, &n_changed);
        if (r < 0)
            return r;
        if (n_changed > 0 || old->state == ORGANISATION_STATE_MERGED)
            return outcome_refuse(out, CODE_ALREADY_EXISTS,
                                  "there is already an organisation '%s', with another %s: revise "
                                  "it, or choose another slug",
                                  o->slug, n_changed > 0 ? changed[0] : "state");
        res->organisation = old;
        return 0;
    }
    if (r != -ENOENT)
        return r;

    OrganisationRegistered event = ORGANISATION_REGISTERED_INIT;
    event.organisation = o;
    res->organisation = o;
    return emit_organisation_registered(out, o->slug, &event);
}

int directory_revise_organisation(const struct decide_in *in, const ReviseOrganisationRequest *req,
                                  ReviseOrganisationResponse *res, struct outcome *out)
{
    Organisation *old;
    int r = find_changeable(in, req->slug, out, &old);
    if (r < 0 || !old)
        return r;

    Organisation *next = organisation_copy(in->arena, old);
    if (!next)
        return -ENOMEM;
    struct complaints c = { .status = &out->status, .prefix = "organisation." };
    if (req->update_mask->n_paths == 0)
        return outcome_violation(out, "update_mask", "must name the fields to change");
    organisation_take(next, req->organisation, req->update_mask, &c);
    if (c.count > 0)
        return 0;
    OrganisationRevised event = ORGANISATION_REVISED_INIT;
    r = changed_fields(in->arena, old, next, &event.changed_fields, &event.n_changed_fields);
    if (r < 0)
        return r;
    if (event.n_changed_fields == 0) {
        res->organisation = old;
        return 0;
    }
    if (is_stale(old, req->revision, out))
        return 0;
    r = check_organisation(in->state, NULL, next, &c);
    if (r < 0 || c.count > 0)
        return r;
    next->revision = old->revision + 1;
    event.organisation = next;
    res->organisation = next;
    return emit_organisation_revised(out, next->slug, &event);
}

int directory_merge_organisations(const struct decide_in *in, const MergeOrganisationsRequest *req,
                                  MergeOrganisationsResponse *res, struct outcome *out)
{
    if (strcmp(req->slug, req->into) == 0)
        return outcome_violation(out, "into", "must be another organisation than the duplicate");
    Organisation *from, *into;
    int r = find_known(in, "slug", req->slug, out, &from);
    if (r < 0 || !from)
        return r;
    r = find_known(in, "into", req->into, out, &into);
    if (r < 0 || !into)
        return r;

    if (from->state == ORGANISATION_STATE_MERGED && strcmp(from->merged_into, into->slug) == 0) {
        res->organisation = into;
        return 0;
    }
    if (from->state == ORGANISATION_STATE_MERGED)
        return refuse_merged(out, from);
    if (into->state == ORGANISATION_STATE_MERGED)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "into: '%s' was itself merged into '%s': merge into that one",
                              into->slug, into->merged_into);
    bool circle;
    r = stands_above(in->state, from->slug, into->parent_slug, &circle);
    if (r < 0)
        return r;
    if (circle)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "into: '%s' stands below '%s': give it another parent_slug than "
                              "'%s' first",
                              into->slug, from->slug, into->parent_slug);
    if (is_stale(from, req->revision, out))
        return 0;

    OrganisationsMerged event = ORGANISATIONS_MERGED_INIT;
    event.slug = from->slug;
    event.into = into->slug;
    event.revision = from->revision + 1;
    res->organisation = into;
    return emit_organisations_merged(out, from->slug, &event);
}

int directory_unmerge_organisations(const struct decide_in *in,
                                    const UnmergeOrganisationsRequest *req,
                                    UnmergeOrganisationsResponse *res, struct outcome *out)
{
    Organisation *old;
    int r = find_known(in, "slug", req->slug, out, &old);
    if (r < 0 || !old)
        return r;
    if (old->state != ORGANISATION_STATE_MERGED) {
        res->organisation = old;
        return 0;
    }
    bool circle;
    r = stands_above(in->state, old->slug, old->parent_slug, &circle);
    if (r < 0)
        return r;
    if (circle)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "'%s' belongs to '%s', which came to belong to it since the merge: "
                              "give that one another parent_slug first",
                              old->slug, old->parent_slug);
    MergeNote *note;
    r = rd_get(in->state, &T_MERGE, KEY_TEXT(old->slug), &note);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;

    Organisation *o = organisation_copy(in->arena, old);
    if (!o)
        return -ENOMEM;
    o->state = note->state;
    o->merged_into = "";
    o->revision = old->revision + 1;
    OrganisationsUnmerged event = ORGANISATIONS_UNMERGED_INIT;
    event.slug = o->slug;
    event.from = note->into;
    event.state = o->state;
    event.revision = o->revision;
    res->organisation = o;
    return emit_organisations_unmerged(out, o->slug, &event);
}

enum { DAY_MS = 24 * 60 * 60 * 1000 };

/* Whether the date is past today, wherever on Earth: the clock here shows UTC. Negative: no memory. */
static int is_to_come(const struct decide_in *in, const char *date)
{
    char *tomorrow;

    int r = date_of(in->arena, in->now_ms + DAY_MS, &tomorrow);
    return r < 0 ? r : strcmp(date, tomorrow) > 0;
}

int directory_close_organisation(const struct decide_in *in, const CloseOrganisationRequest *req,
                                 CloseOrganisationResponse *res, struct outcome *out)
{
    Organisation *old;
    int r = find_changeable(in, req->slug, out, &old);
    if (r < 0 || !old)
        return r;
    if (old->state == ORGANISATION_STATE_CLOSED && strcmp(old->closed_on, req->closed_on) == 0 &&
        strcmp(old->closing_reason, req->reason) == 0) {
        res->organisation = old;
        return 0;
    }
    if (is_stale(old, req->revision, out))
        return 0;
    r = is_to_come(in, req->closed_on);
    if (r > 0)
        return outcome_violation(out, "closed_on",
                                 "must not lie in the future: until then it is not closed");
    if (r < 0)
        return r;

    Organisation *o = organisation_copy(in->arena, old);
    if (!o)
        return -ENOMEM;
    o->state = ORGANISATION_STATE_CLOSED;
    o->closed_on = req->closed_on;
    o->closing_reason = req->reason;
    o->revision = old->revision + 1;
    OrganisationClosed event = ORGANISATION_CLOSED_INIT;
    event.slug = o->slug;
    event.closed_on = o->closed_on;
    event.reason = o->closing_reason;
    event.revision = o->revision;
    res->organisation = o;
    return emit_organisation_closed(out, o->slug, &event);
}

int directory_confirm_organisation(const struct decide_in *in,
                                   const ConfirmOrganisationRequest *req,
                                   ConfirmOrganisationResponse *res, struct outcome *out)
{
    Organisation *old;
    int r = find_changeable(in, req->slug, out, &old);
    if (r < 0 || !old)
        return r;
    Organisation *o = organisation_copy(in->arena, old);
    if (!o)
        return -ENOMEM;
    r = date_of(in->arena, in->now_ms, &o->last_confirmed);
    if (r < 0)
        return r;
    if (strcmp(old->last_confirmed, o->last_confirmed) == 0) {
        res->organisation = old;
        return 0;
    }
    o->revision = old->revision + 1;
    OrganisationConfirmed event = ORGANISATION_CONFIRMED_INIT;
    event.slug = o->slug;
    event.date = o->last_confirmed;
    event.revision = o->revision;
    res->organisation = o;
    return emit_organisation_confirmed(out, o->slug, &event);
}
