// Two Chromium and one Firefox in one meeting: what the project promises first.
import { withoutFirefox } from "./lib/browsers.mjs";
import { meeting } from "./lib/meeting.mjs";

const SMALL = { viewport: { width: 640, height: 480 } };

meeting("three browsers see and hear each other", { skip: withoutFirefox }, async (here) => {
  const ada = await here.joined("Ada", "red", { context: SMALL });
  const bob = await here.joined("Bob", "blue", { context: SMALL });
  const eve = await here.joined("Eve", "firefox", { context: SMALL });

  await Promise.all([
    ada.sees("Bob", "blue"),
    ada.sees("Eve", "changing"),
    bob.sees("Ada", "red"),
    bob.sees("Eve", "changing"),
    eve.sees("Ada", "red"),
    eve.sees("Bob", "blue"),
  ]);
  await Promise.all([ada.hears(2), bob.hears(2), eve.hears(2)]);
  await Promise.all([ada, bob, eve].map((one) => here.shot(one, "together")));

  // Somebody muted is not heard, and comes back.
  await bob.setPressed("Microphone", false);
  await Promise.all([ada.hears(1), eve.hears(1)]);
  await bob.setPressed("Microphone", true);
  await Promise.all([ada.hears(2), eve.hears(2)]);

  // A camera that is off leaves the avatar, for each browser as sender and as receiver.
  for (const [who, colour] of [
    [ada, "red"],
    [eve, "changing"],
  ]) {
    const others = [ada, bob, eve].filter((one) => one !== who);
    await who.setPressed("Camera", false);
    await Promise.all(others.map((one) => one.seesAvatar(who.name)));
    await here.shot(bob, `without-${who.name}`);
    await who.setPressed("Camera", true);
    await Promise.all(others.map((one) => one.sees(who.name, colour)));
  }
});

meeting("a shared screen appears and stops", { skip: withoutFirefox }, async (here) => {
  const ada = await here.joined("Ada", "red", { context: SMALL });
  const bob = await here.joined("Bob", "blue", { context: SMALL });
  const eve = await here.joined("Eve", "firefox", { context: SMALL });

  await ada.shareScreen();
  await here.shot(ada, "sharing");
  const screen = "Screen of Ada";
  await Promise.all([bob, eve].map((one) => one.seesScreen(screen)));
  await bob.sees("Ada", "red");
  await Promise.all([bob, eve].map((one) => here.shot(one, "watching")));

  await ada.stopScreen();
  await Promise.all([bob.seesNobodyCalled(screen), eve.seesNobodyCalled(screen)]);
  await Promise.all([bob.sees("Ada", "red"), eve.sees("Ada", "red")]);
});

meeting(
  "a reload comes back as the same person, and leaving takes the tile away",
  { skip: withoutFirefox },
  async (here) => {
    const ada = await here.joined("Ada", "red", { context: SMALL });
    const bob = await here.joined("Bob", "blue", { context: SMALL });
    const eve = await here.joined("Eve", "firefox", { context: SMALL });
    await Promise.all([ada.sees("Bob", "blue"), eve.sees("Bob", "blue"), bob.sees("Ada", "red")]);

    for (const [who, colour] of [
      [bob, "blue"],
      [eve, "changing"],
    ]) {
      await who.page.reload();
      await who.inRoom();
      for (const one of [ada, bob, eve].filter((other) => other !== who)) {
        await one.sees(who.name, colour);
        await one.seesExactly(...[ada, bob, eve].filter((other) => other !== one).map((other) => other.name));
      }
      await who.sees("Ada", "red");
      await who.seesExactly(...[ada, bob, eve].filter((other) => other !== who).map((other) => other.name));
      await ada.hears(2);
    }

    await eve.leave();
    await Promise.all([ada.seesNobodyCalled("Eve"), bob.seesNobodyCalled("Eve")]);
    await bob.leave();
    await ada.seesNobodyCalled("Bob");
    await ada.seesExactly();
  },
);
