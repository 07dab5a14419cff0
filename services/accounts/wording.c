/* wording.c - what the mails say. All of it stands in one table: to change a word, look no further.
 *
 * A paragraph may hold {code}, {link}, {role}, {scope}, {reason}, {name} and {sessions}; one with {link} or {sessions} is left out when
 * nobody knows where people reach us. What a person wrote is put in as text, never as markup.
 * Security: subjects say neither who nor for what: they are seen on a locked telephone. */
#include "services/accounts/wording.h"

#include <errno.h>
#include <string.h>

#include "common/buf.h"

enum {
    LANGUAGES = 2,
    PARAGRAPHS_MAX = 6,
    MAIL_KINDS = MAIL_KIND_PROVIDER_LINKED + 1,
    TEXT_MAX = 32 * 1024
};

struct words {
    const char *subject;
    const char *paragraphs[PARAGRAPHS_MAX];
};

static const struct words words[MAIL_KINDS][LANGUAGES] = {
    [MAIL_KIND_SIGN_IN] = {
        { "Din kod för att logga in på Fokus",
          { "Skriv den här koden där du började logga in:", "{code}",
            "Eller öppna länken i samma webbläsare:\n{link}",
            "Koden gäller i tio minuter och kan användas en gång. Ge den inte till någon. Vi "
            "ringer aldrig och frågar efter den.",
            "Har du inte bett om en kod? Då behöver du inte göra något. Ingen kan logga in utan "
            "koden." } },
        { "Your code to sign in to Fokus",
          { "Write this code where you began to sign in:", "{code}",
            "Or open the link in the same browser:\n{link}",
            "The code counts for ten minutes and can be used once. Give it to nobody. We never "
            "call and ask for it.",
            "Did you not ask for a code? Then you need do nothing. Nobody can sign in without "
            "it." } },
    },
    [MAIL_KIND_NEW_DEVICE] = {
        { "Ny inloggning på Fokus",
          { "Någon loggade in på ditt konto från en webbläsare som vi inte känner igen.",
            "Var det du? Då behöver du inte göra något.",
            "Var det inte du? Logga in och avsluta den inloggningen.",
            "Dina inloggningar:\n{sessions}" } },
        { "New sign-in to Fokus",
          { "Somebody signed in to your account with a browser that we do not know.",
            "Was it you? Then you need do nothing.",
            "Was it not you? Sign in and end that session.", "Your sessions:\n{sessions}" } },
    },
    [MAIL_KIND_ROLE_GRANTED] = {
        { "Du har fått en uppgift på Fokus",
          { "Du är nu {role}.", "Skälet som angavs:", "{reason}",
            "Du ser dina uppgifter, och kan lämna dem, när du har loggat in. Det gör du med den "
            "här e-postadressen." } },
        { "You have been given a role on Fokus",
          { "You are now {role}.", "The reason given:", "{reason}",
            "You see your roles, and can lay them down, when you have signed in. You do that with "
            "this e-mail address." } },
    },
    [MAIL_KIND_ROLE_WITHDRAWN] = {
        { "En av dina uppgifter på Fokus är avslutad",
          { "Du är inte längre {role}.", "Skälet som angavs:", "{reason}" } },
        { "One of your roles on Fokus has ended",
          { "You are no longer {role}.", "The reason given:", "{reason}" } },
    },
    [MAIL_KIND_CLAIM_ACCEPTED] = {
        { "Din anmälan på Fokus är godkänd",
          { "Din anmälan om {scope} är godkänd: du talar för egen del.", "Redaktionens svar:",
            "{reason}" } },
        { "Your claim on Fokus is accepted",
          { "Your claim about {scope} is accepted: you speak for yourself.",
            "The editors' answer:", "{reason}" } },
    },
    [MAIL_KIND_CLAIM_DECLINED] = {
        { "Din anmälan på Fokus är inte godkänd",
          { "Din anmälan om {scope} är inte godkänd.", "Redaktionens svar:", "{reason}",
            "Du kan göra en ny anmälan." } },
        { "Your claim on Fokus is not accepted",
          { "Your claim about {scope} is not accepted.", "The editors' answer:", "{reason}",
            "You can make a new claim." } },
    },
    [MAIL_KIND_KEY_MADE] = {
        { "En ny API-nyckel på Fokus",
          { "En API-nyckel med namnet \"{name}\" har skapats för ditt konto.",
            "Var det inte du? Logga in, ta bort nyckeln och avsluta andra inloggningar.",
            "Dina inloggningar:\n{sessions}" } },
        { "A new API key on Fokus",
          { "An API key named \"{name}\" was made for your account.",
            "Was it not you? Sign in, revoke the key and end other sessions.",
            "Your sessions:\n{sessions}" } },
    },
    [MAIL_KIND_PROVIDER_LINKED] = {
        { "Ett nytt sätt att logga in på Fokus",
          { "Du kan nu logga in på ditt konto med {name}.",
            "Var det inte du? Logga in, ta bort det och avsluta andra inloggningar.",
            "Dina inloggningar:\n{sessions}" } },
        { "A new way to sign in to Fokus",
          { "You can now sign in to your account with {name}.",
            "Was it not you? Sign in, remove it and end other sessions.",
            "Your sessions:\n{sessions}" } },
    },
};

