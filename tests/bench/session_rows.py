"""The rows of tests/bench/run about who calls: a session resolved from memory, and what being signed in costs a call through the gateway.

The service that signs people in is played (tests/porter.py), for a gateway of its own: whatever signs people in costs nothing here, since the
gateway asks it once. The directory, which checks the proof of each call, is the real one."""
import json
import os
import subprocess
import sys
import tempfile
import shutil
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))


def memory(bench, o):
    """With 10,000 callers in memory, each known to five services, and with a full table, where each call waits for three places in the machine's
    memory that depend on each other."""
    for sessions in (10_000, 100_000):
        r = bench.tool("session_bench", sessions, o.seconds)
        if r["evicted"]:
            sys.exit("bench: the table of known callers does not hold as many")
        bench.row(f"resolving one of {sessions:,} sessions from memory", f"{r['per_second']:,.0f}/s", f"{r['mb']:.0f} MB", r["per_second"] / 1e6,
                  r["per_second"] >= 1e6, ">= 1 M/s")


class SignedInGateway:
    """A gateway in front of the system's directory and of a porter, with the house's key."""

    def __init__(self, bench, s):
        import porter
        self.home = tempfile.mkdtemp(prefix="fokus-bench-")
        shutil.copy2(os.path.join(s.home, "caller.key"), self.home)
        self.porter = porter.Porter(self.home)
        self.process = subprocess.Popen(
            [os.path.join(bench.BIN, "fokus-gateway"), "--home", self.home, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0",
             "--service", "directory=" + s.endpoints["call"]], stdout=subprocess.PIPE, text=True, env={**os.environ, "FOKUS_LOG": "warning"})
        bench.atexit.register(self.stop)
        addresses = json.loads(self.process.stdout.readline())
        self.http, self.admin = "http://" + addresses["http"], "http://" + addresses["admin"]
        bench.wait_until_ready(self.admin)

    def figure(self, name):
        page = urllib.request.urlopen(self.admin + "/metrics").read().decode()
        return float(page.split(f'\nfokus_gateway_{name}{{service="gateway"}} ')[1].split("\n")[0])

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.porter.stop()
        shutil.rmtree(self.home, ignore_errors=True)


def through_the_gateway(bench, s, o):
    gateway = SignedInGateway(bench, s)
    token = gateway.porter.let_in(["member"])
    nobody, somebody = os.path.join(s.home, "nobody"), os.path.join(s.home, "somebody")
    os.mkdir(nobody)
    os.mkdir(somebody)
    anonymous, signed_in = bench.get_paths(nobody, 1000), bench.get_paths(somebody, 1000)
    with open(signed_in, "a") as f:
        f.write(f'wrk.headers["Cookie"] = "__Host-fokus={token}"\n')
    before = gateway.figure("resolved_from_memory_total")
    bench.at_least("GetOrganisation through the gateway, signed in", 0.95, lambda: bench.wrk(gateway.http, anonymous, o.seconds),
                   lambda: bench.wrk(gateway.http, signed_in, o.seconds), o.rounds)
    if gateway.figure("resolved_from_memory_total") - before < 1000:
        sys.exit("bench: the calls were not signed in")
    gateway.stop()
