"""The rows of tests/bench/run about the search: how good it is against others, and how quick. `bench` is the module that runs."""
import csv
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../search")]

REAL, LARGE, MANY = 400, 100_000, 3000  # organisations; the real data have 400
NOISE_WORDS = 10  # of an invented description, as many as a real one has
METHOD = "fokus.directory.v1.DirectoryService/SearchDirectory"


# ---- how good ----


def invented(bench, folder, n):
    """Writes `n` invented organisations as a file to import. Returns it, and the same as documents for others."""
    printed = subprocess.run([os.path.join(bench.BIN, "search_bench"), "documents", str(n)], stdout=subprocess.PIPE, text=True, check=True).stdout
    path, documents = os.path.join(folder, "invented.csv"), []
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow("slug name short_name kind level region_code municipality_code care_areas parent_slug website description source".split())
        for i, line in enumerate(printed.splitlines()):
            name, text = line.split("\t")
            text = " ".join(text.split()[:NOISE_WORDS])
            level = ("national", "regional", "local")[i % 3]
            out.writerow([f"bench-{i:09d}", name, "", "patient_association", level, "", "", "", "", "", text, "invented"])
            documents.append((f"organisation:bench-{i:09d}", name, text))
    return path, documents


def quality(bench, o, large):
    """Ours, FTS5 and Xapian over the same documents, class by class: never below the better of the two."""
    import directory
    import judging
    import search_peers
    import support

    system = support.System()
    system.import_data()
    documents = list(search_peers.documents())
    if large:
        path, more = invented(bench, system.home, LARGE - REAL)
        system.ctl("import", "organisations", path)
        documents += more
    engines = [directory.Directory(system), search_peers.Fts5(documents), search_peers.Xapian(documents)]
    queries = [query for query in judging.judged_queries() if query.kind != judging.CRISIS] + judging.hold_out_queries()
    # Whoever is asked an unfinished word is told so: ours by its own method, the others by their wildcards.
    ours = lambda kind, text: (engines[0].answer_unfinished if kind == "prefix" else engines[0].answer)(kind, text)
    answers = {engines[0].name: ours, **{engine.name: engine.answer for engine in engines[1:]}}
    scores = {name: judging.judge(queries, answer) for name, answer in answers.items()}
    print(judging.table(scores), flush=True)
    report(bench, scores, judging, " among 100,000" if large else "", 0.90 if large else 0.95)
    engines[2].close()
    system.stop()


def report(bench, scores, judging, where, least):
    ours, peers = scores["ours"], [scores[name] for name in scores if name != "ours"]
    judged = judging.total([score for kind, score in ours.items() if kind != judging.HOLD_OUT])
    bench.row(f"search: mean reciprocal rank, judged{where}", f"{judged.mrr:.3f}", "nothing", judged.mrr, judged.mrr >= least, f">= {least}")
    bench.row(f"search: answered in the first three, judged{where}", f"{judged.top3:.3f}", "nothing", judged.top3, judged.top3 >= least, f">= {least}")
    if not where:
        bench.row("search: empty answers, judged", judged.empty, "nothing", judged.empty, judged.empty == 0, "<= 0")
        hold_out = ours[judging.HOLD_OUT].mrr
        bench.row("search: mean reciprocal rank, mechanical hold-out", f"{hold_out:.3f}", "nothing", hold_out, hold_out >= 0.85, ">= 0.85")
    for kind, score in ours.items():
        best = max(peer[kind].mrr for peer in peers)
        bench.row(f"search: {kind}{where}, against the best of FTS5 and Xapian", f"{score.mrr:.3f}", f"{best:.3f}", score.mrr - best, score.mrr >= best, ">= 0 above")


# ---- how quick ----


def measure(bench, documents, engines, rounds):
    """What search_bench prints: {(engine, what): figures}."""
    folder = tempfile.mkdtemp(prefix="fokus-search-", dir=os.environ.get("TMPDIR", "/var/tmp"))  # a real disk
    try:
        printed = subprocess.run([os.path.join(bench.BIN, "search_bench"), folder, str(documents), engines, str(rounds)],
                                 stdout=subprocess.PIPE, text=True, check=True).stdout
    finally:
        bench.shutil.rmtree(folder, ignore_errors=True)
    return {(figures["engine"], figures["what"]): figures for figures in map(json.loads, printed.splitlines())}


