// A panel with a queue of hands from start to end, and what is shown for a moment or to everybody.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until, untilOk } from "./lib/until.mjs";

const server = sharedServer();
const SMALL = { viewport: { width: 800, height: 600 } };

/** Waits until the group of hands in the open panel names exactly these people, in this order. */
const queueIs = (who, ...names) =>
  untilOk(`${who.name} sees the hands of ${names.join(", ")}`, async () => {
    const group = who.panel.locator('[data-group="hands"]');
    const hands = (await group.count()) === 0 ? [] : await group.locator("bdi").allInnerTexts();
    return { ok: hands.join() === names.join(), hands };
  });

meeting("a panel with a queue of hands", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("panel", "--preset", "webinar", "lobby=off", "roster=all");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const bob = await here.joined("Bob", "blue", { link, devices: QUIET, context: SMALL });
  const cyd = await here.joined("Cyd", "green", { link, devices: QUIET, context: SMALL });
  await ada.openPeople();
  assert.ok(await bob.isBarred("Microphone"), "the audience is silent");

  await bob.setPressed("Raise hand", true);
  await queueIs(ada, "Bob");
  await cyd.setPressed("Raise hand", true);
  await queueIs(ada, "Bob", "Cyd");
  await Promise.all([
    ada.tile("Bob").locator('[data-hand="1"]').waitFor(),
    ada.tile("Cyd").locator('[data-hand="2"]').waitFor(),
    cyd.tile("Cyd").locator('[data-hand="2"]').waitFor(),
  ]);
  await here.shot(ada, "two hands");

  // The first has the floor: a right, and the question whether it wants to speak.
  await ada.panel.getByRole("button", { name: "Next speaker" }).click();
  const floor = bob.dialog("You have the floor");
  await floor.waitFor();
  await here.shot(bob, "called");
  assert.equal(await bob.isPressed("Microphone"), false, "calling unmutes nobody");
  await floor.getByRole("button", { name: "Unmute" }).click();
  await until("Bob speaks", () => bob.isPressed("Microphone"));
  await Promise.all([ada.hears(1), cyd.hears(1)]);
  await bob.banner("floor").getByText(/left/).waitFor();
  await here.shot(bob, "has the floor");
  await here.shot(ada, "one has the floor");
  await ada.tile("Cyd").locator('[data-hand="1"]').waitFor();
  assert.ok(await cyd.isBarred("Microphone"), "the right of one is nobody else's");

  // Nobody takes the floor for ever: it goes back with the hand.
  await bob.banner("floor").getByRole("button", { name: "I am done" }).click();
  await bob.banner("floor").waitFor({ state: "detached" });
  await until("Bob is silent again", () => bob.isBarred("Microphone"));
  await Promise.all([ada.hears(0), queueIs(ada, "Cyd")]);

  // One is lowered by its owner, one by the host, and then all.
  await bob.setPressed("Raise hand", true);
  await queueIs(ada, "Cyd", "Bob");
  await bob.setPressed("Raise hand", false);
  await queueIs(ada, "Cyd");
  await ada.panel.getByRole("button", { name: "Lower the hand of Cyd" }).click();
  await until("the hand of Cyd is down", async () => !(await cyd.isPressed("Raise hand")));
  await bob.setPressed("Raise hand", true);
  await cyd.setPressed("Raise hand", true);
  await queueIs(ada, "Bob", "Cyd");
  await ada.panel.getByRole("button", { name: "Lower all" }).click();
  await queueIs(ada);
  for (const one of [bob, cyd]) {
    await until(`the hand of ${one.name} is down`, async () => !(await one.isPressed("Raise hand")));
  }
});

meeting("reactions pass, the spotlight stays", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("stage", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link });
  const bob = await here.joined("Bob", "blue", { link, context: { ...SMALL, reducedMotion: "reduce" } });
  const cyd = await here.joined("Cyd", "green", { link, context: SMALL });
  await Promise.all([ada, bob].map((one) => one.sees("Cyd", "green")));

  await cyd.button("Reactions").click();
  await cyd.button("React with 🎉").click();
  const shown = (who) => who.tile("Cyd").locator('[data-reaction="🎉"]');
  await Promise.all([ada, bob, cyd].map((one) => shown(one).waitFor()));
  await until("it is read out", async () =>
    /🎉 from .*Cyd/.test(
      await ada.page
        .getByRole("status")
        .allInnerTexts()
        .then((texts) => texts.join(" ")),
    ),
  );
  await here.shot(cyd, "picker");
  await here.shot(ada, "reaction");
  await Promise.all([ada, bob].map((one) => shown(one).waitFor({ state: "detached" })));
  await cyd.page.keyboard.press("Escape");

  await ada.openPeople();
  await ada.choose("Cyd", "Show to everyone");
  await Promise.all([ada, bob, cyd].map((one) => one.tile("Cyd").locator("[data-spotlight]").waitFor()));
  await here.shot(bob, "spotlight");
  await untilOk("Cyd is larger than Ada", async () => {
    const [large, small] = await Promise.all(["Cyd", "Ada"].map((name) => bob.tile(name).boundingBox()));
    return { ok: large.width > small.width, large, small };
  });
  await ada.choose("Cyd", "Stop showing to everyone");
  await Promise.all([bob, cyd].map((one) => one.page.locator("[data-spotlight]").waitFor({ state: "detached" })));

  // What the hosts switch off is greyed, and says why.
  const sheet = await ada.openSecurity();
  await sheet.getByRole("checkbox", { name: "Reactions of everybody" }).click();
  await until("reactions are off", () => cyd.isBarred("Reactions"));
  await cyd.pressBarred("Reactions");
  await cyd.reads("Switched off in the settings of this meeting");
});
