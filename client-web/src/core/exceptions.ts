/**
 * What somebody is allowed or forbidden beyond its role and the policies, as far as it can be seen from outside.
 *
 * Nobody is told the exceptions of others. They show where what somebody may differs from what its role would give;
 * how long one lasts is known to who made it.
 */
import type { Participant, Room } from "../wire/messages";
import { isHost, lockOf } from "./controls";
import type { Switch } from "./menu";
import { SWITCHES } from "./menu";
import type { Reply } from "./state";

/** An exception that was made here. */
export interface Made {
  participant: string;
  source: Switch;
  on: boolean;
  /** Null for as long as the meeting goes on. */
  untilMs: number | null;
}

export interface Exception {
  source: Switch;
  on: boolean;
  untilMs: number | null;
}

/** Takes the server's yes to an exception. Returns `made` itself when it was about something else. */
export function noted(made: readonly Made[], reply: Reply & { kind: "ok" }, nowMs: number): readonly Made[] {
  switch (reply.type) {
    case "media.grant": {
      const { participant, source, on, ttl_s } = reply.request.data;
      if (source === "screen_audio") return made;
      const untilMs = ttl_s === undefined || ttl_s === null ? null : nowMs + ttl_s * 1_000;
      return [...without(made, participant, source), { participant, source, on, untilMs }];
    }
    case "perm.override": {
      const { participant, key, effect } = reply.request.data;
      const source = (
        { "publish.audio": "microphone", "publish.video": "camera", "publish.screen": "screen" } as const
      )[key as "publish.audio"] as Switch | undefined;
      return effect === "clear" && source !== undefined ? without(made, participant, source) : made;
    }
    default:
      return made;
  }
}

const without = (made: readonly Made[], participant: string, source: Switch): Made[] =>
  made.filter((one) => one.participant !== participant || one.source !== source);

/** Returns the exceptions of `target` that show at `nowMs`. */
export function exceptionsOf(room: Room, target: Participant, made: readonly Made[], nowMs: number): Exception[] {
  return SWITCHES.flatMap((source): Exception[] => {
    const own = made.find((one) => one.participant === target.id && one.source === source);
    const held = own !== undefined && (own.untilMs === null || nowMs < own.untilMs) ? own : null;
    const state = target.sources[source];
    // Of a screen that is not shared nobody says whether it may be.
    if (state === undefined) return held === null ? [] : [{ source, on: held.on, untilMs: held.untilMs }];
    const on = !state.locked;
    const lock = lockOf(room, source);
    if (lock.on && !isHost(target.role)) return [];
    if (on !== roleGives(room, target, source)) {
      return [{ source, on, untilMs: held?.on === on ? held.untilMs : null }];
    }
    return held?.on === on ? [{ source, on, untilMs: held.untilMs }] : [];
  });
}

function roleGives(room: Room, target: Participant, source: Switch): boolean {
  if (source === "screen" && room.screen === "off") return false;
  const key = ({ microphone: "publish.audio", camera: "publish.video", screen: "publish.screen" } as const)[source];
  const custom = room.custom_roles.find((one) => one.name === target.custom_role);
  if (custom?.deny?.includes(key) === true) return false;
  if (custom?.allow?.includes(key) === true) return true;
  if (target.role === "viewer") return false;
  return target.role !== "attendee" || room.attendees[source];
}
