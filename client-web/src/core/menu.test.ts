import { describe, expect, test } from "vitest";
import type { Participant, Permission, Role, Room } from "../wire/messages";
import { cohostBarred, grouped, menuOf, outranks, rolesFor, rolesToInvite, type Actor } from "./menu";
import { participant, room as open } from "./testing";

const ROLES: Role[] = ["host", "co_host", "presenter", "attendee", "viewer"];
const EVERYTHING: Permission[] = [
  "publish.audio",
  "publish.video",
  "publish.screen",
  "media.mute",
  "media.request",
  "media.grant",
  "media.lock_all",
  "participant.remove",
  "participant.ban",
  "participant.to_lobby",
  "participant.rename",
  "role.assign",
  "self.rename",
];

const actor = (role: Role, permissions: Permission[] = EVERYTHING, room: Partial<Room> = {}): Actor => ({
  self: { ...participant("me"), role },
  permissions: new Set(permissions),
  room: { ...open, ...room },
  overrides: [],
});
const target = (role: Role, more: Partial<Participant> = {}): Participant => ({ ...participant("ada"), role, ...more });
const kindsOf = (from: Actor, to: Participant): string[] =>
  menuOf(from, to).map((item) => ("source" in item ? `${item.kind} ${item.source}` : item.kind));

describe("the menu of a person", () => {
  test.each(ROLES.flatMap((mine) => ROLES.map((other) => [mine, other] as const)))(
    "%s on %s: only strictly lower ranks",
    (mine, other) => {
      expect(menuOf(actor(mine), target(other)).length > 0).toBe(outranks(mine, other));
    },
  );

  test("without a permission there is no item for it", () => {
    for (const missing of EVERYTHING) {
      const rest = EVERYTHING.filter((one) => one !== missing);
      const items = kindsOf(actor("host", rest), target("attendee"));
      const gone: Partial<Record<Permission, string[]>> = {
        "media.request": ["ask microphone", "ask camera", "ask screen"],
        "media.grant": ["forbid microphone", "forbid camera", "forbid screen", "rights"],
        "publish.video": ["forbid camera"],
        "participant.remove": ["remove", "ban"],
        "participant.ban": ["ban"],
        "participant.to_lobby": ["toLobby"],
        "participant.rename": ["rename"],
        "role.assign": ["role"],
      };
      for (const item of gone[missing] ?? []) expect(items, missing).not.toContain(item);
    }
    // The lead is the host's to give, whatever else it may.
    expect(kindsOf(actor("host", []), target("viewer"))).toEqual(["makeHost"]);
    expect(kindsOf(actor("co_host", []), target("viewer"))).toEqual([]);
  });

  test("shows anybody large to everyone, of any rank, and takes it back", () => {
    const presenter = actor("presenter", ["spotlight.set"]);
    expect(menuOf(presenter, target("host"))).toEqual([{ kind: "spotlight", on: true }]);
    const lit = actor("co_host", ["spotlight.set"], { spotlight: ["me"] });
    expect(menuOf(lit, lit.self ?? target("host"))[0]).toEqual({ kind: "spotlight", on: false });
  });

  test("stands in groups, with what drives somebody away last", () => {
    const items = menuOf(actor("host", [...EVERYTHING, "spotlight.set"]), target("attendee"));
    const groups = grouped(items);
    expect(groups.map((one) => one.group)).toEqual(["stage", "media", "rights", "person", "away"]);
    expect(groups.flatMap((one) => one.items)).toHaveLength(items.length);
    expect(grouped([{ kind: "rights" }])).toEqual([{ group: "rights", items: [{ kind: "rights" }] }]);
  });

  test("mutes what is on, asks for what is off and free", () => {
    const items = kindsOf(actor("host"), target("attendee", participantWith({ microphone: true })));
    expect(items).toContain("mute microphone");
    expect(items).not.toContain("ask microphone");
    expect(items).toContain("ask camera");
    expect(items).not.toContain("mute camera");
  });

  test("who may not speak can be allowed to, but not asked to", () => {
    const { sources } = target("viewer");
    const silent = target("viewer", { sources: { ...sources, microphone: { ...sources.microphone, locked: true } } });
    const items = kindsOf(actor("host"), silent);
    expect(items).toContain("allow microphone");
    expect(items).not.toContain("ask microphone");
    expect(items).toContain("forbid camera");
  });

  test("of a screen that nobody shares both are offered, and asking goes by the role and the lock", () => {
    const { sources } = target("attendee");
    const host = actor("host");
    expect(sources.screen).toBeUndefined();
    const items = kindsOf(host, target("attendee"));
    expect(items).toContain("allow screen");
    expect(items).toContain("forbid screen");
    expect(items).toContain("ask screen");
    expect(kindsOf(host, target("viewer"))).not.toContain("ask screen");
    const attendees = { ...open.attendees, screen: false };
    expect(kindsOf(actor("host", EVERYTHING, { attendees }), target("attendee"))).not.toContain("ask screen");
    const av_lock = { ...open.av_lock, screen: { on: true, allow: ["ada"] } };
    expect(kindsOf(actor("host", EVERYTHING, { av_lock }), target("attendee"))).toContain("ask screen");
    const bound = { ...open.av_lock, screen: { on: true, allow: [] } };
    expect(kindsOf(actor("host", EVERYTHING, { av_lock: bound }), target("attendee"))).not.toContain("ask screen");
    const off = kindsOf(actor("host", EVERYTHING, { screen: "off" }), target("presenter"));
    expect(off.filter((one) => one.endsWith(" screen"))).toEqual([]);
  });

  test("under a lock only its own list helps", () => {
    const av_lock = { ...open.av_lock, microphone: { on: true, allow: ["ada"] } };
    const items = menuOf(actor("host", EVERYTHING, { av_lock }), target("attendee"));
    expect(items).toContainEqual({ kind: "exempt", source: "microphone", on: false });
    expect(items).not.toContainEqual({ kind: "forbid", source: "microphone" });
    const others = { ...open.av_lock, microphone: { on: true, allow: [] } };
    expect(menuOf(actor("host", EVERYTHING, { av_lock: others }), target("attendee"))).toContainEqual({
      kind: "exempt",
      source: "microphone",
      on: true,
    });
  });

  test("on oneself it only renames", () => {
    const me = actor("attendee", ["self.rename"]);
    expect(menuOf(me, { ...participant("me"), role: "attendee" })).toEqual([{ kind: "rename", why: null }]);
    expect(menuOf(actor("viewer", []), { ...participant("me"), role: "viewer" })).toEqual([]);
    const attendees = { ...open.attendees, rename: false };
    expect(menuOf(actor("attendee", [], { attendees }), { ...participant("me"), role: "attendee" })).toEqual([
      { kind: "rename", why: { reason: "policy" } },
    ]);
  });
});

