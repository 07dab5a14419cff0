/* crisis.c - finds words of crisis in a text, and the helplines for them.
 *
 * Help is rather shown once too often than once too seldom: it hides no result. So a word counts in any inflection, without its
 * dots, as a part of a compound ("våldsutsatt"), torn in two ("själv mord"), and with one wrong letter after the first if it is
 * long and no word of its own. A phrase counts where its words follow each other, with two other words between at most, but
 * no "not"; its own may stand before it ("att jag inte orkar leva"), and one of its words may be misspelt though it is short. Where that is too often, an editor says so by a word of the kind NO_CRISIS: it takes out what is found within it. */
#include "services/directory/crisis.h"

#include <errno.h>
#include <string.h>

#include "common/text.h"

enum {
    IDENTITY_BYTES = KEY_MAX - 2, /* a text in a key is closed by two bytes */
    TEXT_WORDS = 400,             /* of a text that are looked at */
    COSTLY_WORDS = 40,            /* of these, taken apart or compared with every word of crisis */
    MATCHES_MAX = 32,
    GAP_WORDS = 2,       /* between two words of a phrase */
    NEGATION_BEFORE = 2, /* words before it where its negation may stand */
    COMPOUND_LETTERS = 7,
    HEAD_LETTERS = 6, /* of a phrase's word that a compound may end in */
    TYPO_LETTERS = 7, /* of the word of crisis; the one written may have lost one; */
    PHRASE_TYPO_LETTERS =
        3, /* of the one written, when the rest of the phrase tells what is meant */
    HELPLINES_MAX = 40,
};

#define SWEDISH "sv"
#define OTHER   "--"

/* Whom everybody is told of first, and what is said if an editor has not recorded them. */
#define ALWAYS(the_slug, name, number, whom)                                                       \
    {                                                                                              \
        .base = PROTOBUF_C_MESSAGE_INIT(&fokus__directory__v1__helpline__descriptor),              \
        .slug = (the_slug), .name_sv = (name), .phone = (number), .hours_sv = "dygnet runt",       \
        .for_whom_sv = (whom), .organisation_slug = "", .source = "", .last_confirmed = "",        \
        .website = ""                                                                              \
    }
static const Helpline FIRST[] = {
    ALWAYS("sos-alarm", "SOS Alarm", "112", "Akut fara för liv"),
    ALWAYS("vardguiden-1177", "1177", "1177", "Råd om vård och var du kan söka hjälp"),
};

int crisis_identity(struct arena *arena, const char *word, WordLanguage language, char **ret)
{
    bool as_is = language == WORD_LANGUAGE_OTHER;
    struct text_token *tokens;
    size_t n;
    int r = text_tokens(arena, word, strlen(word), CRISIS_PHRASE_WORDS + 1, &tokens, &n);
    if (r < 0)
        return r;
    if (n == 0 || n > CRISIS_PHRASE_WORDS)
        return -EINVAL;
    const char *identity = as_is ? OTHER : SWEDISH;
    for (size_t i = 0; identity && i < n; i++)
        identity = arena_printf(arena, "%s %s", identity,
                                as_is ? tokens[i].folded : tokens[i].folded_stem);
    if (!identity)
        return -ENOMEM;
    if (strlen(identity) > IDENTITY_BYTES)
        return -EINVAL;
    *ret = (char *)identity;
    return 0;
}

/* A word of crisis found in the text: at tokens [start, end). */
struct match {
    CrisisWord *word;
    size_t start, end;
    size_t n_words; /* of the phrase; 0: only a part of a word */
};

struct search {
    const struct rd *rd;
    struct arena *arena;
    const struct text_token *tokens;
    size_t n_tokens;
    size_t costly; /* words that cost much so far */
    struct match matches[MATCHES_MAX];
    size_t n_matches;
};

static void add_match(struct search *s, CrisisWord *word, size_t start, size_t end, size_t n_words)
{
    if (s->n_matches < MATCHES_MAX)
        s->matches[s->n_matches++] =
            (struct match) { .word = word, .start = start, .end = end, .n_words = n_words };
}

/* ---- comparing words ---- */

