"""A service that signs people in, played in a few lines: for what is in front of such a service. It knows whoever a test tells it to know,
and can be made to fall silent, to be behind, or to lose its log. What it is called with, it keeps.

    porter = Porter(home)
    token = porter.let_in(roles=["editor"])        # a session, as the cookie __Host-fokus
    porter.turn_out(token)                         # ends it, and rings the bell
"""
import base64
import hashlib
import os
import secrets
import subprocess
import threading
import time
import uuid

import support
import zmq

PROTO = """
syntax = "proto3";
package fokus.porter.v1;
import "fokus/v1/options.proto";
service PorterService {
  rpc SignIn(PorterRequest) returns (PorterResponse) { option (fokus.v1.origin) = true; }
  rpc SignOut(PorterRequest) returns (PorterResponse) { option (fokus.v1.origin) = true; }
  rpc TurnOut(PorterRequest) returns (PorterResponse);
  rpc Who(PorterRequest) returns (PorterResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
}
message PorterRequest { string word = 1; }
message PorterResponse { string id = 1; repeated string roles = 2; }
"""
GATEWAY, PUBLIC = 4, 3  # fokus.event.v1.Audience


def blake(data, key=b"", size=32):
    return hashlib.blake2b(data, key=key, digest_size=size).digest()


def person_id(pseudonym_key, service):
    """common/caller.h: a UUIDv8 of hers in that service."""
    b = bytearray(blake(service.encode(), pseudonym_key, 16))
    b[6], b[8] = b[6] & 0x0F | 0x80, b[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(b)))


