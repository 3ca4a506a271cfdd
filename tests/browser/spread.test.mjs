// A meeting whose participants are on different shards: they see and hear each other as on one, and
// what a host ends arrives nowhere.
import assert from "node:assert/strict";
import { hasFirefox } from "./lib/browsers.mjs";
import { meeting, sharedServer } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const SHARDS = "4";
const server = sharedServer({ MEDIA__SHARDS: SHARDS, MEDIA__SPILL_ABOVE_PERCENT: "0" });
const SMALL = { viewport: { width: 800, height: 600 } };
const EVE = hasFirefox ? { kind: "firefox", colour: "changing" } : { kind: "green", colour: "green" };

/** Three people, on three shards. */
async function three(here, name) {
  const { guest_link: link, host_link } = await here.room(name, "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link, context: SMALL });
  const bob = await here.joined("Bob", "blue", { link, context: SMALL });
  const eve = await here.joined("Eve", EVE.kind, { link, context: SMALL });
  const ports = await Promise.all([ada, bob, eve].map((one) => one.mediaPort()));
  assert.equal(new Set(ports).size, 3, `three shards: ports ${ports}`);
  return { ada, bob, eve };
}

async function allSeeAndHear({ ada, bob, eve }) {
  await Promise.all([
    ada.sees("Bob", "blue"),
    ada.sees("Eve", EVE.colour),
    bob.sees("Ada", "red"),
    bob.sees("Eve", EVE.colour),
    eve.sees("Ada", "red"),
    eve.sees("Bob", "blue"),
  ]);
  await Promise.all([ada.hears(2), bob.hears(2), eve.hears(2)]);
}

meeting("browsers on three shards see and hear each other, and a leave ends pictures", { server }, async (here) => {
  const { ada, bob, eve } = await three(here, "spread");
  await allSeeAndHear({ ada, bob, eve });
  await Promise.all([ada, bob, eve].map((one) => here.shot(one, "together")));

  // A camera that goes off leaves the avatar on the other shards, and comes back.
  await bob.setPressed("Camera", false);
  await Promise.all([ada.seesAvatar("Bob"), eve.seesAvatar("Bob")]);
  await bob.setPressed("Camera", true);
  await Promise.all([ada.sees("Bob", "blue"), eve.sees("Bob", "blue")]);

  await ada.shareScreen();
  await Promise.all([bob, eve].map((one) => one.seesScreen("Screen of Ada")));
  await ada.stopScreen();
  await Promise.all([bob, eve].map((one) => one.seesNobodyCalled("Screen of Ada")));

  await bob.leave();
  await Promise.all([ada.seesExactly("Eve"), eve.seesExactly("Ada")]);
  await Promise.all([ada.sees("Eve", EVE.colour), eve.sees("Ada", "red")]);
  await Promise.all([ada.hears(1), eve.hears(1)]);

  // The shard of the host is left as well: the room goes on without anybody at its home.
  await ada.leave();
  await eve.seesExactly();
});

meeting("a host's mute and removal reach every shard", { server }, async (here) => {
  const { ada, bob, eve } = await three(here, "spread-mute");
  await allSeeAndHear({ ada, bob, eve });
  await ada.openPeople();

  await ada.choose("Bob", "Mute microphone");
  await until("the button says off", async () => !(await bob.isPressed("Microphone")));
  await Promise.all([ada.hears(1), eve.hears(1)]);
  await bob.setPressed("Microphone", true);
  await Promise.all([ada.hears(2), eve.hears(2)]);

  await ada.choose("Bob", "Remove …");
  await ada.dialog("Remove Bob?").getByRole("button", { name: "Remove", exact: true }).click();
  await Promise.all([ada.seesNobodyCalled("Bob"), eve.seesNobodyCalled("Bob")]);
  await Promise.all([ada.hears(1), eve.hears(1)]);
  await Promise.all([ada.sees("Eve", EVE.colour), eve.sees("Ada", "red")]);
});
