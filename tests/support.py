"""What Python tests share: our messages, a running service or system, calls over ZeroMQ. Debian's python3 with python3-zmq and python3-protobuf.

A test begins with

    #!/usr/bin/python3
    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    import support
"""
import atexit
import glob
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import types

import zmq

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.abspath(os.environ.get("FOKUS_BIN", os.path.join(TOP, "build/release/bin")))
DEV = os.path.join(TOP, "build/dev/bin")
CHECKED = DEV if os.path.exists(f"{DEV}/fokus-directory") else BIN  # programs that notice their own mistakes (ASan, UBSan), if they are built
TOY = os.path.join(os.path.dirname(BIN), "toy")  # the toy service of tests/notes: a second one, which `fokusctl run` does not know
DATA = os.path.join(TOP, "deploy/data")
context = zmq.Context.instance()


def temporary_folder(prefix="fokus-test-", memory=False):
    """A short path (ipc sockets allow 107 characters), removed at exit. In `memory`: for tests of what has nothing to do with a disk."""
    folder = tempfile.mkdtemp(prefix=prefix, dir="/dev/shm" if memory and os.access("/dev/shm", os.W_OK) else "/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


_generated = None


def messages(module):
    """A proto file's messages and those of its package's other files: messages("fokus.directory.v1.directory").ListTermsRequest."""
    global _generated
    if not _generated:
        _generated = temporary_folder()
        roots = [f"{TOP}/proto", f"{TOP}/tests/notes/proto"]
        files = [os.path.relpath(p, root) for root in roots for p in glob.glob(f"{root}/fokus/**/*.proto", recursive=True)]
        subprocess.run(["protoc", *[f"-I{root}" for root in roots], "-I/usr/include", f"--python_out={_generated}", *files], check=True)
        sys.path.insert(0, _generated)
    package = module.rpartition(".")[0].replace(".", "/")
    names = {}
    for path in glob.glob(f"{_generated}/{package}/*_pb2.py"):
        names.update(vars(importlib.import_module(os.path.relpath(path, _generated)[:-3].replace("/", "."))))
    return types.SimpleNamespace(**{**names, **vars(importlib.import_module(module + "_pb2"))})


def wait_until(what, condition, seconds=60, every=0.01):
    """Polls until the condition holds; an AssertionError naming `what` when it does not in time."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(every)


class Refused(Exception):
    def __init__(self, header):
        super().__init__(f"{header.status}: {header.message}")
        self.status, self.header = header.status, header


class Caller:
    """Calls on one socket of a service."""

    def __init__(self, endpoint):
        self.wire = messages("fokus.wire.v1.wire")
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.last_id = 0

    def send(self, method, request, timeout_ms=10000, idempotency_key="", who=None):
        """Sends without waiting; returns the call's id. `who` is what prove() made; None: anonymous."""
        self.last_id += 1
        call = self.wire.Call(body=request.SerializeToString())
        call.header.method, call.header.call_id, call.header.timeout_ms = method, self.last_id, timeout_ms
        call.header.idempotency_key = idempotency_key
        if who:
            call.header.MergeFrom(who)
        self.socket.send(self.wire.Calls(calls=[call]).SerializeToString())
        return self.last_id

    def receive(self, timeout_ms=10000):
        """The next frame's replies, or an empty list at the timeout."""
        if not self.socket.poll(timeout_ms):
            return []
        return self.wire.Replies.FromString(self.socket.recv()).replies

    def call(self, method, request, response, timeout_ms=10000, idempotency_key="", who=None):
        """Calls and waits; returns a message of the class `response`. Refused with the header when the status is not OK."""
        wanted = self.send(method, request, timeout_ms, idempotency_key, who)
        end = time.monotonic() + timeout_ms / 1000 + 1
        while time.monotonic() < end:
            for reply in self.receive(int(max(0, end - time.monotonic()) * 1000)):
                if reply.header.call_id == wanted:
                    if reply.header.status:
                        raise Refused(reply.header)
                    return response.FromString(reply.body)
        raise TimeoutError(f"no answer to {method}")

    def close(self):
        self.socket.close()


def prove(home, service, caller_id, roles=(), expires_ms=None, origin=None, key=None):
    """A header's caller, origin and proof as the gateway makes them (common/caller.h), for Caller.send()."""
    wire = messages("fokus.wire.v1.wire")
    if key is None:
        with open(f"{home}/caller.key") as f:
            key = bytes.fromhex(f.read())
    caller = wire.Caller(id=caller_id, roles=roles, expires_ms=int(time.time() * 1000) + 60000 if expires_ms is None else expires_ms)
    packed = caller.SerializeToString()
    signed = b"fokus-caller-1" + len(packed).to_bytes(8, "little") + packed + (origin.SerializeToString() if origin else b"")
    of_service = hashlib.blake2b(service.encode(), key=key, digest_size=32).digest()
    return wire.CallHeader(caller=caller, origin=origin, proof=hashlib.blake2b(signed, key=of_service, digest_size=32).digest())


class Service:
    """One service's process on a home of its own: Service("directory"), or the toy: Service("notes", program=f"{TOY}/fokus-notes")."""

    def __init__(self, name, home=None, environment=None, command=(), program=None):
        self.name, self.home = name, home or temporary_folder()
        self.program = program or f"{BIN}/fokus-{name}"
        self.environment = {**os.environ, "FOKUS_LOG": "warning", **(environment or {})}
        self.command = list(command)
        self.process = None

    def endpoint(self, socket):
        return f"ipc://{self.home}/run/{self.name}.{socket}"

    def start(self, wait=True):
        self.process = subprocess.Popen(self.command + [self.program, "--home", self.home], env=self.environment,
                                        stderr=open(f"{self.home}/stderr", "a"))
        atexit.register(self.kill)
        if wait:
            self.wait()
        return self

    def wait(self):
        """Waits until the service answers GetStatus; returns the answer."""
        runtime = messages("fokus.runtime.v1.runtime")

        def status():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.log()[-2000:]}")
            caller = Caller(self.endpoint("admin"))
            try:
                return caller.call("fokus.runtime.v1.RuntimeService/GetStatus", runtime.GetStatusRequest(), runtime.GetStatusResponse, 300)
            except (TimeoutError, Refused):
                return None
            finally:
                caller.close()

        return wait_until(f"{self.name} to answer", status)

    def log(self):
        with open(f"{self.home}/stderr") as f:
            return f.read()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def verify(self):
        """Replays the log and compares every table; an AssertionError when they differ."""
        runtime = messages("fokus.runtime.v1.runtime")
        caller = Caller(self.endpoint("admin"))
        answer = caller.call("fokus.runtime.v1.RuntimeService/Verify", runtime.VerifyRequest(), runtime.VerifyResponse, 120000)
        caller.close()
        assert answer.identical, answer.problem
        return answer


