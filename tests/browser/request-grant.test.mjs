// What a host may ask for and give: the person decides, and what is taken back ends at once.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until, untilOk } from "./lib/until.mjs";

const server = sharedServer();
const SMALL = { viewport: { width: 800, height: 600 } };

meeting("a host asks, and the person accepts or declines", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("asked", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const bob = await here.joined("Bob", "blue", { link, devices: QUIET, context: SMALL });
  await ada.openPeople();
  await ada.hears(0);

  await ada.choose("Bob", "Ask to unmute");
  await ada.reads("Bob was asked.");
  const prompt = bob.dialog("Switch on your microphone?");
  await prompt.getByText("Ada asks you to speak.").waitFor();
  await here.shot(bob, "asked");
  assert.equal(await bob.isPressed("Microphone"), false, "asking unmutes nobody");
  await prompt.getByRole("button", { name: "Accept" }).click();
  await ada.reads("Bob accepted.");
  await until("Bob speaks", () => bob.isPressed("Microphone"));
  await ada.hears(1);

  await ada.choose("Bob", "Ask to start camera");
  await bob.dialog("Switch on your camera?").getByRole("button", { name: "Decline" }).click();
  await ada.reads("Bob declined.");
  assert.equal(await bob.isPressed("Camera"), false);
});

meeting("in a webinar a host gives the word and takes it back", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("webinar", "--preset", "webinar", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const [bob, cyd] = await Promise.all(
    ["Bob", "Cyd"].map((name) => here.joined(name, "blue", { link, devices: QUIET, context: SMALL })),
  );
  await ada.openPeople();

  for (const name of ["Microphone", "Camera", "Share screen"]) assert.ok(await bob.isBarred(name), `${name} is barred`);
  await bob.pressBarred("Microphone");
  await bob.reads("Switched off in the settings of this meeting");
  assert.equal(await bob.isPressed("Microphone"), false);
  await here.shot(bob, "barred");

  await ada.choose("Bob", "Allow microphone");
  await bob.reads(/You may use your microphone now/);
  await bob.setPressed("Microphone", true);
  await Promise.all([ada.hears(1), cyd.hears(1)]);
  assert.ok(await bob.isBarred("Camera"), "one right is no other right");
  assert.ok(await cyd.isBarred("Microphone"), "the right of one is nobody else's");

  await ada.choose("Bob", "Forbid microphone");
  await bob.reads(/You may not use your microphone any more/);
  await untilOk("the capture has ended", async () => {
    const captures = await bob.captures();
    return { ok: captures.length === 0, captures };
  });
  await Promise.all([ada.hears(0), cyd.hears(0)]);

  // The role changes while the meeting goes on.
  await changeRole(ada, "Bob", "Presenter");
  await bob.reads("Your role is now: Presenter");
  await until("a presenter may share", async () => !(await bob.isBarred("Share screen")));
  await bob.setPressed("Camera", true);
  await Promise.all([ada.sees("Bob", "blue"), cyd.sees("Bob", "blue")]);
  await changeRole(ada, "Bob", "Viewer");
  await bob.reads("Your role is now: Viewer");
  for (const name of ["Camera", "Share screen"]) await bob.button(name).waitFor({ state: "detached" });
  await untilOk("the camera is off", async () => {
    const captures = await bob.captures();
    return { ok: captures.length === 0, captures };
  });
  await ada.seesAvatar("Bob");
  await here.shot(bob, "viewer");
});

async function changeRole(host, name, role) {
  await host.choose(name, "Change role …");
  const dialog = host.dialog(`Role of ${name}`);
  await dialog.getByRole("radio", { name: role }).check();
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
}
