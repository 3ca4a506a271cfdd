// Two people and one 720p camera: the size of the tile decides which encoding is sent.
import { meeting } from "./lib/meeting.mjs";
import { untilOk } from "./lib/until.mjs";

// The bandwidth estimate of a new connection starts at 300 kbit/s and takes its time to climb.
const CLIMB = { timeoutMs: 60_000 };

meeting("a large tile gets 1280x720, a small one a lower encoding", { timeout: 180_000 }, async (here) => {
  const ada = await here.joined("Ada", "plain", { context: { viewport: { width: 480, height: 360 } } });
  const bob = await here.joined("Bob", "red", {
    devices: { camera: false },
    context: { viewport: { width: 1440, height: 900 } },
  });
  await ada.seesAvatar("Bob");

  await bob.enlarge("Ada");
  await untilOk(
    "the large tile has 1280x720",
    async () => {
      const size = await bob.receivedSize();
      return { ok: size.width === 1280 && size.height === 720, size, sent: await sent(ada) };
    },
    CLIMB,
  );
  await here.shot(bob, "large");

  await bob.page.setViewportSize({ width: 360, height: 640 });
  await untilOk(
    "the small tile has a lower encoding and the highest one rests",
    async () => {
      const [size, encodings] = [await bob.receivedSize(), await sent(ada)];
      const highest = encodings.find((encoding) => encoding.rid === "f");
      return { ok: size.width > 0 && size.width <= 640 && highest?.active === false, size, encodings };
    },
    CLIMB,
  );
  await here.shot(bob, "small");

  await bob.page.setViewportSize({ width: 1440, height: 900 });
  await untilOk(
    "the tile is large again",
    async () => {
      const size = await bob.receivedSize();
      return { ok: size.width === 1280, size, sent: await sent(ada) };
    },
    CLIMB,
  );
});

async function sent(participant) {
  const rows = (await participant.stats()).filter(
    (row) => row.type === "outbound-rtp" && row.kind === "video" && row.rid,
  );
  return rows.map(({ rid, active, frameWidth, framesPerSecond }) => ({ rid, active, frameWidth, framesPerSecond }));
}
