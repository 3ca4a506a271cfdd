// Runs every test of the project and ends with one line: N passed, N failed, N skipped.
//
//   node scripts/test.mjs [RUNNER...]     scripts, rust, relay, proxies, doc, client, api, browsers; all by default
//
// Each runner's output goes to the terminal and to target/test/RUNNER.log. The exit code is 0
// only if nothing failed; a runner that crashed counts as one failed test.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cargoTest, closingLine, judge, nextest, nodeTest, none, sum, vitest } from "./totals.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const logs = join(root, "target", "test");
mkdirSync(logs, { recursive: true });

// One run equals the next; `make soak` looks for what other seeds find.
const seed = process.env.PROPTEST_RNG_SEED ?? "1";
const runners = { scripts, rust, relay, proxies, doc, client, api, browsers };
const wanted = process.argv.slice(2).length > 0 ? process.argv.slice(2) : Object.keys(runners);
const unknown = wanted.find((name) => !(name in runners));
if (unknown) {
  console.error(`test.mjs: no runner ${unknown}; there are ${Object.keys(runners).join(", ")}`);
  process.exit(2);
}

const results = [];
for (const name of wanted) {
  console.log(`\n== ${name} ==`);
  const began = Date.now();
  const totals = await runners[name]();
  results.push({ name, totals, seconds: Math.round((Date.now() - began) / 1000) });
}
console.log();
for (const { name, totals, seconds } of results) {
  console.log(`${name.padEnd(10)} ${closingLine(totals)} (${seconds} s)`);
}
const all = sum(results.map((result) => result.totals));
console.log(closingLine(all));
writeFileSync(join(logs, "totals"), `${closingLine(all)}\n`);
process.exitCode = all.failed > 0 ? 1 : 0;

/** Tests of these scripts. */
async function scripts() {
  const files = readdirSync(join(root, "scripts")).filter((file) => file.endsWith(".test.mjs"));
  const run = await tee("scripts", "node", ["--test", "--test-reporter=spec", ...files], "scripts");
  return judge(nodeTest(run.output), run.code);
}

/** Unit, property, scenario and interop tests. */
async function rust() {
  if (!prepare(["scripts/need.sh", "cc:gcc", "cc:libc6-dev"])) return { ...none, failed: 1 };
  // Tests of the server open its pages, the browser tests need the program itself.
  if (!prepare(["make", "--no-print-directory", "client"])) return { ...none, failed: 1 };
  const args = hasNextest() ? ["nextest", "run"] : ["test", "--lib", "--bins", "--tests"];
  const command = [...args, "--locked", "--workspace", "--no-fail-fast"];
  const run = await tee("rust", "cargo", command, ".", { PROPTEST_RNG_SEED: seed });
  return judge(hasNextest() ? nextest(run.output) : cargoTest(run.output), run.code);
}

/** The relay against TURN clients of others. */
function relay() {
  // They wait for each other's seconds, not for a core.
  return withOthers({ runner: "relay", test: "turn", needs: ["scripts/need-turn-clients.sh"], threads: ["12"] });
}

/** The examples of docs/reverse-proxy.md, run by the proxies themselves. */
function proxies() {
  const needs = ["scripts/need-proxies.sh", "scripts/need-turn-clients.sh"];
  return withOthers({ runner: "proxies", test: "proxies", needs, threads: [] });
}

/** Tests with programs of others. Skipped, and said so, where those cannot be had or run. */
async function withOthers({ runner, test, needs, threads }) {
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  const missing = process.getuid() === 0 ? [] : ["root, for network namespaces"];
  if (missing.length === 0 && !needs.every((script) => prepare([script], { PATH: path }))) {
    missing.push("the programs named above");
  }
  if (missing.length > 0) {
    console.error(`${runner}: tests with programs of others: skipped, for want of ${missing}`);
    return { ...none, skipped: countRustTests(join(root, "tests", test)) };
  }
  if (!prepare(["make", "--no-print-directory", "client"])) return { ...none, failed: 1 };
  if (!prepare(["cargo", "build", "--locked", "--bin", "conclave"])) return { ...none, failed: 1 };
  const target = ["--locked", "-p", "conclave-tests", "--test", test, "--no-fail-fast"];
  const atOnce = threads.flatMap((number) => (hasNextest() ? ["-j", number] : ["--", `--test-threads=${number}`]));
  const args = [...(hasNextest() ? ["nextest", "run"] : ["test"]), ...target, ...atOnce];
  const run = await tee(runner, "cargo", args, ".", { PATH: path });
  return judge(hasNextest() ? nextest(run.output) : cargoTest(run.output), run.code);
}

