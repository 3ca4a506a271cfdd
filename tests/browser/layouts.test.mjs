// How the tiles stand.
import assert from "node:assert/strict";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until, untilOk } from "./lib/until.mjs";

const server = sharedServer();
const SMALL = { context: { viewport: { width: 320, height: 240 } } };

async function choose(participant, layout) {
  await participant.button("More").click();
  await participant.page.getByRole("menuitemradio", { name: layout }).click();
}

/** The tiles by name, with their boxes. */
const boxes = (participant) =>
  participant.page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll("[data-participant][data-source]")].map((tile) => {
        const { x, y, width, height } = tile.getBoundingClientRect();
        return [tile.getAttribute("aria-label"), { x, y, width, height }];
      }),
    ),
  );

const area = (box) => box.width * box.height;

function large(participant, name) {
  return untilOk(`${name} is large for ${participant.name}`, async () => {
    const all = await boxes(participant);
    const others = Object.entries(all).filter(([other]) => other !== name);
    return { ok: all[name] !== undefined && others.every(([, box]) => area(box) * 2 < area(all[name])), all };
  });
}

meeting("five layouts, and the choice stays with the device", { server }, async (here) => {
  const { guest_link: link } = await here.room("five", "lobby=off", "start_without_host=true");
  const ada = await here.joined("Ada", "red", { link });
  const names = ["Bob", "Carl", "Dora"];
  for (const name of names) await here.joined(name, "blue", { devices: QUIET, link, ...SMALL });
  await ada.seesExactly(...names);
  const sizes = new Set(Object.values(await boxes(ada)).map((box) => Math.round(area(box))));
  assert.equal(sizes.size, 1, "at first all are equal");

  await choose(ada, "Speaker");
  await large(ada, "Bob");
  await untilOk("the others stand below", async () => {
    const all = await boxes(ada);
    return { ok: all.Carl.y >= all.Bob.y + all.Bob.height, all };
  });
  await choose(ada, "Sidebar");
  await untilOk("the others stand beside", async () => {
    const all = await boxes(ada);
    return { ok: all.Carl.x >= all.Bob.x + all.Bob.width, all };
  });
  await choose(ada, "Focus");
  await ada.tile("Carl").waitFor({ state: "detached" });
  await large(ada, "Bob");
  await here.shot(ada, "focus");

  await ada.page.reload();
  await ada.inRoom();
  await large(ada, "Bob");
  assert.equal(await ada.tile("Carl").count(), 0, "the choice stays");
  await choose(ada, "Grid");
  await ada.seesExactly(...names);

  // A pin is large in every layout.
  await ada.enlarge("Dora");
  await large(ada, "Dora");
});

meeting("a shared screen is large but in the grid", { server }, async (here) => {
  const room = await here.room("shared", "lobby=off", "screen=many");
  const ada = await here.joined("Ada", "red", { link: room.host_link });
  const bob = await here.joined("Bob", "blue", { link: room.host_link, ...SMALL });
  await bob.shareScreen();
  await large(ada, "Screen of Bob");
  await choose(ada, "Grid");
  await untilOk("all are equal", async () => {
    const all = await boxes(ada);
    return { ok: new Set(Object.values(all).map((box) => Math.round(area(box)))).size === 1, all };
  });
  await here.shot(ada, "grid");
});

meeting("a video that one hides is hidden for oneself only", { server }, async (here) => {
  const { guest_link: link } = await here.room("unseen", "lobby=off", "start_without_host=true");
  const ada = await here.joined("Ada", "red", { link });
  const bob = await here.joined("Bob", "blue", { link, ...SMALL });
  const eve = await here.joined("Eve", "green", { link });
  await ada.sees("Bob", "blue");
  await ada.tile("Bob").hover();
  await ada.button("Actions for Bob").click();
  await ada.page.getByRole("menuitem", { name: "Hide video for me" }).click();
  await ada.seesAvatar("Bob");
  await eve.sees("Bob", "blue");
  await until("Bob sends on", () => bob.isPressed("Camera"));
});
