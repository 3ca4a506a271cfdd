// A webinar from start to end: two speak, the audience is silent and unseen, and asks in writing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Chat } from "./lib/chat.mjs";
import { meeting, QUIET } from "./lib/meeting.mjs";

meeting("a webinar speaks to people who do not see each other", { timeout: 240_000 }, async (here) => {
  const room = await here.room(
    "launch",
    "--preset",
    "webinar",
    "title=The launch",
    "lobby=off",
    "chat.public=hosts",
    "chat.private=hosts",
  );
  const presenter = await here.invite(room, "--role", "presenter");
  const viewer = await here.invite(room, "--role", "viewer");
  const ada = await here.joined("Ada", "red", { link: room.host_link });
  const bob = await here.joined("Bob", "blue", { link: presenter.link });
  const cyd = await here.joined("Cyd", "green", { link: room.guest_link, devices: QUIET });
  const eve = await here.joined("Eve", "yellow", {
    link: viewer.link,
    devices: QUIET,
    context: { viewport: { width: 390, height: 844 }, hasTouch: true },
  });
  const everybody = [ada, bob, cyd, eve];

  // Host and presenter are seen and heard by all, the audience by who leads alone.
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);
  for (const one of [cyd, eve]) {
    await Promise.all([one.sees("Ada", "red"), one.sees("Bob", "blue"), one.hears(2)]);
    await one.seesExactly("Ada", "Bob");
    assert.deepEqual(
      one.heard.filter((text) => text.includes(one === cyd ? "Eve" : "Cyd")),
      [],
      "nobody of the audience is told about the others",
    );
    assert.deepEqual(await one.captures(), [], `${one.name} captures nothing`);
  }
  for (const name of ["Microphone", "Camera"]) assert.ok(await cyd.isBarred(name), `${name} of the audience`);
  await cyd.pressBarred("Microphone");
  await ada.seesExactly("Bob", "Cyd", "Eve");
  await ada.openPeople();
  await cyd.openPeople();
  assert.deepEqual(await cyd.panel.locator("[data-person] bdi").allInnerTexts(), ["Ada", "Bob", "Cyd"]);
  await here.shots(ada, "people");
  await here.shots(cyd, "people");

  // Questions go to the hosts, answers to who asked.
  const [adas, bobs, cyds, eves] = everybody.map((one) => new Chat(one));
  for (const chat of [bobs, eves]) await chat.open();
  await cyds.open();
  await cyds.panel.getByText("Only hosts can write to everyone at present.").waitFor();
  await cyds.panel.getByRole("button", { name: "Write to the hosts" }).click();
  await cyds.write("When does it begin?");
  await cyds.reads("When does it begin?");
  await ada.choose("Cyd", "Message");
  await adas.reads("When does it begin?");
  await adas.message("When does it begin?").getByText("Cyd").first().waitFor();
  assert.equal(await adas.to.locator("option:checked").textContent(), "Cyd (private)");
  await ada.page.keyboard.type("In ten minutes");
  await ada.page.keyboard.press("Enter");
  await cyds.reads("In ten minutes");
  await adas.writeTo("Everyone", "We begin at noon");
  await Promise.all([adas, bobs, cyds, eves].map((chat) => chat.reads("We begin at noon")));
  for (const chat of [bobs, eves]) {
    assert.equal(await chat.message("When does it begin?").count(), 0, "a question is for the hosts");
    assert.equal(await chat.message("In ten minutes").count(), 0, "an answer is for who asked");
  }
  await here.shots(ada, "chat");
  await here.shots(cyd, "chat");
  await here.shot(eve, "chat");
  await eves.close();

  // A viewer reacts: the host sees who, the audience only what.
  await eve.button("Reactions").click();
  await eve.button("React with 🎉").click();
  await ada.tile("Eve").locator('[data-reaction="🎉"]').waitFor();
  await cyd.page.locator('[data-reaction="🎉"]').waitFor();
  await here.shots(cyd, "reaction");
  await here.shot(eve, "reaction");
  assert.deepEqual(
    cyd.heard.filter((text) => text.includes("Eve")),
    [],
    "a reaction names nobody who is not seen",
  );

  // Who was there.
  await ada.openPeople();
  await ada.panel.getByRole("button", { name: "Attendance" }).click();
  const table = ada.dialog("Attendance");
  for (const { name } of everybody) await table.getByRole("rowheader", { name }).waitFor();
  await here.shots(ada, "attendance");
  const download = ada.page.waitForEvent("download");
  await table.getByRole("button", { name: "Download CSV" }).click();
  const file = await download;
  assert.match(file.suggestedFilename(), /^attendance-launch-.*\.csv$/);
  const rows = readFileSync(await file.path(), "utf8")
    .trim()
    .split("\r\n");
  assert.equal(rows.length, 1 + everybody.length, "one row for each, and the names of the columns");
  for (const { name } of everybody)
    assert.ok(
      rows.some((row) => row.includes(name)),
      `${name} is in the file`,
    );
  await ada.close(table);

  await ada.end();
  await Promise.all(everybody.map((one) => one.seesEnded("Ada ended the meeting.")));
});
