// The sheet of a meeting's policies: before the meeting, by two at once, and by keyboard alone.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const server = sharedServer();

meeting("before the meeting the host sets the policies and makes an invite", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("desk", "lobby=off");
  const ada = await here.somebody("Ada", "red", { permissions: ["clipboard-read", "clipboard-write"] });
  await ada.open(host_link);
  const sheet = await ada.openSecurity();
  await sheet.getByRole("checkbox", { name: "The meeting may begin without a host" }).click();
  await sheet.getByRole("button", { name: "Set password" }).click();
  await sheet.getByRole("textbox", { name: "New password" }).fill("short");
  await sheet.getByRole("button", { name: "Save" }).click();
  await sheet.getByRole("alert").getByText("8 to 128 characters.").waitFor();
  await sheet.getByRole("textbox", { name: "New password" }).fill("long enough");
  await sheet.getByRole("button", { name: "Save" }).click();
  await sheet.getByText("This meeting has a password.").waitFor();

  await sheet.getByRole("button", { name: "New invite" }).click();
  await sheet.getByLabel("Name of the person").fill("Bob");
  await sheet.getByRole("checkbox", { name: "The person keeps this name" }).check();
  await here.shot(ada, "making an invite");
  await sheet.getByRole("button", { name: "Create invite" }).click();
  const made = sheet.getByRole("group", { name: "New invite link" });
  await made.getByRole("button", { name: /^Copy link/ }).click();
  await made.getByText("Link copied").waitFor();
  const invite = await ada.page.evaluate(() => navigator.clipboard.readText());
  assert.match(invite, /\/r\/desk#i=/);
  await made.getByRole("button", { name: "Done" }).click();

  // In another browser, where the password is asked for without the invite.
  const bob = await here.somebody("Bob", "blue");
  const password = bob.page.getByRole("textbox", { name: "Meeting password" });
  await bob.open(link);
  await password.waitFor();
  await bob.open(invite);
  await bob.join(QUIET);
  assert.equal(await password.count(), 0);

  const row = sheet.getByRole("region", { name: "Invites" }).getByRole("listitem").filter({ hasText: "Bob" });
  await row.getByRole("button", { name: "Revoke" }).click();
  await row.getByRole("button", { name: "Revoke and remove who came by it" }).click();
  await row.getByText(/taken back/).waitFor();
  await bob.page.getByRole("heading", { name: "You were removed from the meeting" }).waitFor();
  await bob.button("Rejoin").click();
  await bob.reads(/This invite link was taken back\./);
  await here.shot(bob, "revoked");
});

meeting("of two who change the policies at once the second is told", { server }, async (here) => {
  const room = await here.room("twice", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: room.host_link, devices: QUIET });
  const bob = await here.somebody("Bob", "blue");
  const gate = await bob.gate((message) => message.includes('"room.updated"'));
  await bob.open((await here.invite(room, "--role", "host")).link);
  await bob.join(QUIET);
  const [hers, his] = await Promise.all([ada.openSecurity(), bob.openSecurity()]);
  const lock = (sheet) => sheet.getByRole("checkbox", { name: "Lock the meeting" });
  const start = (sheet) => sheet.getByRole("checkbox", { name: "The meeting may begin without a host" });

  gate.shut();
  await start(hers).click();
  await until("the change holds", () => start(hers).isChecked());
  await until("the news is on its way", () => gate.held.length > 0);
  await lock(his).click();
  await his
    .getByRole("alert")
    .getByText(/Somebody else changed the settings meanwhile/)
    .waitFor();
  await here.shot(bob, "conflict");
  assert.equal(await lock(hers).isChecked(), false);
  gate.open();
  await until("the present values are shown", () => start(his).isChecked());
  await lock(his).click();
  await Promise.all([hers, his].map((sheet) => until("both see the lock", () => lock(sheet).isChecked())));
  await ada.close(hers);
  await ada.reads(/The meeting is locked: nobody can come in/);
});

meeting("by keyboard alone: admit somebody, mute somebody, and close", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("keys");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const bob = await here.waiting("Bob", "blue", { link, devices: { camera: false } });
  const press = async (control, key = "Enter") => {
    await ada.tabTo(control);
    await ada.page.keyboard.press(key);
  };

  await press(ada.button("People"));
  await ada.seesWaiting("Bob");
  await press(ada.waitingRow("Bob").getByRole("button", { name: "Admit" }), "Space");
  await bob.inRoom();
  const actions = ada.panel.getByRole("button", { name: "Actions for Bob" });
  await actions.waitFor();
  await ada.panel.getByText("Microphone on").waitFor({ state: "attached" });
  await press(actions);
  const mute = ada.page.getByRole("menuitem", { name: "Mute microphone" });
  await mute.waitFor();
  for (let step = 0; step < 20 && !(await ada.hasFocus(mute)); step += 1) await ada.page.keyboard.press("ArrowDown");
  await ada.page.keyboard.press("Enter");
  await bob.reads(/Your microphone was muted by Ada/);
  await until("the focus is back on the button", () => ada.hasFocus(actions));
  await ada.page.keyboard.press("Escape");
  await ada.panel.waitFor({ state: "hidden" });
  await until("and then on that of the panel", () => ada.hasFocus(ada.button("People")));

  // The sheet: opened, changed and closed.
  await press(ada.button("Security"));
  const sheet = ada.dialog("Security");
  await sheet.waitFor();
  const toggle = sheet.getByRole("checkbox", { name: "Lock the meeting" });
  await press(toggle, "Space");
  await until("the meeting is locked", () => toggle.isChecked());
  await ada.page.keyboard.press("Escape");
  await sheet.waitFor({ state: "detached" });
  await until("the focus is back", () => ada.hasFocus(ada.button("Security")));
});
