// What people write to each other, what others make of it, and what they may not.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { Chat } from "./lib/chat.mjs";
import { meeting, QUIET, sharedServer } from "./lib/meeting.mjs";
import { until } from "./lib/until.mjs";

const server = sharedServer();

/** A host and two guests in a room of their own, each with their chat. */
async function three(here, name, ...settings) {
  const room = await here.room(name, "lobby=off", ...settings);
  const ada = await here.joined("Ada", "red", { link: room.host_link, devices: QUIET });
  const bob = await here.joined("Bob", "blue", { link: room.guest_link, devices: QUIET });
  const cleo = await here.joined("Cleo", "green", { link: room.guest_link, devices: QUIET });
  const chats = [ada, bob, cleo].map((one) => new Chat(one));
  return { room, ada, bob, cleo, chats };
}

/** Sets the choices of the chat's section in the sheet, as in `{ "Slow mode": "One message every 10 seconds" }`. */
async function setChat(host, choices) {
  const sheet = await host.openSecurity();
  const section = sheet.getByRole("region", { name: "Chat", exact: true });
  for (const [label, wish] of Object.entries(choices)) {
    const choice = section.getByLabel(label, { exact: true });
    if (typeof wish === "boolean") {
      if ((await choice.isChecked()) !== wish) await choice.click();
      await until(`${label} is ${wish}`, async () => (await choice.isChecked()) === wish);
    } else {
      await choice.selectOption({ label: wish });
      await until(`${label} is ${wish}`, async () => (await choice.locator("option:checked").textContent()) === wish);
    }
  }
  await host.close(sheet);
}

meeting("messages reach those they are for, and call for attention as they should", { server }, async (here) => {
  const { ada, bob, cleo, chats } = await three(here, "reach");
  const [adas, bobs, cleos] = chats;
  await setChat(ada, { "Private messages": "Between any two people" });
  await adas.open();
  await adas.write("Good morning");
  await until("one message is unread", async () => (await bobs.unread.textContent()) === "1");
  await bobs.open();
  await bobs.reads("Good morning");
  await until("it is read", async () => (await bobs.unread.count()) === 0);
  const line = bobs.log.getByText("New messages");
  await line.waitFor();

  // Enter sends, Shift+Enter is a new line.
  await bobs.box.click();
  await bob.page.keyboard.type("One");
  await bob.page.keyboard.press("Shift+Enter");
  await bob.page.keyboard.type("two");
  await bob.page.keyboard.press("Enter");
  await adas.reads("One\ntwo");
  assert.equal(await bobs.box.inputValue(), "");

  // Private: two see it, the third does not.
  await bobs.writeTo("Cleo (private)", "Only for you");
  await cleo.reads(/Private message from Bob/);
  await cleos.open();
  await cleos.reads("Only for you");
  await cleos.message("Only for you").getByText("Private, to you").waitFor();
  await here.shot(bob, "private");
  await here.shot(cleo, "private");
  await bobs.writeTo("Hosts and co-hosts", "For the hosts");
  await adas.reads("For the hosts");
  await bobs.writeTo("Everyone", "For all again");
  await Promise.all(chats.map((chat) => chat.reads("For all again")));
  assert.equal(await adas.message("Only for you").count(), 0);
  assert.equal(await cleos.message("For the hosts").count(), 0);

  // A mention, completed by the keyboard.
  await cleos.close();
  await bobs.box.click();
  await bob.page.keyboard.type("Hello @cl");
  await bobs.panel.getByRole("listbox", { name: "People to mention" }).getByRole("option", { name: "Cleo" }).waitFor();
  await here.shot(bob, "completing");
  await bob.page.keyboard.press("Enter");
  await bob.page.keyboard.type("how are you?");
  await bob.page.keyboard.press("Enter");
  await adas.reads("Hello @Cleo how are you?");
  await cleo.reads(/Bob mentioned you in the chat/);
});

