// The other language, and the plain http address of a first try.
import assert from "node:assert/strict";
import { meeting } from "./lib/meeting.mjs";

meeting("a German browser gets German", {}, async (here) => {
  const ada = await here.somebody("Ada", "red", { locale: "de-DE" });
  await ada.page.goto(here.server.link());
  await ada.page.getByRole("textbox", { name: "Dein Name" }).fill("Ada");
  assert.equal(await ada.page.locator("html").getAttribute("lang"), "de");
  await here.shot(ada, "before joining");
  await ada.button("Beitreten").click();
  await ada.button("Verlassen").waitFor();
  await here.shot(ada, "meeting");
  const text = await ada.page.locator("body").innerText();
  assert.doesNotMatch(text, /\b(microphone|camera|share|people|leave|your)\b/i);
});

meeting("plain http on the own machine gives a meeting without a warning", {}, async (here) => {
  const ada = await here.joined("Ada", "red", { scheme: "http" });
  const bob = await here.joined("Bob", "blue", { scheme: "https" });
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);
});
