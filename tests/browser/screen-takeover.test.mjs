// One screen at a time: who has it is asked, who leads need not ask, and a pause hides it.
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const server = sharedServer();

/** Opens the dialog of the share while somebody else shares, and returns it. */
async function wish(who, holder) {
  await who.button("Share screen").click();
  const dialog = who.dialog("Share your screen?");
  await dialog.getByText(`${holder} is sharing a screen.`).waitFor();
  return dialog;
}

const pick = (dialog) => dialog.getByRole("button", { name: "Choose what to share" }).click();

meeting("a share changes hands", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("hall", "lobby=off", "screen=one_takeover");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const bob = await here.joined("Bob", "blue", { link, devices: QUIET });
  const cyd = await here.joined("Cyd", "green", { link, devices: QUIET });

  await bob.shareScreen();
  await Promise.all([ada, cyd].map((one) => one.seesScreen("Screen of Bob")));
  await bob.banner("share").locator('[data-viewers="2"]').waitFor();
  await here.shot(bob, "sharing");

  // Asked, the holder keeps it.
  let dialog = await wish(cyd, "Bob");
  await here.shot(cyd, "taken");
  await dialog.getByRole("button", { name: "Ask to take over" }).click();
  await cyd.reads("Asked to take over. Waiting for the answer …");
  const asked = bob.dialog("Hand over the screen share?");
  await asked.getByText("Cyd wants to share a screen.").waitFor();
  await here.shot(bob, "asked");
  await asked.getByRole("button", { name: "Keep sharing" }).click();
  await cyd.reads("The share stays where it is.");

  // Asked again, it gives it.
  dialog = await wish(cyd, "Bob");
  await dialog.getByRole("button", { name: "Ask to take over" }).click();
  await asked.getByRole("button", { name: "Stop and hand over" }).click();
  await until("Bob shares no more", async () => !(await bob.isPressed("Share screen")));
  await pick(cyd.dialog("You may share now"));
  await Promise.all([ada, bob].map((one) => one.seesScreen("Screen of Cyd")));
  await ada.seesNobodyCalled("Screen of Bob");

  // The host takes it.
  dialog = await wish(ada, "Cyd");
  await dialog.getByRole("button", { name: "Take over" }).click();
  await until("Ada shares", () => ada.isPressed("Share screen"));
  await cyd.reads(/Somebody else shares a screen in place of yours/);
  await Promise.all([bob, cyd].map((one) => one.seesScreen("Screen of Ada")));

  // Paused, nobody sees it.
  await ada.banner("share").getByRole("button", { name: "Pause" }).click();
  await ada.reads("Your screen share is paused. Nobody sees your screen.");
  for (const one of [bob, cyd]) await one.tile("Screen of Ada").getByText("Screen share paused").waitFor();
  await here.shot(bob, "paused");
  await ada.banner("share").getByRole("button", { name: "Resume sharing" }).click();
  await Promise.all([bob, cyd].map((one) => one.seesScreen("Screen of Ada")));
  await ada.stopScreen();
});

meeting(
  "where one shares at a time the others wait, and several may where the hosts say so",
  { server },
  async (here) => {
    const { guest_link: link, host_link } = await here.room("turns", "lobby=off", "screen=one");
    const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
    const bob = await here.joined("Bob", "blue", { link, devices: QUIET });
    const cyd = await here.joined("Cyd", "green", { link, devices: QUIET });
    await bob.shareScreen();
    await cyd.seesScreen("Screen of Bob");
    const dialog = await wish(cyd, "Bob");
    await dialog.getByText("Wait until that share has ended, then try again.").waitFor();
    await cyd.close(dialog);

    const sheet = await ada.openSecurity();
    await sheet.getByLabel("Who may share a screen at one time").selectOption({ label: "Several people" });
    await ada.close(sheet);
    await until("the policy has come", async () => {
      await cyd.button("Share screen").click();
      const free = cyd.dialog("Share your screen?").getByRole("button", { name: "Choose what to share" });
      if (await free.isVisible()) return true;
      await cyd.page.keyboard.press("Escape");
      return false;
    });
    await pick(cyd.dialog("Share your screen?"));
    await until("Cyd shares", () => cyd.isPressed("Share screen"));
    await Promise.all(["Screen of Bob", "Screen of Cyd"].map((name) => ada.tile(name).waitFor()));
    await here.shot(ada, "two screens");
  },
);
