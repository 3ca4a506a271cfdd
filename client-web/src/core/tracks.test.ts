import { describe, expect, test } from "vitest";
import type { Request } from "../wire/messages";
import { entry, inside, negotiated, ok, push, requestsOf, share, type Script } from "./script";
import { participant } from "./testing";

const start: Request = { type: "screen.start", data: { audio: false } };
const pick = (client: Script) => client.tell({ kind: "captured", sources: ["screen", "screen_audio"] });
const releases = [
  { kind: "release", source: "screen" },
  { kind: "release", source: "screen_audio" },
];

/** In the meeting, with the browser's picker open. */
function picking(): Script {
  const client = negotiated();
  client.tell(ok("screen.start", { outcome: "granted", share_id: "trk_1" }, start));
  return client;
}

describe("a screen that is chosen", () => {
  test("after leaving is given back, and not shared by a later stay", () => {
    const client = picking();
    client.tell({ kind: "leave" });
    expect(pick(client)).toEqual(releases);
    expect(client.state.publishing.sources.screen).toMatchObject({ wanted: false, capture: "none" });
    client.tell({ kind: "join", entry });
    expect(client.state.publishing.sources.screen.wanted).toBe(false);
  });

  test("after a removal is given back", () => {
    const client = picking();
    client.tell(push({ type: "removed", data: { reason: null, message: null, banned_until: null } }, 1));
    expect(pick(client)).toEqual(releases);
    expect(client.state.phase.kind).toBe("left");
  });

  test("in the lobby is given back", () => {
    const client = picking();
    client.tell(
      push({
        type: "lobby.status",
        data: { state: "waiting", knock: "knk_1", message: null, note: null, since: "2026-11-22T10:00:00Z" },
      }),
    );
    expect(pick(client)).toEqual(releases);
  });

  test("after the right was taken is given back here and at the server", () => {
    const client = picking();
    client.tell(
      push(
        {
          type: "permissions",
          data: {
            permissions: ["room.join"],
            overrides: [],
            role: "attendee",
            custom_role: null,
            reason: "override_changed",
            by: null,
          },
        },
        1,
      ),
    );
    const effects = pick(client);
    expect(effects).toEqual([
      ...releases,
      { kind: "request", request: { type: "media.unpublish", data: { source: "screen" } } },
    ]);
    expect(client.state.publishing.sources.screen.wanted).toBe(false);
  });

  test("in another stay than the one that asked for it is given back", () => {
    const client = picking();
    client.tell({ kind: "leave" });
    client.tell({ kind: "join", entry });
    client.tell({ kind: "linkOpen" });
    client.tell(ok("hello", { outcome: "welcome", media: client.state.media }));
    const { state } = inside(participant("ada"));
    client.state = { ...client.state, ...state };
    expect(pick(client)).toEqual(expect.arrayContaining(releases));
    expect(client.state.publishing.sources.screen.wanted).toBe(false);
  });

  test("is asked of nobody when the server's yes comes after the stay", () => {
    const client = negotiated();
    client.tell({ kind: "leave" });
    expect(client.tell(ok("screen.start", { outcome: "granted", share_id: "trk_1" }, start))).toEqual([]);
  });
});

test("who joins anew brings no screen along", () => {
  const client = negotiated();
  share(client);
  // A page that was on its way out keeps nothing of the stay before.
  const effects = client.tell({ kind: "join", entry });
  expect(effects).toContainEqual({ kind: "release", source: "screen" });
  expect(client.state.publishing.sources.screen).toMatchObject({ wanted: false, capture: "none" });
  expect(requestsOf(effects)).toEqual([]);
});