/* Whether the words differ in one letter: another one, one more (or a last one held down), one less, or two changed places. */
static bool one_letter_apart(const char *a, size_t a_len, const char *b, size_t b_len)
{
    char last = '\0';
    while (a_len > 0 && b_len > 0 && *a == *b)
        last = *a, a++, b++, a_len--, b_len--;
    while (b_len == 0 && a_len > 1 && *a == last)
        a++, a_len--;
    while (a_len > 0 && b_len > 0 && a[a_len - 1] == b[b_len - 1])
        a_len--, b_len--;
    if (a_len <= 1 && b_len <= 1)
        return true;
    return a_len == 2 && b_len == 2 && a[0] == b[1] && a[1] == b[0];
}

static bool may_be_typo(const struct text_token *t, size_t letters)
{
    return strlen(t->folded_stem) >= letters && !text_is_known(t->word);
}

static bool word_is(const struct text_token *t, bool as_is, struct slice wanted)
{
    const char *word = as_is ? t->folded : t->folded_stem;
    return strlen(word) == wanted.len && memcmp(word, wanted.data, wanted.len) == 0;
}

/* "Mej" is "mig". */
static bool is_as_spoken(const struct text_token *t, struct slice wanted)
{
    return wanted.len == 3 && strlen(t->folded) == 3 && memcmp(wanted.data + 1, "ig", 2) == 0 &&
           strcmp(t->folded + 1, "ej") == 0 && *t->folded == (char)*wanted.data;
}

/* "Sömntabletter" are tablets. */
static bool ends_with(const char *stem, struct slice wanted)
{
    const size_t len = strlen(stem);
    return len > wanted.len && memcmp(stem + len - wanted.len, wanted.data, wanted.len) == 0;
}

static bool is_typo_of(const struct text_token *t, struct slice wanted, size_t letters)
{
    return may_be_typo(t, letters) && *t->folded_stem == (char)*wanted.data &&
           one_letter_apart(t->folded_stem, strlen(t->folded_stem), (const char *)wanted.data,
                            wanted.len);
}

static bool is_negation(const struct text_token *t)
{
    return strcmp(t->folded, "inte") == 0 || strcmp(t->folded, "ej") == 0 ||
           strcmp(t->folded, "aldrig") == 0 || strcmp(t->folded, "not") == 0 ||
           strcmp(t->folded, "never") == 0;
}

/* ---- phrases ---- */

/* The next word of a phrase in a key; false after the last. */
static bool next_word(struct slice *rest, struct slice *ret)
{
    if (rest->len == 0 || rest->data[0] == 0)
        return false;
    if (rest->data[0] == ' ')
        *rest = (struct slice) { rest->data + 1, rest->len - 1 };
    size_t len = 0;
    while (len < rest->len && rest->data[len] != ' ' && rest->data[len] != 0)
        len++;
    *ret = (struct slice) { rest->data, len };
    *rest = (struct slice) { rest->data + len, rest->len - len };
    return len > 0;
}

/* The phrase of a key, and how much of it has been found in the text. */
struct phrase {
    bool as_is, is_long; /* of several words */
    size_t at;           /* the token that is looked at */
    size_t typos;
};

static bool word_matches(const struct search *s, struct phrase *p, struct slice wanted)
{
    const struct text_token *t = &s->tokens[p->at];
    if (word_is(t, p->as_is, wanted))
        return true;
    if (p->as_is)
        return false;
    if (is_as_spoken(t, wanted))
        return true;
    if (wanted.len >= TYPO_LETTERS && is_typo_of(t, wanted, TYPO_LETTERS - 1))
        return true;
    if (p->is_long && wanted.len >= HEAD_LETTERS && ends_with(t->folded_stem, wanted))
        return true;
    return p->is_long && p->typos == 0 && is_typo_of(t, wanted, PHRASE_TYPO_LETTERS) && ++p->typos;
}

/* Whether the negation that is wanted next stands before the phrase, as in "att jag inte orkar". */
static bool is_negated_before(const struct search *s, const struct phrase *p, size_t start,
                              struct slice wanted)
{
    for (size_t back = 1; back <= NEGATION_BEFORE && back <= start; back++) {
        const struct text_token *t = &s->tokens[start - back];
        if (is_negation(t) && word_is(t, p->as_is, wanted))
            return true;
    }
    return false;
}

