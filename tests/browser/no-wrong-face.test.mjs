// A picture never stands under the name of somebody else, also while the signalling link lags
// behind the media.
import assert from "node:assert/strict";
import { COLOURS } from "./lib/camera.mjs";
import { meeting } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const SMALL = { viewport: { width: 640, height: 480 } };
const FACES = { Ada: "red", Bob: "blue", Cyd: "green", Dan: "yellow" };

meeting("no colour under a wrong name while the link is slow", { timeout: 180_000 }, async (here) => {
  const people = {};
  for (const [name, colour] of Object.entries(FACES)) {
    const one = await here.somebody(name, colour, SMALL);
    const random = seeded(name.length + colour.length);
    // Every message in both directions takes up to 700 ms, in order. With two slots for three
    // other pictures, each change of cameras moves a slot from one person to another.
    await one.slowLink({ delayMs: () => 700 * random(), videoSlots: 2 });
    await one.open(here.server.link());
    await one.join({ microphone: false });
    await one.page.evaluate(([faces, colours]) => window.conclaveTest.watch(faces, colours), [FACES, COLOURS]);
    people[name] = one;
  }
  const all = Object.values(people);
  await Promise.all(all.map((one) => one.seesPictures(2)));
  await Promise.all(all.map((one) => here.shot(one, "two-of-three")));

  // Who is off while the others are on: each round frees a slot and fills it with somebody else.
  const random = seeded(7);
  for (let round = 0; round < 8; round += 1) {
    const who = all[Math.floor(random() * all.length)];
    await who.setPressed("Camera", false);
    if (round % 2 === 0) {
      await Promise.all(all.filter((one) => one !== who).map((one) => one.seesPictures(2)));
    }
    await who.setPressed("Camera", true);
  }
  // Two who come back at once: leave and return to slots that others had.
  await Promise.all([people.Ada.setPressed("Camera", false), people.Cyd.setPressed("Camera", false)]);
  await people.Bob.sees("Dan", "yellow");
  await Promise.all([people.Ada.setPressed("Camera", true), people.Cyd.setPressed("Camera", true)]);
  await people.Dan.leave();
  await Promise.all([people.Ada.sees("Bob", "blue"), people.Ada.sees("Cyd", "green"), people.Bob.sees("Ada", "red")]);

  for (const one of all) {
    const watched = await until(`${one.name} has watched`, () => one.page.evaluate(() => window.conclaveTest.watched));
    assert.deepEqual(watched.wrong, [], `what ${one.name} saw`);
    assert.ok(watched.samples > 100, `${one.name} looked only ${watched.samples} times`);
  }
});

/** A repeatable stream of numbers from 0 to 1 (Lehmer's generator modulo 2^31 - 1). */
function seeded(seed) {
  let state = seed * 48_271;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