def speed(bench, o):
    rounds = min(16, o.rounds)
    figures = {MANY: measure(bench, MANY, "ours", rounds), LARGE: measure(bench, LARGE, "all", rounds)}
    limits = {MANY: (50, 100, 500, 1000), LARGE: (300, 1000, 5000, 5000)}
    for documents, bounds in limits.items():
        for what, bound in zip(("word", "three words", "type-ahead", "typo"), bounds):
            p99 = figures[documents]["ours", what]["p99_us"]
            bench.row(f"search: {what} at {documents:,}, p99", f"{p99:.0f} us", "nothing", p99, p99 <= bound, f"<= {bound} us")
    slowest = figures[LARGE]["ours", "made to be slow"]["max_us"] / 1000
    bench.row("search: a query made to be slow at 100,000, worst", f"{slowest:.1f} ms", "nothing", slowest, slowest <= 50, "<= 50 ms")
    for peer, bound in (("fts5", 20), ("xapian", 5)):
        for what in ("word", "three words", "type-ahead"):
            compare(bench, figures[LARGE], what, "p50_us", peer, lambda ours, theirs: theirs / ours, bound, f"search: {what} at 100,000, p50, times quicker than {peer}")
    for what in ("word", "three words"):
        plain, more = figures[MANY]["ours", what]["p50_us"], figures[MANY]["ours, with synonyms", what]["p50_us"]
        bench.row(f"search: {what} with 25,000 synonyms, p50", f"{more:.1f} us", f"{plain:.1f} us", more / plain, more <= 1.1 * plain, "<= 1.1")
    compare(bench, figures[LARGE], "build", "s", "fts5", lambda ours, theirs: ours / theirs, -2, "search: build of 100,000, durable, time against FTS5", " s")
    compare(bench, figures[LARGE], "build", "mb", "fts5", lambda ours, theirs: ours / theirs, -2.2, "search: build of 100,000, size against FTS5", " MB")
    compare(bench, figures[LARGE], "one edit, own commit", "p50_us", "xapian", lambda ours, theirs: ours / theirs, -1, "search: one edit at 100,000, own commit, against Xapian")


def compare(bench, figures, what, field, peer, ratio, bound, name, unit=" us"):
    """A row of ours against a peer's. A negative bound is one from above."""
    if (peer, what) not in figures:
        sys.exit(f"bench: search_bench was built without {peer}: install tests/packages")
    ours, theirs = figures["ours", what][field], figures[peer, what][field]
    value = ratio(ours, theirs)
    ok = value <= -bound if bound < 0 else value >= bound
    bench.row(name, f"{ours:,.1f}{unit}", f"{theirs:,.1f}{unit}", value, ok, f"{'<=' if bound < 0 else '>='} {abs(bound)}")


# ---- through the gateway ----


BLANKS = 8  # ways to write each query, so that there are far more of them than answers that the directory keeps


def through_the_gateway(bench, o):
    """Mixed queries, 64 connections, 3,000 organisations; against a constant answer as large as the mean of theirs. The judged queries are
    asked over and over, as people ask for the same few words, so that kept answers count; told beside is how it is without those."""
    import judging
    import support

    system = support.System()
    system.import_data()
    path, _ = invented(bench, system.home, MANY - REAL)
    system.ctl("import", "organisations", path)
    sizes, lines = [], []
    address = lambda text: f"/{METHOD}?connect=v1&encoding=json&message={urllib.parse.quote(json.dumps({'query': text}))}"
    for query in judging.judged_queries():
        lines.append(address(query.text))
        sizes.append(len(bench.urllib.request.urlopen(system.http + lines[-1]).read()))
    never_kept = [address(query.text + " " * n) for n in range(BLANKS) for query in judging.judged_queries()]
    script = bench.get_script(system.home, lines)
    constant = subprocess.Popen([os.path.join(bench.BIN, "mhd_constant_bench"), str(round(sum(sizes) / len(sizes)))], stdout=subprocess.PIPE, text=True)
    base = f"http://127.0.0.1:{constant.stdout.readline().strip()}"
    bench.at_least("SearchDirectory through the gateway, 64 connections", 0.25, lambda: bench.wrk(base, script, o.seconds),
                   lambda: bench.wrk(system.http, script, o.seconds), o.rounds)
    print(f"     {len(lines)} different requests, over and over; the mean answer has {sum(sizes) / len(sizes):,.0f} bytes", flush=True)
    script = bench.get_script(system.home, never_kept)
    l, ours, ratio = bench.alternate(o.rounds, lambda: bench.wrk(base, script, o.seconds), lambda: bench.wrk(system.http, script, o.seconds))
    print(f"     {'  the same when no answer was kept':58} {ratio:7.2f}           {ours:,.0f}/s against {l:,.0f}/s", flush=True)
    constant.kill()
    constant.wait()
    system.stop()
