// The other languages, and the plain http address of a first try.
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

meeting("one language is loaded, and another when it is chosen", {}, async (here) => {
  const ada = await here.somebody("Ada", "red", { locale: "fr-CA" });
  const html = ada.page.locator("html");
  const loaded = [];
  ada.page.on("request", (request) => {
    const [, language] = /\/assets\/(de|en|es|fr|pt-BR|ar)-[\w-]{8}\.js$/.exec(request.url()) ?? [];
    if (language !== undefined) loaded.push(language);
  });
  const choose = (label, language) => ada.page.getByRole("combobox", { name: label }).selectOption({ label: language });

  let arrive = () => {};
  const held = new Promise((resolve) => (arrive = resolve));
  await ada.page.route(/\/assets\/fr-/, async (route) => {
    await held;
    await route.continue();
  });
  const asked = ada.page.waitForRequest(/\/assets\/fr-/);
  await ada.page.goto(here.server.link(), { waitUntil: "commit" });
  await asked;
  assert.equal(await ada.page.locator("body").innerText(), "", "nothing is shown before its words are there");
  arrive();
  await ada.button("Rejoindre").waitFor();
  assert.equal(await html.getAttribute("lang"), "fr");
  assert.equal(await html.getAttribute("dir"), "ltr");
  assert.deepEqual(loaded, ["fr"]);

  await choose("Langue", "العربية");
  await ada.page.locator("html[lang=ar][dir=rtl]").waitFor();
  await here.shot(ada, "right to left");
  assert.deepEqual(loaded, ["fr", "ar"]);
  await ada.page.reload();
  await ada.page.locator("html[lang=ar][dir=rtl]").waitFor();
  assert.deepEqual(loaded, ["fr", "ar", "ar"]);
});

meeting("plain http on the own machine gives a meeting without a warning", {}, async (here) => {
  const ada = await here.joined("Ada", "red", { scheme: "http" });
  const bob = await here.joined("Bob", "blue", { scheme: "https" });
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);
});
