// Who leads a meeting hands it over, and who leads it ends it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const server = sharedServer();

/** Opens the dialog of leaving, and in it the form of the end. */
async function endForm(who) {
  await who.button("Leave").click();
  await who.dialog("Leave the meeting?").getByRole("button", { name: "End for everyone" }).click();
  return who.dialog("End the meeting for everyone?");
}

const role = (who, name, wanted) =>
  until(
    `${who.name} sees that ${name} is ${wanted}`,
    async () => (await who.tile(name).locator("[data-role]").getAttribute("data-role")) === wanted,
  );

meeting("the room changes hands for good", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("heirs", "lobby=off", "guests_may_cohost=true");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const bob = await here.joined("Bob", "blue", { link, devices: QUIET });
  const cyd = await here.joined("Cyd", "green", { link, devices: QUIET });
  await ada.openPeople();

  // The first time Bob does not want to.
  await ada.choose("Bob", "Make host …");
  await here.shot(ada, "make host");
  await ada.dialog("Make Bob the host?").getByRole("button", { name: "Ask", exact: true }).click();
  const offer = bob.dialog("Become the host?");
  await offer.getByText("Ada wants to hand the lead of this meeting to you.").waitFor();
  await offer.getByRole("button", { name: "Decline" }).click();
  await ada.reads("Bob does not want to be the host.");
  await role(cyd, "Ada", "host");

  await ada.choose("Bob", "Make host …");
  const asking = ada.dialog("Make Bob the host?");
  await asking.getByRole("checkbox").check();
  await asking.getByRole("button", { name: "Ask", exact: true }).click();
  await offer.getByText("For good: you get a host link of your own.").waitFor();
  await here.shot(bob, "asked");
  await offer.getByRole("button", { name: "Accept" }).click();
  const made = bob.dialog("You are the host");
  const newLink = await made.getByLabel("Link for you, the host").inputValue();
  await here.shot(bob, "new link");
  await made.getByRole("button", { name: "Done" }).click();
  await ada.reads(/Bob is the host now/);
  await Promise.all([role(cyd, "Bob", "host"), role(cyd, "Ada", "co_host")]);

  // By the new link one leads the room, by the old one nobody does.
  const dan = await here.joined("Dan", "red", { link: newLink, devices: QUIET });
  await dan.button("Security").waitFor();
  const eve = await here.somebody("Eve", "blue");
  await eve.open(host_link);
  await eve.nameBox.fill("Eve");
  await eve.page.getByRole("button", { name: /^(Ask to join|Join)$/ }).click();
  await eve.reads(/This invite link was taken back/);
});

meeting("a meeting ends for everyone, after a countdown that a co-host can call off", { server }, async (here) => {
  const room = await here.room("evening", "lobby=off", "guests_may_cohost=true");
  const { guest_link: link, host_link } = room;
  const helper = await here.invite(room, "--role", "co_host");
  const bob = await here.joined("Bob", "red", { link: host_link, devices: QUIET });
  const ada = await here.joined("Ada", "blue", { link: helper.link, devices: QUIET });
  const cyd = await here.joined("Cyd", "green", { link, devices: QUIET });

  // Ended with a countdown, which a co-host calls off.
  let form = await endForm(bob);
  await form.getByLabel("When").selectOption({ label: "In 60 s" });
  await form.getByLabel("Message to everybody (optional)").fill("See you tomorrow");
  await here.shot(bob, "end");
  await form.getByRole("button", { name: "End for everyone" }).click();
  await Promise.all(
    [ada, bob, cyd].map((one) =>
      one
        .banner("ending")
        .getByText(/Bob ends the meeting in \d+ second/)
        .waitFor(),
    ),
  );
  await cyd.banner("ending").getByText("See you tomorrow").waitFor();
  assert.equal(await cyd.banner("ending").getByRole("button").count(), 0, "not everybody may call it off");
  await here.shot(cyd, "countdown");
  await ada.banner("ending").getByRole("button", { name: "Cancel ending" }).click();
  await Promise.all([ada, bob, cyd].map((one) => one.banner("ending").waitFor({ state: "detached" })));

  // Who was there, as a table and as a file.
  await bob.openPeople();
  await bob.panel.getByRole("button", { name: "Attendance" }).click();
  const table = bob.dialog("Attendance");
  for (const name of ["Ada", "Bob", "Cyd"]) await table.getByRole("rowheader", { name }).waitFor();
  await here.shot(bob, "attendance");
  const download = bob.page.waitForEvent("download");
  await table.getByRole("button", { name: "Download CSV" }).click();
  const file = await download;
  assert.match(file.suggestedFilename(), /^attendance-evening-.*\.csv$/);
  assert.match(readFileSync(await file.path(), "utf8"), /Cyd/);
  await bob.close(table);

  // And ended with one of ten seconds that runs out.
  form = await endForm(bob);
  await form.getByLabel("When").selectOption({ label: "In 10 s" });
  await form.getByLabel("Message to everybody (optional)").fill("Thank you all");
  await form.getByRole("button", { name: "End for everyone" }).click();
  for (const one of [ada, bob, cyd]) {
    await one.page.getByRole("heading", { name: "The meeting has ended" }).waitFor({ timeout: 20_000 });
    await one.reads("Thank you all");
    await one.reads(/Bob ended the meeting\./);
  }
  await here.shot(cyd, "ended");
  for (const one of [ada, bob, cyd]) assert.deepEqual(await one.captures(), [], `${one.name} captures nothing`);
});

meeting("a host hands over and leaves, and participants leave at once", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("relay", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const bob = await here.joined("Bob", "blue", { link, devices: QUIET });
  const cyd = await here.joined("Cyd", "green", { link, devices: QUIET });

  await ada.button("Leave").click();
  const leaving = ada.dialog("Leave the meeting?");
  await leaving.getByText("No host stays").waitFor();
  await here.shot(ada, "leaving");
  await leaving.getByRole("button", { name: "Hand over and leave" }).click();
  const heirs = ada.dialog("Hand over and leave");
  await heirs.getByLabel("New host").selectOption({ label: "Bob" });
  await heirs.getByRole("button", { name: "Ask", exact: true }).click();
  await ada.banner("handover").getByText("Waiting for the answer of Bob …").waitFor();
  await bob.dialog("Become the host?").getByRole("button", { name: "Accept" }).click();
  await ada.page.getByRole("heading", { name: "You left the meeting" }).waitFor();
  await bob.button("Security").waitFor();
  await role(cyd, "Bob", "host");

  await cyd.button("Leave").click();
  await cyd.page.getByRole("heading", { name: "You left the meeting" }).waitFor();
  // With nobody left one can still end the meeting.
  await bob.seesNobodyCalled("Cyd");
  await bob.button("Leave").click();
  const alone = bob.dialog("Leave the meeting?");
  await alone.getByText("Nobody else is here.").waitFor();
  assert.equal(await alone.getByRole("button", { name: "Hand over and leave" }).count(), 0);
  await here.shot(bob, "alone");
  await alone.getByRole("button", { name: "End for everyone" }).click();
  await bob.dialog("End the meeting for everyone?").getByRole("button", { name: "End for everyone" }).click();
  await bob.seesEnded("Bob ended the meeting.");
});
