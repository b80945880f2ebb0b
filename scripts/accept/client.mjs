// The reference client package against a gateway: device identity, a chat, a reconnect.
// usage: node client.mjs MODULES_DIR PORT TOKEN GATEWAY_PID_FILE RESTART_COMMAND
import { createPrivateKey, createHash, generateKeyPairSync, sign, createPublicKey, randomUUID } from "node:crypto";
import { spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const [modules, port, token, restart] = process.argv.slice(2);
const { GatewayClient } = await import(pathToFileURL(join(modules, "@openclaw/gateway-client/dist/index.mjs")));

const pair = generateKeyPairSync("ed25519");
const publicKeyPem = pair.publicKey.export({ type: "spki", format: "pem" });
const privateKeyPem = pair.privateKey.export({ type: "pkcs8", format: "pem" });
const raw = (pem) => createPublicKey(pem).export({ type: "spki", format: "der" }).subarray(-32);
const deviceIdentity = { deviceId: createHash("sha256").update(raw(publicKeyPem)).digest("hex"), privateKeyPem, publicKeyPem };
let stored = null;

let hellos = 0;
const waiters = [];
const events = [];
const wake = () => waiters.splice(0).forEach((resolve) => resolve());
const until = async (what, fits) => {
  const end = Date.now() + 20_000;
  while (!fits()) {
    if (Date.now() > end) throw new Error(`waited 20 s for ${what}`);
    await Promise.race([new Promise((resolve) => waiters.push(resolve)), new Promise((resolve) => setTimeout(resolve, 200))]);
  }
};

const client = new GatewayClient({
  url: `ws://127.0.0.1:${port}`,
  token,
  clientName: "openclaw-tui",
  mode: "ui",
  clientVersion: "2026.9.1",
  platform: "linux",
  minProtocol: 4,
  maxProtocol: 4,
  role: "operator",
  scopes: ["operator.read", "operator.write"],
  deviceIdentity,
  hostDeps: {
    loadOrCreateDeviceIdentity: () => deviceIdentity,
    signDevicePayload: (pem, payload) => sign(null, Buffer.from(payload), createPrivateKey(pem)).toString("base64url"),
    publicKeyRawBase64UrlFromPem: (pem) => raw(pem).toString("base64url"),
    loadDeviceAuthToken: () => stored,
    storeDeviceAuthToken: ({ token, scopes }) => { stored = { token, scopes }; },
    clearDeviceAuthToken: () => { stored = null; },
  },
  onHelloOk: () => { hellos += 1; wake(); },
  onConnectError: (error) => console.error("connect:", error.message),
  onEvent: (event) => { events.push(event); wake(); },
});

async function chat(text) {
  const runId = randomUUID();
  const started = await client.request("chat.send", { sessionKey: "agent:main:reference", message: text, idempotencyKey: runId, deliver: false });
  if (started.runId !== runId) throw new Error(`runId ${started.runId}`);
  const ends = (event) => event.event === "chat" && event.payload.runId === runId && event.payload.state === "final";
  await until("the final chat event", () => events.some(ends));
  return events.find(ends).payload.message.content.map((part) => part.text ?? "").join("");
}

client.start();
await until("hello-ok", () => hellos === 1);
if (!stored?.token) throw new Error("no device token was given");
console.log("connected with a device identity; a device token was stored");
const first = await chat("hello");
if (!first.includes("tok19")) throw new Error(`answer: ${first}`);
console.log("chat answered:", first.trim().slice(0, 40));
spawnSync("bash", ["-c", restart], { stdio: "inherit" });
await until("the second hello-ok", () => hellos === 2);
const second = await chat("hello again");
if (!second.includes("tok19")) throw new Error(`answer: ${second}`);
const history = await client.request("chat.history", { sessionKey: "agent:main:reference", limit: 50 });
if (history.messages.length !== 4) throw new Error(`history has ${history.messages.length} messages`);
console.log("survived a restart of the gateway; the conversation is still there");
client.stop();
process.exit(0);
