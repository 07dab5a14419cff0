/* decide_sign_in.c - signing in with a code or link by e-mail.
 *
 * Security, in the order of the attacks:
 * - Who has an account? Asking for a code does the same work and gives the same answer for every address; the account is looked for
 *   (and if need be opened) when the code proves that the address is hers.
 * - Guessing: five tries a sign-in, and limits.h on top.
 * - Another's code: it counts only in the browser that asked for it, so a code told to a caller, or a link in a forwarded mail, is
 *   worth nothing elsewhere.
 * - A mail scanner that opens the link: the page it opens only shows a button; FinishSignIn is a command.
 * - The log: code, token and address are sealed under the sign-in's own key, which goes when the sign-in does. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "services/accounts/limits.h"
#include "services/accounts/mails.h"
#include "services/accounts/persons.h"
#include "services/accounts/sessions.h"
#include "services/accounts/sign_ins.h"

#define SIGN_IN_LASTS_MS (10 * MINUTE_MS)
enum {
    CODE_CHARS = 6,
    CODES = 1000000,
    LINK_BYTES = 32,
    BROWSER_MARK_BYTES = 32,
    TRIES = 5,
    UNDER_WAY_MAX = 100000, /* sign-ins, but for browsers that know the address */
    SWEPT_AT_ONCE =
        4, /* sign-ins that ran out, ended with each new one: their number does not grow */
};

/* ---- asking for a code ---- */

/* Security: only a path of this site, or the page after sign-in could be anybody's. */
static bool is_own_path(const char *path)
{
    return path[0] == '/' && path[1] != '/' && !strchr(path, '\\');
}

/* What counts against limits; false, and refused, when one is used up. */
static int take_limits(const struct decide_in *in, const char *address, SignInStarted *event,
                       bool *ret_left, struct outcome *out)
{
    const struct slice about = slice_text(address), network = in->origin->network;
    const struct limit_of strange[] = { { LIMIT_NETWORK, network, { 0 } },
                                        { LIMIT_ADDRESS_NETWORK, about, network },
                                        { LIMIT_ADDRESS, about, { 0 } },
                                        { LIMIT_ADDRESS_DAY, about, { 0 } } };
    const struct limit_of known[] = { { LIMIT_DEVICE, about, in->origin->browser } };
    event->n_uses = event->known_device ? ARRAY_LEN(known) : ARRAY_LEN(strange);
    *ret_left = true;
    int r = limit_uses(in, out, event->known_device ? known : strange, event->n_uses, &event->uses);
    for (size_t i = 0; r == 0 && i < event->n_uses; i++) {
        bool left;
        r = limit_left(in->state, event->uses[i], in->now_ms, &left);
        *ret_left = *ret_left && r == 0 && left;
    }
    if (r < 0)
        return r;
    if (!*ret_left)
        return outcome_refuse(out, CODE_RESOURCE_EXHAUSTED,
                              "too many codes were asked for: wait an hour, or sign in with a "
                              "browser that has signed in to this address before");
    if (!event->known_device && rd_count(in->state, &T_SIGN_IN) >= UNDER_WAY_MAX) {
        *ret_left = false;
        return outcome_refuse(out, CODE_RESOURCE_EXHAUSTED,
                              "very many people sign in right now: try again in ten minutes");
    }
    return 0;
}