describe("roles to give", () => {
  const names = (from: Actor, to: Participant): string[] => rolesFor(from, to).map((one) => one.customRole ?? one.role);

  test("are below the own one and not the present one; guests are no co-hosts unless the room says so", () => {
    expect(names(actor("host"), target("attendee"))).toEqual(["presenter", "viewer"]);
    expect(names(actor("host"), target("attendee", { identity: "invited" }))).toEqual([
      "co_host",
      "presenter",
      "viewer",
    ]);
    expect(names(actor("host", EVERYTHING, { guests_may_cohost: true }), target("attendee"))).toContain("co_host");
    expect(names(actor("co_host"), target("attendee", { identity: "invited" }))).toEqual(["presenter", "viewer"]);
    expect(names(actor("presenter"), target("viewer"))).toEqual(["attendee"]);
  });

  test("that a guest cannot have are explained to who could give them", () => {
    expect(cohostBarred(actor("host"), target("attendee"))).toBe(true);
    expect(cohostBarred(actor("host"), target("attendee", { identity: "invited" }))).toBe(false);
    expect(cohostBarred(actor("host", EVERYTHING, { guests_may_cohost: true }), target("attendee"))).toBe(false);
    expect(cohostBarred(actor("co_host"), target("attendee"))).toBe(false);
  });

  test("custom roles count by what they are based on", () => {
    const custom_roles = [
      { name: "Usher", base: "co_host" as const },
      { name: "Speaker", base: "presenter" as const },
    ];
    expect(names(actor("co_host", EVERYTHING, { custom_roles }), target("attendee"))).toContain("Speaker");
    expect(names(actor("co_host", EVERYTHING, { custom_roles }), target("attendee"))).not.toContain("Usher");
    const speaker = target("presenter", { custom_role: "Speaker" });
    expect(names(actor("host", EVERYTHING, { custom_roles }), speaker)).toContain("presenter");
    expect(names(actor("host", EVERYTHING, { custom_roles }), speaker)).not.toContain("Speaker");
  });

  test("for invites are below the own one, and for a host all", () => {
    expect(rolesToInvite("host")).toEqual(ROLES);
    expect(rolesToInvite("co_host")).toEqual(["presenter", "attendee", "viewer"]);
    expect(rolesToInvite("attendee")).toEqual(["viewer"]);
  });
});

function participantWith(has: { microphone?: boolean; camera?: boolean }): Pick<Participant, "sources"> {
  return { sources: participant("x", has).sources };
}
