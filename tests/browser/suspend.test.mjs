// The brake: everything below the hosts stops at once, and comes back by nobody's hand but one's own.
import assert from "node:assert/strict";
import { meeting, sharedServer } from "./lib/meeting.mjs";
import { until, untilOk } from "./lib/until.mjs";

const server = sharedServer();

const capturesNothing = (who) =>
  untilOk(`${who.name} captures nothing`, async () => {
    const captures = await who.captures();
    return { ok: captures.length === 0, captures };
  });

meeting("a host tells everybody, stops everything, and lets it go on", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("brake", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link });
  const bob = await here.joined("Bob", "blue", { link });
  const cyd = await here.joined("Cyd", "green", { link });
  await Promise.all([ada.sees("Bob", "blue"), cyd.sees("Bob", "blue"), bob.sees("Cyd", "green")]);
  await cyd.shareScreen();
  await bob.seesScreen("Screen of Cyd");

  let sheet = await ada.openSecurity();
  await sheet.getByLabel("Tell everybody").fill("A break of ten minutes");
  await sheet.getByRole("button", { name: "Announce" }).click();
  await Promise.all(
    [ada, bob, cyd].map((one) => one.banner("announcement").getByText("A break of ten minutes").waitFor()),
  );
  await here.shot(bob, "announcement");
  await bob.banner("announcement").getByRole("button", { name: "Dismiss" }).click();
  await bob.banner("announcement").waitFor({ state: "detached" });

  await sheet.getByRole("button", { name: "Suspend everything" }).click();
  const sure = ada.dialog("Suspend the meeting?");
  await here.shot(ada, "confirm");
  await sure.getByRole("button", { name: "Suspend now" }).click();
  await Promise.all([ada, bob, cyd].map((one) => one.banner("suspended").waitFor()));
  await Promise.all([bob, cyd].map(capturesNothing));
  await Promise.all([ada.seesAvatar("Bob"), ada.seesAvatar("Cyd"), bob.sees("Ada", "red")]);
  await bob.seesNobodyCalled("Screen of Cyd");
  for (const name of ["Microphone", "Camera", "Share screen"]) assert.ok(await bob.isBarred(name), `${name} is barred`);
  await bob.pressBarred("Camera");
  await bob.reads("The meeting is suspended");
  assert.equal(await bob.banner("suspended").getByRole("button").count(), 0, "only hosts resume");
  await here.shot(bob, "suspended");
  await ada.close(sheet);
  await here.shot(ada, "suspended");

  await ada.banner("suspended").getByRole("button", { name: "Resume" }).click();
  await Promise.all([ada, bob, cyd].map((one) => one.banner("suspended").waitFor({ state: "detached" })));
  await until("Bob may again", async () => !(await bob.isBarred("Camera")));
  await capturesNothing(bob);
  await bob.setPressed("Camera", true);
  await ada.sees("Bob", "blue");

  // A text that somebody else was faster with says so beside the text.
  sheet = await ada.openSecurity();
  await sheet.getByLabel("Title of the meeting").fill("Rest");
  await sheet.getByLabel("Title of the meeting").press("Enter");
  await until("the title is the new one", async () => /^Rest/.test(await bob.page.title()));
});
