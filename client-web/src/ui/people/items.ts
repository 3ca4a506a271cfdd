/** The items of a person's menu: their words, and what those do that need no dialog. */
import { lockOf } from "../../core/controls";
import type { MenuItem } from "../../core/menu";
import type { Act, MeetingState } from "../../core/state";
import { m } from "../../paraglide/messages.js";
import type { Participant, Source } from "../../wire/messages";

export function itemText(item: MenuItem): string {
  switch (item.kind) {
    case "mute":
      return m[`menu_mute_${item.source}`]();
    case "ask":
      return m[`menu_ask_${item.source}`]();
    case "allow":
      return m[`menu_allow_${item.source}`]();
    case "forbid":
      return m[`menu_forbid_${item.source}`]();
    case "exempt":
      return item.on ? m[`menu_exempt_${item.source}`]() : m[`menu_bind_${item.source}`]();
    case "spotlight":
      return item.on ? m.menu_spotlight_on() : m.menu_spotlight_off();
    case "makeHost":
      return m.menu_make_host();
    case "rights":
      return m.menu_rights();
    case "role":
      return m.menu_role();
    case "rename":
      return m.menu_rename();
    case "toLobby":
      return m.menu_to_lobby();
    case "remove":
      return m.menu_remove();
    case "ban":
      return m.menu_ban();
  }
}

export const isDangerous = (item: MenuItem): boolean => item.kind === "remove" || item.kind === "ban";

/** Returns what an item asks of the server, or null for an item that opens a dialog. */
export function perform(item: MenuItem, target: Participant, state: MeetingState): Act | null {
  const participant = target.id;
  switch (item.kind) {
    case "mute": {
      const sources: Source[] = item.source === "screen" ? ["screen", "screen_audio"] : [item.source];
      return { type: "media.mute", data: { target: { kind: "participant", participant }, sources } };
    }
    case "ask":
      return { type: "media.request", data: { participant, source: item.source } };
    case "allow":
    case "forbid":
      return { type: "media.grant", data: { participant, source: item.source, on: item.kind === "allow" } };
    case "spotlight": {
      const lit = state.room?.spotlight ?? [];
      const others = lit.filter((one) => one !== participant);
      const participants = item.on ? [...others, participant] : others;
      return { type: "spotlight.set", data: { participants } };
    }
    case "exempt": {
      const { room } = state;
      if (room === null) return null;
      const others = lockOf(room, item.source).allow.filter((one) => one !== participant);
      const allow = item.on ? [...others, participant] : others;
      return { type: "media.lock", data: { sources: [item.source], on: true, allow } };
    }
    default:
      return null;
  }
}
