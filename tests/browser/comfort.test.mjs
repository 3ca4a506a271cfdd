// What somebody sets for one device: keys, the own picture, noise suppression, colours.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const server = sharedServer();
const MUTED = { microphone: false, camera: false };

async function openMore(participant) {
  await participant.button("More").click();
  await participant.page.getByRole("menu", { name: "More" }).waitFor();
}

/** Opens a page of the settings and returns the dialog. */
async function openSettings(participant, page) {
  await openMore(participant);
  await participant.page.getByRole("menuitem", { name: "Settings" }).click();
  const dialog = participant.dialog("Settings");
  await dialog.getByRole("tab", { name: page }).click();
  return dialog;
}

async function closeSettings(participant, dialog) {
  await dialog.getByRole("button", { name: "Dismiss" }).click();
  await dialog.waitFor({ state: "detached" });
}

const stageHasFocus = (participant) => participant.page.getByRole("main").focus();

meeting("the space bar talks while it is held, and never while somebody types", { server }, async (here) => {
  const ada = await here.joined("Ada", "red", { devices: MUTED });
  const { page } = ada;
  await stageHasFocus(ada);
  await page.keyboard.down("Space");
  await until("the microphone is on while the key is down", () => ada.isPressed("Microphone"));
  await page.keyboard.up("Space");
  await until("the microphone is off again", async () => !(await ada.isPressed("Microphone")));

  // Another window takes the key away: nobody goes on talking unawares.
  await page.keyboard.down("Space");
  await until("the microphone is on", () => ada.isPressed("Microphone"));
  await page.evaluate(() => window.dispatchEvent(new Event("blur")));
  await until("the microphone is off with the window", async () => !(await ada.isPressed("Microphone")));
  await page.keyboard.up("Space");

  const search = ada.page.getByRole("searchbox").or(ada.page.getByRole("textbox")).first();
  await ada.openPeople();
  await search.focus();
  await page.keyboard.type("a ?");
  assert.ok(!(await ada.isPressed("Microphone")), "a space in a text is a space");
  assert.equal(await page.getByRole("dialog").count(), 0, "a question mark in a text is a question mark");
});

meeting("shortcuts can be changed and switched off, and stay so", { server }, async (here) => {
  const ada = await here.joined("Ada", "red", { devices: MUTED });
  const { page } = ada;
  await stageHasFocus(ada);
  await page.keyboard.press("Control+d");
  await until("Ctrl+D switches the microphone on", () => ada.isPressed("Microphone"));
  await page.keyboard.press("m");
  assert.ok(await ada.isPressed("Microphone"), "a single letter does nothing by itself");
  await page.keyboard.press("?");
  await ada.dialog("Keyboard shortcuts").waitFor();
  await ada.close(ada.dialog("Keyboard shortcuts"));

  let dialog = await openSettings(ada, "Shortcuts");
  const key = dialog.getByRole("button", { name: /^Change the key for “Microphone/ });
  await key.click();
  await page.keyboard.press("Alt+x");
  await until("the key is changed", async () => (await key.innerText()).includes("Alt+X"));
  await here.shot(ada, "shortcuts");
  await closeSettings(ada, dialog);
  await stageHasFocus(ada);
  await page.keyboard.press("Control+d");
  assert.ok(await ada.isPressed("Microphone"), "the old key does nothing");
  await page.keyboard.press("Alt+x");
  await until("the new key does it", async () => !(await ada.isPressed("Microphone")));

  dialog = await openSettings(ada, "Shortcuts");
  await dialog.getByRole("checkbox", { name: "Use keyboard shortcuts" }).uncheck();
  await closeSettings(ada, dialog);
  await page.reload();
  await ada.inRoom();
  await stageHasFocus(ada);
  for (const press of ["Alt+x", "?", "Space"]) await page.keyboard.press(press);
  assert.ok(!(await ada.isPressed("Microphone")), "no key does anything");
  assert.equal(await page.getByRole("dialog").count(), 0);
});