/* Whether the phrase of the key stands in the text from token `start` on. Then *ret_end is where it ends. */
static bool phrase_matches(const struct search *s, struct slice key, size_t start, size_t *ret_end,
                           size_t *ret_n_words)
{
    struct slice language, word;
    if (!next_word(&key, &language))
        return false;
    struct phrase p = { .as_is = memcmp(language.data, OTHER, 2) == 0, .at = start };
    p.is_long = key.len > 1 && memchr(key.data + 1, ' ', key.len - 1) != NULL;
    size_t n = 0;
    for (; next_word(&key, &word); n++) {
        size_t last = n == 0 ? p.at : p.at + GAP_WORDS;
        if (n == 1 && is_negated_before(s, &p, start, word))
            continue;
        while (p.at < s->n_tokens && !word_matches(s, &p, word)) {
            if (p.at == last || is_negation(&s->tokens[p.at]))
                return false;
            p.at++;
        }
        if (p.at == s->n_tokens)
            return false;
        p.at++;
    }
    *ret_end = p.at;
    *ret_n_words = n;
    return n > 0;
}

/* Letters without their dots are taken for those with them, since some keyboards have none. But "väldigt" is not "våldet" without
 * its dots, and "valde" is a word of its own; "vald", all that somebody in need may be able to write, is taken for "våld". */
static int is_meant(const struct search *s, const struct text_token *t, const CrisisWord *word,
                    bool *ret)
{
    struct text_token *wanted;
    size_t n;
    int r = text_tokens(s->arena, word->word, strlen(word->word), 1, &wanted, &n);
    if (r < 0 || n == 0)
        return r < 0 ? r : -EBADMSG;
    bool alike = strcmp(t->folded_stem, wanted->folded_stem) == 0;
    *ret = !alike || strcmp(t->stem, wanted->stem) == 0 ||
           (strcmp(t->word, t->folded) == 0 &&
            (strcmp(t->folded, wanted->folded) == 0 || !text_is_known(t->word)));
    return 0;
}

/* Adds the phrases of one language that stand at token `start` and whose key begins with these letters. */
static int add_phrases(struct search *s, const char *language, const char *letters, size_t start)
{
    struct key prefix = KEY_INIT;
    key_text_prefix(&prefix, language);
    key_u8(&prefix, ' ');
    key_text_prefix(&prefix, letters);
    struct scan scan;
    for (scan_prefix(&scan, s->rd, &T_CRISIS_WORD, &prefix); scan_next(&scan);) {
        size_t end, n_words;
        if (!phrase_matches(s, scan.key, start, &end, &n_words))
            continue;
        CrisisWord *found;
        bool meant = true;
        int r = scan_message(&scan, &found);
        if (r == 0 && n_words == 1)
            r = is_meant(s, &s->tokens[start], found, &meant);
        if (r < 0)
            return scan_give_up(&scan, r);
        if (meant)
            add_match(s, found, start, end, n_words);
    }
    return scan_end(&scan);
}

/* ---- words within words ---- */

/* The word of crisis with this stem alone; NULL in *ret when there is none. */
static int find_word(const struct search *s, const char *folded_stem, CrisisWord **ret)
{
    char *identity = arena_printf(s->arena, SWEDISH " %s", folded_stem);
    if (!identity)
        return -ENOMEM;
    *ret = NULL;
    int r = rd_get(s->rd, &T_CRISIS_WORD, KEY_TEXT(identity), ret);
    return r == -ENOENT || r == -EOVERFLOW ? 0 : r;
}

/* A part without its dots is taken for the word with them only if it is no word itself: "omvald" is no "våld". One that is shorter
 * than the word says less: "klimathot" is not "hotad". */
static bool part_is_meant(const struct text_part *part, const CrisisWord *word)
{
    char stem[TEXT_WORD_BYTES + 1];
    if (word->kind == CRISIS_KIND_NO_CRISIS || text_length(part->word) < text_length(word->word))
        return false;
    (void)text_stem(word->word, stem); /* the length is of no interest */
    return strcmp(part->stem, stem) == 0 ||
           (strcmp(part->word, part->folded) == 0 && !text_is_known(part->word));
}

static int add_parts(struct search *s, size_t at)
{
    struct text_part *parts;
    size_t n;
    int r = text_compound(s->arena, s->tokens[at].word, &parts, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        CrisisWord *word;
        r = find_word(s, parts[i].folded_stem, &word);
        if (r == 0 && word && part_is_meant(&parts[i], word))
            add_match(s, word, at, at + 1, 0);
    }
    return r;
}

