// The relay: every way through it, relay only, the check before one joins, and networks that let little through.
import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { findings } from "./lib/axe.mjs";
import { hasFirefox, withoutFirefox } from "./lib/browsers.mjs";
import { Gate } from "./lib/gate.mjs";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { Server } from "./lib/server.mjs";
import { until, untilOk } from "./lib/until.mjs";

const SMALL = { viewport: { width: 640, height: 480 } };
const server = sharedServer();
// As for Firefox, a network namespace is needed, that is root.
const withoutNamespace = hasFirefox ? false : "a network of its own needs root";

/** A server apart, with nothing open but TCP 443. */
const strict = (options, file) => async () => {
  const apart = await Server.start({}, file ?? null, { apart: true });
  const gate = await Gate.open(apart, options);
  const stop = apart.stop.bind(apart);
  apart.stop = async () => {
    await gate.close();
    return stop();
  };
  return apart;
};

/** What says that these ways to the relay are offered and no other; `PORT` stands for that of the pages, `CLOSED` for none. */
const ways =
  (...urls) =>
  ({ https, http }) => {
    const real = urls.map((url) => url.replace("PORT", https).replace("CLOSED", http));
    return `[turn]\nurls = ${JSON.stringify(real)}\n`;
  };
const offering = (urls, options) => () => Server.start({}, ways(...[urls].flat()), options);
const BY_UDP = "turn:{host}:PORT?transport=udp";
const BY_TCP = "turn:{host}:PORT?transport=tcp";
const BY_TLS = "turns:{host}:PORT?transport=tcp";
const WITHOUT_RELAY = "[turn]\nenabled = false\n";

const relayOnly = (dialog) => dialog.getByRole("checkbox", { name: "Use the relay only" });

/** Opens the page of the settings that is about the connection. */
async function openSettings(participant) {
  await participant.button("More").click();
  await participant.page.getByRole("menuitem", { name: "Settings" }).click();
  const dialog = participant.dialog("Settings");
  await dialog.getByRole("tab", { name: "Connection" }).click();
  return dialog;
}

/** Opens the page before the meeting, says there that only the relay is to be used, and joins. */
async function joinedByRelay(here, name, kind) {
  const one = await here.somebody(name, kind, SMALL);
  await one.open(here.server.link());
  const dialog = await openCheck(one);
  await relayOnly(dialog).check();
  await one.close(dialog);
  await one.join();
  return one;
}

async function openCheck(participant) {
  await participant.button("Check connection").click();
  return participant.dialog("Connection check");
}

/** Returns what the server has told a participant of its relay so far. */
const credentials = (participant) =>
  participant.heard
    .map((message) => JSON.parse(message).ok?.ice_servers)
    .filter(Boolean)
    .flat();

/** Whether the page of a participant gets an address at the relay with that credential, by a connection of its own. */
const reaches = (participant, iceServer) =>
  participant.page.evaluate(async ({ urls, username, credential }) => {
    const connection = new RTCPeerConnection({
      iceTransportPolicy: "relay",
      iceServers: [{ urls: urls[0], username, credential }],
    });
    let found = false;
    const over = new Promise((resolve) => {
      connection.onicecandidate = ({ candidate }) => {
        found ||= candidate?.type === "relay";
        if (found || candidate === null) resolve();
      };
    });
    connection.createDataChannel("");
    await connection.setLocalDescription();
    await over;
    connection.close();
    return found;
  }, iceServer);

/** Waits until the check is over, and returns what it says of each way. */
const outcomes = (dialog) =>
  untilOk("the check is over", async () => {
    const rows = await dialog.locator("[data-way]").evaluateAll((all) => all.map(({ dataset }) => ({ ...dataset })));
    const seen = Object.fromEntries(rows.map(({ way, outcome }) => [way, outcome]));
    return { ok: rows.length === 3 && rows.every(({ outcome }) => outcome !== "trying"), seen };
  }).then(({ seen }) => seen);

meeting(
  "whoever reaches nothing but TCP 443 is in the meeting, by TLS",
  { skip: withoutNamespace, start: strict() },
  async (here) => {
    const ada = await here.joined("Ada", "red", { context: SMALL });
    const bob = await here.joined("Bob", "blue", { context: SMALL });
    await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);
    await Promise.all([ada.hears(1), bob.hears(1)]);
    await Promise.all([ada.goesBy("relay tls"), bob.goesBy("relay tls")]);

    await ada.button("More").click();
    await ada.page.getByRole("menuitem", { name: "Connection" }).click();
    await ada.dialog("Connection").getByText("Through the relay: TLS (as web pages)").waitFor();
    await here.shots(ada, "path");
    await ada.close(ada.dialog("Connection"));

    const eve = await here.somebody("Eve", "plain", { context: SMALL });
    await eve.open(here.server.link());
    const dialog = await openCheck(eve);
    assert.deepEqual(await outcomes(dialog), { udp: "blocked", tcp: "works", tls: "works" });
    await dialog.getByText("This network blocks the quickest way").waitFor();
    await here.shots(eve, "check");
  },
);

