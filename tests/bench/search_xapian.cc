// search_xapian.cc - Xapian as a peer: its Swedish stemmer, no positions, prefixes limited to the 100 most frequent words. The one file of C++, since
// Xapian has no other interface.
#include <xapian.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

extern "C" {
#include "tests/bench/search_peer.h"
}

namespace
{

struct engine {
    Xapian::WritableDatabase db;
    Xapian::TermGenerator generator;
    Xapian::QueryParser parser;
};

Xapian::Document document(engine &e, const corpus *c, uint32_t number, uint32_t edition)
{
    char name[CORPUS_NAME_BYTES], text[CORPUS_TEXT_BYTES];
    Xapian::Document d;

    corpus_document(c, number, edition, name, text);
    e.generator.set_document(d);
    e.generator.index_text_without_positions(name, 3);
    e.generator.index_text_without_positions(text);
    return d;
}

template <typename F> void guarded(F f)
{
    try {
        f();
    } catch (const Xapian::Error &problem) {
        fprintf(stderr, "search_xapian: %s\n", problem.get_description().c_str());
        exit(1);
    }
}

void *build(const char *path, const corpus *c, uint32_t documents)
{
    auto *e = new engine;

    guarded([&] {
        setenv("XAPIAN_FLUSH_THRESHOLD", "1000000", 1); // one flush of all: its quickest
        e->db = Xapian::WritableDatabase(path, Xapian::DB_CREATE);
        e->generator.set_stemmer(Xapian::Stem("swedish"));
        for (uint32_t i = 0; i < documents; i++)
            e->db.add_document(document(*e, c, i, 0));
        e->db.commit();
        e->parser.set_stemmer(Xapian::Stem("swedish"));
        e->parser.set_stemming_strategy(Xapian::QueryParser::STEM_SOME);
        e->parser.set_max_expansion(100, Xapian::Query::WILDCARD_LIMIT_MOST_FREQUENT);
        e->parser.set_database(e->db);
    });
    return e;
}

uint64_t size(const char *path)
{
    uint64_t bytes = 0;

    for (const auto &entry : std::filesystem::directory_iterator(path))
        bytes += entry.file_size();
    return bytes;
}

void ask(void *peer, const char *words, bool type_ahead)
{
    auto *e = static_cast<engine *>(peer);

    guarded([&] {
        Xapian::Enquire enquire(e->db);
        enquire.set_query(
            e->parser.parse_query(words, type_ahead ? Xapian::QueryParser::FLAG_PARTIAL : 0));
        enquire.get_mset(0, 10);
    });
}

void edit(void *peer, const corpus *c, uint32_t number, uint32_t edition)
{
    auto *e = static_cast<engine *>(peer);

    guarded([&] {
        e->db.replace_document(number + 1, document(*e, c, number, edition));
        e->db.commit();
    });
}

} // namespace

extern "C" const struct peer PEER_XAPIAN = { "xapian", build, size, ask, edit };
