// A test about one meeting: a server of its own, browsers, and the checks that hold for all of them.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { browser } from "./browsers.mjs";
import { newContext, Participant } from "./participant.mjs";
import { Server } from "./server.mjs";

const OUT = process.env.CONCLAVE_TEST_OUT ?? fileURLToPath(new URL("../out", import.meta.url));

/**
 * Defines a test. `body` gets a `Meeting`; afterwards every page must have kept the content policy,
 * written no error and asked no foreign origin, the server must end with 0 on SIGTERM, and its
 * log must hold no secret. Screenshots of all pages stay in out/.
 */
export function meeting(title, options, body) {
  test(title, { timeout: 120_000, ...options }, async () => {
    const here = new Meeting(title, await Server.start());
    let failure;
    try {
      await body(here);
    } catch (error) {
      failure = error;
    }
    const problems = await here.close(failure !== undefined);
    if (failure) {
      failure.message += problems.map((problem) => `\n  also: ${problem.message}`).join("");
      throw failure;
    }
    if (problems.length > 0) throw problems[0];
  });
}

class Meeting {
  participants = [];
  #contexts = [];
  #title;

  constructor(title, server) {
    mkdirSync(OUT, { recursive: true });
    this.#title = fileName(title);
    this.server = server;
  }

  /**
   * Returns somebody with an open page that shows nothing yet. `kind` is the browser's, see
   * browsers.mjs; `context` are Playwright's options of a browser context, or a context to share.
   */
  async somebody(name, kind, context = {}) {
    let home = context;
    if (typeof context.newPage !== "function") {
      home = await newContext(await browser(kind), context);
      this.#contexts.push(home);
    }
    const participant = new Participant(name, await home.newPage(), this.server.origins);
    this.participants.push(participant);
    return participant;
  }

  /** Returns somebody who has joined the open room. */
  async joined(name, kind, { devices, context, scheme } = {}) {
    const participant = await this.somebody(name, kind, context);
    await participant.open(this.server.link(scheme));
    await participant.join(devices);
    return participant;
  }

  /** Keeps a picture of a page as `out/TEST-NAME-LABEL.png`. */
  async shot(participant, label) {
    const path = `${OUT}/${this.#title}-${fileName(`${participant.name} ${label}`)}.png`;
    await participant.page.screenshot({ path });
  }

  async close(failed) {
    const problems = [];
    const attempt = async (work) => {
      try {
        return await work();
      } catch (error) {
        problems.push(error);
      }
    };
    for (const participant of this.participants) {
      if (participant.page.isClosed()) continue;
      await attempt(() => this.shot(participant, failed ? "failed" : "end"));
      await attempt(() => participant.check());
    }
    for (const context of this.#contexts) await attempt(() => context.close());
    const exit = await this.server.stop();
    await attempt(() => assert.deepEqual(exit, { code: 0, signal: null }, "how the server ended"));
    const secrets = this.participants.flatMap((participant) => [participant.name, ...participant.secrets]);
    await attempt(() => this.server.checkLog(new Set(secrets)));
    const log = `${OUT}/${this.#title}.log`;
    writeFileSync(log, this.server.log);
    if (failed) problems.push(new Error(`the log of the server is ${log}`));
    return problems;
  }
}

function fileName(text) {
  return text.replace(/[^a-z0-9]+/gi, "-").toLowerCase();
}