/* The scope follows. */
static const char *const roles[][LANGUAGES] = {
    [FOKUS__V1__ROLE__ROLE_REPRESENTATIVE] = { "företrädare för ", "a representative of " },
    [FOKUS__V1__ROLE__ROLE_PROFESSIONAL] = { "vårdpersonal vid ", "a care professional at " },
    [FOKUS__V1__ROLE__ROLE_EDITOR] = { "redaktör", "an editor" },
    [FOKUS__V1__ROLE__ROLE_MODERATOR] = { "moderator", "a moderator" },
    [FOKUS__V1__ROLE__ROLE_JURY] = { "med i juryn för ", "in the jury of " },
    [FOKUS__V1__ROLE__ROLE_PARTNER] = { "partner för ", "a partner for " },
    [FOKUS__V1__ROLE__ROLE_OPERATOR] = { "driftansvarig", "an operator" },
};

static const char *const greeting[LANGUAGES] = { "Hej!", "Hello," };
static const char *const closing[LANGUAGES] = { "Vänliga hälsningar\nFokus",
                                                "Kind regards,\nFokus" };

struct writing {
    struct arena *arena;
    const MailContent *content;
    const char *site;
    int language; /* 0 Swedish, 1 English */
    bool html;
    struct buf out;
};

/* What a person wrote, as text. */
static void put_text(struct writing *w, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (!w->html)
            buf_append_byte(&w->out, (uint8_t)*c);
        else if (*c == '<')
            buf_append_str(&w->out, "&lt;");
        else if (*c == '>')
            buf_append_str(&w->out, "&gt;");
        else if (*c == '&')
            buf_append_str(&w->out, "&amp;");
        else if (*c == '"')
            buf_append_str(&w->out, "&quot;");
        else if (*c == '\n')
            buf_append_str(&w->out, "<br>\n");
        else
            buf_append_byte(&w->out, (uint8_t)*c);
    }
}

static void put_link(struct writing *w, const char *path)
{
    if (w->html)
        buf_append_str(&w->out, "<a href=\"");
    put_text(w, w->site);
    put_text(w, path);
    if (!w->html)
        return;
    buf_append_str(&w->out, "\">");
    put_text(w, w->site);
    put_text(w, path);
    buf_append_str(&w->out, "</a>");
}

/* Six digits are easier to read in two groups. */
static void put_code(struct writing *w)
{
    const char *code = w->content->code;
    if (w->html)
        buf_append_str(&w->out, "<strong style=\"font-size:1.8em;letter-spacing:.1em\">");
    buf_printf(&w->out, "%.3s %s", code, strlen(code) > 3 ? code + 3 : "");
    if (w->html)
        buf_append_str(&w->out, "</strong>");
}

