"""SQLite's FTS5 and Xapian over the entries of the directory, for the quality rows of tests/bench/run: each as good as its own means make it.

Both get the same documents as our service: names, care areas, places and descriptions. FTS5 gets diacritics folded, OR, weights, and for a word that no
document has, the nearest of its vocabulary (by a trigram index, then Damerau-Levenshtein: FTS5 itself knows no typos). Xapian gets
its Swedish stemmer, its spelling correction, its own synonyms (ours, and the abbreviations) and, as we do, the last word unfinished.
"""
import os
import re
import shutil
import sqlite3
import tempfile

import xapian

import judging

LIMIT = 10


def documents():
    """(key, names, text) of all that can be found."""
    areas = {row["slug"]: row["name_sv"] for row in judging.rows("care_areas.csv")}
    regions = {row["code"]: f"{row['name']} {row['region_name']}" for row in judging.rows("regions.csv")}
    municipalities = {row["code"]: row["name"] for row in judging.rows("municipalities.csv")}
    many = lambda names, cell: " ".join(names[code] for code in cell.split("|") if code)
    for row in judging.rows("care_areas.csv"):
        yield "care_area:" + row["slug"], f"{row['name_sv']} {row['name_en']}", row["description_sv"]
    for row in judging.rows("patient_rights.csv"):
        yield "right:" + row["slug"], f"{row['name_sv']} {row['name_en']}", row["summary_sv"]
    for row in judging.rows("glossary.csv"):
        yield "term:" + row["abbreviation"], f"{row['abbreviation']} {row['term_sv']}", row["explanation_sv"]
    for row in judging.rows("organisations.csv"):
        places = f"{many(regions, row['region_code'])} {many(municipalities, row['municipality_code'])}"
        yield "organisation:" + row["slug"], f"{row['name']} {row['short_name']}", f"{row['description']} {many(areas, row['care_areas'])} {places}"


def words(text):
    return re.findall(r"\w+", text.lower())


def distance(a, b):
    """Damerau-Levenshtein, neighbours exchanged once."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (x != y)))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                row[j] = min(row[j], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


class Fts5:
    name = "FTS5"

    def __init__(self, entries):
        self.db = sqlite3.connect(":memory:")
        self.db.execute("CREATE VIRTUAL TABLE t USING fts5(key UNINDEXED, names, body, prefix='2 3', tokenize='unicode61 remove_diacritics 2')")
        self.db.executemany("INSERT INTO t VALUES(?,?,?)", entries)
        self.db.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, row)")
        self.db.execute("CREATE VIRTUAL TABLE g USING fts5(word, tokenize='trigram')")
        self.db.execute("INSERT INTO g SELECT term FROM v")

    def has(self, word):
        return self.db.execute("SELECT 1 FROM t WHERE t MATCH ? LIMIT 1", (f'"{word}"',)).fetchone() is not None

    def nearest(self, word):
        """The nearest word of the vocabulary, at most two letters away, or the word itself."""
        grams = [word[i:i + 3] for i in range(len(word) - 2)]
        if len(word) < 4:
            return word
        near = self.db.execute("SELECT word FROM g WHERE g MATCH ? ORDER BY rank LIMIT 50", (" OR ".join(f'"{gram}"' for gram in grams),))
        best = min(((distance(word, other), other) for other, in near), default=(9, word))
        return best[1] if best[0] <= 2 else word

    def answer(self, kind, text):
        asked = [word if self.has(word) or kind == "prefix" else self.nearest(word) for word in words(text)]
        match = " OR ".join(f'"{word}"' for word in asked) + ("*" if kind == "prefix" else "")
        found = self.db.execute("SELECT key FROM t WHERE t MATCH ? ORDER BY bm25(t, 0, 3, 1) LIMIT ?", (match, LIMIT)) if asked else []
        return [key for key, in found]


class Xapian:
    name = "Xapian"

    def __init__(self, entries):
        self.folder = tempfile.mkdtemp(prefix="fokus-xapian-")
        os.environ["XAPIAN_FLUSH_THRESHOLD"] = "1000000"  # all at once: its quickest
        self.db = xapian.WritableDatabase(self.folder, xapian.DB_CREATE_OR_OPEN)
        stemmer = xapian.Stem("swedish")
        generator = xapian.TermGenerator()
        generator.set_stemmer(stemmer)
        generator.set_database(self.db)
        generator.set_flags(xapian.TermGenerator.FLAG_SPELLING)
        for key, names, body in entries:
            document = xapian.Document()
            document.set_data(key)
            generator.set_document(document)
            generator.index_text_without_positions(names, 3)
            generator.index_text_without_positions(body)
            self.db.add_document(document)
        for word, meanings in self.synonyms():
            for meaning in filter(lambda text: len(words(text)) == 1, meanings):
                stem = "Z" + stemmer(meaning.lower()).decode()
                self.db.add_synonym(word.lower(), stem)
                if len(words(word)) == 1:
                    self.db.add_synonym("Z" + stemmer(word.lower()).decode(), stem)
        self.db.commit()
        self.parser = xapian.QueryParser()
        self.parser.set_stemmer(stemmer)
        self.parser.set_stemming_strategy(self.parser.STEM_SOME)
        self.parser.set_database(self.db)
        self.parser.set_max_expansion(100, xapian.Query.WILDCARD_LIMIT_MOST_FREQUENT)

    @staticmethod
    def synonyms():
        for row in judging.rows("synonyms.csv"):
            yield row["word"], row["synonyms"].split("|")
        for row in judging.rows("glossary.csv"):
            yield row["abbreviation"], [row["term_sv"]]

    def answer(self, kind, text):
        flags = self.parser.FLAG_SPELLING_CORRECTION | self.parser.FLAG_AUTO_MULTIWORD_SYNONYMS | (self.parser.FLAG_PARTIAL if kind == "prefix" else 0)
        plain = " ".join(words(text))
        query = self.parser.parse_query(plain, flags)
        corrected = self.parser.get_corrected_query_string()
        if corrected:
            query = self.parser.parse_query(corrected, flags)
        enquire = xapian.Enquire(self.db)
        enquire.set_query(query)
        return [match.document.get_data().decode() for match in enquire.get_mset(0, LIMIT)]

    def close(self):
        self.db.close()
        shutil.rmtree(self.folder, ignore_errors=True)
