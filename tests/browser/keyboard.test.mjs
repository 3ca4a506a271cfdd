// A meeting without a mouse.
import assert from "node:assert/strict";
import { Chat } from "./lib/chat.mjs";
import { meeting, QUIET } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

meeting("joining, muting and leaving by keyboard alone", {}, async (here) => {
  const ada = await here.joined("Ada", "red");
  const bob = await here.somebody("Bob", "blue");
  await bob.page.goto(here.server.link());
  await bob.nameBox.waitFor();

  await bob.tabTo(bob.nameBox);
  await bob.page.keyboard.type("Bob");
  await bob.page.keyboard.press("Enter");
  await bob.inRoom();
  await ada.seesExactly("Bob");

  await bob.tabTo(bob.button("Microphone"));
  const before = await bob.isPressed("Microphone");
  await bob.page.keyboard.press("Enter");
  await until("Enter changes the microphone", async () => (await bob.isPressed("Microphone")) !== before);
  await bob.page.keyboard.press("Space");
  await until("Space changes it back", async () => (await bob.isPressed("Microphone")) === before);
  await here.shot(bob, "focus");

  // A panel takes the focus and gives it back.
  await bob.tabTo(bob.button("People"));
  await bob.page.keyboard.press("Enter");
  const panel = bob.page.getByRole("complementary").filter({ hasText: "Ada" });
  await panel.waitFor();
  await bob.page.keyboard.press("Escape");
  await panel.waitFor({ state: "hidden" });
  assert.ok(await bob.hasFocus(bob.button("People")), "the focus is back on the button of the panel");

  await bob.tabTo(bob.button("Leave"));
  await bob.page.keyboard.press("Enter");
  await ada.seesNobodyCalled("Bob");
});

meeting("writing, answering and reading by keyboard alone", {}, async (here) => {
  const ada = await here.joined("Ada", "red", { devices: QUIET });
  const bob = await here.joined("Bob", "blue", { devices: QUIET });
  const [adas, bobs] = [new Chat(ada), new Chat(bob)];
  const { keyboard } = bob.page;
  await adas.open();
  await adas.write("Who comes tomorrow?");

  // The panel opens with the cursor in its text box, and Enter sends.
  await bob.tabTo(bob.button("Chat"));
  await keyboard.press("Enter");
  await bobs.reads("Who comes tomorrow?");
  await until("one can write at once", () => bob.hasFocus(bobs.box));
  await keyboard.type("I do");
  await keyboard.press("Enter");
  await adas.reads("I do");
  assert.ok(await bob.hasFocus(bobs.box), "one can go on writing");

  // Messages are gone through by arrows; Enter opens the menu of one, Escape gives the focus back.
  const first = bobs.message("Who comes tomorrow?");
  await bob.tabTo(bobs.log);
  await keyboard.press("Home");
  assert.ok(await bob.hasFocus(first), "the first message has the focus");
  await here.shot(bob, "message");
  await keyboard.press("Enter");
  const menu = bob.page.getByRole("menu", { name: /^Actions for/ });
  await menu.waitFor();
  await here.shot(bob, "menu");
  await keyboard.press("Escape");
  await menu.waitFor({ state: "hidden" });
  await until("the message has the focus again", () => bob.hasFocus(first));
  await keyboard.press("Enter");
  await menu.waitFor();
  const reply = menu.getByRole("menuitem", { name: "Reply" });
  for (let step = 0; step < 20 && !(await bob.hasFocus(reply)); step += 1) await keyboard.press("ArrowDown");
  await keyboard.press("Enter");
  await until("one can write the answer", () => bob.hasFocus(bobs.box));
  await keyboard.type("And so does Cleo");
  await keyboard.press("Enter");
  await adas.message("And so does Cleo").getByRole("button", { name: "Go to the message of Ada" }).waitFor();

  // The panel gives the focus back.
  await keyboard.press("Escape");
  await bobs.panel.waitFor({ state: "detached" });
  assert.ok(await bob.hasFocus(bob.button("Chat")), "the focus is back on the button of the panel");
});