static void put_role(struct writing *w)
{
    size_t role = (size_t)w->content->role;
    if (role < ARRAY_LEN(roles) && roles[role][w->language])
        put_text(w, roles[role][w->language]);
    put_text(w, w->content->scope);
}

static void put_value(struct writing *w, const char *name, size_t len)
{
    const MailContent *c = w->content;
    if (strncmp(name, "code", len) == 0)
        put_code(w);
    else if (strncmp(name, "link", len) == 0) {
        char *path =
            arena_printf(w->arena, "/logga-in/lank?id=%s&token=%s", c->sign_in, c->link_token);
        put_link(w, path ? path : "");
        w->out.failed = w->out.failed || !path;
    } else if (strncmp(name, "sessions", len) == 0)
        put_link(w, "/konto/inloggningar");
    else if (strncmp(name, "role", len) == 0)
        put_role(w);
    else if (strncmp(name, "scope", len) == 0)
        put_text(w, c->scope);
    else if (strncmp(name, "reason", len) == 0)
        put_text(w, c->reason);
    else if (strncmp(name, "name", len) == 0)
        put_text(w, c->name);
}

/* Ours, with values in braces. */
static void put_paragraph(struct writing *w, const char *paragraph)
{
    for (const char *open; (open = strchr(paragraph, '{'));) {
        size_t len = strcspn(open + 1, "}");
        char *before = arena_strndup(w->arena, paragraph, (size_t)(open - paragraph));
        put_text(w, before ? before : "");
        w->out.failed = w->out.failed || !before;
        put_value(w, open + 1, len);
        paragraph = open + 1 + len + 1;
    }
    put_text(w, paragraph);
}

static bool leads_to_site(const char *paragraph)
{
    return strstr(paragraph, "{link}") || strstr(paragraph, "{sessions}");
}

/* The whole body; NULL when it did not fit. */
static char *write_body(struct writing *w, const struct words *of)
{
    const char *between = w->html ? "</p>\n<p>" : "\n\n";
    w->out = BUF_INIT(TEXT_MAX);
    if (w->html)
        buf_printf(&w->out,
                   "<!DOCTYPE html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\"><title>%s"
                   "</title></head>\n<body style=\"font-family:sans-serif;font-size:1.1em;"
                   "line-height:1.5;max-width:36em\">\n<p>",
                   w->language ? "en" : "sv", of->subject);
    put_text(w, greeting[w->language]);
    for (size_t i = 0; i < PARAGRAPHS_MAX && of->paragraphs[i]; i++) {
        if (!*w->site && leads_to_site(of->paragraphs[i]))
            continue;
        buf_append_str(&w->out, between);
        put_paragraph(w, of->paragraphs[i]);
    }
    buf_append_str(&w->out, between);
    put_text(w, closing[w->language]);
    buf_append_str(&w->out, w->html ? "</p>\n</body></html>\n" : "\n");
    char *text =
        w->out.failed ? NULL : arena_strndup(w->arena, (const char *)w->out.data, w->out.len);
    buf_free(&w->out);
    return text;
}

int wording_of(struct arena *arena, MailKind kind, const MailContent *content, const char *site,
               struct mail *ret)
{
    struct writing w = { .arena = arena, .content = content, .site = site };
    if (kind <= MAIL_KIND_UNSPECIFIED || (size_t)kind >= MAIL_KINDS)
        return -EINVAL;
    w.language = strcmp(content->language, "en") == 0;
    const struct words *of = &words[kind][w.language];
    ret->subject = of->subject;
    ret->language = w.language ? "en" : "sv";
    ret->text = write_body(&w, of);
    w.html = true;
    ret->html = write_body(&w, of);
    return ret->text && ret->html ? 0 : -ENOMEM;
}