static int make_secret(const struct decide_in *in, const char *address, const char *return_to,
                       SignInSecret *ret)
{
    enum {
        CHARS = sodium_base64_ENCODED_LEN(LINK_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)
    };
    uint8_t random[LINK_BYTES];
    *ret = (SignInSecret)SIGN_IN_SECRET_INIT;
    ret->address = (char *)address;
    ret->return_to = (char *)return_to;
    ret->language = (char *)in->locale;
    ret->code = arena_printf(in->arena, "%06u", randombytes_uniform(CODES));
    ret->link_token = arena_alloc(in->arena, CHARS);
    if (!ret->code || !ret->link_token)
        return -ENOMEM;
    randombytes_buf(random, sizeof(random));
    sodium_bin2base64(ret->link_token, CHARS, random, sizeof(random),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return 0;
}

static int queue_code(const struct decide_in *in, struct outcome *out, const char *sign_in,
                      const SignInSecret *secret, int64_t expires_ms)
{
    MailContent content = MAIL_CONTENT_INIT;
    content.address = secret->address;
    content.language = secret->language;
    content.code = secret->code;
    content.sign_in = (char *)sign_in;
    content.link_token = secret->link_token;
    return mail_queue(in, out, sign_in, MAIL_KIND_SIGN_IN, &content, expires_ms);
}

/* Security: what origins say of a browser goes into keyed hashes that are kept (device_hash()), beside an address. Whoever had log,
 * vault and master key could try addresses with it. So the log has only what it is recognised by. */
static int browser_mark(struct arena *arena, struct slice browser, ProtobufCBinaryData *ret)
{
    static const char purpose[] = "fokus-accounts browser";
    uint8_t *mark = arena_alloc(arena, BROWSER_MARK_BYTES);
    if (!mark)
        return -ENOMEM;
    (void)crypto_generichash(mark, BROWSER_MARK_BYTES, browser.data, browser.len,
                             (const uint8_t *)purpose,
                             sizeof(purpose) - 1); /* the sizes are right */
    *ret = (ProtobufCBinaryData) { BROWSER_MARK_BYTES, mark };
    return 0;
}

int accounts_start_sign_in(const struct decide_in *in, const StartSignInRequest *req,
                           StartSignInResponse *res, struct outcome *out)
{
    const struct sealing *sealing = &SEALING(in);
    ProtobufCBinaryData device;
    SignInSecret secret;
    struct err err;
    char *address = NULL, *id = arena_alloc(in->arena, ID_CHARS + 1);
    bool left = false;

    if (!id)
        return -ENOMEM;
    if (in->origin->browser.len == 0)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "signing in needs cookies: allow them and try again");
    int r = address_read(in->arena, req->address, &address, &out->status);
    if (r < 0)
        return r;
    if (*req->return_to && !is_own_path(req->return_to))
        outcome_violation(out, "return_to", "must be a path of this site: begin with a single /");
    if (out->status.code != CODE_OK)
        return 0;

    SignInStarted event = SIGN_IN_STARTED_INIT;
    r = device_hash(sealing, address, in->origin->browser, &device);
    if (r < 0)
        return r;
    event.known_device = rd_has(in->state, &T_DEVICE, KEY_BYTES(device));
    r = take_limits(in, address, &event, &left, out);
    if (r < 0 || !left)
        return r;
    uint32_t ended;
    r = sign_ins_sweep(in, out, SWEPT_AT_ONCE, &ended);
    if (r < 0)
        return r;

    id_next(in->ids, in->now_ms, id);
    event.sign_in = id;
    event.expires_ms = in->now_ms + SIGN_IN_LASTS_MS;
    r = browser_mark(in->arena, in->origin->browser, &event.browser);
    if (r == 0)
        r = make_secret(in, address, req->return_to, &secret);
    if (r == 0)
        r = vault_add(in->vault, id, NULL, 0, &err);
    if (r == 0)
        r = seal_message(sealing, id, AT_SIGN_IN, &secret.base, &event.sealed);
    if (r == 0)
        r = emit_sign_in_started(out, id, &event);
    if (r == 0)
        r = queue_code(in, out, id, &secret, event.expires_ms);
    res->sign_in = id;
    res->expires_ms = event.expires_ms;
    return r;
}

/* ---- giving it ---- */

/* The sign-in is over: its key goes, and with it all that was sealed for it. */
int sign_in_end(struct outcome *out, const char *sign_in, SignInEnd why, const char *person)
{
    SignInEnded event = SIGN_IN_ENDED_INIT;
    event.sign_in = (char *)sign_in;
    event.why = why;
    event.person = (char *)person;
    int r = emit_sign_in_ended(out, sign_in, &event);
    return r < 0 ? r : outcome_erase_person(out, sign_in);
}

int sign_ins_sweep(const struct decide_in *in, struct outcome *out, size_t most,
                   uint32_t *ret_ended)
{
    struct scan s;
    *ret_ended = 0;
    for (scan_from(&s, in->state, &T_SIGN_IN_ENDS, &KEY_INIT, NULL);
         *ret_ended < most && scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        int64_t ends_ms;
        char *id = arena_alloc(in->arena, ID_CHARS + 1);
        if (!id)
            return scan_give_up(&s, -ENOMEM);
        if (!key_read_i64(&reader, &ends_ms) || !key_read_text(&reader, id, ID_CHARS + 1))
            return scan_give_up(&s, -EBADMSG);
        if (ends_ms > in->now_ms)
            break;
        int r = sign_in_end(out, id, SIGN_IN_END_EXPIRED, "");
        if (r < 0)
            return scan_give_up(&s, r);
        (*ret_ended)++;
    }
    return scan_end(&s);
}

/* Security: in constant time. */
static bool same_text(const char *a, const char *b)
{
    size_t len = strlen(b);
    return strlen(a) == len && sodium_memcmp(a, b, len) == 0;
}

static bool same_code(const char *typed, const char *code)
{
    char digits[CODE_CHARS + 1] = { 0 };
    size_t n = 0;
    for (const char *c = typed; *c; c++) {
        if (*c == ' ')
            continue;
        if (n == CODE_CHARS)
            return false;
        digits[n++] = *c;
    }
    return same_text(digits, code);
}

