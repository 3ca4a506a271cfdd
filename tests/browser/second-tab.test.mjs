// One person with two pages, and a host who has only the host link left.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";

const server = sharedServer();

meeting("a second tab takes over, and the first stays out", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("tabs", "lobby=off");
  const bob = await here.joined("Bob", "blue", { link: host_link, devices: QUIET });
  const first = await here.joined("Ada", "red", { link });
  await bob.sees("Ada", "red");
  const { links } = first;

  const second = await here.somebody("Ada", "red", first.page.context());
  await second.open(link);
  await second.nameBox.fill("Ada");
  await second.button("Join").click();
  const dialog = second.dialog("You are already in this meeting");
  await dialog.waitFor();
  await here.shot(second, "asked");
  await dialog.getByRole("button", { name: "Continue here" }).click();
  await second.inRoom();
  await first.reads(/The meeting continues in another tab/);
  await here.shot(first, "taken over");

  await bob.sees("Ada", "red");
  await bob.seesExactly("Ada");
  await second.seesExactly("Bob");
  assert.equal(first.links, links, "the first tab opens no link again");
  assert.deepEqual(await first.captures(), [], "the first tab captures nothing");
  await first.reads(/The meeting continues in another tab/);
  await second.inRoom();
});

meeting("the host link opens a locked and full room for a host who lost everything", { server }, async (here) => {
  const { guest_link: link, host_link } = await here.room("full", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  const bob = await here.joined("Bob", "blue", { link, devices: QUIET });
  await ada.seesExactly("Bob");
  await here.server.conclave("room", "set", "full", "locked=true", "caps.participants=2");
  await here.lose(ada);

  // Nobody else gets in, whatever the reason that is named.
  const cyd = await here.somebody("Cyd", "blue");
  await cyd.open(link);
  await cyd.nameBox.fill("Cyd");
  await cyd.button("Join").click();
  await cyd.reads(/This meeting is (locked|full)/);

  const again = await here.joined("Ada", "red", { link: host_link, devices: QUIET });
  await again.button("Security").waitFor();
  await again.openPeople();
  await again.choose("Bob", "Ask to unmute");
  await bob.dialog("Switch on your microphone?").getByText("Ada asks you to speak.").waitFor();
});
