// The screens of hosts and of those who wait: they fit, can be read, and are in one's own language.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { findings } from "./lib/axe.mjs";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";

const server = sharedServer();

const VIEWS = [
  { title: "dark, wide", language: "en", context: { colorScheme: "dark" } },
  {
    title: "light, on a phone",
    language: "en",
    context: { colorScheme: "light", viewport: { width: 390, height: 844 }, hasTouch: true },
  },
  {
    title: "German, on the smallest phone",
    language: "de",
    context: { locale: "de-DE", colorScheme: "dark", viewport: { width: 320, height: 568 }, hasTouch: true },
  },
];

for (const { title, language, context } of VIEWS) {
  const words = JSON.parse(
    readFileSync(new URL(`../../client-web/messages/${language}.json`, import.meta.url), "utf8"),
  );
  const say = (key, values = {}) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

  meeting(`what hosts and guests meet: ${title}`, { server }, async (here) => {
    const room = await here.room("title=Rat", "lobby_message=09:00");
    const look = async (one, screen) => {
      await here.shot(one, screen);
      const wide = await one.page.evaluate(() =>
        [document.documentElement, ...document.querySelectorAll("dialog, aside, [role=menu]")]
          .filter((element) => element.scrollWidth > element.clientWidth)
          .map((element) => `${element.localName} ${element.scrollWidth} > ${element.clientWidth}`),
      );
      assert.deepEqual(wide, [], `${screen} is wider than its place`);
      assert.deepEqual(await findings(one.page), [], screen);
      if (language !== "en") {
        const text = await one.page.locator("body").innerText();
        assert.doesNotMatch(text, /\b(you|your|the|and|is|lobby message|waiting|people|host link)\b/i, screen);
      }
    };
    const enter = async (one, link, button) => {
      await one.page.goto(link);
      await one.page.getByRole("textbox", { name: say("your_name") }).fill(one.name);
      for (const device of ["microphone", "camera"]) await one.setPressed(say(device), false);
      await one.button(say(button)).click();
    };

    const [ada, bob] = await Promise.all([here.somebody("Ada", "red", context), here.somebody("Bob", "blue", context)]);
    await enter(ada, room.host_link, "join");
    await ada.button(say("leave")).waitFor();
    await enter(bob, room.guest_link, "ask_to_join");
    await bob.page.getByRole("heading", { name: say("lobby_title_waiting") }).waitFor();
    await bob.reads("09:00");
    await look(bob, "lobby");
    await ada.reads(say("knock_one", { name: "Bob" }));
    await look(ada, "alert");

    await ada.button(say("people")).click();
    await ada.panel.waitFor();
    await look(ada, "people");
    await ada.panel.getByRole("button", { name: say("admit"), exact: true }).click();
    const actions = ada.panel.getByRole("button", { name: say("actions_for", { name: "Bob" }) });
    await actions.click();
    await ada.page.getByRole("menu").waitFor();
    await look(ada, "menu");
    await ada.page.getByRole("menuitem", { name: say("menu_ask_microphone"), exact: true }).click();
    await bob.page.getByRole("dialog", { name: say("prompt_title_microphone") }).waitFor();
    await look(bob, "prompt");
    await bob.page
      .getByRole("dialog")
      .getByRole("button", { name: say("decline") })
      .click();

    await ada.button(say("security")).click();
    const sheet = ada.page.getByRole("dialog", { name: say("security") });
    await sheet.getByRole("button", { name: say("invite_new") }).click();
    await look(ada, "sheet");
    await sheet.getByRole("button", { name: say("invite_create") }).scrollIntoViewIfNeeded();
    await look(ada, "sheet, invites");
    await sheet.getByRole("button", { name: say("close"), exact: true }).click();

    await actions.click();
    await ada.page.getByRole("menuitem", { name: say("menu_remove"), exact: true }).click();
    const removal = ada.page.getByRole("dialog", { name: say("remove_title", { name: "Bob" }) });
    await removal.waitFor();
    await look(ada, "removing");
    await removal.getByRole("button", { name: say("remove_confirm"), exact: true }).click();
    await bob.page.getByRole("heading", { name: say("left_title_removed") }).waitFor();
    await look(bob, "removed");
  });
}
