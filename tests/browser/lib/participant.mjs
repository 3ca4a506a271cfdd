// One person in front of one page, as that person meets it: by names, roles and pictures.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { COLOURS } from "./camera.mjs";
import { until, untilOk } from "./until.mjs";

const INSTRUMENTS = readFileSync(new URL("page.js", import.meta.url), "utf8");

/** Makes a browser context whose pages carry the instruments of page.js. */
export async function newContext(browser, options = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width: 1280, height: 720 },
    locale: "en-GB",
    ...options,
  });
  await context.addInitScript({ content: INSTRUMENTS });
  context.setDefaultTimeout(15_000);
  return context;
}

/**
 * How long a picture may take: where four browsers share two cores the estimate of a line falls as if it were thin, the
 * server pauses pictures, and tries them again when it has risen.
 */
const PICTURES = { timeoutMs: 60_000 };

export class Participant {
  /** What went wrong in the page and nobody expected. */
  faults = [];
  /** Secrets seen on the signalling link. */
  secrets = new Set();
  /** How many signalling links the page has opened, and every message that came on them. */
  links = 0;
  heard = [];
  // Playwright puts this style into Firefox's pages before a screenshot, and the policy refuses it.
  #expected = [/sha256-YjaKGiklmzC6wjXA513HAMmzus8VE61XCOT\+SmwNZWA=/];

  constructor(name, page, origins) {
    this.name = name;
    this.page = page;
    page.on("pageerror", (error) => this.#fault(`error: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.#fault(`console: ${message.text()}`);
    });
    page.on("request", (request) => this.#check(request.url(), origins));
    page.on("websocket", (socket) => {
      this.#check(socket.url(), origins);
      this.links += 1;
      socket.on("framesent", ({ payload }) => this.#collectSecrets(String(payload)));
      socket.on("framereceived", ({ payload }) => {
        this.#collectSecrets(String(payload));
        this.heard.push(String(payload));
      });
    });
  }

  /** Declares that a console error or page error like `pattern` belongs to what is tested. */
  expectFault(pattern) {
    this.#expected.push(pattern);
  }

  #fault(text) {
    if (!this.#expected.some((pattern) => pattern.test(text))) this.faults.push(`${this.name}: ${text}`);
  }

  #check(address, origins) {
    const url = new URL(address);
    if (["blob:", "data:", "about:"].includes(url.protocol)) return;
    if (!origins.includes(url.origin === "null" ? `${url.protocol}//${url.host}` : url.origin)) {
      this.#fault(`request to a foreign origin: ${url.origin}`);
    }
  }

