// Thousands of requests made from the OpenAPI document that the server itself hands out, good ones
// and bad ones: no answer may be a fault of the server, or another than the document says.
//
// CONCLAVE_SOAK=1 takes an hour instead of two minutes, and another seed each time.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Server } from "../browser/lib/server.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const soak = process.env.CONCLAVE_SOAK === "1";
const seconds = soak ? 3600 : 120;
const seed = soak ? Math.floor(Math.random() * 2 ** 31) : 1;

test("every answer is one that the document announces", { timeout: (seconds + 240) * 1000 }, async () => {
  // Whoever asks this often would be slowed down.
  const server = await Server.start({ ADMIN__REQUESTS_PER_MINUTE: "1000000" });
  try {
    const key = await server.conclave("key", "create", "schemathesis", "--level", "admin", "--scope", "content:read");
    const { code, output } = await schemathesis(server, key.text);
    console.log(output.split("\n").slice(-40).join("\n"));
    const cases = Number(output.match(/(\d[\d,]*) generated/)?.[1]?.replaceAll(",", "") ?? 0);
    assert.equal(code, 0, `seed ${seed}\n${output}`);
    assert.ok(cases > 1000, `only ${cases} requests were made`);
    assert.doesNotMatch(server.log, /panicked/);
  } finally {
    await server.stop();
  }
});

async function schemathesis(server, key) {
  const reports = `${root}/target/test/schemathesis`;
  mkdirSync(reports, { recursive: true });
  const base = server.page("/", "http").replace(/\/$/, "");
  const args = [`${base}/api/v1/openapi.json`, "--origin", base, "--seed", String(seed), "--max-time", String(seconds)];
  args.push("--header", `Authorization: Bearer ${key}`, "--generation-database", "none", "--no-color");
  args.push("--report", "ndjson", "--report-dir", reports, "--continue-on-failure");
  // No configuration file but ours, wherever this is called from.
  const child = spawn(`${root}/target/schemathesis/bin/schemathesis`, ["run", ...args], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  return { code, output };
}
