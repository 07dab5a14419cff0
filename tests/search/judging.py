"""The judged sets of the search and how they are counted (README.md here says why so). Whoever answers queries, our service or another
search engine, is a function from (class, query) to entries such as "organisation:nsph", the best first:

    asked = judged_queries() + hold_out_queries()
    scores = judge(asked, answer)
    print(table({"ours": scores}))
"""
import csv
import re
import subprocess
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "deploy" / "data"
DEPTH = 10  # a first right answer below this counts as none
LONG_WORD = 7  # letters: shorter words of names are hardly compounds
HOLD_OUT = "hold-out"
CRISIS = "crisis"
EMERGENCY = "helpline:sos-alarm"  # 112


@dataclass(frozen=True)
class Query:
    kind: str
    text: str
    expected: tuple


def rows(name):
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def judged_queries():
    lines = (HERE / "judged.tsv").read_text(encoding="utf-8").splitlines()[1:]
    cells = (line.split("\t") for line in lines)
    return [Query(kind, text, tuple(expected.split("|"))) for kind, text, expected, _ in cells]


# ---- the mechanical hold-out: nobody chose its queries ----


def words_of(name):
    return [word.lower() for word in re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", name))]


def divisions(words):
    """What hunspell's own morphological analysis says that the words consist of: {word: [parts, ...]}. Only whole divisions count: of a word
    that stands in its dictionary with a linking letter, it names the last part alone."""
    done = subprocess.run(["hunspell", "-d", "sv_SE", "-i", "utf-8", "-m"], input="\n".join(words) + "\n", capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        word, *rest = line.split() or [""]
        parts = [item[len("pa:"):] for item in rest if item.startswith("pa:")]
        if len(parts) > 1 and "".join(parts) == word:
            found.setdefault(word, []).append(parts)
    return found


def hold_out_queries():
    """Each compound in the name of an organisation, written as its parts; right is every organisation that has the word in its name. Of several
    divisions the one with most parts, then the first in order of letters."""
    owners = {}
    for organisation in rows("organisations.csv"):
        for word in words_of(organisation["name"]):
            if len(word) >= LONG_WORD:
                owners.setdefault(word, []).append("organisation:" + organisation["slug"])
    queries = []
    for word, found in sorted(divisions(sorted(owners)).items()):
        parts = min(found, key=lambda one: (-len(one), one))
        queries.append(Query(HOLD_OUT, " ".join(parts), tuple(dict.fromkeys(owners[word]))))
    return queries


# ---- counting ----


@dataclass
class Score:
    """Of one class."""

    queries: int = 0
    reciprocal: float = 0.0
    hits: int = 0
    empty: int = 0
    missed: list = field(default_factory=list)  # (query, the rank of the first right answer or None, the answers)

    def add(self, query, answers):
        ranks = [at for at, entry in enumerate(answers[:DEPTH], start=1) if entry in query.expected]
        rank = ranks[0] if ranks else None
        hit = answers[:1] == [query.expected[0]] if query.kind == "area" else bool(rank and rank <= 3)
        self.queries += 1
        self.reciprocal += 1 / rank if rank else 0
        self.hits += hit
        self.empty += not answers
        if not hit or rank != 1:
            self.missed.append((query, rank, answers))

    def add_crisis(self, query, help_lines):
        """Every expected line must be there, and 112 first."""
        right = set(query.expected) <= set(help_lines) and help_lines[:1] == [EMERGENCY]
        self.queries += 1
        self.reciprocal += right
        self.hits += right
        self.empty += not help_lines
        if not right:
            self.missed.append((query, None, help_lines))

    @property
    def mrr(self):
        return self.reciprocal / self.queries if self.queries else 0.0

    @property
    def top3(self):
        return self.hits / self.queries if self.queries else 0.0


def judge(queries, answer):
    """Scores by class, in the order of the classes."""
    scores = {}
    for query in queries:
        score = scores.setdefault(query.kind, Score())
        (score.add_crisis if query.kind == CRISIS else score.add)(query, answer(query.kind, query.text))
    return scores


def total(scores):
    return Score(*(sum(getattr(score, name) for score in scores) for name in ("queries", "reciprocal", "hits", "empty")))


def table(engines):
    """Lines for people: a class a row, and for each engine the MRR, the share in the first three and the empty answers."""
    names = list(engines)
    kinds = list(engines[names[0]])
    lines = [f"{'':14}{'':>5}" + "".join(f" | {name:^21}" for name in names), f"{'class':14}{'n':>5}" + " |   MRR   top 3   empty" * len(names)]

    def line(label, scores):
        lines.append(f"{label:14}{scores[0].queries:5}" + "".join(f" | {s.mrr:5.2f}   {s.top3:5.2f}   {s.empty:5}" for s in scores))

    for kind in kinds:
        line(kind, [engines[name][kind] for name in names])
    if len(kinds) > 1:
        line("all", [total(engines[name].values()) for name in names])
    return "\n".join(lines)


def misses(scores):
    """Lines for whoever mends the rules: each query whose first answer was not a right one."""
    for kind, score in scores.items():
        for query, rank, answers in score.missed:
            yield f"{kind:13} {query.text!r}: first right answer {rank or 'none'}, wanted {' '.join(query.expected)}; got {' '.join(answers[:4]) or 'nothing'}"
