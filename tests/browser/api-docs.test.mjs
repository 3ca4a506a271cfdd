// The document of the REST API, as who writes a program against it reads it.
import assert from "node:assert/strict";
import { findings } from "./lib/axe.mjs";
import { withoutFirefox } from "./lib/browsers.mjs";
import { meeting, sharedServer } from "./lib/meeting.mjs";

const server = sharedServer();

for (const [kind, skip] of [
  ["plain", false],
  ["firefox", withoutFirefox],
]) {
  // `meeting` looks that no page wrote an error, broke its content policy or asked a foreign origin.
  meeting(`every route is to be read and found without help of others (${kind})`, { server, skip }, async (here) => {
    const { page } = await here.somebody("Grace", kind);
    const answered = page.waitForResponse((response) => response.url().endsWith("/api/v1/openapi.json"));
    await page.goto(here.server.page("/api/docs"));
    const api = await (await answered).json();
    await page.locator("main[aria-busy=false]").waitFor();
    const operations = Object.values(api.paths).flatMap((item) => Object.values(item));
    assert.ok(operations.length > 50, `only ${operations.length} routes`);
    const shown = page.getByRole("article");
    assert.equal(await shown.count(), operations.length);
    assert.deepEqual(await findings(page), []);

    await page.getByRole("searchbox").fill("mute everybody");
    assert.deepEqual(await shown.getByRole("heading", { level: 3 }).allTextContents(), [
      "Mute everybody in a session, or end what they share",
    ]);
    assert.match(await shown.innerText(), /needs sessions:act/);
    await page.getByRole("searchbox").fill("");
    await page.getByRole("navigation").getByRole("link", { name: "Make a webhook" }).click();
    assert.match(page.url(), /#createWebhook$/);
    assert.match(await page.locator("#createWebhook").innerText(), /authorization: Bearer \$KEY/);
  });
}
