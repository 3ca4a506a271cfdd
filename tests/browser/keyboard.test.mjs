// A meeting without a mouse.
import assert from "node:assert/strict";
import { meeting } from "./lib/meeting.mjs";
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
