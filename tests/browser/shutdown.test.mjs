// SIGTERM: everybody is told, and the process ends well.
import assert from "node:assert/strict";
import { meeting } from "./lib/meeting.mjs";

meeting("a server that stops tells its clients", {}, async (here) => {
  const ada = await here.joined("Ada", "red");
  const bob = await here.joined("Bob", "blue");
  await Promise.all([ada.sees("Bob", "blue"), bob.sees("Ada", "red")]);
  // Coming back fails as long as nothing listens.
  for (const one of [ada, bob]) one.expectFault(/WebSocket|ERR_CONNECTION_REFUSED/);

  assert.deepEqual(await here.server.stop(), { code: 0, signal: null });
  for (const one of [ada, bob]) {
    await one.reads(/The server restarts\. /);
    await here.shot(one, "told");
  }
});
