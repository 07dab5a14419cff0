// The certified oidc-provider as an identity provider: oidc.test and provider_sign_in.test start it.
//
//   node oidc-provider.mjs SETTINGS      {"clients": [...]} as oidc-provider's own; then, if wanted,
//                                        "persons": {SUBJECT: {CLAIM: ...}}: each signs in and agrees on a page with a form; without them
//                                                   one person does both at once
//                                        "tls": {"cert": FILE, "key": FILE}
//
// Prints one line {"issuer": URL} when it listens. Each line on standard input is an order, answered with a line:
//   rotate       new keys; the old ones are not published any more: "done"
//   asked        how often each path was asked for since the last such order: {"/token": 2, ...}
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";
import { exportJWK, generateKeyPair } from "jose";

const SE = "https://id.oidc.se/";
const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));

// Invented but for the number, which is published for tests.
const person = {
  sub: "a-person",
  name: "Påhittad Person",
  email: "person@a.example",
  email_verified: true,
  [`${SE}claim/personalIdentityNumber`]: "195704289999",
  [`${SE}claim/orgNumber`]: "8020000009",
};

const persons = settings.persons ?? { [person.sub]: person };

let asked = {};
let generation = 0;
async function newKeys() {
  generation++;
  const keys = [];
  for (const alg of ["ES256", "RS256", "PS256"]) {
    const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
    keys.push({ ...(await exportJWK(privateKey)), alg, use: "sig", kid: `${alg}-${generation}` });
  }
  return { keys };
}

async function newProvider(issuer) {
  return new Provider(issuer, {
    clients: settings.clients,
    jwks: await newKeys(),
    cookies: { keys: ["invented"] },
    claims: {
      profile: ["name"],
      email: ["email", "email_verified"],
      [`${SE}scope/naturalPersonNumber`]: ["personalIdentityNumber", "coordinationNumber", "previousCoordinationNumber"].map((c) => `${SE}claim/${c}`),
      [`${SE}scope/naturalPersonOrgId`]: ["orgNumber", "orgAffiliation"].map((c) => `${SE}claim/${c}`),
    },
    scopes: ["openid"],
    acrValues: ["http://id.elegnamnden.se/loa/1.0/loa3", "http://id.elegnamnden.se/loa/1.0/loa2"],
    enabledJWA: {
      idTokenSigningAlgValues: ["ES256", "RS256", "PS256"],
      userinfoSigningAlgValues: ["ES256", "RS256", "PS256"],
      clientAuthSigningAlgValues: ["ES256"],
    },
    features: {
      devInteractions: { enabled: false },
      claimsParameter: { enabled: true },
      jwtUserinfo: { enabled: true },
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    ttl: { IdToken: 300, AccessToken: 60, AuthorizationCode: 60, Interaction: 600, Session: 600, Grant: 600 },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ ...persons[id], sub: id }) }),
  });
}

// What a person fills in, as a form brings it; without persons of the settings, what the one there is would.
async function filled(request, params) {
  if (!settings.persons) return { subject: person.sub, acr: params.acr_values?.split(" ")[0] };
  if (request.method !== "POST") return null;
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
}

function page(response, prompt, params) {
  const acr = params.acr_values?.split(" ")[0] ?? "";
  const fields = prompt.name === "login" ? `<input name="subject"><input name="acr" value="${acr}">` : `<input name="agree" value="yes">`;
  response.writeHead(200, { "content-type": "text/html" });
  response.end(`<!DOCTYPE html><title>${prompt.name}</title><form method="post">${fields}<button>OK</button></form>`);
}

// Where a person signs in and agrees, or says no.
async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const said = await filled(request, params);
  const result = {};
  if (!said) return page(response, prompt, params);
  if (said.agree === "no" || (prompt.name === "login" && !persons[said.subject])) {
    result.error = "access_denied";
  } else if (prompt.name === "login") {
    result.login = { accountId: said.subject, ...(said.acr && { acr: said.acr }) };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    grant.addOIDCClaims(prompt.details.missingOIDCClaims ?? []);
    result.consent = { grantId: await grant.save() };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

let provider;
async function serve(request, response) {
  const path = request.url.split("?")[0];
  asked[path] = (asked[path] ?? 0) + 1;
  try {
    await (request.url.startsWith("/interaction/") ? interact(request, response) : provider.callback()(request, response));
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
}

const tls = settings.tls && { cert: readFileSync(settings.tls.cert), key: readFileSync(settings.tls.key) };
const server = tls ? createTlsServer(tls, serve) : createServer(serve);
server.listen(0, "127.0.0.1", async () => {
  const issuer = `${tls ? "https" : "http"}://127.0.0.1:${server.address().port}`;
  provider = await newProvider(issuer);
  provider.on("server_error", (_, error) => console.error(error));
  console.log(JSON.stringify({ issuer }));
  for await (const order of createInterface({ input: process.stdin })) {
    if (order === "rotate") provider = await newProvider(issuer);
    console.log(order === "asked" ? JSON.stringify(asked) : "done");
    if (order === "asked") asked = {};
  }
  process.exit(0);
});
