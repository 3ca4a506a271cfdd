// A panel from start to end: a host, a presenter by invite, and an audience that has its say by raised hands.
import assert from "node:assert/strict";
import { meeting, QUIET } from "./lib/meeting.mjs";
import { until, untilOk } from "./lib/until.mjs";

const role = (who, name, wanted) =>
  until(
    `${who.name} sees that ${name} is ${wanted}`,
    async () => (await who.tile(name).locator("[data-role]").getAttribute("data-role")) === wanted,
  );

/** Waits until `who`, called, has the floor, and takes it. */
async function takeFloor(who) {
  const floor = who.dialog("You have the floor");
  await floor.waitFor();
  assert.equal(await who.isPressed("Microphone"), false, "calling unmutes nobody");
  await floor.getByRole("button", { name: "Unmute" }).click();
  await until(`${who.name} speaks`, () => who.isPressed("Microphone"));
  await who.banner("floor").getByText(/left/).waitFor();
}

meeting("a panel hears its audience and changes hands", { timeout: 240_000 }, async (here) => {
  const room = await here.room(
    "future",
    "--preset",
    "webinar",
    "title=The future of the town",
    "lobby=off",
    "roster=all",
    "screen=one_takeover",
  );
  const invite = await here.invite(room, "--role", "presenter");
  const ada = await here.joined("Ada", "red", { link: room.host_link });
  const bob = await here.joined("Bob", "blue", { link: invite.link });
  const cyd = await here.joined("Cyd", "green", { link: room.guest_link, devices: QUIET });
  const dan = await here.joined("Dan", "yellow", {
    link: room.guest_link,
    devices: QUIET,
    context: { viewport: { width: 390, height: 844 }, hasTouch: true },
  });
  const everybody = [ada, bob, cyd, dan];
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);
  await Promise.all([cyd, dan].flatMap((one) => [one.sees("Ada", "red"), one.sees("Bob", "blue"), one.hears(2)]));
  for (const one of [cyd, dan]) {
    for (const name of ["Microphone", "Camera"]) assert.ok(await one.isBarred(name), `${name} of ${one.name}`);
  }

  // The audience: one has the floor after the other, by the host's Next.
  await ada.openPeople();
  await cyd.setPressed("Raise hand", true);
  await ada.seesHands("Cyd");
  await dan.setPressed("Raise hand", true);
  await ada.seesHands("Cyd", "Dan");
  const next = ada.panel.getByRole("button", { name: "Next speaker" });
  await next.click();
  await takeFloor(cyd);
  await Promise.all([ada.hears(2), dan.hears(3)]);
  await ada.choose("Cyd", "Show to everyone");
  await Promise.all(everybody.map((one) => one.tile("Cyd").locator("[data-spotlight]").waitFor()));
  await untilOk("Cyd is larger than Ada", async () => {
    const [large, small] = await Promise.all(["Cyd", "Ada"].map((name) => bob.tile(name).boundingBox()));
    return { ok: large.width > small.width, large, small };
  });
  await dan.button("Reactions").click();
  await dan.button("React with 👏").click();
  await Promise.all(everybody.map((one) => one.tile("Dan").locator('[data-reaction="👏"]').waitFor()));
  await here.shots(ada, "floor");
  await here.shots(bob, "floor");
  await here.shots(cyd, "floor");
  await here.shot(dan, "floor of Cyd");
  await dan.page.keyboard.press("Escape");

  await next.click();
  await cyd.banner("floor").waitFor({ state: "detached" });
  await until("Cyd is silent again", () => cyd.isBarred("Microphone"));
  await takeFloor(dan);
  await Promise.all([ada.seesHands("Dan"), ada.hears(2), cyd.hears(3)]);
  await ada.choose("Cyd", "Stop showing to everyone");
  await ada.choose("Dan", "Show to everyone");
  await Promise.all(everybody.map((one) => one.tile("Dan").locator("[data-spotlight]").waitFor()));
  await dan.banner("floor").getByRole("button", { name: "I am done" }).click();
  await until("Dan is silent again", () => dan.isBarred("Microphone"));
  await Promise.all([ada.seesHands(), ada.hears(1)]);
  await ada.choose("Dan", "Stop showing to everyone");
  await Promise.all(everybody.map((one) => one.page.locator("[data-spotlight]").waitFor({ state: "detached" })));

  // One screen at a time: the presenter asks for it, and the host takes it.
  await ada.shareScreen();
  await Promise.all([bob, cyd, dan].map((one) => one.seesScreen("Screen of Ada")));
  await bob.button("Share screen").click();
  await bob.dialog("Share your screen?").getByRole("button", { name: "Ask to take over" }).click();
  await ada.dialog("Hand over the screen share?").getByRole("button", { name: "Stop and hand over" }).click();
  await bob.dialog("You may share now").getByRole("button", { name: "Choose what to share" }).click();
  await Promise.all([ada, cyd, dan].map((one) => one.seesScreen("Screen of Bob")));
  await ada.seesNobodyCalled("Screen of Ada");
  await here.shots(ada, "screen");
  await here.shots(bob, "screen");
  await here.shots(cyd, "screen");
  await ada.button("Share screen").click();
  await ada.dialog("Share your screen?").getByRole("button", { name: "Take over" }).click();
  await Promise.all([bob, cyd, dan].map((one) => one.seesScreen("Screen of Ada")));
  await bob.reads(/Somebody else shares a screen in place of yours/);
  await ada.stopScreen();
  await Promise.all(everybody.map((one) => one.seesNobodyCalled("Screen of Ada")));

  // The lead changes hands, and who has it ends the panel.
  await ada.choose("Bob", "Make host …");
  await ada.dialog("Make Bob the host?").getByRole("button", { name: "Ask", exact: true }).click();
  await bob.dialog("Become the host?").getByRole("button", { name: "Accept" }).click();
  await Promise.all([cyd, dan].flatMap((one) => [role(one, "Bob", "host"), role(one, "Ada", "co_host")]));
  await bob.button("Security").waitFor();
  await bob.openPeople();
  await here.shots(bob, "host");
  await bob.end({ message: "Thank you for coming" });
  await Promise.all(everybody.map((one) => one.seesEnded("Bob ended the meeting.")));
  for (const one of everybody) await one.reads("Thank you for coming");
});
