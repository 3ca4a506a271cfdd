// The lobby: who waits there learns nothing of the room, and hosts decide.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const server = sharedServer();

meeting("a guest waits, keeps the place over a reload, comes in and goes back", { server }, async (here) => {
  const room = await here.room("council", "title=Town council", "lobby_message=We begin at nine");
  const bob = await here.somebody("Bob", "blue");
  await bob.open(room.guest_link);
  await bob.button("Ask to join").waitFor();
  await bob.knock();
  await bob.inLobby("Waiting for the host");
  await bob.reads("We begin at nine");
  await until("the own camera is shown", async () => (await bob.page.locator("video").count()) === 1);

  const ada = await here.joined("Ada", "red", { link: room.host_link });
  await bob.inLobby("You are in the lobby");
  const alert = ada.page.getByRole("region", { name: "Lobby" });
  await alert.getByText("Bob is waiting in the lobby").waitFor();
  await until("the tab of the host says it", async () => (await ada.page.title()).startsWith("(1) Town council"));
  await until("a sound says it", async () => (await ada.notes()) > 0);
  await here.shot(ada, "alert");

  await alert.getByRole("button", { name: "Show" }).click();
  await ada.seesWaiting("Bob");
  const knock = await ada.waitingRow("Bob").getAttribute("data-knock");
  await ada.waitingRow("Bob").getByRole("button", { name: "Message to Bob" }).click();
  const note = ada.dialog("Message to Bob");
  await note.getByRole("textbox").fill("You are next");
  await note.getByRole("button", { name: "Send" }).click();
  await bob.reads("You are next");
  await here.shot(ada, "waiting group");

  await bob.page.reload();
  await bob.inLobby("You are in the lobby");
  await bob.reads("You are next");
  await ada.seesWaiting("Bob");
  assert.equal(await ada.waitingRow("Bob").getAttribute("data-knock"), knock, "the same knock after the reload");
  await here.shot(bob, "waiting");
  assert.deepEqual(await bob.connections(), [], "no media for who waits");
  assert.ok(bob.heard.length > 0, "the messages are recorded");
  assert.deepEqual(
    bob.heard.filter((text) => /Ada|par_|roster|"room"/.test(text)),
    [],
    "nothing of the room",
  );

  await ada.admit("Bob");
  await bob.inRoom();
  await Promise.all([bob.sees("Ada", "red"), ada.sees("Bob", "blue")]);
  await until("the tab of the guest says it", async () => (await bob.page.title()).startsWith("You are in"));

  await ada.choose("Bob", "Send to the lobby …");
  await ada.page.getByRole("dialog").getByRole("button", { name: "Send to the lobby" }).click();
  await bob.inLobby("You are in the lobby");
  await bob.reads(/A host sent you back to the lobby/);
  await ada.seesNobodyCalled("Bob");
  await ada.seesWaiting("Bob");
  await until("its media are gone", async () => (await bob.connections()).length === 0);

  await ada.waitingRow("Bob").getByRole("button", { name: "Deny" }).click();
  const denial = ada.dialog("Deny Bob?");
  await denial.getByLabel("Reason").fill("For members only");
  await here.shot(ada, "denying");
  await denial.getByRole("button", { name: "Deny" }).click();
  await bob.page.getByRole("heading", { name: "You were not let in" }).waitFor();
  await bob.reads("For members only");
  await here.shot(bob, "denied");
  await bob.button("Ask to join").click();
  await bob.inLobby("You are in the lobby");
  await ada.seesWaiting("Bob");
});

meeting("all who were seen are admitted, and nobody whom the host has not seen yet", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("crowd", "title=Crowd");
  const ada = await here.somebody("Ada", "red");
  const gate = await ada.gate((message) => message.includes('"lobby.update"'));
  await ada.open(host_link);
  await ada.join(QUIET);
  await ada.openPeople();
  const [bob, cyd] = await Promise.all(
    ["Bob", "Cyd"].map((name) => here.waiting(name, "blue", { link, devices: QUIET })),
  );
  await ada.seesWaiting("Bob", "Cyd");

  gate.shut();
  const dan = await here.waiting("Dan", "blue", { link, devices: QUIET });
  await until("the news of Dan is on its way", () => gate.held.some((message) => message.includes("Dan")));
  await ada.panel.getByRole("button", { name: "Admit all" }).click();
  await Promise.all([bob.inRoom(), cyd.inRoom()]);
  await ada.seesExactly("Bob", "Cyd");
  gate.open();
  await ada.seesWaiting("Dan");
  await dan.inLobby("You are in the lobby");

  // A device that is to stay away for a while cannot ask at once.
  await ada.waitingRow("Dan").getByRole("button", { name: "Deny" }).click();
  const denial = ada.dialog("Deny Dan?");
  await denial.getByLabel("Refuse this device for").selectOption({ label: "10 minutes" });
  await denial.getByRole("button", { name: "Deny" }).click();
  await dan.reads("You can ask again in 10 minutes.");
  assert.ok(await dan.button("Ask to join").isDisabled());
});
