// Whatever people type is text to everybody else: in names, titles, messages, notes, announcements, reasons.
import assert from "node:assert/strict";
import { meeting, sharedServer } from "./lib/meeting.mjs";
import { untilOk } from "./lib/until.mjs";

const server = sharedServer();

const IMAGE = '<img src=x onerror="window.pwned=1">';
const DRAWING = "<svg onload=window.pwned=2><a xlink:href='javascript:window.pwned=3'>x</a></svg>";
const FRAME = '<iframe srcdoc="<script>parent.pwned=4</script>"></iframe>';
const TURNED = "abc\u202egnp.exe\u2067 javascript:window.pwned=5";
const OBJECT = '__proto__ {"__proto__":{"polluted":1}} {{7*7}} ${window.pwned=6}';

/** Waits until a page shows each of these, and looks whether any of it was taken for more than text. */
async function readsAsText(who, ...texts) {
  for (const text of texts) {
    await untilOk(`${who.name} reads ${text}`, async () => {
      const shown = await who.page.evaluate(() => document.body.innerText);
      return { ok: shown.includes(text), shown };
    });
  }
  const found = await who.page.evaluate(() => ({
    pwned: window.pwned,
    polluted: {}.polluted,
    elements: document.body.querySelectorAll("script, iframe, [onerror], [onload], [href^='javascript:']").length,
    // Isolates around names (U+2068, U+2069) are the page's own.
    hidden: /[\u202a-\u202e\u2066\u2067]/u.test(document.body.innerText + document.title),
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  assert.deepEqual(found, { pwned: undefined, polluted: undefined, elements: 0, hidden: false, wide: 0 });
}

async function agree(who) {
  await who.page.getByRole("dialog").getByRole("checkbox").check();
  await who.button("Agree and join").click();
}

meeting("markup in a name, a title, a note or an announcement stays what it is", { server }, async (here) => {
  const room = await here.room("inert", `title=${DRAWING}`, `lobby_message=${FRAME}`, `consent_text=${OBJECT}`);
  const ada = await here.somebody(IMAGE, "red");
  await ada.open(room.host_link);
  await readsAsText(ada, DRAWING);
  await ada.nameBox.fill(IMAGE);
  await ada.button("Join").click();
  await readsAsText(ada, OBJECT);
  await agree(ada);
  await ada.inRoom();

  const bob = await here.somebody("abcgnp.exe javascript:window.pwned=5", "blue");
  await bob.open(room.guest_link);
  await readsAsText(bob, DRAWING);
  await bob.nameBox.fill(TURNED);
  await bob.button("Ask to join").click();
  await agree(bob);
  await readsAsText(bob, FRAME);
  await readsAsText(ada, bob.name);
  await here.shot(bob, "waiting");
  await ada.button("Show").click();
  await ada.admit(bob.name);
  await bob.inRoom();
  await readsAsText(bob, IMAGE);
  await here.shot(ada, "people");

  const sheet = await ada.openSecurity();
  await sheet.getByLabel("Tell everybody").fill(FRAME);
  await sheet.getByRole("button", { name: "Announce" }).click();
  await ada.close(sheet);
  await bob.banner("announcement").waitFor();
  await readsAsText(bob, FRAME, IMAGE);
  await readsAsText(ada, bob.name);
  await here.shot(bob, "announced");
  await ada.end({ message: DRAWING });
  await bob.seesEnded(IMAGE);
  await readsAsText(bob, DRAWING);
  await here.shot(bob, "ended");
});
