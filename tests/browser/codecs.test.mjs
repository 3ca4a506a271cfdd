// H.264 in place of VP8: browsers that know nothing else meet as well.
import { meeting } from "./lib/meeting.mjs";
import { untilOk } from "./lib/until.mjs";

/** Takes VP8 away from what the page finds, before any of its scripts run. */
function withoutVp8() {
  const known = RTCRtpReceiver.getCapabilities.bind(RTCRtpReceiver);
  RTCRtpReceiver.getCapabilities = (kind) => {
    const capabilities = known(kind);
    capabilities.codecs = capabilities.codecs.filter((codec) => codec.mimeType !== "video/VP8");
    return capabilities;
  };
}

meeting("two browsers without VP8 meet with H.264", {}, async (here) => {
  const people = [];
  for (const [name, colour] of [
    ["Ada", "red"],
    ["Bob", "blue"],
  ]) {
    const one = await here.somebody(name, colour);
    await one.page.addInitScript(withoutVp8);
    await one.open(here.server.link());
    await one.join();
    people.push(one);
  }
  const [ada, bob] = people;
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);
  for (const one of people) {
    await untilOk("pictures come as H.264", async () => {
      const rows = await one.stats();
      const codecs = rows
        .filter((row) => row.type === "inbound-rtp" && row.kind === "video" && row.framesDecoded > 0)
        .map((row) => rows.find((other) => other.id === row.codecId)?.mimeType);
      return { ok: codecs.length === 1 && codecs[0] === "video/H264", codecs };
    });
  }
  await here.shot(bob, "h264");
});