class System:
    """A whole system, as fokusctl run starts it."""

    def __init__(self, home=None, environment=None, programs=BIN):
        self.home = home or temporary_folder()
        self.programs = programs
        self.process = subprocess.Popen(
            [f"{programs}/fokusctl", "run", "--home", self.home, "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"], stdout=subprocess.PIPE,
            stderr=open(f"{self.home}/stderr", "a"), text=True, env={**os.environ, "FOKUS_LOG": "warning", **(environment or {})})
        atexit.register(self.stop)
        line = self.process.stdout.readline()
        assert line, f"fokusctl run ended: {open(self.home + '/stderr').read()[-2000:]}"
        self.address = json.loads(line)
        self.http, self.admin, self.services = self.address["http"], self.address["admin"], self.address["services"]

    def ctl(self, *arguments, check=True):
        """Runs fokusctl on this home; returns the finished process with its output as text."""
        done = subprocess.run([f"{self.programs}/fokusctl", *arguments, "--home", self.home], capture_output=True, text=True)
        assert not check or done.returncode == 0, f"fokusctl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def import_data(self):
        """The real data, in the order that deploy/up imports it: a line of deploy/data/ORDER is a kind and a file."""
        with open(f"{DATA}/ORDER") as f:
            for line in f:
                if line.strip() and not line.startswith("#"):
                    kind, file = line.split()
                    self.ctl("import", kind, f"{DATA}/{file}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)


def where_it_failed(problem):
    """The lines that led there, innermost last."""
    return "\n".join(f"     {os.path.basename(f.filename)}:{f.lineno}: {f.line}" for f in traceback.extract_tb(problem.__traceback__)[1:])


def run_tests(tests):
    """Runs the functions, prints one line each and a summary; exits non-zero if any failed. Arguments choose tests by name."""
    failed = 0
    tests = [t for t in tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    for test in tests:
        begin = time.monotonic()
        try:
            test()
            print(f"ok   {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Exception as problem:  # any failure is this test's failure, the others still run
            failed += 1
            print(f"FAIL {test.__name__}: {type(problem).__name__}: {problem}\n{where_it_failed(problem)}", flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not tests else 0)
