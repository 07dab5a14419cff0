"""What a person leaves behind: an account with everything in it, and the search for its bytes in files. For the tests that
ask what is left of her.

    claim, key = traces.live(anna, editor, "nsph", texts)
    assert traces.found({"address": "anna@example.org"}, system.home) == []"""
import base64
import json
import os

import support

CONFIRM = "directory.ConfirmOrganisation"


def live(anna, editor, organisation, name, text, reason, key_name, services, headers=None):
    """She has a name, an accepted claim, so a role, used it, and has a key: the claim's number, and the key with its token."""
    anna.call("accounts.ReviseProfile", {"displayName": name, "language": "sv"})
    claim = anna.call("accounts.ClaimOrganisation", {"organisation": organisation, "kind": "CLAIM_KIND_MANDATE", "text": text})["number"]
    editor.call("accounts.AcceptClaim", {"number": claim, "reason": reason})
    anna.call(CONFIRM, {"slug": organisation})
    return claim, anna.call("accounts.MakeApiKey", {"name": key_name, "services": services, "days": 30}, headers)["token"]


def followed(system):
    """Waits until every service has followed every erasure."""
    support.wait_until("every service to follow", lambda: not json.loads(system.ctl("call", "accounts.ListErasures", "{}").stdout).get("erasures"))


def files(folder):
    for at, _, names in os.walk(folder):
        for path in (f"{at}/{name}" for name in names):
            if os.path.isfile(path):
                yield path


def forms(text):
    """How a text may stand in a file: UTF-8 in any case, UTF-16, hexadecimal, base64 at any offset, in JSON."""
    plain = text.encode()
    yield from {plain, plain.lower(), plain.upper(), text.encode("utf-16-le"), plain.hex().encode(), plain.hex().upper().encode(), json.dumps(text)[1:-1].encode()}
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + plain)
        coded = coded[(0, 2, 3)[offset]:len(coded) - (len(coded) - 1) % 4 - 1]  # the ends mix with what stands beside
        yield coded
        yield coded.replace(b"+", b"-").replace(b"/", b"_")


def found(secrets, folder):
    """(what, file) of each secret that stands in one of the files; mails that were delivered are their readers'."""
    wanted = {what: set(forms(text)) for what, text in secrets.items()}
    hits = []
    for path in files(folder):
        with open(path, "rb") as f:
            data = f.read()
        hits += [(what, path) for what, all_forms in wanted.items() if any(form in data for form in all_forms)]
    return hits
