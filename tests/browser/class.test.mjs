// A class from the door to the end: one teacher, three pupils who may read in the chat and not write.
import assert from "node:assert/strict";
import { Chat } from "./lib/chat.mjs";
import { meeting } from "./lib/meeting.mjs";
import { until, untilOk } from "./lib/until.mjs";

const MUTED = { microphone: false, camera: true };

const capturesNothing = (who) =>
  untilOk(`${who.name} captures nothing`, async () => {
    const captures = await who.captures();
    return { ok: captures.length === 0, captures };
  });

meeting("a teacher holds a class in which only teachers write", { timeout: 240_000 }, async (here) => {
  const { guest_link: link, host_link } = await here.room(
    "algebra",
    "--preset",
    "class",
    "title=Algebra",
    "chat.public=hosts",
    "chat.private=off",
  );

  // The door: nobody is in before the teacher lets them in.
  const bob = await here.waiting("Bob", "blue", { link, devices: MUTED });
  await bob.inLobby("Waiting for the host");
  const cyd = await here.waiting("Cyd", "green", { link, devices: MUTED });
  const dan = await here.waiting("Dan", "yellow", {
    link,
    devices: MUTED,
    context: { viewport: { width: 390, height: 844 }, hasTouch: true },
  });
  const pupils = [bob, cyd, dan];
  const ada = await here.joined("Ada", "red", { link: host_link });
  await ada.openPeople();
  await ada.seesWaiting("Bob", "Cyd", "Dan");
  await ada.panel.getByRole("button", { name: "Admit all" }).click();
  await Promise.all(pupils.map((pupil) => pupil.inRoom()));
  await Promise.all([ada.sees("Bob", "blue"), ada.sees("Cyd", "green"), ada.sees("Dan", "yellow")]);
  await Promise.all(pupils.map((pupil) => pupil.sees("Ada", "red")));
  await Promise.all([bob.sees("Dan", "yellow"), cyd.sees("Bob", "blue"), dan.sees("Cyd", "green")]);
  await Promise.all(pupils.map((pupil) => pupil.hears(1)));
  await ada.tile("Bob").locator("[data-guest]").waitFor();
  assert.equal(await bob.tile("Ada").locator("[data-guest]").count(), 0, "who leads is no guest");

  // The chat: the teacher writes, the pupils read and are told why that is all.
  const chats = pupils.map((pupil) => new Chat(pupil));
  for (const chat of chats) {
    await chat.open();
    await chat.panel.getByText("Only hosts can write to everyone at present.").waitFor();
    assert.ok(await chat.box.isDisabled(), "the text box is closed");
    assert.deepEqual(await chat.to.locator("option").allTextContents(), ["Everyone"]);
    assert.equal(await chat.panel.getByRole("button", { name: "Say hello" }).count(), 0);
  }
  const adas = await new Chat(ada).open();
  await adas.write("Open your books at page 12");
  await Promise.all(chats.map((chat) => chat.reads("Open your books at page 12")));
  await here.shots(bob, "closed chat");
  await here.shots(ada, "chat");
  await here.shot(dan, "closed chat");
  for (const chat of chats) await chat.close();

  // A hand: heard by the teacher, called, and lowered when done.
  await ada.openPeople();
  const notes = await ada.notes();
  await bob.setPressed("Raise hand", true);
  await cyd.setPressed("Raise hand", true);
  await ada.seesHands("Bob", "Cyd");
  await until("the teacher hears it", async () => (await ada.notes()) > notes);
  await here.shots(ada, "hands");
  await ada.panel.getByRole("button", { name: "Next speaker" }).click();
  await bob.dialog("You have the floor").getByRole("button", { name: "Unmute" }).click();
  await Promise.all([ada.hears(1), cyd.hears(2)]);
  await here.shots(bob, "floor");
  await here.shot(dan, "floor of Bob");
  await bob.banner("floor").getByRole("button", { name: "I am done" }).click();
  await bob.banner("floor").waitFor({ state: "detached" });
  await cyd.setPressed("Raise hand", false);
  await ada.seesHands();

  // The brake: everything of the pupils stops, and comes back by their own hands.
  const sheet = await ada.openSecurity();
  await sheet.getByRole("button", { name: "Suspend everything" }).click();
  await ada.dialog("Suspend the meeting?").getByRole("button", { name: "Suspend now" }).click();
  await Promise.all(pupils.map((pupil) => pupil.banner("suspended").waitFor()));
  await Promise.all(pupils.map(capturesNothing));
  await ada.close(sheet);
  await Promise.all(["Bob", "Cyd", "Dan"].map((name) => ada.seesAvatar(name)));
  await bob.sees("Ada", "red");
  await chats[0].open();
  await chats[0].panel.getByText("The meeting is suspended: nobody can write.").waitFor();
  await here.shots(bob, "suspended");
  await here.shots(ada, "suspended");
  await here.shot(dan, "suspended");
  await ada.banner("suspended").getByRole("button", { name: "Resume" }).click();
  await Promise.all(pupils.map((pupil) => pupil.banner("suspended").waitFor({ state: "detached" })));
  await chats[0].panel.getByText("Only hosts can write to everyone at present.").waitFor();
  await Promise.all(pupils.map(capturesNothing));
  await until("the camera may be used again", async () => !(await bob.isBarred("Camera")));
  await bob.setPressed("Camera", true);
  await ada.sees("Bob", "blue");

  // The end, with time to say goodbye.
  await ada.end({ when: "In 10 s", message: "Until Monday" });
  const everybody = [ada, ...pupils];
  await Promise.all(
    everybody.map((one) =>
      one
        .banner("ending")
        .getByText(/Ada ends the meeting in \d+ second/)
        .waitFor(),
    ),
  );
  await here.shot(dan, "countdown");
  await Promise.all(everybody.map((one) => one.seesEnded("Ada ended the meeting.")));
  for (const one of everybody) await one.reads("Until Monday");
});