  #collectSecrets(frame) {
    for (const [, secret] of frame.matchAll(
      /"(?:resume_token|device_key|token|secret|password|credential)":"([^"]{8,})"/g,
    )) {
      this.secrets.add(secret);
    }
  }

  // Before the meeting.

  async open(link) {
    await this.page.goto(link);
    await this.nameBox.waitFor();
  }

  get nameBox() {
    return this.page.getByRole("textbox", { name: "Your name" });
  }

  /** Enters the meeting from the page before it, with the devices as said, and waits for the stage. */
  async join(devices) {
    await this.#prepare(devices);
    await this.button("Join").click();
    await this.inRoom();
  }

  /** Asks to be let in from the page before the meeting, and waits for the lobby. */
  async knock(devices) {
    await this.#prepare(devices);
    await this.page.getByRole("button", { name: /^(Ask to join|Join)$/ }).click();
    await this.inLobby();
  }

  async #prepare({ microphone = true, camera = true } = {}) {
    await this.nameBox.fill(this.name);
    await this.setPressed("Microphone", microphone);
    await this.setPressed("Camera", camera);
  }

  /** Waits until the page is the meeting. */
  async inRoom() {
    await this.page.getByRole("toolbar", { name: "Meeting controls" }).waitFor();
  }

  /** Waits until the page is the lobby, where one waits for being let in, or for a host. */
  async inLobby(title = /You are in the lobby|Waiting for the host/) {
    await this.page.getByRole("heading", { level: 1, name: title }).waitFor();
  }

  // What a host does.

  get panel() {
    return this.page.getByRole("complementary");
  }

  async openPeople() {
    await this.setPressed("People", true);
    await this.panel.waitFor();
  }

  /** The row of somebody who waits in the lobby, in the open panel of people. */
  waitingRow(name) {
    return this.panel
      .getByRole("region", { name: /^Waiting/ })
      .getByRole("listitem")
      .filter({ hasText: name });
  }

  /** Waits until exactly these people wait in the lobby, as the open panel of people says. */
  async seesWaiting(...names) {
    const rows = this.panel.getByRole("region", { name: /^Waiting/ }).getByRole("listitem");
    await untilOk(`${this.name} sees ${names.join(", ")} waiting`, async () => {
      const waiting = await rows.locator("bdi").allInnerTexts();
      return { ok: waiting.sort().join() === [...names].sort().join(), waiting };
    });
  }

  /** Waits until the open panel of people names exactly these as having a hand up, in this order. */
  async seesHands(...names) {
    await untilOk(`${this.name} sees the hands of ${names.join(", ")}`, async () => {
      const group = this.panel.locator('[data-group="hands"]');
      const hands = (await group.count()) === 0 ? [] : await group.locator("bdi").allInnerTexts();
      return { ok: hands.join() === names.join(), hands };
    });
  }

  async admit(name) {
    await this.waitingRow(name).getByRole("button", { name: "Admit" }).click();
  }

  /** Chooses an item of the menu that the open panel of people has for `name`. */
  async choose(name, item) {
    await this.openMenu(name);
    await this.page.getByRole("menuitem", { name: item, exact: true }).click();
  }

  async openMenu(name) {
    await this.panel.getByRole("button", { name: `Actions for ${name}`, exact: true }).click();
    await this.page.getByRole("menu").waitFor();
  }

  /** The dialog on top, with that title. */
  dialog(title) {
    return this.page.getByRole("dialog", { name: title });
  }

  /** Opens the sheet of the meeting's policies and returns it. */
  async openSecurity() {
    await this.button("Security").click();
    const sheet = this.dialog("Security");
    await sheet.getByRole("heading", { name: "Who gets in" }).waitFor();
    return sheet;
  }

  async close(dialog) {
    await dialog.getByRole("button", { name: "Close", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
  }

  // Controls.

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  async isPressed(name) {
    return (await this.button(name).getAttribute("aria-pressed")) === "true";
  }

  async setPressed(name, wanted) {
    if ((await this.isPressed(name)) !== wanted) await this.button(name).click();
    await until(`${name} is ${wanted ? "on" : "off"}`, async () => (await this.isPressed(name)) === wanted);
  }

  /** Presses a button that can be reached but does nothing at present, besides saying why. */
  async pressBarred(name) {
    assert.ok(await this.isBarred(name), `${name} is barred`);
    // Playwright itself waits for a button that is barred.
    await this.button(name).click({ force: true });
  }

  async isBarred(name) {
    return (await this.button(name).getAttribute("aria-disabled")) === "true";
  }

  /** Shares the fake screen: button, consent step, and the browser's picker, which accepts by itself. */
  async shareScreen() {
    await this.button("Share screen").click();
    await this.page.getByRole("dialog").getByRole("button", { name: "Choose what to share" }).click();
    await until("the screen is shared", () => this.isPressed("Share screen"));
  }

  async stopScreen() {
    await this.button("Share screen").click();
    await until("the screen is not shared", async () => !(await this.isPressed("Share screen")));
  }

  /** Gives the tile called `name` the large place. */
  async enlarge(name) {
    await this.page.getByRole("button", { name: `Pin ${name}`, exact: true }).click();
  }

  /** Moves the focus to `control` by the Tab key, and then inside a toolbar by its arrow keys. */
  async tabTo(control) {
    for (const key of [...Array(40).fill("Tab"), ...Array(40).fill("Shift+Tab")]) {
      if (await this.hasFocus(control)) return;
      await this.page.keyboard.press(key);
      if (!(await this.#focusIsInToolbar())) continue;
      for (let step = 0; step < 12 && !(await this.hasFocus(control)); step += 1)
        await this.page.keyboard.press("ArrowRight");
    }
    throw new Error(`no way by keyboard to ${control}`);
  }

  hasFocus(control) {
    return control.evaluate((element) => element === document.activeElement);
  }

  #focusIsInToolbar() {
    return this.page.evaluate(() => document.activeElement?.closest('[role="toolbar"]') !== null);
  }

  /**
   * Puts a bend into the signalling link: every message takes `delayMs()`, in order per direction,
   * and the link can be cut and mended. With `videoSlots` the server's `welcome` offers so few.
   */
  async slowLink({ delayMs, videoSlots }) {
    const open = new Set();
    const link = {
      isCut: false,
      async cut() {
        link.isCut = true;
        await Promise.all([...open].map((end) => end.close()));
      },
      mend: () => (link.isCut = false),
    };
    await this.page.routeWebSocket(/\/api\/v1\/signal$/, async (page) => {
      if (link.isCut) return page.close({ code: 1012, reason: "cut by the test" });
      const server = page.connectToServer();
      const ends = [page, server];
      // What was on its way when the other end closed, Playwright still hands to a socket that closes.
      this.expectFault(/WebSocket is already in CLOSING or CLOSED state/);
      open.add(server).add(page);
      page.onMessage(inOrder(delayMs, (message) => this.#forward(server, String(message))));
      server.onMessage(inOrder(delayMs, (message) => this.#forward(page, withSlots(String(message), videoSlots))));
      for (const end of ends) {
        end.onClose((code, reason) => {
          for (const one of ends) {
            open.delete(one);
            if (one !== end) one.close({ code, reason });
          }
        });
      }
    });
    return link;
  }

  /**
   * Puts a gate into the signalling link: while it is shut, what the server sends waits before it.
   * With `isHeld` only messages of which it is true wait, and the others pass them.
   */
  async gate(isHeld = () => true) {
    const held = [];
    let deliver = () => {};
    const gate = {
      isShut: false,
      held,
      shut: () => (gate.isShut = true),
      open() {
        gate.isShut = false;
        held.splice(0).forEach((message) => deliver(message));
      },
    };
    await this.page.routeWebSocket(/\/api\/v1\/signal$/, (page) => {
      const server = page.connectToServer();
      deliver = (message) => this.#forward(page, message);
      page.onMessage((message) => this.#forward(server, String(message)));
      server.onMessage((message) => {
        if (gate.isShut && isHeld(String(message))) held.push(String(message));
        else this.#forward(page, String(message));
      });
    });
    return gate;
  }

  #forward(end, message) {
    this.#collectSecrets(message);
    end.send(message);
  }

  /** Leaves; whoever could also end the meeting is asked, and only goes. */
  async leave() {
    await this.button("Leave").click();
    const left = this.page.getByRole("heading", { name: "You left the meeting" });
    const asked = this.dialog("Leave the meeting?");
    await left.or(asked).first().waitFor();
    if (await asked.isVisible()) await asked.getByRole("button", { name: /^Leave/ }).click();
    await left.waitFor();
  }

  /** Ends the meeting for everybody, as in `end({ when: "In 10 s", message: "Bye" })`; at once if not said. */
  async end({ when, message } = {}) {
    await this.button("Leave").click();
    await this.dialog("Leave the meeting?").getByRole("button", { name: "End for everyone" }).click();
    const form = this.dialog("End the meeting for everyone?");
    if (when !== undefined) await form.getByLabel("When").selectOption({ label: when });
    if (message !== undefined) await form.getByLabel("Message to everybody (optional)").fill(message);
    await form.getByRole("button", { name: "End for everyone" }).click();
  }

  /** Waits for the page that says that the meeting is over, and by whom if anybody in it ended it; then nothing is captured any more. */
  async seesEnded(by) {
    await this.page.getByRole("heading", { name: "The meeting has ended" }).waitFor({ timeout: 20_000 });
    if (by !== undefined) await this.page.locator("[data-ended-by]").getByText(by).waitFor();
    assert.deepEqual(await this.captures(), [], `${this.name} captures nothing`);
  }

  /** The banner above the stage of that kind. */
  banner(name) {
    return this.page.locator(`[data-banner="${name}"]`);
  }

  /** Finds visible text. */
  text(pattern) {
    return this.page.getByText(pattern).filter({ visible: true }).first();
  }

  /** Waits until the page says something like `pattern`. */
  async reads(pattern, options) {
    await this.text(pattern).waitFor(options);
  }

  // What is on the stage.

  tile(name) {
    return this.page.getByRole("group", { name, exact: true });
  }

  /** Returns the tiles with name, text and pictures, see page.js. */
  stage() {
    return this.page.evaluate((colours) => window.conclaveTest.stage(colours), COLOURS);
  }

  /** Waits until the tile of `name` shows a moving picture of `colour`, and returns that picture. */
  sees(name, colour) {
    return untilOk(
      `${this.name} sees ${name} in ${colour}, moving`,
      async () => {
        const tiles = (await this.stage()).filter((tile) => tile.name === name);
        const picture = tiles.length === 1 && tiles[0].pictures.find((shown) => shown.colour === colour && shown.moves);
        return { ok: Boolean(picture), picture, tiles };
      },
      PICTURES,
    ).then(({ picture }) => picture);
  }

  /** Waits until the tile of `name` is there and shows the avatar in place of a picture. */
  seesAvatar(name) {
    return untilOk(`${this.name} sees the avatar of ${name}`, async () => {
      const tiles = (await this.stage()).filter((tile) => tile.name === name);
      const ok = tiles.length === 1 && tiles[0].pictures.length === 0 && tiles[0].text.includes(name[0]);
      return { ok, tiles };
    });
  }

  /** Waits until the tile called `name` shows a moving picture of the size of the fake screen, larger than any camera. */
  seesScreen(name) {
    return untilOk(
      `${this.name} sees ${name}`,
      async () => {
        const tiles = (await this.stage()).filter((tile) => tile.name === name);
        const ok = tiles.length === 1 && tiles[0].pictures.some((picture) => picture.width >= 1280 && picture.moves);
        return { ok, tiles };
      },
      PICTURES,
    );
  }

  /** Waits until there is no tile of `name`. */
  async seesNobodyCalled(name) {
    await until(`${this.name} sees no ${name}`, async () => (await this.tile(name).count()) === 0);
  }

  /** Waits until exactly `count` other people's pictures move on the stage. */
  async seesPictures(count) {
    await untilOk(
      `${this.name} sees ${count} pictures of others`,
      async () => {
        const tiles = (await this.stage()).filter((tile) => !isOwn(tile.name, this.name));
        const moving = tiles.filter((tile) => tile.pictures.some((picture) => picture.moves));
        return { ok: moving.length === count, tiles };
      },
      { ...PICTURES, everyMs: 300 },
    );
  }

  /** Waits until exactly these participants (and the own one) have tiles on the stage. */
  async seesExactly(...names) {
    await untilOk(`${this.name} sees ${names.join(", ")} once each`, async () => {
      const others = (await this.stage()).map((tile) => tile.name).filter((name) => !isOwn(name, this.name));
      return { ok: others.sort().join() === [...names].sort().join(), others };
    });
  }

  // What leaves.

  /** Returns the kinds of the devices whose capture runs in the page, as in `["audio", "video"]`. */
  captures() {
    return this.page.evaluate(() => window.conclaveTest.captures());
  }

  /** Returns how many notes of sounds that call for attention the page has played. */
  notes() {
    return this.page.evaluate(() => window.conclaveTest.notes.played);
  }

  /** Returns the states of the peer connections that have met the server and are not closed. */
  connections() {
    return this.page.evaluate(() =>
      window.conclaveTest.peers
        .filter((peer) => peer.remoteDescription !== null && peer.connectionState !== "closed")
        .map((peer) => peer.connectionState),
    );
  }

  // What arrives.

  /** The rows of getStats() of every open peer connection. */
  stats() {
    return this.page.evaluate(() => window.conclaveTest.stats());
  }

  /**
   * Returns the way that media takes by the statistics of the connection, as in "relay tls" or
   * "host udp"; null while there is none, or more than one.
   */
  async way() {
    const { local } = await this.#selected();
    if (!local) return null;
    return `${local.candidateType} ${local.candidateType === "relay" ? local.relayProtocol : local.protocol}`;
  }

  /** Returns the port of the server with which media is exchanged, which says on which shard that is. */
  mediaPort() {
    return until(`${this.name} has media`, async () => (await this.#selected()).remote?.port);
  }

  /** Returns the two candidates between which media goes; neither while there is no such pair, or more than one. */
  async #selected() {
    const rows = await this.stats();
    const pairs = rows.filter(
      (row) =>
        row.type === "candidate-pair" &&
        (row.selected || rows.some((one) => one.peer === row.peer && one.selectedCandidatePairId === row.id)),
    );
    if (pairs.length !== 1) return {};
    const [{ peer, localCandidateId, remoteCandidateId }] = pairs;
    const row = (id) => rows.find((one) => one.peer === peer && one.id === id);
    return { local: row(localCandidateId), remote: row(remoteCandidateId) };
  }

  /** Waits until media takes the way that `wanted` says, as in "relay tls" or a pattern. */
  goesBy(wanted, options) {
    const fits = (way) => (wanted instanceof RegExp ? wanted.test(way) : way === wanted);
    return untilOk(
      `${this.name} goes by ${wanted}`,
      async () => {
        const way = await this.way();
        return { ok: fits(way), way };
      },
      { timeoutMs: 30_000, ...options },
    );
  }

  async #audioEnergy() {
    const rows = (await this.stats()).filter((row) => row.type === "inbound-rtp" && row.kind === "audio");
    return new Map(rows.map((row) => [`${row.peer}/${row.id}`, row.totalAudioEnergy ?? 0]));
  }

  /** Returns how many received audio streams carried sound during `windowMs`: the fake devices beep twice a second. */
  async #voices(windowMs) {
    const before = await this.#audioEnergy();
    await this.page.waitForTimeout(windowMs);
    const after = await this.#audioEnergy();
    return [...after].filter(([id, energy]) => energy - (before.get(id) ?? 0) > 1e-6).length;
  }

  /** Waits until exactly `count` received audio streams carry sound. */
  async hears(count) {
    await untilOk(`${this.name} hears ${count}`, async () => {
      const voices = await this.#voices(1_200);
      return { ok: voices === count, voices };
    });
  }

  /** Returns the largest frame that arrives, as `{ width, height }`. */
  async receivedSize() {
    const rows = (await this.stats()).filter(
      (row) => row.type === "inbound-rtp" && row.kind === "video" && row.frameWidth,
    );
    const widest = rows.sort((a, b) => b.frameWidth - a.frameWidth)[0];
    return { width: widest?.frameWidth ?? 0, height: widest?.frameHeight ?? 0 };
  }

  /** Returns the number of video frames decoded so far. */
  async framesDecoded() {
    const rows = (await this.stats()).filter((row) => row.type === "inbound-rtp" && row.kind === "video");
    return rows.reduce((sum, row) => sum + (row.framesDecoded ?? 0), 0);
  }

  // The end.

  /** Fails when the page broke its content policy, wrote an error or asked a foreign origin. */
  async check() {
    const violations = await this.page.evaluate(() => window.conclaveTest?.violations ?? []).catch(() => []);
    assert.deepEqual([...this.faults, ...violations.map((text) => `${this.name}: policy violation ${text}`)], []);
  }
}

/** Returns a function that hands each message on after its delay, never before an earlier one. */
function inOrder(delayMs, forward) {
  let last = Promise.resolve();
  return (message) => {
    const due = new Promise((resolve) => setTimeout(resolve, delayMs()));
    last = Promise.all([last, due]).then(() => forward(message));
  };
}

function withSlots(message, videoSlots) {
  return videoSlots === undefined ? message : message.replace(/"video_slots":\d+/, `"video_slots":${videoSlots}`);
}

/** Whether a tile called `tile` is the own one of `name`: its name may say so. */
function isOwn(tile, name) {
  return tile === name || tile.startsWith(`${name} (`);
}
