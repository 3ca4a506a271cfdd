// docs/tutorial-api.md, as it stands: its commands run in one shell, its answers are compared, and
// where it speaks of people, browsers do what they would do.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { meeting } from "./lib/meeting.mjs";
import { Server } from "./lib/server.mjs";
import { until } from "./lib/until.mjs";

const TUTORIAL = fileURLToPath(new URL("../../docs/tutorial-api.md", import.meta.url));
const start = () => Server.start({ WEBHOOKS__ALLOW: "127.0.0.1" });

meeting("an integrator follows the tutorial", { start }, async (here) => {
  const shell = new Shell(here.server);
  try {
    const people = {};
    const scenes = {
      "three people open their links": async () => {
        for (const [name, link] of shell.read("links.txt").map((line) => line.split(" "))) {
          people[name] = await here.joined(name, name === "Grace" ? "blue" : "red", { link });
        }
        await people.Ada.seesExactly("Edsger", "Grace");
        await people.Ada.sees("Grace", "blue");
      },
      "Edsger reads why": async () => {
        const { page } = people.Edsger;
        await page.getByRole("heading", { name: "You were removed from the meeting" }).waitFor();
        await people.Edsger.reads("Reason: Wrong meeting");
        await here.shot(people.Edsger, "removed");
        await people.Ada.seesExactly("Grace");
      },
      "the others read it": async () => {
        for (const name of ["Ada", "Grace"]) await people[name].reads("We close now.");
        await here.shot(people.Ada, "announced");
      },
      "everybody is out": async () => {
        for (const name of ["Ada", "Grace"]) await people[name].seesEnded();
        await until("the webhook was told of the end", () =>
          shell.read("events.jsonl").some((line) => JSON.parse(line).type === "session.ended"),
        );
      },
    };
    const left = new Set(Object.keys(scenes));
    let printed = "";
    for (const piece of pieces(readFileSync(TUTORIAL, "utf8"))) {
      if (piece.kind === "sh")
        printed = await shell.run(
          piece.text.replaceAll("http://localhost:8080", here.server.page("/", "http").replace(/\/$/, "")),
        );
      if (piece.kind === "text") assertLike(printed, piece.text);
      if (piece.kind === "scene") {
        assert.ok(left.delete(piece.text), `nothing is done for: ${piece.text}`);
        await scenes[piece.text]();
      }
    }
    assert.deepEqual([...left], [], "scenes that the tutorial does not have");
  } finally {
    shell.end();
  }
});

/** The commands, the answers and the scenes of a page, in their order. */
function* pieces(page) {
  for (const found of page.matchAll(/^```(sh|text)\n([^]*?)^```$|^<!-- (.*) -->$/gm)) {
    yield found[3] ? { kind: "scene", text: found[3] } : { kind: found[1], text: found[2] };
  }
}

/** Compares what was printed with what the page shows, where `…` stands for anything. */
function assertLike(printed, shown) {
  const pattern = shown
    .trim()
    .split("…")
    .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^]*");
  assert.match(printed.replaceAll("\r", "").trim(), new RegExp(`^${pattern}$`), `what the tutorial shows:\n${shown}`);
}

/** One shell in a folder of its own, in which `conclave` speaks to the server. */
class Shell {
  #folder = mkdtempSync(join(tmpdir(), "conclave-tutorial-"));
  #process;
  #output = "";

  constructor(server) {
    const { binary, data, env } = server.program;
    writeFileSync(join(this.#folder, "conclave"), `#!/bin/sh\nexec '${binary}' "$@" --data-dir '${data}'\n`, {
      mode: 0o755,
    });
    // A group of its own, with what it leaves in the background.
    this.#process = spawn("bash", {
      cwd: this.#folder,
      env: { ...env, PATH: `${this.#folder}:${env.PATH}` },
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.#output += text));
    }
  }

  /** Runs some lines and returns what they print. */
  async run(lines) {
    const mark = `-- done ${Math.random()} --`;
    this.#output = "";
    this.#process.stdin.write(`${lines}\necho; echo '${mark}'\n`);
    await until(`the shell did:\n${lines}`, () => this.#output.includes(`${mark}\n`));
    return this.#output.slice(0, this.#output.indexOf(mark));
  }

  /** The lines of a file that it wrote. */
  read(file) {
    return readFileSync(join(this.#folder, file), "utf8").trim().split("\n");
  }

  end() {
    try {
      process.kill(-this.#process.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
    rmSync(this.#folder, { recursive: true });
  }
}
