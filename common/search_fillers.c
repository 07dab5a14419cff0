/* search_fillers.c - words that say little, each kind in its way, and what is left of a phrase without them. */
#include <stdlib.h>
#include <string.h>

#include "common/search_meaning.h"

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static int compare_filler(const void *word, const void *filler)
{
    return strcmp(word, *(const char *const *)filler);
}

bool search_is_filler(const char *word)
{
    static const char *const fillers[] = {
        /* in order of their bytes */
        "a",      "alla",    "allt",    "alltid",  "an",     "and",    "are",    "at",
        "att",    "av",      "bara",    "betyder", "blev",   "bli",    "blir",   "blivit",
        "bör",    "can",     "de",      "dej",     "dem",    "den",    "denna",  "deras",
        "dess",   "dessa",   "det",     "detta",   "dig",    "din",    "dina",   "ditt",
        "du",     "där",     "då",      "efter",   "ej",     "eller",  "en",     "era",
        "ert",    "ett",     "fick",    "finns",   "for",    "fram",   "from",   "från",
        "få",     "får",     "fått",    "för",     "ganska", "gör",    "göra",   "ha",
        "hade",   "han",     "hans",    "har",     "has",    "have",   "hela",   "helt",
        "henne",  "hennes",  "heter",   "hon",     "honom",  "hos",    "how",    "hur",
        "här",    "i",       "ibland",  "icke",    "igen",   "in",     "ingen",  "ingenting",
        "inget",  "innebär", "inom",    "inte",    "jag",    "ju",     "just",   "kallas",
        "kan",    "kanske",  "kom",     "komma",   "kommer", "kunde",  "kunna",  "man",
        "med",    "mej",     "mellan",  "men",     "menas",  "mer",    "mest",   "mig",
        "min",    "mina",    "mindre",  "mitt",    "mot",    "my",     "mycket", "måste",
        "ni",     "nu",      "nyligen", "nyss",    "när",    "nästan", "någon",  "något",
        "några",  "nån",     "nåt",     "och",     "också",  "of",     "om",     "on",
        "or",     "oss",     "på",      "redan",   "samma",  "sedan",  "sej",    "sen",
        "sig",    "sin",     "sina",    "sitt",    "själv",  "ska",    "skall",  "skulle",
        "snart",  "som",     "så",      "sådan",   "sådana", "sådant", "the",    "there",
        "till",   "tills",   "to",      "under",   "upp",    "ur",     "ut",     "utan",
        "vad",    "var",     "vara",    "varför",  "varit",  "varje",  "vars",   "vart",
        "vem",    "vems",    "vet",     "vi",      "vid",    "vilka",  "vilkas", "vilken",
        "vilket", "vill",    "ville",   "väldigt", "vår",    "våra",   "vårt",   "what",
        "where",  "which",   "who",     "with",    "än",     "ännu",   "är",     "även",
        "åt",     "över",
    };

    return bsearch(word, fillers, ARRAY_LEN(fillers), sizeof(*fillers), compare_filler) != NULL;
}

bool search_is_vague(const char *folded_stem)
{
    static const char *const stems[] = {
        "besvar",      "diagnos",      "drabb",   "forbund", "forening",  "forlust", "lid",
        "nedsattning", "organisation", "patient", "problem", "rubbning",  "sjuk",    "sjukdom",
        "skad",        "storning",     "svar",    "symtom",  "tillstand", "vard",
    };

    return is_one_of(folded_stem, stems, ARRAY_LEN(stems));
}

bool meaning_is_generic(const char *stem)
{
    static const char *const stems[] = {
        "förbund",        "förening",        "organisation",
        "patientförbund", "patientförening", "patientorganisation"
    };

    return is_one_of(stem, stems, ARRAY_LEN(stems));
}

bool meaning_is_help(const struct text_token *token)
{
    static const char *const stems[] = { "hjälp", "person", "stöd" };

    return is_one_of(token->stem, stems, ARRAY_LEN(stems));
}

bool meaning_is_aside(const struct text_token *token)
{
    static const char *const stems[] = {
        "bror",   "dott",  "familj", "far",  "flick", "fru", "föräld", "kill",
        "kompis", "kvinn", "mak",    "mamm", "man",   "mor", "papp",   "partn",
        "pojk",   "sambo", "son",    "syst", "tjej",  "vux", "vän",
    };

    return meaning_is_help(token) || is_one_of(token->stem, stems, ARRAY_LEN(stems));
}

bool meaning_relates(const char *word)
{
    static const char *const words[] = { "av", "för", "hos", "i", "med", "på", "till" };

    return is_one_of(word, words, ARRAY_LEN(words));
}

/* ---- phrases ---- */

/* No filler, or one that may turn a phrase round, or the man that somebody is married to. */
bool search_tells(const char *word)
{
    static const char *const words[] = {
        "ej", "icke", "ingen", "ingenting", "inget", "inte", "man", "utan",
    };

    return !search_is_filler(word) || is_one_of(word, words, ARRAY_LEN(words));
}

/* Whoever it is about: "skadar mig själv" is "skadar sig själv". */
static const char *of_anybody(const char *word)
{
    static const char *const self[] = { "dej", "dig", "mej", "mig", "oss", "sej" }, *const own[] = {
        "din", "dina", "ditt", "min", "mina", "mitt", "sina", "sitt", "vår", "våra", "vårt"
    };

    return is_one_of(word, self, ARRAY_LEN(self)) ? "sig"
           : is_one_of(word, own, ARRAY_LEN(own)) ? "sin"
                                                  : word;
}

static size_t count_telling(const struct phrase *p)
{
    size_t telling = 0;

    for (size_t i = 0; i < p->n; i++)
        telling += p->tells[i];
    return telling;
}

size_t search_phrase_words(const struct phrase *p, const char **ret)
{
    const size_t telling = count_telling(p);
    size_t kept = 0;

    for (size_t i = 0; i < p->n; i++)
        if (p->tells[i] || p->n == 1)
            ret[kept++] = p->words[i].word;
        else if (telling < 2)
            ret[kept++] = of_anybody(p->words[i].word);
    return kept;
}

bool search_phrase_is_whole(const struct phrase *p)
{
    return (p->tells[0] && p->tells[p->n - 1]) || count_telling(p) < 2;
}
