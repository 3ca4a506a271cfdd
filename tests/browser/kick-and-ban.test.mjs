// Removing and banning: nobody comes back by the way that was closed.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { untilOk } from "./lib/until.mjs";

const server = sharedServer();

meeting("who is removed comes back to the lobby, who is banned not at all", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("club", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const [bob, cyd] = await Promise.all([
    here.joined("Bob", "blue", { link }),
    here.joined("Cyd", "blue", { link, devices: QUIET }),
  ]);
  await Promise.all([ada.sees("Bob", "blue"), cyd.sees("Bob", "blue")]);
  await ada.openPeople();

  await ada.choose("Bob", "Remove …");
  const removal = ada.dialog("Remove Bob?");
  await removal.getByLabel("Reason (optional)").fill("Too loud");
  await removal.getByRole("button", { name: "Remove", exact: true }).click();
  const { links } = bob;
  await ada.reads("Bob was removed.");
  await bob.page.getByRole("heading", { name: "You were removed from the meeting" }).waitFor();
  await bob.reads("Reason: Too loud");
  await here.shot(bob, "removed");
  await Promise.all([ada.seesExactly("Cyd"), cyd.seesExactly("Ada")]);
  await untilOk("nothing of Bob runs on", async () => {
    const captures = await bob.captures();
    const connections = await bob.connections();
    return { ok: captures.length === 0 && connections.length === 0, captures, connections };
  });
  assert.equal(bob.links, links, "the page does not connect again by itself");

  // The room has no lobby, but for who was removed there is one.
  await bob.button("Rejoin").click();
  await bob.inLobby("You are in the lobby");
  assert.equal(bob.links, links + 1, "nor did it before it was told to");
  await ada.seesWaiting("Bob");
  await ada.waitingRow("Bob").getByText("Removed before").waitFor();
  await ada.admit("Bob");
  await bob.inRoom();
  await Promise.all([ada.seesExactly("Bob", "Cyd"), cyd.seesExactly("Ada", "Bob")]);

  await ada.choose("Bob", "Remove and ban …");
  const ban = ada.dialog("Remove and ban Bob?");
  await ban.getByLabel("Ban for").selectOption({ label: "1 hour" });
  await here.shot(ada, "banning");
  await ban.getByRole("button", { name: "Remove and ban" }).click();
  await bob.reads(/You can come back after \d+:\d+/);
  await here.shot(bob, "banned");
  await bob.open(link);
  await bob.button("Join").click();
  await bob.reads(/You cannot join this meeting until \d+:\d+/);
  await here.shot(bob, "refused");

  // The same network with another device: marked, and in the lobby.
  const dan = await here.waiting("Dan", "blue", { link, devices: QUIET });
  await ada.seesWaiting("Dan");
  await ada.waitingRow("Dan").getByText("Banned network").waitFor();
  await here.shot(ada, "marked");
  await dan.inLobby("You are in the lobby");

  const sheet = await ada.openSecurity();
  const bans = sheet.getByRole("region", { name: "Bans" });
  await bans.getByText("Bob").waitFor();
  await bans.getByRole("button", { name: "Lift ban" }).click();
  await bans.getByText("Nobody is banned.").waitFor();
  await ada.close(sheet);
  await bob.button("Join").click();
  await bob.inLobby("You are in the lobby");
  await ada.seesWaiting("Bob", "Dan");
});
