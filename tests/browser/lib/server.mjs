// The server under test: one process per test or per file, on free ports, with an empty data folder.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "./until.mjs";

const run = promisify(execFile);
const BINARY = process.env.CONCLAVE_BIN ?? fileURLToPath(new URL("../../../target/debug/conclave", import.meta.url));

/**
 * Runs what follows in a network namespace of its own. Besides the loopback it has an address like
 * that of run.sh, for browsers that pair no other with 127.0.0.1.
 */
const APART = [
  ...["unshare", "--net", "--", "sh", "-c"],
  `set -e
  ip link set lo up
  ip link add v0 type veth peer name v1
  for end in v0 v1; do ip link set $end addrgenmode none; ip link set $end up; done
  ip addr add 10.99.0.2/24 dev v0
  exec "$0" "$@"`,
];

export class Server {
  /**
   * Starts `conclave serve --dev` and returns once it has written its ready file. `settings` are
   * keys of the configuration as the environment has them, as in `{ MEETINGS__CREATE: "anyone" }`;
   * `file` is a configuration file, for what the environment cannot say; as a function it is given
   * the ports.
   *
   * With `apart` the server has a network of its own, which nothing reaches; that needs root. There
   * it has the ports that servers have. See `Gate` for a way in. `on` is an address of the machine
   * for pages by https and the relay, where it is not to be the loopback's.
   */
  static async start(settings = {}, file = null, { apart = false, on = null } = {}) {
    const server = new Server();
    server.#host = on ?? "localhost";
    await server.#run(settings, file, apart, on ?? "127.0.0.1");
    return server;
  }

  /** Standard error, where the log goes. */
  log = "";
  /** Standard output, where the links are printed. */
  output = "";
  #host;
  #ports;
  #process;
  #exit;
  #folder = mkdtempSync(join(tmpdir(), "conclave-browser-test-"));
  #data = join(this.#folder, "data");