meeting("the own picture can be small or hidden, and comes back", { server }, async (here) => {
  const ada = await here.joined("Ada", "red");
  await here.joined("Bob", "blue", { devices: QUIET, context: { viewport: { width: 320, height: 240 } } });
  await ada.tile("Bob").waitFor();
  const own = ada.page.locator('[data-own="true"]');
  await own.hover();
  await ada.button("Hide your picture from yourself").click();
  await own.waitFor({ state: "detached" });
  await ada.reads("Your own picture is hidden");
  await ada.page.reload();
  await ada.inRoom();
  await ada.reads("Your own picture is hidden");
  assert.equal(await own.count(), 0, "it stays hidden over a reload");
  await ada.button("Show my picture").click();
  await own.waitFor();
  await own.hover();
  await ada.button("Make your picture small").click();
  await until("it is small", async () => (await own.boundingBox())?.width < 260);
  await here.shot(ada, "small");
});

meeting("settings survive a reload, and are deleted with the local data", { server }, async (here) => {
  const ada = await here.joined("Ada", "red", { devices: QUIET });
  const theme = () => ada.page.evaluate(() => document.documentElement.dataset.theme ?? "system");
  let dialog = await openSettings(ada, "Appearance");
  await dialog.getByRole("combobox", { name: "Colours" }).selectOption("contrast");
  assert.equal(await theme(), "contrast");
  await here.shot(ada, "contrast");
  await closeSettings(ada, dialog);
  await ada.page.reload();
  await ada.inRoom();
  assert.equal(await theme(), "contrast");
  dialog = await openSettings(ada, "Local data");
  await dialog.getByRole("button", { name: "Delete what this browser remembers" }).click();
  await dialog.getByText("Deleted.").waitFor();
  assert.equal(await theme(), "system");
  assert.equal(await ada.page.evaluate(() => localStorage.length), 0);
});

meeting("with storage blocked, settings hold for the page", { server }, async (here) => {
  const ada = await here.somebody("Ada", "red");
  await ada.page.addInitScript(() => {
    for (const area of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, area, {
        get() {
          throw new DOMException("blocked", "SecurityError");
        },
      });
    }
  });
  await ada.open(here.server.link());
  await ada.join(QUIET);
  const dialog = await openSettings(ada, "Appearance");
  await dialog.getByRole("combobox", { name: "Colours" }).selectOption("light");
  assert.equal(await ada.page.evaluate(() => document.documentElement.dataset.theme), "light");
});

meeting("strong noise suppression still sends sound, within the policy of the page", { server }, async (here) => {
  const ada = await here.joined("Ada", "red");
  const bob = await here.joined("Bob", "blue", { devices: QUIET, context: { viewport: { width: 320, height: 240 } } });
  await bob.hears(1);
  const dialog = await openSettings(ada, "Audio");
  await dialog.getByRole("combobox", { name: "Noise suppression" }).selectOption("strong");
  await until("the network was loaded and runs", () =>
    ada.page.evaluate(() => performance.getEntriesByType("resource").some((one) => one.name.endsWith(".wasm"))),
  );
  await closeSettings(ada, dialog);
  const sent = async () => {
    const rows = await ada.stats();
    const source = rows.find((row) => row.type === "media-source" && row.kind === "audio");
    return source?.totalSamplesDuration ?? 0;
  };
  const before = await sent();
  await until("sound leaves this device", async () => (await sent()) > before);
  assert.equal(await ada.text(/does not work in this browser/).count(), 0);
  assert.ok((await ada.captures()).filter((kind) => kind === "audio").length === 1, "one microphone is open");
});

meeting("the connection in words and numbers, and nothing of it that is secret", { server }, async (here) => {
  const ada = await here.joined("Ada", "red", { context: { permissions: ["clipboard-read", "clipboard-write"] } });
  await here.joined("Bob", "blue", { context: { viewport: { width: 320, height: 240 } } });
  await ada.sees("Bob", "blue");
  await openMore(ada);
  await ada.page.getByRole("menuitem", { name: "Connection" }).click();
  const dialog = ada.dialog("Connection");
  await dialog.getByText("Direct (UDP)").waitFor();
  await dialog
    .getByText(/VP8|H264/)
    .first()
    .waitFor();
  await here.shot(ada, "connection");
  await dialog.getByRole("button", { name: "Copy diagnostics" }).click();
  await dialog.getByText("Copied.").waitFor();
  const copied = await ada.page.evaluate(() => navigator.clipboard.readText());
  assert.doesNotMatch(copied, /\d+\.\d+\.\d+\.\d+:|127\.0\.0\.1|10\.99\.|ufrag|Ada|Bob/);
  assert.match(copied, /"rttMs"/);
});