meeting(
  "a network that cuts whatever is no TLS lets Chromium and Firefox meet",
  { skip: withoutFirefox, start: strict({ onlyTls: true }) },
  async (here) => {
    const ada = await here.joined("Ada", "red", { context: SMALL });
    const eve = await here.joined("Eve", "trusting-firefox", { context: SMALL });
    await Promise.all([ada.sees("Eve", "changing"), eve.sees("Ada", "red")]);
    await Promise.all([ada.hears(1), eve.hears(1)]);
    await Promise.all([ada.goesBy("relay tls"), eve.goesBy("relay tls")]);
  },
);

meeting(
  "through TCP 443 alone Firefox meets Chromium in the clear as well",
  { skip: withoutFirefox, start: strict({}, ways(BY_TCP)) },
  async (here) => {
    const ada = await here.joined("Ada", "red", { context: SMALL });
    const eve = await here.joined("Eve", "firefox", { context: SMALL });
    await Promise.all([ada.sees("Eve", "changing"), eve.sees("Ada", "red")]);
    await Promise.all([ada.hears(1), eve.hears(1)]);
    await Promise.all([ada.goesBy("relay tcp"), eve.goesBy("relay tcp")]);
  },
);

// Firefox refuses a relay that sees it at a loopback address: the page is opened at another one.
const outside = Object.values(networkInterfaces())
  .flat()
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

meeting(
  "by UDP Firefox uses the relay only",
  {
    skip: withoutFirefox || (outside ? false : "an address beside the loopback is needed"),
    start: offering(BY_UDP, { on: outside }),
  },
  async (here) => {
    const ada = await here.joined("Ada", "red", { context: SMALL });
    const eve = await joinedByRelay(here, "Eve", "firefox");
    await Promise.all([ada.sees("Eve", "changing"), eve.sees("Ada", "red")]);
    await Promise.all([ada.hears(1), eve.hears(1)]);
    await eve.goesBy("relay udp");
  },
);

meeting(
  "where no way is left, the page names the ports",
  { skip: withoutNamespace, start: strict({}, WITHOUT_RELAY) },
  async (here) => {
    const ada = await here.joined("Ada", "red", { devices: QUIET });
    await ada.reads("Sound and pictures find no way to the server", { timeout: 30_000 });
    await ada.reads(/UDP 40000/);
    await here.shots(ada, "no way");
  },
);

for (const [url, way] of [
  [BY_UDP, "relay udp"],
  [BY_TCP, "relay tcp"],
  [BY_TLS, "relay tls"],
]) {
  meeting(`a meeting by ${way}, on the port of the pages`, { start: offering(url) }, async (here) => {
    const ada = await joinedByRelay(here, "Ada", "red");
    const bob = await here.joined("Bob", "blue", { context: SMALL });
    await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);
    await Promise.all([ada.hears(1), bob.hears(1)]);
    await ada.goesBy(way);
    await bob.goesBy(/^(host|prflx|srflx) udp$/);
  });
}

meeting("the relay only is chosen in the settings, holds at once, and is remembered", { server }, async (here) => {
  const ada = await here.joined("Ada", "red", { context: SMALL });
  const bob = await here.joined("Bob", "blue", { context: SMALL });
  await bob.sees("Ada", "red");
  await ada.goesBy(/^(host|prflx|srflx) udp$/);

  const dialog = await openSettings(ada);
  await dialog.getByText("Direct (UDP)").waitFor();
  await relayOnly(dialog).check();
  await dialog.getByText(/Through the relay: UDP/).waitFor();
  await here.shots(ada, "settings");
  await ada.goesBy("relay udp");
  await dialog.getByRole("button", { name: "Dismiss" }).click();
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red"), ada.hears(1), bob.hears(1)]);

  await ada.page.reload();
  await ada.inRoom();
  await ada.goesBy("relay udp");
  await until("the credential is renewed, as nobody knows how old it is", () => credentials(ada).length === 2);
  await bob.sees("Ada", "red");

  const again = await openSettings(ada);
  await relayOnly(again).uncheck();
  await ada.goesBy(/^(host|prflx|srflx) udp$/);
});

