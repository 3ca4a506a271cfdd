import { describe, expect, test } from "vitest";
import type { ErrorBody, Request } from "../wire/messages";
import { credentialOf } from "./entering";
import { entering, entry, joinData, media, ok, push, refusal, requestsOf, Script, share } from "./script";
import { joined } from "./testing";

const request: Request = { type: "join", data: joinData() };
const no = (error: Partial<ErrorBody> & Pick<ErrorBody, "code">) => refusal(request, { message: "", ...error });

describe("a refusal", () => {
  test("of a password is kept with the time of the next try, and the page asks for one", () => {
    const client = entering();
    client.tell(no({ code: "bad_credentials", retry_after_s: 4 }), 1_000);
    expect(client.state.phase).toEqual({ kind: "outside" });
    expect(client.state.asksPassword).toBe(true);
    expect(client.state.notice).toMatchObject({ code: "bad_credentials", retryAtMs: 5_000, invited: false });
  });

  test("of an invite says nothing about passwords", () => {
    const client = new Script();
    client.tell({ kind: "join", entry: { ...entry, credential: { kind: "invite", secret: "s" } } });
    client.tell({ kind: "linkOpen" });
    client.tell(ok("hello", { outcome: "welcome", media }));
    client.tell(no({ code: "bad_credentials" }));
    expect(client.state.asksPassword).toBe(false);
    expect(client.state.notice).toMatchObject({ invited: true });
  });

  test.each([
    [{ code: "banned", until: "2026-11-23T10:00:00Z" }, { until: "2026-11-23T10:00:00Z" }],
    [{ code: "not_open_yet", opens_at: "2026-11-23T10:00:00Z" }, { opensAt: "2026-11-23T10:00:00Z" }],
    [{ code: "locked" }, { retryAtMs: null }],
    [{ code: "full" }, { retryAtMs: null }],
    [{ code: "rate_limited", retry_after_s: 30 }, { retryAtMs: 30_000 }],
  ] as const)("%o keeps what it says", (error, kept) => {
    const client = entering();
    client.tell(no(error));
    expect(client.state.notice).toMatchObject({ kind: "refused", code: error.code, ...kept });
  });

  test("what the page asked for stays asked for at the next try", () => {
    const client = entering();
    client.tell({ kind: "needs", password: true });
    client.tell({ kind: "join", entry });
    expect(client.state.asksPassword).toBe(true);
  });
});

describe("a text to agree to", () => {
  const text = { code: "consent_required", text: "We record nothing.", hash: "h1" } as const;

  test("is shown, and the join goes on with its hash on the same link", () => {
    const client = entering();
    client.tell(no(text));
    expect(client.state.phase).toMatchObject({ kind: "consent", text: "We record nothing." });
    const [join] = requestsOf(client.tell({ kind: "consent", agreed: true }));
    expect(join).toMatchObject({ type: "join", data: { consent_hash: "h1" } });
    client.tell(ok("join", joined()));
    expect(client.state.phase.kind).toBe("inside");
  });

  test("who does not agree is not in, and no link stays", () => {
    const client = entering();
    client.tell(no(text));
    expect(client.tell({ kind: "consent", agreed: false })).toContainEqual({ kind: "closeLink" });
    expect(client.state.phase.kind).toBe("outside");
  });
});

test("what may not be published is not captured after the join, and stays off when the right comes later", () => {
  const client = entering();
  client.tell({ kind: "captured", sources: ["microphone", "camera"] });
  const viewer = { ...joined(), permissions: ["room.join" as const] };
  const effects = client.tell(ok("join", viewer));
  expect(effects).toContainEqual({ kind: "release", source: "camera" });
  expect(effects).toContainEqual({ kind: "release", source: "microphone" });
  const granted = push(
    {
      type: "permissions",
      data: {
        role: "viewer",
        custom_role: null,
        permissions: ["room.join", "publish.audio"],
        overrides: [],
        by: null,
        reason: "override_changed",
      },
    },
    1,
  );
  expect(client.tell(granted).filter((one) => one.kind === "capture")).toEqual([]);
  expect(client.state.publishing.sources.microphone.wanted).toBe(false);
});

test("a removal is told with its words, and nothing comes back by itself", () => {
  const client = entering();
  client.tell(ok("join", joined()));
  const until = "2026-11-23T10:02:00Z";
  client.tell(push({ type: "removed", data: { reason: "disruptive", message: "Calm down", banned_until: until } }, 1));
  expect(client.state.phase).toMatchObject({
    kind: "left",
    reason: "removed",
    cause: "disruptive",
    message: "Calm down",
    until,
  });
  expect(client.tell({ kind: "linkClosed", code: 4403, random: 0 })).toEqual([]);
  expect(client.tell({ kind: "tick" }, 60_000)).toEqual([]);
});

test("who loses the place and is refused shares no screen that nobody sees", () => {
  const client = entering();
  client.tell(ok("join", joined()));
  share(client, ["screen", "screen_audio"]);
  client.lose();
  client.tell(
    refusal(
      { type: "hello", data: { protocol: 1, client: "x" } },
      { code: "resume_failed", message: "", rejoin: true },
    ),
  );
  const effects = client.tell(no({ code: "locked" }));
  expect(effects).toContainEqual({ kind: "release", source: "screen" });
  expect(effects).toContainEqual({ kind: "release", source: "screen_audio" });
  expect(client.state.phase.kind).toBe("outside");
  expect(client.state.permissions.size).toBe(0);
});

test("an invite link counts more than a password that was tried before it", () => {
  const invite = { kind: "invite", secret: "s" } as const;
  const token = { kind: "token", jwt: "a.b.c" } as const;
  expect(credentialOf(invite, "wrong")).toEqual(invite);
  expect(credentialOf(token, "wrong")).toEqual(token);
  expect(credentialOf(null, "right")).toEqual({ kind: "password", password: "right" });
  expect(credentialOf(null, "")).toEqual({ kind: "none" });
});
