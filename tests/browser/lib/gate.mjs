// The only way to a server that has a network of its own: TCP to port 443, as behind a strict firewall.
//
// Two processes, one in each network, hand bytes to each other by a Unix socket. Neither network has
// a route, an interface or a name of the other: no datagram can pass, and no other port.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";

const INNER = fileURLToPath(new URL("gate-inner.mjs", import.meta.url));
/** The first byte of TLS: a handshake record (RFC 8446, section 5.1). */
const HANDSHAKE = 0x16;

export class Gate {
  /** How many connections passed, and how many were cut because they spoke no TLS. */
  passed = 0;
  cut = 0;
  #inner;
  #outer;
  #open = new Set();

  /** Opens a gate to a server that was started `apart`. With `onlyTls` it cuts whatever is no TLS. */
  static async open(server, { onlyTls = false } = {}) {
    const gate = new Gate();
    const { pid, folder } = server.process;
    const path = join(folder, "gate");
    const { https } = server.ports;
    gate.#inner = spawn("nsenter", ["--net", "--target", String(pid), process.execPath, INNER, path, String(https)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(gate.#inner.stdout, "data");
    gate.#outer = createServer((client) => gate.#let(client, path, onlyTls)).listen(https, "127.0.0.1");
    await once(gate.#outer, "listening");
    return gate;
  }

  #let(client, path, onlyTls) {
    this.#open.add(client);
    client.on("error", () => client.destroy()).on("close", () => this.#open.delete(client));
    client.once("data", (first) => {
      if (onlyTls && first[0] !== HANDSHAKE) {
        this.cut += 1;
        client.destroy();
        return;
      }
      this.passed += 1;
      const server = createConnection(path);
      server.on("error", () => client.destroy()).on("close", () => client.destroy());
      client.on("close", () => server.destroy());
      server.write(first);
      client.pipe(server).pipe(client);
    });
  }

  async close() {
    this.#outer.close();
    for (const client of this.#open) client.destroy();
    this.#inner.kill();
    await until("the gate is closed", () => this.#inner.exitCode !== null || this.#inner.signalCode !== null);
  }
}
