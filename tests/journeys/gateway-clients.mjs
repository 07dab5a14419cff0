// What gateway_clients.test runs: node gateway-clients.mjs TYPES ADDRESS
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport as forBrowsers } from "@connectrpc/connect-web";
import { createConnectTransport as forNode, compressionGzip } from "@connectrpc/connect-node";

const [types, address] = process.argv.slice(2);
const { DirectoryService } = await import(pathToFileURL(`${types}/fokus/directory/v1/directory_pb.js`));
const { OrganisationKind } = await import(pathToFileURL(`${types}/fokus/directory/v1/organisation_pb.js`));

const seen = [];
const spying = (input, init) => {
  seen.push({ method: init?.method ?? "GET", url: String(input), headers: new Headers(init?.headers) });
  return fetch(input, init);
};

const transports = {
  "web, JSON": forBrowsers({ baseUrl: address, fetch: spying }),
  "web, binary": forBrowsers({ baseUrl: address, useBinaryFormat: true, fetch: spying }),
  "web, JSON, GET": forBrowsers({ baseUrl: address, useHttpGet: true, fetch: spying }),
  "web, binary, GET": forBrowsers({ baseUrl: address, useHttpGet: true, useBinaryFormat: true, fetch: spying }),
  "node, JSON": forNode({ baseUrl: address, httpVersion: "1.1", useBinaryFormat: false }),
  "node, binary": forNode({ baseUrl: address, httpVersion: "1.1" }),
  "node, binary, GET": forNode({ baseUrl: address, httpVersion: "1.1", useHttpGet: true }),
  "node, all compressed": forNode({
    baseUrl: address, httpVersion: "1.1", useBinaryFormat: false, sendCompression: compressionGzip, compressMinBytes: 0,
    acceptCompression: [compressionGzip],
  }),
};

async function refused(call, code) {
  try {
    await call;
  } catch (problem) {
    assert.ok(problem instanceof ConnectError, String(problem));
    assert.equal(Code[problem.code], Code[code], problem.message);
    assert.ok(problem.rawMessage.length > 5, "a person can read why");
    return problem;
  }
  assert.fail("was not refused");
}

// google.rpc.BadRequest by hand: { field_violations = 1: { field = 1, description = 2 } }, all shorter than 128 bytes.
function firstField(detail) {
  const bytes = detail.value;
  assert.equal(bytes[0], 0x0a);
  const inner = bytes.subarray(2 + (bytes[1] > 127 ? 1 : 0));
  assert.equal(inner[0], 0x0a);
  return new TextDecoder().decode(inner.subarray(2, 2 + inner[1]));
}

let number = 0;
for (const [name, transport] of Object.entries(transports)) {
  const directory = createClient(DirectoryService, transport);
  seen.length = 0;

  const regions = await directory.listRegions({});
  assert.ok(Array.isArray(regions.regions));
  if (name.startsWith("web"))
    assert.equal(seen.at(-1).method, name.endsWith("GET") ? "GET" : "POST", `${name}: ${seen.at(-1).url}`);

  const counts = await directory.countOrganisations({});
  assert.equal(counts.$typeName, "fokus.directory.v1.CountOrganisationsResponse");

  await refused(directory.getOrganisation({ slug: "no-such-one" }), Code.NotFound);
  const bad = await refused(directory.getOrganisation({ slug: "Not A Slug Åäö" }), Code.InvalidArgument);
  assert.equal(bad.details[0]?.type, "google.rpc.BadRequest", JSON.stringify(bad.details));
  assert.equal(firstField(bad.details[0]), "slug");
  await refused(directory.confirmOrganisation({ slug: "any" }), Code.PermissionDenied);

  // A command, with every kind of text.
  const organisation = { name: `Påhittad förening ${++number} "\\ 🌻`, kind: OrganisationKind.PATIENT_ORGANISATION ?? 1 };
  let key = `clients-${process.pid}-${number}`;
  const first = await directory.suggestOrganisation({ organisation }, { headers: { "Idempotency-Key": key } });
  const again = await directory.suggestOrganisation({ organisation }, { headers: { "Idempotency-Key": key } });
  assert.equal(typeof first.number, "bigint");
  assert.equal(first.number, again.number, "the same key, the same answer");
  const looked = await directory.getSuggestion({ number: first.number });
  assert.notEqual(looked.state, 0);

  // Headers, deadlines.
  let id;
  await directory.listRegions({}, { headers: { "X-Request-Id": "from-the-test" }, onHeader: (h) => { id = h.get("x-request-id"); }, timeoutMs: 5000 });
  assert.equal(id, "from-the-test");
  console.log(`     ${name}`);
}

// Many at once over kept connections.
const many = createClient(DirectoryService, transports["node, binary"]);
const answers = await Promise.all(Array.from({ length: 500 }, () => many.listRegions({})));
assert.equal(answers.length, 500);