meeting("a host rules the chat, and the words say why one cannot write", { server }, async (here) => {
  const { ada, bob, chats } = await three(here, "rules");
  const [adas, bobs] = chats;
  await bobs.open();
  await setChat(ada, { "Private messages": "Switched off, for hosts too" });
  await until("nobody but everyone is offered", async () => {
    const offered = await bobs.to.locator("option").allTextContents();
    return offered.length === 1 && offered[0] === "Everyone";
  });
  await adas.open();
  assert.deepEqual(await adas.to.locator("option").allTextContents(), ["Everyone"]);

  await bobs.box.fill("A draft");
  await setChat(ada, { "Who may write": "Only hosts, to everyone" });
  await bobs.panel.getByText("Only hosts can write to everyone at present.").waitFor();
  assert.equal(await bobs.box.isDisabled(), true);
  assert.equal(await bobs.box.inputValue(), "A draft");
  await here.shot(bob, "silenced");
  await adas.write("A host still can");
  await bobs.reads("A host still can");
  await setChat(ada, { "Who may write": "Nobody: the chat is off" });
  await adas.panel.getByText("A host has switched the chat off. You can still read it.").waitFor();

  await setChat(ada, { "Who may write": "Everybody, to everyone", "Slow mode": "One message every 30 seconds" });
  await until("the draft is back", () => bobs.box.isEnabled());
  await bobs.panel.getByRole("button", { name: "Send" }).click();
  await adas.reads("A draft");
  await bobs.panel.getByText(/You can write again in \d+ s/).waitFor();
  await bobs.box.fill("Too soon");
  await bob.page.keyboard.press("Enter");
  assert.equal(await bobs.box.inputValue(), "Too soon");
  await here.shot(bob, "slow");
  // Hosts are not slowed.
  await adas.write("Once");
  await adas.write("and again");
  await bobs.reads("and again");
});

meeting("messages are changed, deleted, answered, reacted to, pinned and cleared", { server }, async (here) => {
  const { room, ada, bob, chats } = await three(here, "deeds");
  const [adas, bobs, cleos] = chats;
  await setChat(ada, { "Who joins later sees": "What was written in this meeting" });
  await Promise.all(chats.map((chat) => chat.open()));
  await bobs.write("Teh answer");
  await adas.reads("Teh answer");
  await bobs.choose("Teh answer", "Edit");
  await bobs.box.fill("The answer");
  await bob.page.keyboard.press("Enter");
  await adas.reads("The answer");
  await adas.message("The answer").getByText("(edited)").waitFor();

  await adas.choose("The answer", "React with 🎉");
  await cleos.choose("The answer", "React with 🎉");
  const party = bobs.message("The answer").getByRole("button", { name: /🎉 2 reactions: Ada, Cleo/ });
  await party.waitFor();
  await party.click();
  await bobs
    .message("The answer")
    .getByRole("button", { name: /3 reactions/, pressed: true })
    .waitFor();

  await cleos.choose("The answer", "Reply");
  await cleos.write("42, then?");
  await adas.message("42, then?").getByRole("button", { name: "Go to the message of Bob" }).click();
  await until("the answered message has the focus", () =>
    adas
      .message("The answer")
      .first()
      .evaluate((row) => row === document.activeElement),
  );
  await adas.choose("42, then?", "Pin");
  await bobs.panel.getByText("1 pinned message").click();
  await here.shot(bob, "pinned");

  await bobs.write("To be regretted");
  await adas.choose("To be regretted", "Delete");
  await ada.dialog("Delete this message?").getByRole("button", { name: "Delete" }).click();
  await bobs.log.getByText("Message deleted by Host").waitFor();

  // Somebody who comes later sees the same, the place of the deleted one too.
  const dan = await here.joined("Dan", "yellow", { link: room.guest_link, devices: QUIET });
  const dans = await new Chat(dan).open();
  await dans.reads("The answer");
  await dans.log.getByText("Message deleted by Host").waitFor();
  assert.equal(await dans.message("regretted").count(), 0);
  await here.shot(dan, "late");

  const saving = ada.page.waitForEvent("download");
  await adas.panel.getByRole("button", { name: "More for this chat" }).click();
  await ada.page.getByRole("menuitem", { name: "Save as text" }).click();
  const file = await saving;
  assert.match(file.suggestedFilename(), /^chat-.*\.txt$/);
  assert.match(await readFile(await file.path(), "utf8"), /Bob.*The answer/s);

  await adas.panel.getByRole("button", { name: "More for this chat" }).click();
  await ada.page.getByRole("menuitem", { name: "Clear chat …" }).click();
  await ada.dialog("Clear the chat?").getByRole("button", { name: "Clear for everybody" }).click();
  for (const chat of [...chats, dans]) {
    await chat.log.getByText("The chat was cleared by Host.").waitFor();
    assert.equal(await chat.log.getByRole("article").count(), 0);
  }
});

