// Compares our JSON codec with @bufbuild/protobuf on random messages that hold every kind of field.
//
//   node tests/journeys/json-differential.mjs [BUILD_FOLDER] [MESSAGES] [SEED]
//
// For each message: our JSON, read by theirs, is the message; their JSON, read by ours, gives bytes that are the message;
// and a random mutation of the JSON is accepted or refused alike, with the same meaning where both accept it.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(here, "..", "package.json"));
const load = (name) => import(require.resolve(name));
const { create, createFileRegistry, fromBinary, toBinary, fromJsonString, toJsonString, ScalarType } =
  await load("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = await load("@bufbuild/protobuf/wkt");

const build = process.argv[2] ?? path.join(here, "..", "..", "build", "dev");
const total = Number(process.argv[3] ?? 100000);
const seed = Number(process.argv[4] ?? Date.now() % 0x7fffffff);
const typeName = "fokus.testing.v1.AllKinds";
const setFile = path.join(build, "gen", "testing.fds");

// ---- random messages ----

let state = seed >>> 0;
function random() { // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

const characters = ["a", "Z", "0", " ", "\"", "\\", "/", "\n", "\t", "\u0001", "\u007f", "å", "ö", "€", "\u2028", "😀", "\u{10ffff}", "<"];
function randomText() {
  let text = "";
  for (let n = pick([0, 1, 3, 7, 8, 9, 20, 60]); n > 0; n--) text += random() < 0.8 ? "abcdefghij"[below(10)] : pick(characters);
  return text;
}
const randomBytes = () => Uint8Array.from({ length: pick([0, 1, 2, 3, 4, 16, 33]) }, () => below(256));
const bits64 = () => (BigInt(below(2 ** 32)) << 32n) | BigInt(below(2 ** 32));
const randomInt = (bits, signed) => {
  const edge = signed
    ? [0n, 1n, -1n, -(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n]
    : [0n, 1n, (1n << BigInt(bits)) - 1n];
  if (random() < 0.4) return pick(edge);
  const small = bits64() >> BigInt(below(64));
  return signed ? BigInt.asIntN(bits, small) : BigInt.asUintN(bits, small);
};
function randomReal() {
  if (random() < 0.3) return pick([0, -0, 1, -1, 0.1, 1e15, 1e16, 1e21, 1e22, 123456789012345680, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308]);
  if (random() < 0.5) return below(1000000) / pick([1, 10, 100, 1000, 3, 7]);
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits64());
  const drawn = view.getFloat64(0);
  return Number.isNaN(drawn) ? NaN : drawn; // JSON knows one NaN only
}
function randomFloat() {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, below(2 ** 32));
  const drawn = view.getFloat32(0);
  const any = Number.isNaN(drawn) ? NaN : drawn; // JSON knows one NaN only
  return pick([0, 1.5, Math.fround(0.1), NaN, -Infinity, any, any, any]);
}

function randomScalar(type) {
  switch (type) {
    case ScalarType.DOUBLE: return randomReal();
    case ScalarType.FLOAT: return randomFloat();
    case ScalarType.INT64: case ScalarType.SFIXED64: case ScalarType.SINT64: return randomInt(64, true);
    case ScalarType.UINT64: case ScalarType.FIXED64: return randomInt(64, false);
    case ScalarType.INT32: case ScalarType.SFIXED32: case ScalarType.SINT32: return Number(randomInt(32, true));
    case ScalarType.UINT32: case ScalarType.FIXED32: return Number(randomInt(32, false));
    case ScalarType.BOOL: return random() < 0.5;
    case ScalarType.STRING: return randomText();
    case ScalarType.BYTES: return randomBytes();
  }
  throw new Error(`scalar type ${type}`);
}

// protobuf-es keeps google.protobuf.Struct as the plain JSON object.
function randomJson(depth) {
  const kind = below(depth > 3 ? 4 : 6);
  if (kind === 0) return null;
  if (kind === 1) return random() < 0.5;
  if (kind === 2) return below(100000) / 8;
  if (kind === 3) return randomText();
  if (kind === 4) return Array.from({ length: below(3) }, () => randomJson(depth + 1));
  return randomObject(depth);
}
const randomObject = (depth) =>
  Object.fromEntries(Array.from({ length: below(3) }, () => [`${randomText()}x`, randomJson(depth + 1)]));

function randomMessage(desc, depth) {
  switch (desc.typeName) {
    case "google.protobuf.Timestamp":
      return create(desc, { seconds: BigInt(below(2 ** 32)) * 73n - 62135596800n + BigInt(below(100)), nanos: pick([0, 500000000, 1000, 1, 999999999]) });
    case "google.protobuf.Duration": {
      const sign = random() < 0.5 ? 1 : -1;
      return create(desc, { seconds: BigInt(sign * below(2 ** 38)), nanos: sign * pick([0, 500000000, 1000, 1, 999999999]) });
    }
    case "google.protobuf.FieldMask":
      return create(desc, { paths: Array.from({ length: below(3) }, () => pick(["name", "care_areas", "a.b_c", "x2"])) });
    case "google.protobuf.Struct":
    case "google.protobuf.Value":
    case "google.protobuf.ListValue": {
      const json = desc.typeName.endsWith(".Struct") ? randomObject(0) : desc.typeName.endsWith(".Value") ? randomJson(0) : [randomJson(1), randomJson(1)];
      return fromJsonString(desc, JSON.stringify(json));
    }
  }
  const message = create(desc);
  for (const member of desc.members) {
    const field = member.kind === "oneof" ? pick(member.fields) : member;
    if (random() > (depth === 0 ? 0.05 : 0.5)) continue;
    const value = randomField(field, depth);
    if (member.kind === "oneof") message[member.localName] = { case: field.localName, value };
    else message[field.localName] = value;
  }
  return message;
}

const randomEnum = (desc) => (random() < 0.9 ? pick(desc.values).number : Number(randomInt(32, true)));

function randomField(field, depth) {
  const one = (scalar, message, enumeration, kind) =>
    kind === "message" ? randomMessage(message, depth + 1) : kind === "enum" ? randomEnum(enumeration) : randomScalar(scalar);
  if (field.fieldKind === "list")
    return Array.from({ length: 1 + below(4) }, () => one(field.scalar, field.message, field.enum, field.listKind));
  if (field.fieldKind === "map")
    return Object.fromEntries(Array.from({ length: 1 + below(4) }, () =>
      [String(randomScalar(field.mapKey)), one(field.scalar, field.message, field.enum, field.mapKind)]));
  if (field.fieldKind === "message" && field.message.typeName.endsWith("Value") && typeof create(field.message).value !== "undefined" &&
      field.message.fields.length === 1 && field.oneof === undefined && field.message.typeName.startsWith("google.protobuf."))
    return randomScalar(field.message.fields[0].scalar); // wrappers stand unwrapped
  if (field.fieldKind === "message" && field.message.typeName === "google.protobuf.Struct") return randomObject(0);
  return one(field.scalar, field.message, field.enum, field.fieldKind);
}

// A changed text: some stay valid, some do not.
const insertions = ["0", "-", ".5", "1e2", "\"", "\\", "\\u0041", "\\ud800", ",", ":", "{", "}", "[", "]", "null", "true", " ", "\n", "x", "é"];
function mutate(json) {
  const at = below(json.length + 1);
  const choice = below(4);
  if (choice === 0) return json.slice(0, at) + pick(insertions) + json.slice(at);
  if (choice === 1) return json.slice(0, at) + json.slice(at + 1 + below(4));
  if (choice === 2) return json.slice(0, at) + pick(insertions) + json.slice(at + 1);
  return json.replace(/"an?([A-Z])/, (all, c) => pick([`"unknown${c}`, all]));
}

// Where the specification leaves room, the two may differ: what we refuse on purpose, and what they cannot see.
function mayDiffer(json, theirs) {
  if (theirs === null) return /\b\d[\d.]*[eE.]|\\|T\d\d:|Value|\d{17}/.test(json); // they are stricter about some numbers and times
  if (/"\s+-?\d*"|"-?\d+\s+"|"-?0\w+"/.test(json)) return true; // BigInt() takes blanks, leading zeros and other bases
  if (/"[A-Z]{2,}[^"]*"/.test(json)) return true; // with unknown fields they overlook unknown names of enum values, we refuse them
  return /\\u|null|[eE.]|_|[^\x00-\x7f]|=|""/.test(json) || hasDoubleKey(json);
}

// JSON.parse keeps the last of equal keys and forgets the others; ours refuses them.
function hasDoubleKey(json) {
  const seen = [];
  for (const part of json.matchAll(/"(?:[^"\\]|\\.)*"\s*:|[{}]/g)) {
    if (part[0] === "{") seen.push(new Set());
    else if (part[0] === "}") seen.pop();
    else if (seen.length && seen.at(-1).size === seen.at(-1).add(part[0]).size) return true;
  }
  return false;
}

// ---- our codec ----

// Runs one json-pipe over a batch: requests are [op, bytes]; answers come in the same order.
function codec(requests) {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(build, "bin", "json-pipe"), [setFile, typeName], { stdio: ["pipe", "pipe", "inherit"] });
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stdin.on("error", () => {}); // a dead child is told by its exit code
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0) return reject(new Error(`json-pipe ended with ${code}`));
      const all = Buffer.concat(chunks);
      const answers = [];
      for (let at = 0; at < all.length;) {
        const size = all.readUInt32LE(at);
        answers.push({ ok: all[at + 4] === 0x2b, bytes: all.subarray(at + 5, at + 4 + size) });
        at += 4 + size;
      }
      resolve(answers);
    });
    for (const [op, bytes] of requests) {
      const head = Buffer.alloc(5);
      head.writeUInt32LE(bytes.length + 1);
      head.write(op, 4, "latin1");
      child.stdin.write(head);
      child.stdin.write(bytes);
    }
    child.stdin.end();
  });
}

// ---- the comparison ----

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(setFile)));
const desc = registry.getMessage(typeName);
const encoder = new TextEncoder();
const canonical = (message) => Buffer.from(toBinary(desc, message)).toString("hex");
let passed = 0;
const failures = [];
const tally = { bothAccept: 0, bothRefuse: 0, differAllowed: 0 };

function attempt(fn) {
  try {
    return fn();
  } catch {
    return null;
  }
}

function compare(item, [ourJson, ourWire, ourMutant]) {
  const wrong = (what, detail) => `${what}: ${detail}`;
  if (!ourJson.ok) return wrong("our writer refused", ourJson.bytes.toString());
  const text = ourJson.bytes.toString();
  const back = attempt(() => fromJsonString(desc, text, { registry, ignoreUnknownFields: false }));
  if (!back) return wrong("they cannot read our JSON", text);
  if (canonical(back) !== item.hex) return wrong("our JSON means something else", text);
  if (!ourWire.ok) return wrong("our reader refused their JSON", `${ourWire.bytes} in ${item.json}`);
  const decoded = attempt(() => fromBinary(desc, ourWire.bytes));
  if (!decoded || canonical(decoded) !== item.jsonHex) return wrong("our bytes mean something else", item.json);
  if (item.mutantMessage === null ? !ourMutant.ok : ourMutant.ok && canonical(fromBinary(desc, ourMutant.bytes)) === canonical(item.mutantMessage)) {
    tally[ourMutant.ok ? "bothAccept" : "bothRefuse"]++;
    return null;
  }
  if (mayDiffer(item.mutant, item.mutantMessage)) {
    tally.differAllowed++;
    return null;
  }
  return wrong(ourMutant.ok ? "a mutant is accepted or read otherwise" : `a mutant is refused (${ourMutant.bytes})`, item.mutant);
}

console.log(`json differential: ${total} messages, seed ${seed}`);
const batchSize = 5000;
for (let done = 0; done < total; done += batchSize) {
  const items = [];
  for (let i = 0; i < Math.min(batchSize, total - done); i++) {
    const message = randomMessage(desc, 0);
    const wire = toBinary(desc, message);
    const json = toJsonString(desc, message, { registry });
    const mutant = mutate(json).toWellFormed(); // half a character has no bytes to send
    items.push({
      wire, json, mutant,
      hex: Buffer.from(wire).toString("hex"),
      jsonHex: canonical(fromJsonString(desc, json, { registry })), // their JSON turns -0 into 0
      mutantMessage: attempt(() => fromJsonString(desc, mutant, { registry, ignoreUnknownFields: true })),
    });
  }
  const answers = await codec(items.flatMap((item) => [["w", item.wire], ["j", encoder.encode(item.json)], ["j", encoder.encode(item.mutant)]]));
  items.forEach((item, i) => {
    const problem = compare(item, answers.slice(3 * i, 3 * i + 3));
    if (problem === null) passed++;
    else failures.push(problem);
  });
}
failures.slice(0, 10).forEach((failure) => console.error(failure.slice(0, 3000)));
console.log(`mutants: ${tally.bothAccept} accepted alike, ${tally.bothRefuse} refused alike, ${tally.differAllowed} where the specification leaves room`);
console.log(`${passed} messages agree, ${failures.length} do not`);
process.exit(failures.length ? 1 : 0);
