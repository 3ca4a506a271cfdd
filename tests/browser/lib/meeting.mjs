// A test about one meeting: a server, browsers, and the checks that hold for all of them.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { browser } from "./browsers.mjs";
import { newContext, Participant } from "./participant.mjs";
import { Server } from "./server.mjs";

const PHONE = { width: 390, height: 844 };
const ENDED = { code: 0, signal: null };
const OUT = process.env.CONCLAVE_TEST_OUT ?? fileURLToPath(new URL("../out", import.meta.url));

/** Joins without microphone and camera: for tests about people, not about media. */
export const QUIET = { microphone: false, camera: false };

/**
 * Gives the tests of one file one server, for the option `server` of `meeting`: each test makes a
 * room of its own in it. `settings` and `file` are those of `Server.start`.
 */
export function sharedServer(settings, file) {
  let running;
  after(async () => assert.deepEqual(await (await running)?.stop(), ENDED, "how the server ended"));
  return () => (running ??= Server.start(settings, file));
}

/**
 * Defines a test. `body` gets a `Meeting`; afterwards every page must have kept the content policy,
 * written no error and asked no foreign origin, the server must end with 0 on SIGTERM, and its
 * log must hold no secret. Screenshots of all pages stay in out/. The server is the test's own, or
 * with the option `server` that of the file; `start` starts one that is not like others.
 */
export function meeting(title, { server, start, ...options }, body) {
  test(title, { timeout: 180_000, ...options }, async () => {
    const here = new Meeting(title, await (server ?? start ?? Server.start)(), server !== undefined);
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
  #secrets = [];
  #title;
  #shared;

  constructor(title, server, shared) {
    mkdirSync(OUT, { recursive: true });
    this.#title = fileName(title);
    this.#shared = shared;
    this.server = server;
  }

  /** Makes a room, as in `room("lobby=off")`, and returns it with its `guest_link` and `host_link`. */
  async room(...settings) {
    const room = await this.server.conclave("room", "create", ...settings);
    this.#secrets.push(secretOf(room.host_link));
    return room;
  }

  /** Makes an invite into `room`, as in `invite(room, "--role", "viewer")`, and returns it with its `link`. */
  async invite(room, ...flags) {
    const invite = await this.server.conclave("invite", "create", room.slug, ...flags);
    this.#secrets.push(invite.secret);
    return invite;
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

  /** Returns somebody who has joined by `link`, by default the room that everybody may enter. */
  async joined(name, kind, { devices, context, scheme, link = this.server.link(scheme) } = {}) {
    const participant = await this.somebody(name, kind, context);
    await participant.open(link);
    await participant.join(devices);
    return participant;
  }

  /** Returns somebody who has asked to join by `link` and waits in the lobby. */
  async waiting(name, kind, { devices, context, link }) {
    const participant = await this.somebody(name, kind, context);
    await participant.open(link);
    await participant.knock(devices);
    return participant;
  }

  /** Ends the browser context of a participant for good: page, storage and all. */
  async lose(participant) {
    const context = participant.page.context();
    await participant.check();
    await context.close();
    this.#contexts = this.#contexts.filter((other) => other !== context);
  }

  /** Keeps a picture of a page as `out/TEST-NAME-LABEL.png`. */
  async shot(participant, label) {
    const path = `${OUT}/${this.#title}-${fileName(`${participant.name} ${label}`)}.png`;
    await participant.page.screenshot({ path });
  }

  /** Keeps two pictures of a page: as it is, and in a window as narrow as a phone. */
  async shots(participant, label) {
    await this.shot(participant, label);
    const before = participant.page.viewportSize();
    await participant.page.setViewportSize(PHONE);
    await this.shot(participant, `${label} narrow`);
    const wide = await participant.page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(wide, 0, `${label} is wider than a phone`);
    await participant.page.setViewportSize(before);
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
    if (!this.#shared) {
      const exit = await this.server.stop();
      await attempt(() => assert.deepEqual(exit, ENDED, "how the server ended"));
    }
    const secrets = this.participants.flatMap((participant) => [participant.name, ...participant.secrets]);
    await attempt(() => this.server.checkLog(new Set([...secrets, ...this.#secrets])));
    const log = `${OUT}/${this.#title}.log`;
    writeFileSync(log, this.server.log);
    if (failed) problems.push(new Error(`the log of the server is ${log}`));
    return problems;
  }
}

/** The secret of an invite link. */
function secretOf(link) {
  return new URL(link).hash.slice("#i=".length);
}

function fileName(text) {
  return text.replace(/[^a-z0-9]+/gi, "-").toLowerCase();
}
