/** What others decide about this participant: its rights, its tracks, the policies of the room. */
import type { LobbyUpdate, MediaRevoked, PermissionsChanged, Room, RoomUpdated, Source } from "../wire/messages";
import { lockOf } from "./controls";
import * as own from "./publishing";
import type { Effect, MeetingState, Step } from "./state";
import { nameOf } from "./state";
import type { ToastText } from "./toasts";
import { toasted } from "./toasts";
import { nobodyWaits, updated } from "./watch";

/** Takes the whole set of own permissions. What may not be sent any more stops here at once. */
export function permissionsChanged(state: MeetingState, push: PermissionsChanged, nowMs: number): Step {
  const permissions = new Set(push.permissions);
  const { publishing, effects } = own.obey(state.publishing, permissions);
  const by = nameOf(state, push.by);
  const texts: ToastText[] = [];
  const before = state.self;
  if (push.reason === "role_changed") {
    texts.push({ kind: "role", role: push.role, customRole: push.custom_role, by });
  } else if (push.reason === "override_changed") {
    for (const source of ["microphone", "camera", "screen"] as const) {
      const key = own.PERMISSION[source];
      if (state.permissions.has(key) !== permissions.has(key)) {
        texts.push({ kind: "right", source, on: permissions.has(key), by });
      }
    }
  }
  const { custom_role: _, ...self } = before ?? { custom_role: null };
  const next: MeetingState = {
    ...state,
    permissions,
    overrides: push.overrides,
    publishing,
    self:
      before === null
        ? null
        : {
            ...(self as typeof before),
            role: push.role,
            ...(push.custom_role === null ? {} : { custom_role: push.custom_role }),
          },
    watch: permissions.has("lobby.manage") ? state.watch : nobodyWaits,
    toasts: texts.reduce((toasts, text) => toasted(toasts, text, nowMs), state.toasts),
  };
  return { state: next, effects };
}

/** Takes the room anew. Whoever is bound by a lock is told about it, and by whom. */
export function roomUpdated(state: MeetingState, push: RoomUpdated, nowMs: number): Step {
  const before = state.room;
  if (before !== null && before.rev > push.room.rev) return { state, effects: [] };
  const texts = before === null || push.by === state.self?.id ? [] : changes(before, push.room, nameOf(state, push.by));
  const turned = before !== null && before.suspended !== push.room.suspended;
  const effects: Effect[] = turned
    ? [{ kind: "announce", announcement: { kind: "suspended", on: push.room.suspended } }]
    : [];
  return {
    state: {
      ...state,
      room: push.room,
      changedBy: nameOf(state, push.by) ?? state.changedBy,
      toasts: texts.reduce((toasts, text) => toasted(toasts, text, nowMs), state.toasts),
    },
    effects,
  };
}

function changes(before: Room, after: Room, by: string | null): ToastText[] {
  // One banner says it all.
  if (before.suspended !== after.suspended) return [];
  const texts: ToastText[] = [];
  if (before.locked !== after.locked) texts.push({ kind: "locked", on: after.locked, by });
  for (const source of ["microphone", "camera", "screen"] as const) {
    const { on } = lockOf(after, source);
    if (lockOf(before, source).on !== on) texts.push({ kind: "sourceLocked", source, on, by });
  }
  return texts;
}

/**
 * Takes that an own publication was muted or ended by somebody else. Only this device can switch it on again, and only
 * by the hand of who sits before it.
 */
export function mediaRevoked(state: MeetingState, push: MediaRevoked, nowMs: number): Step {
  const { source, reason } = push;
  const stays = (reason === "muted" || reason === "locked") && (source === "microphone" || source === "camera");
  const was = state.publishing.sources[source];
  let publishing = own.update(state.publishing, source, {
    publication:
      stays && was.publication.kind !== "off" ? { kind: "live", muted: true, telling: false } : { kind: "off" },
  });
  let effects: Effect[];
  if (reason === "muted" && source === "microphone") {
    publishing = own.update(publishing, source, { wanted: false });
    effects = [{ kind: "enable", source, on: false }];
  } else {
    ({ publishing, effects } = own.stop(publishing, source));
    if (source === "screen") {
      const sound = own.stop(own.update(publishing, "screen_audio", { publication: { kind: "off" } }), "screen_audio");
      publishing = sound.publishing;
      effects = [...effects, ...sound.effects];
    }
  }
  const by = nameOf(state, push.by);
  // The sound of a screen ends with the screen, and everything with a suspension: one message is enough.
  const told = reason === "suspended" || (source === "screen_audio" && was.publication.kind === "off");
  const text: ToastText = { kind: "revoked", source, reason, by };
  const toasts = told ? state.toasts : toasted(state.toasts, text, nowMs);
  return { state: { ...state, publishing, toasts }, effects };
}

/** Takes the lobby, for who may admit. */
export function lobbyUpdated(state: MeetingState, push: LobbyUpdate, nowMs: number): Step {
  const { watch, arrived, sound } = updated(state.watch, push, nowMs);
  const effects: Effect[] = sound ? [{ kind: "sound", sound: "knock" }] : [];
  if (arrived.length > 0) {
    const names = arrived.map((one) => one.name);
    effects.push({ kind: "announce", announcement: { kind: "knocks", names, count: names.length } });
  }
  return { state: { ...state, watch }, effects };
}

/** The switch in which a source is shown: the sound of a screen goes with it. */
export const switchOf = (source: Source): "microphone" | "camera" | "screen" =>
  source === "screen_audio" ? "screen" : source;
