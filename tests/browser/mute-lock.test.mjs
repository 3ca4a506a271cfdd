// Muting, stopping and locking: what a host ends arrives nowhere, and nobody is unmuted by another.
import assert from "node:assert/strict";
import { hasFirefox } from "./lib/browsers.mjs";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until, untilOk } from "./lib/until.mjs";

const server = sharedServer();
const SMALL = { viewport: { width: 800, height: 600 } };
const VOICE = { camera: false };

meeting("a muted microphone is heard by nobody, and a lock holds until it is lifted", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("voices", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const [bob, cyd] = await Promise.all([
    here.joined("Bob", "blue", { link, devices: VOICE, context: SMALL }),
    here.joined("Cyd", hasFirefox ? "firefox" : "blue", { link, devices: VOICE, context: SMALL }),
  ]);
  await ada.hears(2);
  await ada.openPeople();

  await ada.choose("Bob", "Mute microphone");
  await bob.reads("Your microphone was muted by Ada. You can switch it on again.");
  await until("the button says off", async () => !(await bob.isPressed("Microphone")));
  await here.shot(bob, "muted");
  await Promise.all([ada.hears(1), cyd.hears(0)]);
  await bob.setPressed("Microphone", true);
  await ada.hears(2);

  // The lock, with an exception for Cyd.
  let sheet = await ada.openSecurity();
  await sheet.getByRole("checkbox", { name: "Lock microphones" }).click();
  await until("the lock holds", () => sheet.getByRole("checkbox", { name: "Lock microphones" }).isChecked());
  await ada.close(sheet);
  for (const one of [bob, cyd]) {
    await until(`${one.name} is muted`, async () => !(await one.isPressed("Microphone")));
    await one.reads(/Microphones are locked for everybody below the hosts/);
  }
  await bob.pressBarred("Microphone");
  await bob.reads("Locked by a host for everybody");
  assert.equal(await bob.isPressed("Microphone"), false);
  await here.shot(bob, "locked");

  // A modified page that sends all the same is heard by nobody.
  const before = await sentAudio(bob);
  await bob.page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const senders = window.conclaveTest.peers
      .at(-1)
      .getTransceivers()
      .filter((one) => one.currentDirection !== "recvonly");
    const sender = senders.map((one) => one.sender).find((one) => one.track === null || one.track.kind === "audio");
    await sender.replaceTrack(stream.getAudioTracks()[0]);
  });
  await untilOk("the modified page sends", async () => {
    const sent = await sentAudio(bob);
    return { ok: sent > before + 50, sent, before };
  });
  await ada.hears(0);

  await ada.choose("Cyd", "Allow microphone despite the lock");
  await until("Cyd may speak", async () => !(await cyd.isBarred("Microphone")));
  await cyd.setPressed("Microphone", true);
  await ada.hears(1);

  sheet = await ada.openSecurity();
  await sheet.getByRole("checkbox", { name: "Lock microphones" }).click();
  await until(
    "the lock is off",
    async () => !(await sheet.getByRole("checkbox", { name: "Lock microphones" }).isChecked()),
  );
  await ada.close(sheet);
  await until("Bob may speak", async () => !(await bob.isBarred("Microphone")));
  assert.equal(await bob.isPressed("Microphone"), false, "unlocking unmutes nobody");
  await bob.setPressed("Microphone", true);
  await ada.hears(2);
});

meeting("a host stops a camera and a shared screen", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("pictures", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const [bob, cyd] = await Promise.all([
    here.joined("Bob", "blue", { link, devices: { microphone: false }, context: SMALL }),
    here.joined("Cyd", "blue", { link, devices: QUIET, context: SMALL }),
  ]);
  await Promise.all([ada.sees("Bob", "blue"), cyd.sees("Bob", "blue")]);
  await ada.openPeople();

  await bob.shareScreen();
  await ada.seesScreen("Screen of Bob");
  await here.shot(ada, "shared");
  await ada.choose("Bob", "Stop screen share");
  await bob.reads(/Your screen share was ended.*by Ada/);
  await Promise.all([ada.seesNobodyCalled("Screen of Bob"), cyd.seesNobodyCalled("Screen of Bob")]);
  await until("the screen is not captured", async () => !(await bob.isPressed("Share screen")));

  await ada.choose("Bob", "Stop camera");
  await bob.reads("Your camera was switched off by Ada. You can switch it on again.");
  await Promise.all([ada.seesAvatar("Bob"), cyd.seesAvatar("Bob")]);
  await untilOk("nothing is captured", async () => {
    const captures = await bob.captures();
    return { ok: captures.length === 0, captures };
  });
  await bob.setPressed("Camera", true);
  await ada.sees("Bob", "blue");
});

async function sentAudio(participant) {
  const rows = (await participant.stats()).filter((row) => row.type === "outbound-rtp" && row.kind === "audio");
  return rows.reduce((sum, row) => sum + row.packetsSent, 0);
}
