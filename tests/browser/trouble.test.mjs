// What people meet when something is not as it should be.
import { meeting } from "./lib/meeting.mjs";
import { until, untilOk } from "./lib/until.mjs";

meeting("somebody whose devices are refused joins to listen", {}, async (here) => {
  const ada = await here.joined("Ada", "red");
  const bob = await here.somebody("Bob", "denied");
  await bob.open(here.server.link());
  await bob.nameBox.fill("Bob");
  await bob.button("Test camera and microphone").click();
  await bob.reads(/The browser blocks microphone and camera/);
  await here.shot(bob, "refused");
  await bob.button("Join").click();
  await bob.inRoom();
  await Promise.all([bob.sees("Ada", "red"), bob.hears(1), ada.seesAvatar("Bob")]);
  for (const device of ["Microphone", "Camera"]) {
    await until(`${device} is off`, async () => !(await bob.isPressed(device)));
  }
});

meeting("media flow on while the link is lost, and it comes back", {}, async (here) => {
  const ada = await here.joined("Ada", "red");
  const bob = await here.somebody("Bob", "blue");
  bob.expectFault(/WebSocket/);
  const link = await bob.slowLink({ delayMs: () => 0 });
  await bob.open(here.server.link());
  await bob.join();
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);

  await link.cut();
  await bob.reads(/Connection lost\. /, { timeout: 3_000 });
  await here.shot(bob, "lost");
  const before = await Promise.all([ada.framesDecoded(), bob.framesDecoded()]);
  await untilOk("pictures flow both ways without the link", async () => {
    const frames = await Promise.all([ada.framesDecoded(), bob.framesDecoded()]);
    return { ok: link.isCut && frames.every((count, index) => count > before[index] + 20), frames };
  });
  await ada.seesExactly("Bob");
  await here.shot(ada, "other lost");

  link.mend();
  await bob.text(/Connection lost\. /).waitFor({ state: "hidden" });
  await bob.setPressed("Camera", false);
  await ada.seesAvatar("Bob");
  await ada.seesExactly("Bob");
  await bob.seesExactly("Ada");
});

meeting("somebody whose tab is closed is marked, and soon gone", {}, async (here) => {
  const ada = await here.joined("Ada", "red");
  const bob = await here.joined("Bob", "blue");
  await ada.sees("Bob", "blue");
  await bob.page.close();
  await ada.tile("Bob").getByText("Reconnecting").waitFor();
  await here.shot(ada, "marked");
  await ada.seesNobodyCalled("Bob");
});

meeting("a connection that failed is made anew, and both sides see and hear on", {}, async (here) => {
  const ada = await here.somebody("Ada", "red");
  let toAda;
  await ada.page.routeWebSocket(/\/api\/v1\/signal$/, (page) => {
    const server = page.connectToServer();
    page.onMessage((message) => server.send(message));
    server.onMessage((message) => page.send(message));
    toAda = page;
  });
  await ada.open(here.server.link());
  await ada.join();
  const bob = await here.joined("Bob", "blue");
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);

  // What the server says when DTLS has failed; the new connection and all behind it are real.
  toAda.send(JSON.stringify({ type: "media.reset", data: { reason: "dtls_failed" } }));
  await untilOk("there is a second connection", async () => {
    const states = await ada.page.evaluate(() => window.conclaveTest.peers.map((peer) => peer.connectionState));
    return { ok: states.length === 2 && states[0] === "closed" && states[1] === "connected", states };
  });
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);
  await Promise.all([ada.hears(1), bob.hears(1)]);
});
