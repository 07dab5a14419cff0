/* decide_words.c - imports the words that the search knows beside those of the entries: synonyms and words of crisis.
 *
 * As with all reference data, all rows are stored or none. A word is the same in any inflection and with or without its dots,
 * so two rows that differ only in that are one too many. A row that states nothing of its word withdraws it. */
#include <errno.h>
#include <string.h>

#include "common/search.h"
#include "common/text.h"
#include "services/directory/crisis.h"
#include "services/directory/reference.h"

enum { WORD_CHARS = 60, SYNONYM_CHARS = 100, NOTE_CHARS = 300 };

/* ---- synonyms ---- */

/* Of words that cannot be one, the words themselves: the row is complained about anyway. */
static const char *synonym_identity(struct arena *arena, const void *row)
{
    const Synonym *synonym = row;
    char *identity = NULL;
    int r = search_synonym_identity(arena, synonym->word, &identity);
    return r == -EINVAL ? synonym->word : identity;
}

static bool has_word(struct arena *arena, const char *text)
{
    struct text_token *tokens;
    size_t n = 0;
    return text_words(arena, text, strlen(text), 1, &tokens, &n) == 0 && n > 0;
}

static void check_synonym(struct arena *arena, const Synonym *row, size_t i, struct complaints *c)
{
    const char *synonym = row->synonyms[i];
    need_line(c, "synonyms", synonym, SYNONYM_CHARS);
    if (strlen(synonym) > SEARCH_EXPANSION_BYTES)
        complain(c, "synonyms", "'%.100s' has %zu bytes, may have %d", synonym, strlen(synonym),
                 SEARCH_EXPANSION_BYTES);
    if (!has_word(arena, synonym))
        complain(c, "synonyms", "'%.100s' holds no letter and no digit", synonym);
    if (strcmp(synonym, row->word) == 0)
        complain(c, "synonyms", "'%.100s' is the word itself", synonym);
    for (size_t j = 0; j < i; j++) {
        if (strcmp(synonym, row->synonyms[j]) == 0)
            complain(c, "synonyms", "'%.100s' is named twice", synonym);
    }
}

static void synonym_check(const struct rd *rd, const void *row, struct complaints *c)
{
    const Synonym *synonym = row;
    char *identity;
    need_line(c, "word", synonym->word, WORD_CHARS);
    if (search_synonym_identity(rd_arena(rd), synonym->word, &identity) == -EINVAL)
        complain(c, "word", "must be 1 to %d words of letters or digits, %d bytes at most",
                 SEARCH_SYNONYM_WORDS, SEARCH_WORD_BYTES - 1);
    if (synonym->n_synonyms > SEARCH_EXPANSIONS_MAX)
        complain(c, "synonyms", "are %zu, may be %d", synonym->n_synonyms, SEARCH_EXPANSIONS_MAX);
    for (size_t i = 0; i < synonym->n_synonyms; i++)
        check_synonym(rd_arena(rd), synonym, i, c);
    allow_line(c, "note", synonym->note, NOTE_CHARS);
}

static bool synonym_withdraws(const void *row)
{
    return ((const Synonym *)row)->n_synonyms == 0;
}

static int synonym_emit(struct outcome *out, const char *subject, const void *row)
{
    (void)subject; /* the word as written reads better */
    const Synonym *synonym = row;
    if (synonym_withdraws(row)) {
        SynonymWithdrawn event = SYNONYM_WITHDRAWN_INIT;
        event.word = synonym->word;
        return emit_synonym_withdrawn(out, synonym->word, &event);
    }
    SynonymRecorded event = SYNONYM_RECORDED_INIT;
    event.synonym = (Synonym *)row;
    return emit_synonym_recorded(out, synonym->word, &event);
}

int directory_import_synonyms(const struct decide_in *in, const ImportSynonymsRequest *req,
                              ImportSynonymsResponse *res, struct outcome *out)
{
    static const struct reference kind = {
        .table = &T_SYNONYM,
        .key_field = "word",
        .identity = synonym_identity,
        .check = synonym_check,
        .withdraws = synonym_withdraws,
        .emit = synonym_emit,
    };
    struct import import;
    int r = import_rows(in, &kind, (void **)req->rows, req->n_rows, req->dry_run, &import, out);
    IMPORT_ANSWER(res, &import);
    return r;
}

/* ---- words of crisis ---- */

static const char *crisis_word_identity(struct arena *arena, const void *row)
{
    const CrisisWord *word = row;
    char *identity = NULL;
    int r = crisis_identity(arena, word->word, word->language, &identity);
    return r == -EINVAL ? word->word : identity;
}

static void crisis_word_check(const struct rd *rd, const void *row, struct complaints *c)
{
    const CrisisWord *word = row;
    char *identity;
    need_line(c, "word", word->word, WORD_CHARS);
    if (crisis_identity(rd_arena(rd), word->word, word->language, &identity) == -EINVAL)
        complain(c, "word", "must be 1 to %d words of letters or digits", CRISIS_PHRASE_WORDS);
    if (word->kind < CRISIS_KIND_UNSPECIFIED || word->kind > CRISIS_KIND_NO_CRISIS)
        complain(c, "kind", "is none that the directory knows");
    if (word->language < WORD_LANGUAGE_UNSPECIFIED || word->language > WORD_LANGUAGE_OTHER)
        complain(c, "language", "must be sv, other or empty");
    if (word->kind == CRISIS_KIND_UNSPECIFIED && word->n_helplines > 0)
        complain(c, "kind", "must not be empty");
    if (word->kind == CRISIS_KIND_NO_CRISIS && word->n_helplines > 0)
        complain(c, "helplines", "must be empty, for this is no crisis");
    for (size_t i = 0; i < word->n_helplines; i++) {
        need_known(rd, c, "helplines", &T_HELPLINE, "helpline", word->helplines[i]);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(word->helplines[i], word->helplines[j]) == 0)
                complain(c, "helplines", "'%.100s' is named twice", word->helplines[i]);
        }
    }
    allow_line(c, "note", word->note, NOTE_CHARS);
}

/* A word of a kind may have no helplines of its own: 112 and 1177 are shown. */
static bool crisis_word_withdraws(const void *row)
{
    const CrisisWord *word = row;
    return word->kind == CRISIS_KIND_UNSPECIFIED && word->n_helplines == 0;
}

static int crisis_word_emit(struct outcome *out, const char *subject, const void *row)
{
    (void)subject; /* the word as written reads better */
    const CrisisWord *word = row;
    if (crisis_word_withdraws(row)) {
        CrisisWordWithdrawn event = CRISIS_WORD_WITHDRAWN_INIT;
        event.word = word->word;
        event.language = word->language;
        return emit_crisis_word_withdrawn(out, word->word, &event);
    }
    CrisisWordRecorded event = CRISIS_WORD_RECORDED_INIT;
    event.crisis_word = (CrisisWord *)row;
    return emit_crisis_word_recorded(out, word->word, &event);
}

int directory_import_crisis_words(const struct decide_in *in, const ImportCrisisWordsRequest *req,
                                  ImportCrisisWordsResponse *res, struct outcome *out)
{
    static const struct reference kind = {
        .table = &T_CRISIS_WORD,
        .key_field = "word",
        .identity = crisis_word_identity,
        .check = crisis_word_check,
        .withdraws = crisis_word_withdraws,
        .emit = crisis_word_emit,
    };
    struct import import;
    int r = import_rows(in, &kind, (void **)req->rows, req->n_rows, req->dry_run, &import, out);
    IMPORT_ANSWER(res, &import);
    return r;
}
