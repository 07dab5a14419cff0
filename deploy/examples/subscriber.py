#!/usr/bin/python3
"""Follows a service's public events over ZeroMQ: each event in order, once, also after a crash. See README.md, "A partner"."""
import os, sys, zmq
from fokus.event.v1 import event_pb2
from fokus.runtime.v1 import runtime_pb2
from fokus.wire.v1 import wire_pb2

service, call_address, events_address, journal = sys.argv[1:]
bell, log = zmq.Context.instance().socket(zmq.SUB), zmq.Context.instance().socket(zmq.DEALER)
bell.connect(events_address), log.connect(call_address)
bell.subscribe(service + ".")  # subscribe first, then read: nothing falls between the two
# The journal is work and cursor in one: a line is there whole, or the event is taken again. In a database: both in one transaction.
text = open(journal, "rb").read() if os.path.exists(journal) else b""
whole = text[:text.rfind(b"\n") + 1]
done = int(whole.splitlines()[-1].split()[0]) if whole else 0
out = open(journal, "ab")
out.truncate(len(whole))

def read_events(first):
    call = wire_pb2.Call(body=runtime_pb2.ReadEventsRequest(**{"from": first}).SerializeToString())
    call.header.method, call.header.call_id = "fokus.runtime.v1.RuntimeService/ReadEvents", first
    log.send(wire_pb2.Calls(calls=[call]).SerializeToString())
    while log.poll(2000):  # no answer while the service restarts: the caller asks again
        for reply in wire_pb2.Replies.FromString(log.recv()).replies:
            if reply.header.call_id == first and reply.header.status == 0:
                return runtime_pb2.ReadEventsResponse.FromString(reply.body)

last = done + 1  # the log's last sequence, as far as we know: ask at once
while True:
    while last > done:
        if not (page := read_events(done + 1)):
            continue
        for event in page.events:
            out.write(f"{event.sequence} {event.type} {event.subject}\n".encode())  # your own work goes here
        out.flush()
        done, last = page.next - 1, page.last_sequence
    if not bell.poll(3000):
        last = done + 1  # three seconds without a heartbeat: ask the log itself
    while bell.poll(0):
        topic, body = bell.recv_multipart()
        beat = topic == f"{service}.heartbeat.".encode()
        last = max(last, event_pb2.Heartbeat.FromString(body).last_sequence if beat else event_pb2.EventBatch.FromString(body).events[-1].sequence)