def new_token():
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def fields(packed):
    """The length-delimited fields of a message by number, as they stand on the wire: a proof is over bytes, and packing again may give others."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte, at = packed[at], at + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    while at < len(packed):
        tag = varint()
        if tag & 7 == 2:
            size = varint()
            found.setdefault(tag >> 3, []).append(packed[at:at + size])
            at += size
        else:
            assert tag & 7 == 0, "neither text nor a number"
            varint()
    return found


class Porter:
    def __init__(self, home, name="porter"):
        self.home, self.name = home, name
        os.makedirs(f"{home}/run", exist_ok=True)
        source = support.temporary_folder()
        with open(f"{source}/porter.proto", "w") as f:
            f.write(PROTO.replace("porter", name).replace("Porter", name.capitalize()))
        subprocess.run(["protoc", f"-I{source}", f"-I{support.TOP}/proto", "-I/usr/include", f"--descriptor_set_out={source}/set", "--include_imports",
                        "porter.proto"], check=True)
        self.set = open(f"{source}/set", "rb").read()
        self.wire, self.event = support.messages("fokus.wire.v1.wire"), support.messages("fokus.event.v1.event")
        self.runtime = support.messages("fokus.runtime.v1.runtime")
        self.pid, self.started = 1, time.time_ns() // 1000000
        self.log_id, self.events = "01900000-0000-7000-8000-000000000001", []
        self.known = {}      # (kind, hash) -> ResolveCallerResponse
        self.calls = []      # what its own methods were called with
        self.resolved = 0    # ResolveCaller calls answered
        self.mute = set()    # methods not answered, and "heartbeat"
        self.held = []       # calls of those, answered by speak()
        self.behind = 0      # so many answers of ResolveCaller pretend an earlier sequence
        self.give = None     # (token, seconds) with the next answer of its own methods
        self.lock, self.bell, self.speaking, self.stopped = threading.RLock(), threading.Event(), threading.Event(), threading.Event()
        self.thread = None
        self.start()

    # ---- who it knows ----

    @property
    def key(self):
        """This service's caller key."""
        return blake(self.name.encode(), bytes.fromhex(open(f"{self.home}/caller.key").read()))

    def _know(self, kind, token, roles, lasts_s, **more):
        said = self.runtime.ResolveCallerResponse(id=str(uuid.uuid4()), pseudonym_key=secrets.token_bytes(32), roles=roles, watch=secrets.token_hex(16),
                                                  expires_ms=int((time.time() + lasts_s) * 1000), **more)
        with self.lock:
            self.known[kind, blake(token.encode())] = said
        return said

    def let_in(self, roles=(), lasts_s=3600):
        token = new_token()
        self._know("session", token, roles, lasts_s)
        return token

    def give_key(self, roles=(), lasts_s=3600, **more):
        token = "invented-key." + new_token()
        self._know("key", token, roles, lasts_s, **more)
        return token

    def said(self, token):
        return self.known.get(("session", blake(token.encode()))) or self.known.get(("key", blake(token.encode())))

    def happened(self, audience, subject):
        """An event; those for the gateway ring the bell at once, as the runtime does it."""
        with self.lock:
            self.events.append(self.event.Event(sequence=len(self.events) + 1, id=str(uuid.uuid4()), audience=audience, subject=subject))
        if audience == GATEWAY:
            self.bell.set()

    def turn_out(self, token):
        with self.lock:
            said = self.said(token)
            if not said:
                return
            self.known = {k: v for k, v in self.known.items() if v is not said}
            self.happened(GATEWAY, said.watch)

    # ---- as a process ----

    def speak(self):
        """Is mute no longer, and answers what it was asked meanwhile."""
        self.mute.clear()
        self.speaking.set()

    def start(self):
        self.stopped.clear()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.stopped.set()
        self.thread.join()

    def serve(self):
        router, pub = support.context.socket(zmq.ROUTER), support.context.socket(zmq.XPUB)
        router.linger = pub.linger = 0
        router.bind(f"ipc://{self.home}/run/{self.name}.call")
        pub.bind(f"ipc://{self.home}/run/{self.name}.events")
        next_beat = 0
        while not self.stopped.is_set():
            waiting = router.poll(2)
            if (self.bell.is_set() or time.monotonic() >= next_beat) and "heartbeat" not in self.mute:
                self.bell.clear()
                next_beat = time.monotonic() + 1
                with self.lock:
                    beat = self.event.Heartbeat(last_sequence=len(self.events), log_id=self.log_id)
                pub.send_multipart([f"{self.name}.heartbeat.".encode(), beat.SerializeToString()])
            calls = []
            if self.speaking.is_set():
                self.speaking.clear()
                calls, self.held = self.held, []
            if waiting:
                peer, frame = router.recv_multipart()
                calls += [(peer, packed) for packed in fields(frame)[1]]
            for peer, packed in calls:
                replies = self.wire.Replies()
                with self.lock:
                    self.answer(peer, packed, replies)
                if replies.replies:
                    router.send_multipart([peer, replies.SerializeToString()])
        router.close()
        pub.close()

    def believes(self, header, packed):
        """As the runtime (common/intake.c): who is not proven is refused."""
        if not header.HasField("caller") and not header.HasField("origin"):
            return True
        caller, origin = packed.get(4, [b""])[-1], packed.get(9, [b""])[-1]
        right = blake(b"fokus-caller-1" + len(caller).to_bytes(8, "little") + caller + origin, self.key)
        return header.proof == right and 0 < header.caller.expires_ms - time.time() * 1000 <= 15 * 60 * 1000

    def answer(self, peer, packed, replies):
        call = self.wire.Call.FromString(packed)
        service, method = call.header.method.split("/")
        if method in self.mute:
            self.held.append((peer, packed))
            return
        reply = replies.replies.add()
        reply.header.call_id, reply.header.log_sequence = call.header.call_id, len(self.events)
        if not self.believes(call.header, fields(fields(packed)[1][-1])):
            reply.header.status, reply.header.message = 16, "The call's caller is not proven, or no longer."
        elif "Runtime" in service:
            reply.body = getattr(self, method)(call, reply).SerializeToString()
        else:
            self.calls.append(call)
            if method == "TurnOut":
                self.turn_out(call.body[2:].decode())  # the request's one field, a token
                reply.header.log_sequence = len(self.events)
            if self.give:
                reply.header.session.token, reply.header.session.max_age_s = self.give
                self.give = None
            body = self.runtime.ResolveCallerResponse(id=call.header.caller.id)  # field 1, as in PorterResponse
            reply.body = body.SerializeToString()

    def GetStatus(self, call, reply):
        return self.runtime.GetStatusResponse(service=self.name, started_ms=self.started, pid=self.pid, state="serving", log_id=self.log_id)

    def Describe(self, call, reply):
        return self.runtime.DescribeResponse(service=self.name, descriptor_set=self.set, log_id=self.log_id, resolves_callers=True)

    def GetMetrics(self, call, reply):
        return self.runtime.GetMetricsResponse()

    def ReadEvents(self, call, reply):
        request = self.runtime.ReadEventsRequest.FromString(call.body)
        house = call.header.caller.id == "@gateway"
        first = max(getattr(request, "from"), 1)
        if request.after_id and (first > len(self.events) + 1 or self.events[first - 2].id != request.after_id):
            reply.header.status, reply.header.message = 9, "The log was put back."
            return self.runtime.ReadEventsResponse()
        events = self.events[first - 1:][:request.limit or 1000]
        following = events[-1].sequence + 1 if events else min(first, len(self.events) + 1)
        return self.runtime.ReadEventsResponse(events=[e for e in events if e.audience == PUBLIC or (house and e.audience == GATEWAY)], next=following,
                                               last_sequence=len(self.events), log_id=self.log_id,
                                               after_id=self.events[following - 2].id if following > 1 else "")

    def ResolveCaller(self, call, reply):
        assert call.header.caller.id == "@gateway"
        request = self.runtime.ResolveCallerRequest.FromString(call.body)
        said = self.known.get(("session", request.session) if request.session else ("key", request.key))
        self.resolved += 1
        if self.behind:
            self.behind -= 1
            reply.header.log_sequence -= 1
        if not said:
            reply.header.status, reply.header.message = 16, "There is none such."
        return said or self.runtime.ResolveCallerResponse()
