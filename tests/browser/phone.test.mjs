// Phone-sized windows.
import assert from "node:assert/strict";
import { meeting } from "./lib/meeting.mjs";

const TARGET_PX = 24; // WCAG 2.2, 2.5.8
const CONTROLS = ["Microphone", "Camera", "Share screen", "Raise hand", "Chat", "People", "Leave"];

for (const [width, height] of [
  [390, 844],
  [360, 640],
]) {
  meeting(`a phone of ${width}x${height}`, {}, async (here) => {
    const bob = await here.joined("Bob", "blue", { context: { viewport: { width: 320, height: 240 } } });
    const ada = await here.somebody("Ada", "red", { viewport: { width, height }, hasTouch: true });
    const look = async (screen) => {
      await here.shot(ada, screen);
      const overflow = await ada.page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.equal(overflow, 0, `${screen} is wider than the window`);
    };

    await ada.page.goto(here.server.page("/"));
    await ada.page.getByRole("main").waitFor();
    await look("landing");
    await ada.open(here.server.link());
    await look("before joining");
    await reachable(ada, "Join");
    await ada.join();
    await ada.sees("Bob", "blue");
    await look("meeting");
    for (const control of CONTROLS) await reachable(ada, control);

    await ada.button("People").click();
    await ada.page.getByRole("complementary").filter({ hasText: "Bob" }).waitFor();
    await look("people");

    // Nothing lies over what one writes, and nothing over the controls.
    await ada.button("Chat").click();
    const panel = ada.page.getByRole("complementary", { name: "Chat", exact: true });
    await panel.getByRole("textbox", { name: "Message", exact: true }).fill("A word from a phone");
    await look("chat");
    await reachable(ada, "Send");
    for (const control of CONTROLS) await reachable(ada, control);
    await ada.button("Send").click();
    await panel.getByRole("article").filter({ hasText: "A word from a phone" }).waitFor();
    await bob.check();
  });
}

/** Fails unless a thumb can hit the control: wholly inside the window after scrolling, large enough, not covered. */
async function reachable(participant, name) {
  const button = participant.button(name);
  await button.scrollIntoViewIfNeeded();
  const { width, height } = participant.page.viewportSize();
  const box = await button.boundingBox();
  assert.ok(box && box.width >= TARGET_PX && box.height >= TARGET_PX, `${name} is too small: ${JSON.stringify(box)}`);
  const inside = box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height;
  assert.ok(inside, `${name} sticks out of the window: ${JSON.stringify(box)}`);
  await button.click({ trial: true });
}
