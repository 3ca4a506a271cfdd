// axe-core on every screen, dark and light.
import assert from "node:assert/strict";
import { findings } from "./lib/axe.mjs";
import { Chat } from "./lib/chat.mjs";
import { meeting } from "./lib/meeting.mjs";

for (const colorScheme of ["dark", "light"]) {
  meeting(`no serious accessibility finding, ${colorScheme}`, {}, async (here) => {
    const bob = await here.joined("Bob", "blue", { context: { viewport: { width: 320, height: 240 } } });
    const ada = await here.somebody("Ada", "red", { colorScheme });
    const look = async (screen) => {
      await here.shot(ada, screen);
      assert.deepEqual(await findings(ada.page), [], screen);
    };

    await ada.page.goto(here.server.page("/"));
    await ada.page.getByRole("main").waitFor();
    await look("landing");

    await ada.open(here.server.link());
    await look("before joining");

    await ada.join();
    await ada.sees("Bob", "blue");
    await look("meeting");

    await ada.button("People").click();
    await ada.page.getByRole("complementary").filter({ hasText: "Bob" }).waitFor();
    await look("people");

    // The chat with messages of every kind, its menu, and a private recipient.
    const [adas, bobs] = [new Chat(ada), new Chat(bob)];
    await adas.open();
    await look("empty chat");
    await bobs.open();
    await bobs.write("Good morning, see https://example.org/");
    await adas.reads("Good morning");
    await adas.write("And to you");
    await bobs.choose("And to you", "React with 👍");
    await adas.message("And to you").getByRole("button", { name: /👍/ }).waitFor();
    await look("chat");
    await adas.message("Good morning").hover();
    await adas
      .message("Good morning")
      .getByRole("button", { name: /^Actions for/ })
      .click();
    await ada.page.getByRole("menu", { name: /^Actions for/ }).waitFor();
    await look("menu of a message");
    await ada.page.keyboard.press("Escape");
    await adas.close();

    await ada.button("More").click();
    await ada.page.getByRole("menuitem", { name: "Settings" }).click();
    const settings = ada.dialog("Settings");
    for (const tab of await settings.getByRole("tab").all()) {
      await tab.click();
      await look(`settings ${await tab.innerText()}`);
    }
    await bob.check();
  });
}
