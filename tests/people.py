"""People who use a whole system with a browser: cookies, networks, a mailbox to read codes from. For the tests of accounts.

    system = people.system()                 # believes X-Forwarded-For, so that each browser has a network of its own
    anna = people.Browser(system).sign_in("anna@example.org")
    anna.call("accounts.GetMe")["displayName"]

Addresses, names and texts are plainly invented."""
import email
import email.policy
import http.client
import itertools
import json
import os
import re
import signal
import struct

import support

SIGNED_IN, WRONG_CODE, ENDED, OTHER_BROWSER, LINK_NEEDED = (
    f"SIGN_IN_OUTCOME_{name}" for name in ("SIGNED_IN", "WRONG_CODE", "ENDED", "OTHER_BROWSER", "LINK_NEEDED"))
MINUTE, HOUR, DAY = 60, 3600, 86400


class Clock:
    """The wall clock of a system, which the test moves: nothing waits."""

    def __init__(self):
        self.path, self.seconds = f"{support.temporary_folder()}/clock", 0
        self.environment = {"LD_PRELOAD": f"{support.TOY}/moved-clock.so", "MOVED_CLOCK_FILE": self.path,
                            "ASAN_OPTIONS": ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))}
        self.set(0)

    def set(self, seconds):
        self.seconds = seconds
        with open(self.path, "r+b" if os.path.exists(self.path) else "w+b") as f:
            f.write(struct.pack("=q", int(seconds * 1_000_000)))

    def move(self, seconds):
        self.set(self.seconds + seconds)


def system(home=None, clock=None, **environment):
    """A system that believes the test to be its proxy, and whose mails have links; ready."""
    made = support.System(home, {"FOKUS_PROXY": "127.0.0.1", "FOKUS_SITE": "https://fokus.example", **(clock.environment if clock else {}), **environment})
    made.mailbox = Mailbox(made)
    support.wait_until("the system to be ready", lambda: ready(made))
    return made


_networks = itertools.count(1)


def new_network():
    n = next(_networks)
    return f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"


def new_code(*not_these):
    """A code that is none of these, as somebody guesses it."""
    return next(f"{n:06d}" for n in range(len(not_these) + 1) if f"{n:06d}" not in not_these)


def forget(of):
    """Lets the gateway forget whom it knows: it remembers them for minutes by a clock that the test does not move. Another takes its place."""
    def gateway():
        return next(s["pid"] for s in json.loads(of.ctl("status", "--json", check=False).stdout)["services"] if s["service"] == "gateway")
    before = gateway()
    os.kill(before, signal.SIGKILL)
    support.wait_until("another gateway", lambda: gateway() not in (before, 0))
    support.wait_until("it to be ready", lambda: ready(of))


def ready(of):
    connection = http.client.HTTPConnection(of.admin.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def path_of(method):
    """accounts.GetMe is /fokus.accounts.v1.AccountsService/GetMe."""
    service, name = method.split(".")
    return f"/fokus.{service}.v1.{service.capitalize()}Service/{name}"


class Mailbox:
    """The maildir that a system without a mail server delivers to: everybody's mailbox."""

    def __init__(self, of):
        self.folder, self.mails, self.seen = f"{of.home}/mail/new", {}, set()

    def look(self):
        for name in sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []:
            if name not in self.mails:
                with open(f"{self.folder}/{name}", "rb") as f:
                    self.mails[name] = Mail(f.read())
        return self.mails

    def take(self, address, what=""):
        """Waits for the next mail to the address whose text holds this; none is taken twice."""
        def find():
            for name, mail in self.look().items():
                if name not in self.seen and mail.address == address and what in mail.text:
                    self.seen.add(name)
                    return mail
            return None
        return support.wait_until(f"a mail to {address}", find)

    def empty(self):
        """As their readers do: what was delivered is theirs, and gone from here."""
        for name in self.look():
            os.unlink(f"{self.folder}/{name}")
        self.mails, self.seen = {}, set()


class Mail:
    def __init__(self, raw):
        self.raw, self.message = raw, email.message_from_bytes(raw, policy=email.policy.default)
        self.address = self.message["to"].addresses[0].addr_spec
        self.subject = self.message["subject"]
        self.text = self.message.get_body(("plain",)).get_content()
        self.html = self.message.get_body(("html",)).get_content()

    @property
    def code(self):
        return re.search(r"^(\d{3}) (\d{3})$", self.text, re.M).expand(r"\1\2")

    @property
    def link(self):
        return re.search(r"^https?://\S+/logga-in/lank\?\S+$", self.text, re.M)[0]

    @property
    def link_id(self):
        return re.search(r"id=([^&]+)", self.link)[1]

    @property
    def link_token(self):
        return re.search(r"token=(\S+)", self.link)[1]


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(f"{answer.status} {answer.body[:300]!r}")
        self.answer = answer


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.getheaders(), response.read()
        self.json = json.loads(self.body) if self.body[:1] in (b"{", b"[") else None
        self.code = self.json.get("code") if isinstance(self.json, dict) and self.status >= 400 else None

    def set_cookies(self):
        """Name: its whole Set-Cookie line."""
        return {v.split("=", 1)[0]: v for k, v in self.headers if k.lower() == "set-cookie"}


class Browser:
    """Keeps cookies and speaks from a network."""

    def __init__(self, of, network=None):
        self.system, self.network, self.cookies = of, network or new_network(), {}
        self.connection = http.client.HTTPConnection(of.http.removeprefix("http://"), timeout=60)

    def request(self, method, path, body=None, headers=None):
        """One request with the cookies; takes those of the answer. A header of None is not sent."""
        sent = {"X-Forwarded-For": self.network, "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **(headers or {})}
        sent = {k: v for k, v in sent.items() if v}
        try:
            self.connection.request(method, path, body, sent)
            answer = Answer(self.connection.getresponse())
        except (http.client.HTTPException, ConnectionError):  # an idle connection was closed
            self.connection.close()
            self.connection.request(method, path, body, sent)
            answer = Answer(self.connection.getresponse())
        for name, line in answer.set_cookies().items():
            value = line.split(";")[0].split("=", 1)[1]
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer

    def post(self, method, message=None, headers=None):
        return self.request("POST", path_of(method), json.dumps(message or {}), {"Content-Type": "application/json", **(headers or {})})

    def call(self, method, message=None, headers=None):
        """Posts, and gives the answer's message. Refused when it is no 200."""
        answer = self.post(method, message, headers)
        if answer.status != 200:
            raise Refused(answer)
        return answer.json

    def refused(self, method, message=None, headers=None):
        """Posts what must be refused; the code."""
        answer = self.post(method, message, headers)
        assert answer.status >= 400, f"{method} was not refused: {answer.body[:300]!r}"
        return answer.code

    def ask_code(self, address, **more):
        """Asks for a code: the sign-in's number and the mail."""
        started = self.call("accounts.StartSignIn", {"address": address, **more})
        return started["signIn"], self.system.mailbox.take(address.lower(), started["signIn"])

    def finish(self, sign_in, **proof):
        """What came of it, as a message. `code` or `linkToken`."""
        return self.call("accounts.FinishSignIn", {"signIn": sign_in, **proof})

    def sign_in(self, address, **more):
        sign_in, mail = self.ask_code(address, **more)
        done = self.finish(sign_in, code=mail.code)
        assert done["outcome"] == SIGNED_IN, done
        return self

    @property
    def session(self):
        return self.cookies.get("__Host-fokus")

    def me(self):
        return self.call("accounts.GetMe")