meeting("nothing that is written does anything but stand there", { server }, async (here) => {
  const { ada, bob, chats } = await three(here, "inert");
  const [adas, bobs] = chats;
  await adas.open();
  await bobs.open();
  const HOSTILE = [
    '<img src=x onerror="window.pwned = 1"><script>window.pwned = 2</script>',
    "<svg onload=window.pwned=3><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "javascript:window.pwned=4 data:text/html,<script>window.pwned=5</script>",
    '__proto__ constructor {"__proto__":{"polluted":1}} ${window.pwned=6} {{7*7}}',
    "abc \u202egnp.exe \u2067 right to left \u200b hidden",
    "שלום (left) עולם",
    `${"W".repeat(3_990)} end`,
  ];
  for (const text of HOSTILE) {
    await bobs.write(text);
    await until("it went out", async () => (await bobs.log.locator("[data-outgoing]").count()) === 0);
  }
  await bobs.write("See https://example.org/a_(b). And (http://example.com), not https://bank@example.net/");
  await adas.reads("See https://example.org/a_(b)");
  await adas.reads("window.pwned = 1");
  const links = await adas.log
    .getByRole("link")
    .evaluateAll((all) => all.map((one) => [one.href, one.rel, one.target, one.textContent]));
  const follow = ["noopener noreferrer nofollow", "_blank"];
  assert.deepEqual(links, [
    ["https://example.org/a_(b)", ...follow, "https://example.org/a_(b)"],
    ["http://example.com/", ...follow, "http://example.com"],
  ]);
  for (const one of [ada, bob]) {
    const found = await one.page.evaluate(() => ({
      pwned: window.pwned,
      polluted: {}.polluted,
      elements: document.querySelectorAll('[role="log"] :is(img, script, svg[onload], iframe, [onerror], [style*=url])')
        .length,
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    }));
    assert.deepEqual(found, { pwned: undefined, polluted: undefined, elements: 0, wide: 0 });
  }
  const turned = await adas.message("gnp.exe").innerText();
  assert.doesNotMatch(turned, /[\u202a-\u202e\u2066-\u2069\u200b]/u);
  await here.shot(ada, "inert");

  await setChat(ada, { "Web addresses in messages can be followed": false });
  await until("no link is left", async () => (await adas.log.getByRole("link").count()) === 0);
  await adas.reads("See https://example.org/a_(b)");
});

meeting("what is typed and sent outlives a broken link and a new load of the page", { server }, async (here) => {
  const room = await here.room("outlive", "lobby=off");
  const ada = await here.joined("Ada", "red", { link: room.host_link, devices: QUIET });
  const bob = await here.somebody("Bob", "blue");
  const link = await bob.slowLink({ delayMs: () => 0 });
  bob.expectFault(/WebSocket/);
  await bob.open(room.guest_link);
  await bob.join(QUIET);
  const [adas, bobs] = [new Chat(ada), new Chat(bob)];
  await adas.open();
  await bobs.open();
  await bobs.write("Before");
  await adas.reads("Before");

  await link.cut();
  await bobs.panel.getByText("No connection. Messages go out as soon as it is back.").waitFor();
  await bobs.write("Meanwhile");
  await bobs.log.getByText("Waiting for the connection …").waitFor();
  await here.shot(bob, "cut");
  await bobs.box.fill("A draft");
  link.mend();
  await adas.reads("Meanwhile");
  await until("it is there once", async () => {
    const sent = await bobs.message("Meanwhile").count();
    return sent === 1 && (await bobs.log.locator("[data-outgoing]").count()) === 0;
  });

  await bob.page.reload();
  await bob.inRoom();
  await bobs.open();
  await bobs.reads("Before");
  assert.equal(await bobs.box.inputValue(), "A draft");
  assert.equal(await adas.message("Meanwhile").count(), 1);
});