/* Security: in constant time. */
static int asked_here(const struct decide_in *in, const SignIn *row, bool *ret)
{
    ProtobufCBinaryData mark;
    int r = browser_mark(in->arena, in->origin->browser, &mark);
    if (r == 0)
        *ret = row->browser.len == mark.len &&
               sodium_memcmp(row->browser.data, mark.data, mark.len) == 0;
    return r;
}

static int wrong(const struct decide_in *in, struct outcome *out, const char *id, const SignIn *row,
                 const SignInSecret *secret, LimitUse **uses, FinishSignInResponse *res)
{
    SignInTried event = SIGN_IN_TRIED_INIT;
    event.sign_in = (char *)id;
    event.uses = uses;
    event.n_uses = 1;
    res->outcome = SIGN_IN_OUTCOME_WRONG_CODE;
    res->tries_left = TRIES - row->tries - 1;
    int r = emit_sign_in_tried(out, id, &event);
    if (r < 0 || res->tries_left > 0)
        return r;
    /* Only a sign-in that ends looks for whose address it was, to tell her. */
    char *person = "";
    PersonRow *owner;
    r = person_by_address(&SEALING(in), in->state, secret->address, &person, &owner);
    if (r < 0 && r != -ENOENT)
        return r;
    res->outcome = SIGN_IN_OUTCOME_ENDED;
    return sign_in_end(out, id, SIGN_IN_END_TRIES, person);
}

static int arrive(const struct decide_in *in, struct outcome *out, const SignInSecret *secret,
                  SignInMethod method, bool *ret_first_time)
{
    PersonRow fresh, *row = &fresh;
    char *person;
    int r = person_by_address(&SEALING(in), in->state, secret->address, &person, &row);
    bool unknown = r == -ENOENT;
    if (unknown) {
        const struct vault_lookup lookup = { FIND_ADDRESS, slice_text(secret->address) };
        Profile profile = PROFILE_INIT;
        profile.address = secret->address;
        profile.language = secret->language;
        r = person_open(in, out, &profile, &lookup, 1, true, &person, &fresh);
        row = &fresh;
    }
    if (r < 0)
        return r;
    *ret_first_time = row->signed_in_ms == 0;
    const struct arrival arrival = {
        .person = person,
        .row = row,
        .address = secret->address,
        .method = method,
        .level = "",
        .provider = "",
        .first_time = *ret_first_time,
    };
    return session_start(in, out, &arrival);
}

int accounts_finish_sign_in(const struct decide_in *in, const FinishSignInRequest *req,
                            FinishSignInResponse *res, struct outcome *out)
{
    const struct sealing *sealing = &SEALING(in);
    bool by_code = *req->code, here = false, left = true, first_time = false;
    struct slice browser = in->origin->browser, address;
    SignInSecret *secret;
    SignIn *row;
    LimitUse **uses;

    if (by_code == (*req->link_token != '\0'))
        return outcome_violation(out, "code", "give the code or the link's token, one of them");
    res->outcome = SIGN_IN_OUTCOME_ENDED;
    int r = rd_get(in->state, &T_SIGN_IN, KEY_TEXT(req->sign_in), &row);
    if (r == 0 && !counts_now(row->started_ms, row->expires_ms, in->now_ms))
        return 0;
    if (r == 0)
        r = asked_here(in, row, &here);
    if (r == 0 && !here) {
        res->outcome = SIGN_IN_OUTCOME_OTHER_BROWSER;
        return 0;
    }
    if (r == 0)
        r = open_message(sealing, req->sign_in, AT_SIGN_IN, row->sealed, SIGN_IN_SECRET_DESCRIPTOR,
                         &secret);
    if (r < 0)
        return r == -ENOENT ? 0 : r;

    address = slice_text(secret->address);
    r = limit_uses(in, out,
                   row->known_device ? &(struct limit_of) { LIMIT_DEVICE_GUESSES, address, browser }
                                     : &(struct limit_of) { LIMIT_GUESSES, address, { 0 } },
                   1, &uses);
    if (r == 0 && by_code)
        r = limit_left(in->state, uses[0], in->now_ms, &left);
    if (r < 0)
        return r;
    if (!left) {
        res->outcome = SIGN_IN_OUTCOME_LINK_NEEDED;
        return 0;
    }
    bool right = by_code ? same_code(req->code, secret->code)
                         : same_text(req->link_token, secret->link_token);
    if (!right)
        return wrong(in, out, req->sign_in, row, secret, uses, res);

    res->outcome = SIGN_IN_OUTCOME_SIGNED_IN;
    res->return_to = secret->return_to;
    r = sign_in_end(out, req->sign_in, SIGN_IN_END_USED, "");
    if (r == 0)
        r = arrive(in, out, secret, by_code ? SIGN_IN_METHOD_CODE : SIGN_IN_METHOD_LINK,
                   &first_time);
    res->first_time = first_time;
    return r;
}