/** Examples in documentation. There may be none. */
async function doc() {
  const run = await tee("doc", "cargo", ["test", "--locked", "--workspace", "--doc", "--no-fail-fast"]);
  const totals = cargoTest(run.output);
  return run.code === 0 ? totals : judge(totals, run.code);
}

/** Unit tests of the browser client. */
async function client() {
  if (!prepare(["make", "--no-print-directory", "client-web/node_modules/.installed"])) return { ...none, failed: 1 };
  const report = join(logs, "client.json");
  rmSync(report, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const run = await tee("client", "npm", ["test", "--", ...reporters], "client-web");
  let totals = none;
  try {
    totals = vitest(readFileSync(report, "utf8"));
  } catch (error) {
    console.error(`no report of the client's tests: ${error.message}`);
  }
  return judge(totals, run.code);
}

/** Requests made from the OpenAPI document. Skipped, and said so, where what makes them cannot be had. */
async function api() {
  const folder = join(root, "tests", "api");
  if (!prepare(["scripts/need-schemathesis.sh"])) {
    console.error("tests of the API by its document: skipped, because the programs named above are missing");
    return { ...none, skipped: countTests(folder) };
  }
  if (!prepare(["make", "--no-print-directory", "client"])) return { ...none, failed: 1 };
  if (!prepare(["cargo", "build", "--locked", "--bin", "conclave"])) return { ...none, failed: 1 };
  const files = readdirSync(folder).filter((file) => file.endsWith(".test.mjs"));
  const run = await tee("api", "node", ["--test", "--test-reporter=spec", ...files], "tests/api");
  return judge(nodeTest(run.output), run.code);
}

/** Real browsers in a meeting with the real server. Skipped, and said so, where there are none. */
async function browsers() {
  const folder = join(root, "tests", "browser");
  const needs = ["chromium:chromium", "firefox-esr:firefox-esr", "ip:iproute2", "curl:curl", "jq:jq"];
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  if (!prepare(["scripts/need.sh", ...needs], { PATH: path })) {
    console.error("browser tests: skipped, because the programs named above are missing");
    return { ...none, skipped: countTests(folder) };
  }
  if (!prepare(["make", "--no-print-directory", "client"])) return { ...none, failed: 1 };
  if (!prepare(["cargo", "build", "--locked", "--bin", "conclave"])) return { ...none, failed: 1 };
  const run = await tee("browsers", "sh", ["run.sh"], "tests/browser", { PATH: path });
  return judge(nodeTest(run.output), run.code);
}

/** How many tests the files of a folder hold. */
function countTests(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith(".test.mjs"));
  const tests = files.flatMap((file) => readFileSync(join(folder, file), "utf8").match(/^ *(?:test|meeting)\(/gm) ?? []);
  return tests.length;
}

/** How many tests the Rust files of a folder hold. */
function countRustTests(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith(".rs"));
  return files.flatMap((file) => readFileSync(join(folder, file), "utf8").match(/^#\[test\]$/gm) ?? []).length;
}

function hasNextest() {
  return spawnSync("cargo", ["nextest", "--version"], { stdio: "ignore" }).status === 0;
}

/** Runs a step that must work before tests can run; returns whether it did. */
function prepare([command, ...args], environment = {}) {
  const run = spawnSync(command, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...environment } });
  if (run.status !== 0) console.error(`failed: ${command} ${args.join(" ")}`);
  return run.status === 0;
}

/** Runs a command, shows its output, keeps it, and returns it with the exit code. */
function tee(name, command, args, folder = ".", environment = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: join(root, folder),
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
        process.stdout.write(text);
      });
    }
    const end = (code) => {
      writeFileSync(join(logs, `${name}.log`), output);
      resolve({ output, code });
    };
    child.on("error", (error) => {
      console.error(`cannot run ${command}: ${error.message}`);
      end(1);
    });
    // A signal gives no code: it counts as a crash.
    child.on("close", (code) => end(code ?? 1));
  });
}