/* "själv mord": two words that should be one. */
static int add_joined(struct search *s, size_t at)
{
    char *joined = arena_printf(s->arena, "%s%s", s->tokens[at].folded, s->tokens[at + 1].folded);
    if (!joined)
        return -ENOMEM;
    char stem[TEXT_WORD_BYTES + 1];
    (void)text_stem(joined, stem); /* the length is of no interest */
    CrisisWord *word;
    int r = find_word(s, stem, &word);
    if (r == 0 && word)
        add_match(s, word, at, at + 2, 1);
    return r;
}

static int look_at(struct search *s, size_t at)
{
    const struct text_token *t = &s->tokens[at];
    size_t before = s->n_matches;
    int r = add_phrases(s, SWEDISH, t->folded_stem, at);
    if (r == 0)
        r = add_phrases(s, OTHER, t->folded, at);
    if (r == 0 && at + 1 < s->n_tokens)
        r = add_joined(s, at);
    if (r < 0 || s->n_matches > before || s->costly == COSTLY_WORDS)
        return r;
    if (may_be_typo(t, PHRASE_TYPO_LETTERS)) {
        s->costly++;
        r = add_phrases(s, SWEDISH, (char[2]) { t->folded_stem[0] }, at);
    }
    if (r == 0 && s->n_matches == before && strlen(t->folded) >= COMPOUND_LETTERS) {
        s->costly++;
        r = add_parts(s, at);
    }
    return r;
}

/* ---- what is meant, and the help for it ---- */

/* Whether a word of no crisis holds this one. */
static bool is_taken_out(const struct search *s, const struct match *m)
{
    for (size_t i = 0; i < s->n_matches; i++) {
        const struct match *other = &s->matches[i];
        if (other->word->kind == CRISIS_KIND_NO_CRISIS && other->start <= m->start &&
            m->end <= other->end && m->n_words <= other->n_words)
            return true;
    }
    return false;
}

struct help {
    Helpline **lines;
    size_t n;
};

static int add_line(const struct search *s, struct help *h, const char *slug)
{
    for (size_t i = 0; i < h->n; i++) {
        if (strcmp(h->lines[i]->slug, slug) == 0)
            return 0;
    }
    if (h->n == HELPLINES_MAX)
        return 0;
    int r = rd_get(s->rd, &T_HELPLINE, KEY_TEXT(slug), &h->lines[h->n]);
    if (r == 0)
        h->n++;
    return r == -ENOENT ? 0 : r;
}

static int add_first(const struct search *s, struct help *h)
{
    for (size_t i = 0; i < ARRAY_LEN(FIRST); i++) {
        size_t before = h->n;
        int r = add_line(s, h, FIRST[i].slug);
        if (r < 0)
            return r;
        if (h->n == before)
            h->lines[h->n++] = (Helpline *)&FIRST[i];
    }
    return 0;
}

/* The lines of the phrases of `n_words` words. */
static int add_lines(const struct search *s, struct help *h, size_t n_words)
{
    for (size_t i = 0; i < s->n_matches; i++) {
        const struct match *m = &s->matches[i];
        if (m->n_words != n_words || is_taken_out(s, m))
            continue;
        int r = h->n == 0 ? add_first(s, h) : 0;
        for (size_t j = 0; r == 0 && j < m->word->n_helplines; j++)
            r = add_line(s, h, m->word->helplines[j]);
        if (r < 0)
            return r;
    }
    return 0;
}

int crisis_help(const struct rd *rd, struct arena *arena, const char *text, size_t len,
                Helpline ***ret, size_t *ret_n)
{
    struct search s = { .rd = rd, .arena = arena };
    struct text_token *tokens;
    *ret = NULL;
    *ret_n = 0;
    int r = text_tokens(arena, text, len, TEXT_WORDS, &tokens, &s.n_tokens);
    s.tokens = tokens;
    for (size_t at = 0; r == 0 && at < s.n_tokens; at++)
        r = look_at(&s, at);
    if (r < 0 || s.n_matches == 0)
        return r;
    struct help h = { .lines = arena_calloc(arena, HELPLINES_MAX, sizeof(*h.lines)) };
    if (!h.lines)
        return -ENOMEM;
    for (size_t n_words = CRISIS_PHRASE_WORDS + 1; r == 0 && n_words > 0; n_words--)
        r = add_lines(&s, &h, n_words - 1);
    *ret = h.lines;
    *ret_n = h.n;
    return r;
}
