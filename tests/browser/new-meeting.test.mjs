// A server on which anybody may make a meeting.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const server = sharedServer({ MEETINGS__CREATE: "anyone" });

meeting("who makes a meeting is its host, and who has the guest link waits", { server }, async (here) => {
  const ada = await here.somebody("Ada", "red");
  await ada.page.goto(here.server.page("/"));
  await ada.button("New meeting").click();
  const dialog = ada.dialog("New meeting");
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByText("Please enter a title.").waitFor();
  await dialog.getByRole("textbox", { name: "Title of the meeting" }).fill("Reading circle");
  await dialog.getByRole("button", { name: "Create" }).click();
  const guestLink = await dialog.getByRole("textbox", { name: "Link for guests" }).inputValue();
  const hostLink = await dialog.getByRole("textbox", { name: "Link for you, the host" }).inputValue();
  assert.match(hostLink, /#i=/);
  assert.equal(hostLink.split("#")[0], guestLink);
  await here.shot(ada, "made");
  await dialog.getByRole("button", { name: "Go to the meeting" }).click();
  await ada.nameBox.waitFor();
  await ada.reads("Meeting: Reading circle");
  assert.doesNotMatch(ada.page.url(), /#/, "the secret does not stay in the address bar");
  await ada.join(QUIET);
  await ada.button("Security").waitFor();
  await ada.openPeople();

  const bob = await here.waiting("Bob", "blue", { link: guestLink, devices: QUIET });
  await ada.seesWaiting("Bob");
  assert.equal(await bob.button("Security").count(), 0);
  await ada.admit("Bob");
  await bob.inRoom();
  await ada.seesExactly("Bob");
});

meeting("a server that keeps that to its operator offers no new meeting", {}, async (here) => {
  const ada = await here.somebody("Ada", "red");
  await ada.page.goto(here.server.page("/"));
  await until("the page has heard what the server offers", () => ada.heard.some((text) => /"features"/.test(text)));
  await ada.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await ada.button("Continue").waitFor();
  assert.equal(await ada.button("New meeting").count(), 0);
});
