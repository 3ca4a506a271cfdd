// Arabic from the first page to the end: everything is mirrored, and nothing that people write turns it around.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { meeting } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const says = JSON.parse(readFileSync(new URL("../../client-web/messages/ar.json", import.meta.url), "utf8"));
const HOST = "ليلى منصور";
/** A mark that turns what follows it around, and neutral characters at the end, which lean on what is beside them. */
const [TYPED, SHOWN] = ["\u202eBob (ABC) 12!", "Bob (ABC) 12!"];
const WIDE = { width: 1280, height: 720 };
const NARROW = { width: 390, height: 844 };

meeting("Arabic runs from right to left", { timeout: 180_000 }, async (here) => {
  const room = await here.room("lobby=off");
  const layla = await here.somebody(HOST, "red", { locale: "ar-EG", viewport: WIDE });
  const bob = await here.somebody(SHOWN, "blue", { locale: "ar", viewport: NARROW, hasTouch: true });
  const looks = (label, who = layla) => look(here, who, label);

  await layla.page.goto(here.server.page("/"));
  await layla.page.getByRole("heading", { name: says.landing_title }).waitFor();
  await looks("landing");
  for (const [who, link, name] of [
    [layla, room.host_link, HOST],
    [bob, room.guest_link, TYPED],
  ]) {
    await who.page.goto(link);
    await who.page.getByRole("textbox", { name: says.your_name }).fill(name);
    await looks("before joining", who);
    await who.button(says.join).click();
    await who.page.getByRole("toolbar", { name: says.toolbar }).waitFor();
  }
  await Promise.all([layla.sees(SHOWN, "blue"), bob.sees(HOST, "red")]);
  await looks("meeting");
  await looks("meeting", bob);

  // The first control is the rightmost, and the arrow that points on moves on.
  const [microphone, camera] = [layla.button(says.microphone), layla.button(says.camera)];
  assert.ok((await box(camera)).x < (await box(microphone)).x, "the second control is left of the first");
  await microphone.focus();
  await layla.page.keyboard.press("ArrowLeft");
  assert.ok(await layla.hasFocus(camera), "the left arrow moves on");
  await layla.page.keyboard.press("ArrowRight");
  assert.ok(await layla.hasFocus(microphone), "the right arrow moves back");

  await layla.setPressed(says.people, true);
  await layla.panel.getByRole("listitem").filter({ hasText: SHOWN }).waitFor();
  await looks("people");
  await panelIsLeft(layla);
  await nameIsInert(layla);

  for (const who of [layla, bob]) await who.setPressed(says.chat, true);
  for (const text of [
    "مرحبا! هل تسمعونني (بوضوح)?",
    "Yes, loud and clear (12:30)!",
    "أرسل الرابط إلى Bob: https://example.org/a?b=1.",
  ])
    await write(layla, text);
  await write(bob, "See https://example.org/ والسلام");
  await layla.page.getByRole("log").getByRole("article").nth(3).waitFor();
  await looks("chat");
  await looks("chat", bob);
  await panelIsLeft(layla);
  await nameIsInert(layla);
  const directions = await layla.page
    .getByRole("log")
    .locator("article p[dir=auto]")
    .evaluateAll((all) => all.map((one) => getComputedStyle(one).direction));
  assert.deepEqual(directions, ["rtl", "ltr", "rtl", "ltr"], "each message runs as its own writing does");
  const times = await layla.page.getByRole("log").locator("time").allInnerTexts();
  for (const time of times) assert.match(time, /\d/, "times have the digits that the texts have");
  await layla.setPressed(says.chat, false);

  for (const size of [WIDE, NARROW]) {
    await layla.page.setViewportSize(size);
    await settings(layla, (label) => looks(`${label} ${size.width}`));
    await layla.button(says.security).click();
    const sheet = layla.dialog(says.security);
    await sheet.getByRole("heading", { name: says.security_access }).waitFor();
    await looks(`security ${size.width}`);
    await sheet.getByRole("heading", { name: says.security_bans }).scrollIntoViewIfNeeded();
    await looks(`security below ${size.width}`);
    await layla.page.keyboard.press("Escape");
    await sheet.waitFor({ state: "detached" });
  }
  await layla.setPressed(says.people, true);
  await layla.panel.getByRole("listitem").filter({ hasText: SHOWN }).waitFor();
  await looks("people 390");
  await layla.setPressed(says.people, false);

  await bob.button(says.leave).click();
  await bob.page.getByRole("heading", { name: says.left_title_left }).waitFor();
  await looks("left", bob);
  await layla.seesNobodyCalled(SHOWN);
});