meeting("two thousand messages leave the reader where it is, and the keyboard quick", { server }, async (here) => {
  const room = await here.room("many", "lobby=off");
  const bob = await here.somebody("Bob", "blue");
  // So many would take a meeting of hours: they are told by the link itself.
  const MANY = 2_000;
  let tell;
  await bob.page.routeWebSocket(/\/api\/v1\/signal$/, (page) => {
    const server = page.connectToServer();
    page.onMessage((message) => server.send(message));
    server.onMessage((message) => page.send(message));
    tell = (data) => page.send(JSON.stringify({ type: "chat.message", data }));
  });
  await bob.open(room.host_link);
  await bob.join(QUIET);
  const bobs = new Chat(bob);
  const say = (number, text = `Message ${number}`) =>
    tell({
      id: `msg_${number}`,
      number,
      client_id: `c${number}`,
      from: { participant: `par_${number % 7}`, name: `Somebody ${number % 7}`, role: "attendee" },
      to: { kind: "all" },
      text,
      reply_to: null,
      mentions: [],
      ts: new Date(Date.now() - (MANY - number) * 1_000).toISOString(),
      edited_at: null,
      pinned: false,
      deleted_by: null,
      reactions: [],
    });
  for (let number = 1; number <= MANY; number += 1) say(number);
  await until(
    "they are told",
    async () =>
      (await bobs.unread.textContent()) === "99+" &&
      bobs.unread.getAttribute("data-unread").then((all) => all === String(MANY)),
  );
  await bobs.open();
  await bobs.log.getByText("Show earlier messages").waitFor();
  await bobs.log.evaluate((log) => (log.scrollTop = log.scrollHeight));
  await bobs.reads(`Message ${MANY}`);
  const rows = () => bobs.log.getByRole("article").count();
  assert.ok((await rows()) <= 200, "only the newest are on the page");

  // Back, and there it stays while others write.
  await bobs.log.focus();
  await bobs.log.evaluate((log) => (log.scrollTop = 0));
  await until("earlier ones are on the page", async () => (await rows()) > 100);
  await bobs.log.evaluate((log) => (log.scrollTop = 300));
  const seen = () =>
    bobs.log.evaluate((log) => {
      const top = log.getBoundingClientRect().top;
      const first = [...log.querySelectorAll("article")].find((row) => row.getBoundingClientRect().bottom > top);
      return { text: first?.textContent, at: Math.round((first?.getBoundingClientRect().top ?? 0) - top) };
    });
  await until("it has settled", async () => {
    const one = await seen();
    await bob.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    return JSON.stringify(one) === JSON.stringify(await seen());
  });
  const before = await seen();
  say(MANY + 1, "The newest");
  await bobs.panel.getByRole("button", { name: "1 new message" }).waitFor();
  assert.deepEqual(await seen(), before);
  await here.shot(bob, "above");
  await bobs.panel.getByRole("button", { name: "1 new message" }).click();
  await bobs.reads("The newest");

  const slowest = await bobs.box.evaluate(async (box) => {
    let most = 0;
    for (let key = 0; key < 20; key += 1) {
      const began = performance.now();
      box.value += "a";
      box.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise((done) => requestAnimationFrame(done));
      most = Math.max(most, performance.now() - began);
    }
    return most;
  });
  assert.ok(slowest < 250, `a key took ${slowest} ms`);
});
