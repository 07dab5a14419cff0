// An identity provider that does what it is told, also what no provider may: oidc.test starts it.
//
//   node oidc-hostile.mjs [CERTIFICATE KEY]      with a certificate it speaks HTTPS
//
// Prints one line {"issuer": URL} when it listens. Each line on standard input is an order in JSON, answered with one line of JSON:
//   {"discovery": HOW, "jwks": HOW, "token": HOW, "userinfo": HOW, "sign": HOW, "claims": {...}, "document": {...}, "kid": "..."}
// Of userinfo also: signed, forged (signed with somebody else's key); "user" has claims for it.
// HOW for answers: good, down (cut connection), slow (no answer), trickle (a byte now and then), huge (no end), redirect, html, garbage, error500,
// busy (429). HOW for `sign`: RS256, PS256, ES256, other (somebody else's key), none, hs256 (the public key as secret), unsigned.
// Claims and members of the discovery document replace the right ones; null leaves them out. What is not ordered is good. The answer counts what was asked for
// since the last order: {"asked": {"/jwks": 1, ...}, "form": last form at the token endpoint}.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer as createHttp } from "node:http";
import { createServer as createHttps } from "node:https";
import { createInterface } from "node:readline";
import { SignJWT, exportJWK, generateKeyPair } from "jose";

const [certificate, key] = process.argv.slice(2);
const keys = {};
for (const alg of ["RS256", "PS256", "ES256"]) keys[alg] = await generateKeyPair(alg, { extractable: true });
const stranger = await generateKeyPair("RS256");
const shown = [];
for (const [alg, pair] of Object.entries(keys)) shown.push({ ...(await exportJWK(pair.publicKey)), kid: alg, use: "sig" });

let issuer, order, asked, form;
function obey(text) {
  order = { claims: {}, document: {}, ...JSON.parse(text) };
  asked = {};
  form = "";
}
obey("{}");

const base64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const without = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));

async function sign(claims) {
  const how = order.sign ?? "RS256";
  if (how === "none") return `${base64({ alg: "none" })}.${base64(claims)}.`;
  if (how === "unsigned") return `${base64({ alg: "RS256", kid: "RS256" })}.${base64(claims)}.`;
  if (how === "hs256") {
    const text = `${base64({ alg: "HS256", kid: "RS256" })}.${base64(claims)}`;
    return `${text}.${createHmac("sha256", JSON.stringify(shown[0])).update(text).digest("base64url")}`;
  }
  const alg = how === "other" ? "RS256" : how;
  const signed = new SignJWT(claims).setProtectedHeader({ alg, kid: order.kid ?? alg });
  return signed.sign(how === "other" ? stranger.privateKey : keys[alg].privateKey);
}

async function claims() {
  const now = Math.floor(Date.now() / 1000);
  return without({ iss: issuer, sub: "a-person", aud: "fokus", iat: now, exp: now + 300, ...order.claims });
}

const answers = {
  "/.well-known/openid-configuration": ["discovery", async () => without({
    issuer,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    userinfo_endpoint: `${issuer}/userinfo`,
    ...order.document,
  })],
  "/jwks": ["jwks", async () => ({ keys: shown })],
  "/token": ["token", async () => ({ token_type: "Bearer", access_token: "invented", expires_in: 60, id_token: await sign(await claims()) })],
  "/userinfo": ["userinfo", async () => ({ sub: "a-person", name: "Påhittad Person", ...order.user })],
  "/elsewhere": ["elsewhere", async () => ({})],
};

async function answer(how, content, response) {
  const json = { "content-type": "application/json" };
  if (how === "down") return response.destroy();
  if (how === "slow") return undefined;
  if (how === "redirect") return response.writeHead(307, { location: `${issuer}/elsewhere` }).end();
  if (how === "error500") return response.writeHead(500, json).end("{}");
  if (how === "busy") return response.writeHead(429, json).end("{}");
  if (how === "html") return response.writeHead(200, { "content-type": "text/html" }).end("<p>Logga in</p>");
  if (how === "garbage") return response.writeHead(200, json).end('{"issuer": "');
  if (how === "trickle") {
    response.writeHead(200, json);
    const timer = setInterval(() => response.write(" "), 20);
    return response.on("close", () => clearInterval(timer));
  }
  if (how === "huge") {
    response.writeHead(200, json);
    const more = () => { while (!response.destroyed && response.write(" ".repeat(65536))); };
    response.on("drain", more);
    return more();
  }
  if (how === "signed" || how === "forged") {
    const pair = how === "signed" ? keys.ES256 : await generateKeyPair("ES256");
    const token = new SignJWT(without({ iss: issuer, aud: "fokus", ...(await content()) })).setProtectedHeader({ alg: "ES256", kid: "ES256" });
    return response.writeHead(200, { "content-type": "application/jwt" }).end(await token.sign(pair.privateKey));
  }
  return response.writeHead(200, json).end(JSON.stringify(await content()));
}

async function serve(request, response) {
  const path = new URL(request.url, issuer).pathname;
  let body = "";
  for await (const part of request) body += part;
  asked[path] = (asked[path] ?? 0) + 1;
  if (path === "/token") form = body;
  if (!answers[path]) return response.writeHead(404).end();
  const [name, content] = answers[path];
  return answer(order[name] ?? "good", content, response);
}

const secure = certificate && { cert: readFileSync(certificate), key: readFileSync(key) };
const server = secure ? createHttps(secure, serve) : createHttp(serve);
server.listen(0, "127.0.0.1", async () => {
  issuer = `${secure ? "https" : "http"}://127.0.0.1:${server.address().port}`;
  console.log(JSON.stringify({ issuer }));
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify({ asked, form }));
    obey(line);
  }
  process.exit(0);
});