meeting("a page turns around with its language", {}, async (here) => {
  const ada = await here.somebody("Ada", "red");
  await ada.open(here.server.link());
  const isAt = (dir) =>
    until(`the page is ${dir}`, async () => (await ada.page.locator("html").getAttribute("dir")) === dir);
  await isAt("ltr");
  const choice = ada.page.getByRole("combobox").filter({ hasText: says.language_ar ?? "العربية" });
  await choice.selectOption("ar");
  await isAt("rtl");
  await ada.page.getByRole("heading", { name: says.prejoin_title }).waitFor();
  await ada.page.reload();
  await ada.page.getByRole("heading", { name: says.prejoin_title }).waitFor();
  await isAt("rtl");
  await choice.selectOption("en");
  await isAt("ltr");
});

const box = (locator) => locator.boundingBox();

/** Keeps a picture, and fails unless the page runs from right to left and nothing of it sticks out. */
async function look(here, who, label) {
  await here.shot(who, `${label} ${who.page.viewportSize().width}`);
  const { lang, dir, wide } = await who.page.evaluate(() => {
    const scrolls = (one) => one === document.documentElement || /auto|scroll/.test(getComputedStyle(one).overflowX);
    const sticksOut = (one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 && scrolls(one);
    const { lang, dir } = document.documentElement;
    const all = [...document.querySelectorAll("html, body *")].filter((one) => !one.matches("textarea, input, select"));
    return { lang, dir, wide: all.filter(sticksOut).map((one) => one.outerHTML.slice(0, 120)) };
  });
  assert.deepEqual([lang, dir], ["ar", "rtl"]);
  assert.deepEqual(wide, [], `${label} is wider than its place`);
}

async function panelIsLeft(who) {
  const [panel, stage] = [await box(who.panel), await box(who.page.getByRole("main"))];
  assert.ok(panel.x < 40 && panel.x + panel.width <= stage.x + 1, "the panel is at the left of the stage");
}

/** Fails unless the name of the other is what it says, without marks, and set off from what is around it. */
async function nameIsInert(who) {
  const name = who.panel.locator("bdi").filter({ hasText: "Bob" }).first();
  assert.equal(await name.innerText(), SHOWN);
  assert.equal(await name.evaluate((one) => getComputedStyle(one).unicodeBidi), "isolate");
  // As it would be alone: the exclamation mark stands at its right end.
  const end = await name.evaluate((one) => {
    const range = document.createRange();
    const text = document.createTreeWalker(one, NodeFilter.SHOW_TEXT).nextNode();
    const at = (from) => {
      range.setStart(text, from);
      range.setEnd(text, from + 1);
      return range.getBoundingClientRect().x;
    };
    return at(text.data.length - 1) > at(0);
  });
  assert.ok(end, "the name runs from left to right");
}

async function write(who, text) {
  await who.panel.getByRole("textbox", { name: says.chat_message, exact: true }).fill(text);
  await who.panel.getByRole("button", { name: says.send, exact: true }).click();
}

/** Opens every page of the settings by the keyboard. */
async function settings(who, looks) {
  await who.button(says.more).click();
  await who.page.getByRole("menu", { name: says.more }).waitFor();
  await looks("more");
  await who.page.getByRole("menuitem", { name: says.settings }).click();
  const dialog = who.dialog(says.settings);
  const tabs = dialog.getByRole("tab");
  await tabs.first().click();
  for (let index = 1; index < (await tabs.count()); index += 1) {
    await looks(`settings ${index}`);
    await who.page.keyboard.press("ArrowLeft");
    await until("the next page", async () => (await tabs.nth(index).getAttribute("aria-selected")) === "true");
  }
  await looks("settings last");
  await who.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
}
