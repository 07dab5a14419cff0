// The certified oidc-provider as an identity provider that signs everybody in: oidc.test starts it.
//
//   node oidc-provider.mjs SETTINGS      {"clients": [...], "seen": FILE} as oidc-provider's own
//
// Prints one line {"issuer": URL} when it listens. Each line on standard input is an order, answered with the line "done":
//   rotate       new keys; the old ones are not published any more
import { createServer } from "node:http";
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
      [`${SE}scope/naturalPersonNumber`]: [`${SE}claim/personalIdentityNumber`],
      [`${SE}scope/naturalPersonOrgId`]: [`${SE}claim/orgNumber`],
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
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ ...person, sub: id }) }),
  });
}

// The page where a person would sign in and agree: here she does both at once.
async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const result = {};
  if (prompt.name === "login") {
    const acr = params.acr_values?.split(" ")[0];
    result.login = { accountId: person.sub, ...(acr && { acr }) };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    grant.addOIDCClaims(prompt.details.missingOIDCClaims ?? []);
    result.consent = { grantId: await grant.save() };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

let provider;
const server = createServer(async (request, response) => {
  try {
    await (request.url.startsWith("/interaction/") ? interact(request, response) : provider.callback()(request, response));
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
});
server.listen(0, "127.0.0.1", async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  provider = await newProvider(issuer);
  provider.on("server_error", (_, error) => console.error(error));
  console.log(JSON.stringify({ issuer }));
  for await (const order of createInterface({ input: process.stdin })) {
    if (order === "rotate") provider = await newProvider(issuer);
    console.log("done");
  }
  process.exit(0);
});