  async #run(settings, file, apart, on) {
    this.#ports = apart
      ? { https: 443, http: 80, media: 40000 }
      : { https: await freeTcpPort(), http: await freeTcpPort(), media: await freeUdpPorts(settings.MEDIA__SHARDS) };
    const { https, http, media } = this.#ports;
    const readyFile = join(this.#folder, "ready.json");
    const flags = ["serve", "--dev", "--ready-file", readyFile, "--data-dir", this.#data];
    flags.push("--https", `${on}:${https}`, "--http", `127.0.0.1:${http}`, "--media-port", String(media));
    if (file !== null) {
      const path = join(this.#folder, "conclave.toml");
      writeFileSync(path, typeof file === "function" ? file(this.#ports) : file);
      flags.push("--config", path);
    }
    const env = environment();
    // Several servers run at once, and nobody watches them.
    env.CONCLAVE_ADMIN__LISTEN = "off";
    for (const [key, value] of Object.entries(settings)) env[`CONCLAVE_${key}`] = value;
    const [program, ...args] = [...(apart ? APART : []), BINARY, ...flags];
    this.#process = spawn(program, args, { cwd: this.#folder, env, stdio: ["ignore", "pipe", "pipe"] });
    this.#process.stdout.setEncoding("utf8").on("data", (text) => (this.output += text));
    this.#process.stderr.setEncoding("utf8").on("data", (text) => (this.log += text));
    this.#exit = once(this.#process, "close").then(([code, signal]) => ({ code, signal }));
    try {
      await until("the server is ready", () => {
        if (this.#process.exitCode !== null) return true;
        return existsSync(readyFile) && JSON.parse(readFileSync(readyFile, "utf8"));
      });
      assert.equal(this.#process.exitCode, null, "the server ended while it started");
      this.ready = JSON.parse(readFileSync(readyFile, "utf8"));
    } catch (error) {
      this.#process.kill("SIGKILL");
      throw new Error(`${error.message}\n${this.output}${this.log}`);
    }
  }

  /** Runs a command of the operator, as in `conclave("room", "show", "team")`, and returns what it prints. */
  async conclave(...args) {
    const flags = ["--data-dir", this.#data, "--output", "json"];
    const { stdout } = await run(BINARY, [...args, ...flags], { cwd: this.#folder, env: environment() });
    return JSON.parse(stdout);
  }

  /** The page of the room that everybody may enter, by https or by plain http on the loopback. */
  link(scheme = "https") {
    return this.page(new URL(this.ready.guest_link).pathname, scheme);
  }

  /** The process, and a folder of its own. */
  get process() {
    return { pid: this.#process.pid, folder: this.#folder };
  }

  /** The program, the folder in which the server keeps its data, and an environment: for commands of the operator. */
  get program() {
    return { binary: BINARY, data: this.#data, env: environment() };
  }

  get ports() {
    return this.#ports;
  }

  /** The address of a page. */
  page(path, scheme = "https") {
    const host = scheme === "https" ? this.#host : "localhost";
    return new URL(path, `${scheme}://${host}:${this.#ports[scheme]}`).href;
  }

  /** The origins that a page of this server may speak to. */
  get origins() {
    const { https, http } = this.#ports;
    return [
      `https://${this.#host}:${https}`,
      `wss://${this.#host}:${https}`,
      `http://localhost:${http}`,
      `ws://localhost:${http}`,
    ].map((address) => new URL(address).origin);
  }

  /** Asks the server to end and returns how it did. */
  async stop() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill("SIGTERM");
    const deadline = setTimeout(() => this.#process.kill("SIGKILL"), 15_000);
    const exit = await this.#exit;
    clearTimeout(deadline);
    rmSync(this.#folder, { recursive: true, force: true });
    return exit;
  }

  /**
   * Fails when the log holds what no log may hold. `secrets` are texts that travelled between the
   * browsers and the server: tokens, keys, names.
   */
  checkLog(secrets) {
    const found = [];
    const look = (what, pattern) => {
      const line = this.log.split("\n").find((text) => pattern.test(text));
      if (line) found.push(`${what}: ${line.slice(0, 300)}`);
    };
    look("a panic", /panicked at/);
    look("an error", /\bERROR\b|"level":"error"/i);
    look("SDP", /\bv=0\b|a=ice-|a=fingerprint|a=mid|m=audio|m=video|a=ssrc/);
    look("a link with its secret", /#i=/);
    const own = Object.values(this.#ports);
    for (const [, port] of this.log.matchAll(/\b(?:\d{1,3}\.){3}\d{1,3}:(\d+)/g)) {
      if (!own.includes(Number(port))) look("the address of a peer", new RegExp(`\\d:${port}\\b`));
    }
    for (const secret of secrets) {
      look(`what a browser sent or got (${secret.slice(0, 6)})`, new RegExp(`(?<![\\w-])${escape(secret)}(?![\\w-])`));
    }
    assert.deepEqual(found, [], "the log of the server");
  }
}

/** The environment without settings of whoever runs the tests: they are not for this server. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("CONCLAVE_")));
}

function escape(text) {
  return text.replace(/[^\w]/g, "\\$&");
}

async function freeTcpPort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/** Returns the first of `count` ports in a row. */
async function freeUdpPorts(count = 1) {
  for (;;) {
    const probe = createSocket("udp4").bind(0, "0.0.0.0");
    await once(probe, "listening");
    const { port } = probe.address();
    const others = Array.from({ length: count - 1 }, (_, index) => port + 1 + index);
    const free = await Promise.all(others.map(isFreeUdpPort));
    probe.close();
    await once(probe, "close");
    if (free.every(Boolean)) return port;
  }
}

async function isFreeUdpPort(port) {
  if (port > 65535) return false;
  const probe = createSocket("udp4").bind(port, "0.0.0.0");
  try {
    await once(probe, "listening");
  } catch {
    return false;
  }
  probe.close();
  await once(probe, "close");
  return true;
}
