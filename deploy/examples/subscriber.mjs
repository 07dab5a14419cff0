// Follows a service's public events over ZeroMQ: each event in order, once, also after a crash; ends when the log was put back to before what
// it has read. See README.md, "A partner".
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { Dealer, Subscriber } from "zeromq";
const gen = (file) => import(`${process.env.FOKUS_GEN}/fokus/${file}_pb.js`);
const { EventBatchSchema, HeartbeatSchema } = await gen("event/v1/event");
const { ReadEventsRequestSchema, ReadEventsResponseSchema } = await gen("runtime/v1/runtime");
const { CallsSchema, RepliesSchema } = await gen("wire/v1/wire");

const [service, callAddress, eventsAddress, journal] = process.argv.slice(2);
const bell = new Subscriber(), log = new Dealer({ receiveTimeout: 2000 });
bell.connect(eventsAddress), log.connect(callAddress);
bell.subscribe(service + "."); // subscribe first, then read: nothing falls between the two
// The journal is work and cursor in one: a line is there whole, or the event is taken again. In a database: both in one transaction.
if (!existsSync(journal)) writeFileSync(journal, "");
const whole = readFileSync(journal).subarray(0, readFileSync(journal).lastIndexOf("\n") + 1);
truncateSync(journal, whole.length);
let [done, afterId] = whole.toString().trimEnd().split("\n").at(-1).split(" ");
done = BigInt(done);

async function readEvents(first) {
  const body = toBinary(ReadEventsRequestSchema, create(ReadEventsRequestSchema, { from: first, afterId }));
  const header = { method: "fokus.runtime.v1.RuntimeService/ReadEvents", callId: first };
  await log.send(toBinary(CallsSchema, create(CallsSchema, { calls: [{ header, body }] })));
  for (;;) {
    const frame = await log.receive().catch(() => null); // no answer while the service restarts: the caller asks again
    if (!frame) return null;
    const reply = fromBinary(RepliesSchema, frame[0]).replies.find((r) => r.header.callId === first && [0, 3, 9].includes(r.header.status));
    if (reply?.header.status) throw new Error(`${journal}: ${reply.header.message}`); // the cursor is not, or no longer, this log's
    if (reply) return fromBinary(ReadEventsResponseSchema, reply.body);
  }
}

let last = done + 1n, reading = false; // the log's last sequence, as far as we know: ask at once
async function readOn() {
  if (reading) return;
  reading = true;
  while (last !== done) {
    const page = await readEvents(done + 1n);
    if (!page) continue;
    for (const event of page.events) appendFileSync(journal, `${event.sequence} ${event.id} ${event.type} ${event.subject}\n`); // your own work goes here
    done = page.next - 1n, afterId = page.afterId, last = page.lastSequence;
  }
  reading = false;
}
readOn();
for await (const [topic, body] of bell) {
  const beat = topic.toString() === `${service}.heartbeat.`;
  const heard = beat ? fromBinary(HeartbeatSchema, body).lastSequence : fromBinary(EventBatchSchema, body).events.at(-1).sequence;
  last = heard; // less than before may be an old beat, or a log that was put back: reading tells
  readOn();
}
