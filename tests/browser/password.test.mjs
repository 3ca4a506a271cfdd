// Rooms with a password, and invites that need none.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const server = sharedServer();
const WRONG = "Wrong password, or this meeting does not exist.";

meeting("a wrong password is refused as an unknown room is, and the right one joins", { server }, async (here) => {
  const room = await here.room("council", "start_without_host=true");
  const manager = await here.somebody("Ada", "red");
  await manager.open(room.host_link);
  const sheet = await manager.openSecurity();
  await sheet.getByRole("button", { name: "Set password" }).click();
  await sheet.getByRole("textbox", { name: "New password" }).fill("correct horse");
  await sheet.getByRole("button", { name: "Save" }).click();
  await sheet.getByText("This meeting has a password.").waitFor();
  const lobby = sheet.getByRole("checkbox", { name: "Lobby: people wait until they are let in" });
  await lobby.click();
  await until("there is no lobby", async () => !(await lobby.isChecked()));
  await manager.close(sheet);

  const bob = await here.somebody("Bob", "blue");
  const password = bob.page.getByRole("textbox", { name: "Meeting password" });
  const text = () => bob.page.getByRole("main").innerText();
  const settled = () => until("no question of the browser is open", async () => !/Waiting for/.test(await text()));
  const asked = async (link) => {
    await bob.page.goto(link);
    await password.waitFor();
    await bob.nameBox.fill("Bob");
    const before = await text();
    await password.fill("wrong horse");
    await bob.button("Join").click();
    await bob.reads(WRONG);
    assert.equal(await password.inputValue(), "wrong horse", "what was typed stays");
    await until("it is selected, to be typed anew", () => bob.hasFocus(password));
    await settled();
    return [before, await text()];
  };
  const unknown = await asked(here.server.page("/r/nothing"));
  const known = await asked(room.guest_link);
  const blank = (texts) => texts.map((text) => text.replace(/Meeting: \S+/, "Meeting: …"));
  assert.deepEqual(blank(known), blank(unknown), "the two cannot be told apart");
  await here.shot(bob, "refused");

  await password.fill("correct horse");
  await bob.button("Join").click();
  await bob.inRoom();
  await here.lose(manager);
  const ada = await here.joined("Ada", "red", { link: room.host_link, devices: QUIET });
  await ada.seesExactly("Bob");

  const { link } = await here.invite(room, "--name", "Cyd", "--max-uses", "1", "--bypass-lobby");
  const cyd = await here.somebody("Cyd", "blue");
  await cyd.open(link);
  assert.equal(await cyd.page.getByRole("textbox", { name: "Meeting password" }).count(), 0);
  await cyd.join(QUIET);
  await ada.seesExactly("Bob", "Cyd");
});
