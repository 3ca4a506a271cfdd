// Thousands of requests made from the OpenAPI document that the server itself hands out, good ones
// and bad ones: no answer may be a fault of the server, or another than the document says.
//
// A run makes so many requests, some two minutes, and the same each time. CONCLAVE_SOAK=1 takes an
// hour, and another seed each time.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Server } from "../browser/lib/server.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const soak = process.env.CONCLAVE_SOAK === "1";
const amount = soak ? ["--max-time", "3600"] : ["--max-examples", "40"];
const timeout = soak ? 4_000_000 : 600_000;
const seed = soak ? Math.floor(Math.random() * 2 ** 31) : 1;

// Whoever may do less is asked less: most of it is refused.
const keys = [
  { level: "admin", more: ["--scope", "content:read"], phases: "examples,coverage,fuzzing,stateful" },
  { level: "user", more: ["--room", "standup"], phases: "examples,coverage" },
  { level: "read-only", more: ["--all-rooms"], phases: "examples,coverage" },
];

for (const { level, more, phases } of keys) {
  test(`every answer to a key of level ${level} is one that the document announces`, { timeout }, async () => {
    // Whoever asks this often would be slowed down.
    const server = await Server.start({ ADMIN__REQUESTS_PER_MINUTE: "1000000" });
    try {
      // The room of the examples.
      await server.conclave("room", "create", "standup");
      const key = await server.conclave("key", "create", "schemathesis", "--level", level, ...more);
      const { code, output } = await schemathesis(server, key.text, phases);
      console.log(output.split("\n").slice(-40).join("\n"));
      const cases = Number(output.match(/(\d[\d,]*) generated/)?.[1]?.replaceAll(",", "") ?? 0);
      assert.equal(code, 0, `seed ${seed}\n${output}`);
      assert.ok(cases > 1000, `only ${cases} requests were made`);
      assert.doesNotMatch(server.log, /panicked/);
    } finally {
      await server.stop();
    }
  });
}

async function schemathesis(server, key, phases) {
  const reports = `${root}/target/test/schemathesis`;
  mkdirSync(reports, { recursive: true });
  const base = server.page("/", "http").replace(/\/$/, "");
  const args = [`${base}/api/v1/openapi.json`, "--origin", base, "--seed", String(seed)];
  args.push(...amount, "--phases", phases, "--header", `Authorization: Bearer ${key}`);
  args.push("--generation-database", "none", "--no-color");
  args.push("--report", "ndjson", "--report-dir", reports, "--continue-on-failure");
  // No configuration file but ours, wherever this is called from.
  const child = spawn(`${root}/target/schemathesis/bin/schemathesis`, ["run", ...args], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    env: { ...process.env, HYPOTHESIS_STORAGE_DIRECTORY: `${root}/target/test/hypothesis` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  return { code, output };
}
