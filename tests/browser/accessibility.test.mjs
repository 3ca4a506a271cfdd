// axe-core on every screen, dark and light.
import assert from "node:assert/strict";
import { findings } from "./lib/axe.mjs";
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
    await bob.check();
  });
}
