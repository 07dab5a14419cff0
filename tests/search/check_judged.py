#!/usr/bin/env python3
"""Checks the judged queries and the two word lists of the search.

A judged query is worth something only if what it expects exists. This program reads judged.tsv, crisis_words.csv and
synonyms.csv, compares every key with the data that deploy/up imports, and names each line that is wrong and what would be
right. It says nothing about the ranking: that is measured by whoever runs the queries.

    tests/search/check_judged.py [FOLDER]     FOLDER is deploy/data unless given
"""

import csv
import pathlib
import sys
import unicodedata

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = (
    "exact inflection split join fold typo prefix topic lay place abbreviation area crisis question english"
).split()
# Where a type of entry is found: its file and the column that holds its key.
SOURCES = {
    "organisation": ("organisations.csv", "slug"),
    "care_area": ("care_areas.csv", "slug"),
    "right": ("patient_rights.csv", "slug"),
    "term": ("glossary.csv", "abbreviation"),
    "helpline": ("helplines.csv", "slug"),
}
KINDS = (
    "suicide self_harm bereavement violence abuse child acute poisoning psychosis anxiety loneliness"
    " eating_disorder addiction no_crisis"
).split()
FEWEST_QUERIES = 170
FEWEST_OF_A_CLASS = 10
MOST_EXPECTED = 5
LONGEST_QUERY_BYTES = 200


class Report:
    """Collects what is wrong, so that one run shows all of it."""

    def __init__(self):
        self.lines = []

    def add(self, path, number, text):
        self.lines.append(f"{path.name}:{number}: {text}")


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def keys_of(folder):
    keys = {}
    for sort, (name, column) in SOURCES.items():
        keys[sort] = {row[column] for row in rows_of(folder / name)}
    return keys


def check_text(report, path, number, name, text):
    """A text that looks the same must be the same: one form of Unicode, no stray spaces."""
    if text != " ".join(text.split()):
        report.add(path, number, f"{name} {text!r} has stray spaces; write single spaces, none at the ends")
    if text != unicodedata.normalize("NFC", text):
        report.add(path, number, f"{name} {text!r} is not in Unicode's form NFC")


def check_expected(report, path, number, kind, expected, keys):
    entries = expected.split("|")
    if len(entries) > MOST_EXPECTED:
        report.add(path, number, f"{len(entries)} expected entries; name the {MOST_EXPECTED} best at most")
    if len(set(entries)) != len(entries):
        report.add(path, number, "an entry is expected twice; keep the first")
    for entry in entries:
        sort, colon, key = entry.partition(":")
        if not colon or sort not in SOURCES:
            report.add(path, number, f"expected {entry!r} is not TYPE:KEY with a type of {', '.join(SOURCES)}")
        elif key not in keys[sort]:
            report.add(path, number, f"expected {entry!r}: no such key in {SOURCES[sort][0]}")
        elif (sort == "helpline") != (kind == "crisis"):
            report.add(path, number, f"expected {entry!r}: helplines belong to the class crisis, and only they")
    if kind == "area" and not entries[0].startswith("care_area:"):
        report.add(path, number, "a query of the class area expects the care area first")


