"""An SMTP server for tests, in this process: threads, one a connection. It keeps what it is told, offers STARTTLS and AUTH, and goes wrong
where a test wants it to.

    server = Server(go_wrong={"RCPT": "550 5.1.1 no such user"})
    server.url()      smtp://127.0.0.1:PORT
    server.messages   [Message]; server.commands: each line that came, without passwords; server.connections: how many

`go_wrong`: what to do when a command comes, by its first word, or CONNECT (before the greeting), BODY (in the midst of the message), DOT
(at its end): a reply; "421 ..." closes after it; DROP closes at once; HANG is silent until the client goes; bytes are sent as they are.
A list gives one for each time, None for none.
"""
import base64
import collections
import os
import shutil
import socket
import ssl
import subprocess
import threading

import support

DROP, HANG = object(), object()
Message = collections.namedtuple("Message", "sender recipient data tls user")


class Gone(Exception):
    pass


def certificate(folder, names):
    """A key and a certificate signed by itself, for these names ("DNS:...", "IP:..."), in one file."""
    path = f"{folder}/certificate-{len(os.listdir(folder))}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=invented", "-addext", f"subjectAltName={','.join(names)}", "-keyout", path + ".key", "-out", path + ".crt"],
                   check=True, capture_output=True)
    with open(path, "wb") as whole:
        for part in (path + ".key", path + ".crt"):
            with open(part, "rb") as f:
                shutil.copyfileobj(f, whole)
    return path


class Server:
    def __init__(self, go_wrong=None, certificate=None, starttls=True, implicit=False, auth="PLAIN LOGIN", users=None, address=""):
        self.go_wrong = {step: list(what) if isinstance(what, list) else what for step, what in (go_wrong or {}).items()}
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self.starttls, self.implicit, self.auth, self.users = bool(certificate) and starttls, implicit, auth, users or {}
        self.messages, self.commands, self.connections, self.open = [], [], 0, []
        self.listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def url(self, host="127.0.0.1", scheme="smtp"):
        return f"{scheme}://{host}:{self.port}"

    def listen(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=Session(self, connection).run, daemon=True).start()

    def close_connections(self):
        """As a server does with those that rest."""
        for connection in self.open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open.clear()

    def close(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.close_connections()


class Session:
    def __init__(self, server, connection):
        self.server, self.connection = server, connection
        self.rest, self.tls, self.user, self.sender, self.recipient = b"", False, None, None, None
        server.open.append(connection)

    def run(self):
        try:
            if self.server.implicit:
                self.begin_tls()
            if not self.goes_wrong("CONNECT"):
                self.reply("220 invented.example ESMTP")
            while True:
                self.command(self.line().decode("latin-1"))
        except (Gone, OSError):
            pass
        finally:
            self.connection.close()

    def begin_tls(self):
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.server.open.append(self.connection)
        self.rest, self.tls = b"", True

    def line(self):
        while b"\r\n" not in self.rest:
            more = self.connection.recv(65536)
            if not more:
                raise Gone
            self.rest += more
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def reply(self, *lines):
        self.connection.sendall("".join(line + "\r\n" for line in lines).encode())

    def goes_wrong(self, step):
        what = self.server.go_wrong.get(step)
        if isinstance(what, list):
            what = what.pop(0) if what else None
        if what is None:
            return False
        if what is HANG:
            while self.connection.recv(65536):
                pass
        if what is DROP or what is HANG:
            raise Gone
        if isinstance(what, bytes):
            self.connection.sendall(what)
            raise Gone
        self.reply(*what.split("\n"))
        if what.startswith("421"):
            raise Gone
        return True

    def command(self, line):
        word = line.split(" ")[0].upper()
        self.server.commands.append(word if word == "AUTH" else line)
        if self.goes_wrong(word):
            return
        if word in ("EHLO", "HELO"):
            offers = ["invented.example", "8BITMIME", "ENHANCEDSTATUSCODES"]
            if self.server.starttls and not self.tls:
                offers.append("STARTTLS")
            if self.server.auth:
                offers.append("AUTH " + self.server.auth)
            self.reply(*[f"250-{offer}" for offer in offers[:-1]], f"250 {offers[-1]}")
        elif word == "STARTTLS":
            self.reply("220 2.0.0 go on")
            self.begin_tls()
        elif word == "AUTH":
            self.sign_in(line.split(" "))
        elif word == "MAIL":
            self.sender = line.split(":", 1)[1]
            self.reply("250 2.1.0 ok")
        elif word == "RCPT":
            self.recipient = line.split(":", 1)[1]
            self.reply("250 2.1.5 ok")
        elif word == "DATA":
            self.data()
        elif word == "QUIT":
            self.reply("221 2.0.0 bye")
            raise Gone
        else:
            self.reply("500 5.5.2 what?")

    def ask(self, question):
        self.reply("334 " + base64.b64encode(question).decode())
        return base64.b64decode(self.line())

    def sign_in(self, words):
        given = base64.b64decode(words[2]) if len(words) > 2 else None
        if words[1] == "PLAIN":
            _, user, password = (self.ask(b"") if given is None else given).split(b"\0")
        elif words[1] == "LOGIN":
            user = self.ask(b"Username:") if given is None else given
            password = self.ask(b"Password:")
        else:
            self.reply("504 5.5.4 not that way")
            return
        if self.server.users.get(user.decode()) != password.decode():
            self.reply("535 5.7.8 wrong user or password")
            return
        self.user = user.decode()
        self.reply("235 2.7.0 welcome")

    def data(self):
        self.reply("354 go on")
        self.goes_wrong("BODY")
        lines = []
        while (line := self.line()) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
        if self.goes_wrong("DOT"):
            return
        self.server.messages.append(Message(self.sender, self.recipient, b"".join(line + b"\r\n" for line in lines), self.tls, self.user))
        self.reply("250 2.0.0 taken")


def temporary_certificate(*names):
    return certificate(support.temporary_folder(), names)