meeting("a room by the relay only holds everybody to it, and who lies hears nothing", { server }, async (here) => {
  const room = await here.room("lobby=off");
  const ada = await here.joined("Ada", "red", {
    link: room.host_link,
    context: { viewport: { width: 800, height: 600 } },
  });
  const bob = await here.joined("Bob", "blue", { link: room.guest_link, context: SMALL });
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);

  const sheet = await ada.openSecurity();
  const toggle = sheet.getByRole("checkbox", { name: "Sound and pictures only through the relay" });
  await toggle.click();
  await until("the room says so", () => toggle.isChecked());
  await toggle.scrollIntoViewIfNeeded();
  await here.shot(ada, "room");
  await ada.close(sheet);
  await Promise.all([ada.goesBy("relay udp"), bob.goesBy("relay udp")]);
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red"), ada.hears(1), bob.hears(1)]);
  const dialog = await openSettings(bob);
  await dialog.getByText("The hosts of this meeting have set that only the relay is used").waitFor();
  assert.ok(await relayOnly(dialog).isDisabled(), "the own choice is not what counts");
  await dialog.getByRole("button", { name: "Dismiss" }).click();

  // A page that takes the direct way all the same.
  const eve = await here.somebody("Eve", "green", SMALL);
  await eve.page.addInitScript(() => {
    const Native = window.RTCPeerConnection;
    const direct = (configuration) => ({ ...configuration, iceTransportPolicy: "all", iceServers: [] });
    window.RTCPeerConnection = class extends Native {
      constructor(configuration) {
        super(direct(configuration));
      }
      setConfiguration(configuration) {
        super.setConfiguration(direct(configuration));
      }
    };
  });
  await eve.open(room.guest_link);
  await eve.join();
  await ada.seesAvatar("Eve");
  await eve.reads("Sound and pictures find no way to the server", { timeout: 40_000 });
  assert.ok(!(await eve.connections()).includes("connected"), "nothing of it is connected");
  const arrived = (await eve.stats()).filter((row) => row.type === "inbound-rtp" && row.packetsReceived > 0);
  assert.deepEqual(arrived, [], "nothing arrives");
  await ada.seesAvatar("Eve");
  await here.shot(eve, "direct");
});

meeting("a credential is good for as long as its owner is in the meeting", { server }, async (here) => {
  const ada = await here.joined("Ada", "red", { devices: QUIET, context: SMALL });
  const eve = await here.somebody("Eve", "plain", SMALL);
  await eve.open(here.server.link());
  const [credential] = credentials(ada);
  assert.ok(await reaches(eve, credential), "somebody who is told the credential may use it");
  await ada.leave();
  await until("nobody may use it any more", async () => !(await reaches(eve, credential)));
});

meeting(
  "the check before one joins finds three ways, and asks nothing before the button is pressed",
  { server },
  async (here) => {
    const ada = await here.somebody("Ada", "plain");
    await ada.open(here.server.link());
    const count = () => ada.page.evaluate(() => window.conclaveTest.peers.length);
    await until("the page knows of the room", () => ada.heard.some((message) => message.includes('"relay":true')));
    assert.equal(await count(), 0);
    assert.ok(!ada.heard.some((message) => message.includes('"credential"')), "nor is a credential made");
    const dialog = await openCheck(ada);
    assert.deepEqual(await outcomes(dialog), { udp: "works", tcp: "works", tls: "works" });
    await dialog.getByText("The quickest way is open").waitFor();
    assert.deepEqual(await findings(ada.page), []);
    await here.shots(ada, "check");
    assert.equal(await count(), 3);
    await dialog.getByRole("button", { name: "Check again" }).click();
    await until("every way is tried again", async () => (await count()) === 6);
    assert.deepEqual(await outcomes(dialog), { udp: "works", tcp: "works", tls: "works" });
    const states = await ada.page.evaluate(() => window.conclaveTest.peers.map((one) => one.connectionState));
    assert.deepEqual([...new Set(states)], ["closed"]);
  },
);

meeting(
  "the check says that UDP is blocked",
  { start: offering([BY_UDP.replace("PORT", "CLOSED"), BY_TCP, BY_TLS]) },
  async (here) => {
    const ada = await here.somebody("Ada", "plain");
    await ada.open(here.server.link());
    const dialog = await openCheck(ada);
    assert.deepEqual(await outcomes(dialog), { udp: "blocked", tcp: "works", tls: "works" });
    await dialog.getByText("This network blocks the quickest way").waitFor();
    await here.shot(ada, "check");
  },
);

meeting(
  "the check names the ports where every way is blocked",
  { start: offering(BY_UDP.replace("PORT", "CLOSED")) },
  async (here) => {
    const ada = await here.somebody("Ada", "plain");
    await ada.open(here.server.link());
    const dialog = await openCheck(ada);
    assert.deepEqual(await outcomes(dialog), { udp: "blocked", tcp: "none", tls: "none" });
    await dialog.getByText(/let through to this server: .*UDP \d+/).waitFor();
  },
);

meeting("a server without a relay says so", { start: () => Server.start({}, WITHOUT_RELAY) }, async (here) => {
  const ada = await here.somebody("Ada", "red", SMALL);
  await ada.open(here.server.link());
  const dialog = await openCheck(ada);
  assert.deepEqual(await outcomes(dialog), { udp: "none", tcp: "none", tls: "none" });
  await dialog.getByText("This server offers no relay: sound and pictures can only go directly").waitFor();
  assert.ok(await relayOnly(dialog).isDisabled());
  await ada.close(dialog);
  const bob = await here.joined("Bob", "blue", { context: SMALL });
  await ada.join();
  await bob.sees("Ada", "red");
});