def check_judged(report, path, keys):
    counts = dict.fromkeys(CLASSES, 0)
    seen = {}
    lines = path.read_text(encoding="utf-8").split("\n")
    if lines[-1] != "":
        report.add(path, len(lines), "the last line does not end with a line feed")
    if lines[0] != "class\tquery\texpected\tnote":
        report.add(path, 1, "the header must be: class, query, expected, note, with tabs between")
    for number, line in enumerate(lines[1:-1], start=2):
        cells = line.split("\t")
        if len(cells) != 4 or not all(cells):
            report.add(path, number, f"{len(cells)} cells; need four, none empty (a note that says nothing is -)")
            continue
        kind, query, expected, _ = cells
        if kind not in counts:
            report.add(path, number, f"class {kind!r} is not one of {', '.join(CLASSES)}")
            continue
        counts[kind] += 1
        check_text(report, path, number, "query", query)
        if len(query.encode()) > LONGEST_QUERY_BYTES:
            report.add(path, number, f"the query is longer than {LONGEST_QUERY_BYTES} bytes")
        # The same words may be judged twice only where help and results are judged apart.
        place = (kind == "crisis", query)
        if place in seen:
            report.add(path, number, f"query {query!r} stands already on line {seen[place]}")
        seen[place] = number
        check_expected(report, path, number, kind, expected, keys)
    for kind, count in counts.items():
        if count < FEWEST_OF_A_CLASS:
            report.add(path, 1, f"class {kind} has {count} queries; need at least {FEWEST_OF_A_CLASS}")
    if sum(counts.values()) < FEWEST_QUERIES:
        report.add(path, 1, f"{sum(counts.values())} queries; need at least {FEWEST_QUERIES}")
    return counts


def check_words(report, path):
    """Yields the rows of a word list after checking what both lists share: one word a row, small letters, said once."""
    seen = set()
    for number, row in enumerate(rows_of(path), start=2):
        if None in row or None in row.values():
            report.add(path, number, "the row has not as many cells as the header")
            continue
        word = row["word"]
        check_text(report, path, number, "word", word)
        if not word or word != word.lower():
            report.add(path, number, f"word {word!r} must be in small letters and not empty")
        if word in seen:
            report.add(path, number, f"word {word!r} stands twice")
        seen.add(word)
        yield number, row


def check_crisis_words(report, path, keys):
    count = 0
    for number, row in check_words(report, path):
        count += 1
        if row["kind"] not in KINDS:
            report.add(path, number, f"kind {row['kind']!r} is not one of {', '.join(KINDS)}")
        if row["language"] not in ("", "sv", "other"):
            report.add(path, number, f"language {row['language']!r} is not sv, other or empty")
        if row["kind"] == "no_crisis":
            if row["helplines"]:
                report.add(path, number, "what is no crisis has no helplines")
            continue
        lines = row["helplines"].split("|")
        if lines[:2] != ["sos-alarm", "vardguiden-1177"]:
            report.add(path, number, "112 and 1177 come first: begin with sos-alarm|vardguiden-1177")
        for line in lines:
            if line not in keys["helpline"]:
                report.add(path, number, f"helpline {line!r} is not in helplines.csv")
        if len(set(lines)) != len(lines):
            report.add(path, number, "a helpline is named twice")
    return count


def check_synonyms(report, path):
    count = 0
    for number, row in check_words(report, path):
        count += 1
        synonyms = row["synonyms"].split("|")
        for synonym in synonyms:
            check_text(report, path, number, "synonym", synonym)
            if not synonym or synonym != synonym.lower():
                report.add(path, number, f"synonym {synonym!r} must be in small letters and not empty")
        if row["word"] in synonyms or len(set(synonyms)) != len(synonyms):
            report.add(path, number, "a synonym is the word itself or stands twice")
    return count


def main(arguments):
    if len(arguments) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = pathlib.Path(arguments[0]) if arguments else HERE.parent.parent / "deploy" / "data"
    report = Report()
    try:
        keys = keys_of(folder)
        counts = check_judged(report, HERE / "judged.tsv", keys)
        crisis = check_crisis_words(report, folder / "crisis_words.csv", keys)
        synonyms = check_synonyms(report, folder / "synonyms.csv")
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        print(f"cannot read the sets: {error!r}", file=sys.stderr)
        return 1
    for line in report.lines:
        print(line, file=sys.stderr)
    print(f"{sum(counts.values())} queries: " + ", ".join(f"{kind} {count}" for kind, count in counts.items()))
    print(f"{crisis} crisis words, {synonyms} words with synonyms, {len(report.lines)} faults")
    return 1 if report.lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
