/** Words for what others did, for what came of the own deeds, and for why a control is greyed. */
import type { ErrorCode, Role } from "../wire/messages";
import { isolate } from "../core/bidi";
import type { Why } from "../core/controls";
import { switchOf } from "../core/rights";
import type { ToastText } from "../core/toasts";
import { m } from "../paraglide/messages.js";
import { locale } from "./locale.svelte";

export const roleName = (role: Role): string => m[`role_${role}`]();

/** A time of a server in words: the day only when it is not today. */
export function timeText(at: string, now = new Date()): string {
  const date = new Date(at);
  const time = { hour: "2-digit", minute: "2-digit" } as const;
  return date.toDateString() === now.toDateString()
    ? date.toLocaleTimeString(locale.regional, time)
    : date.toLocaleString(locale.regional, { dateStyle: "medium", timeStyle: "short" });
}

/** A span of time in words, in the largest unit that fits. */
export function durationText(seconds: number): string {
  if (seconds % 86_400 === 0) return m.days({ count: seconds / 86_400 });
  if (seconds % 3_600 === 0) return m.hours({ count: seconds / 3_600 });
  return m.minutes({ count: Math.round(seconds / 60) });
}

/** A short span of time in words: in seconds up to a minute and a half, else in whole minutes. */
export const spanText = (seconds: number): string =>
  seconds <= 90 ? m.seconds({ count: seconds }) : m.minutes({ count: Math.round(seconds / 60) });

/** Rounds a wait up to whole minutes, and a long one to whole hours: nobody counts those by the minute. */
export function roundedUp(seconds: number): number {
  const unit = seconds > 2 * 3_600 ? 3_600 : 60;
  return Math.ceil(seconds / unit) * unit;
}

export function toastText(text: ToastText): string {
  switch (text.kind) {
    case "revoked":
      return revokedText(text);
    case "asked":
      return m.toast_asked({ name: isolate(text.who) });
    case "answered": {
      const name = isolate(text.who);
      if (text.answer === null) return m.toast_unanswered({ name });
      if (text.answer === "accept") return m.toast_accepted({ name });
      return text.answer === "decline" ? m.toast_declined({ name }) : m.toast_later({ name });
    }
    case "muted":
      return text.count === 0 ? m.toast_muted_none() : m.toast_muted({ count: text.count });
    case "removed": {
      const gone = text.banned
        ? m.toast_banned({ name: isolate(text.who) })
        : m.toast_removed({ name: isolate(text.who) });
      return text.removals > 1 && !text.banned ? `${gone} ${m.toast_removed_again({ count: text.removals })}` : gone;
    }
    case "toLobby":
      return m.toast_to_lobby({ name: isolate(text.who) });
    case "lobbyResult":
      return lobbyResultText(text);
    case "admitted":
      return m.toast_admitted({ count: text.count });
    case "denied":
      return m.toast_denied({ count: text.count });
    case "role":
      return m.toast_role({ role: text.customRole !== null ? isolate(text.customRole) : roleName(text.role) });
    case "right":
      return text.on ? m[`toast_right_on_${switchOf(text.source)}`]() : m[`toast_right_off_${switchOf(text.source)}`]();
    case "named":
      return m.toast_named({ name: isolate(text.name) });
    case "locked":
      return byText(text.on ? m.toast_locked() : m.toast_unlocked(), text.by);
    case "sourceLocked": {
      const source = switchOf(text.source);
      return byText(text.on ? m[`toast_lock_on_${source}`]() : m[`toast_lock_off_${source}`](), text.by);
    }
    case "forbidden":
      return text.why === null ? m[`error_forbidden_${switchOf(text.source)}`]() : whyText(text.why);
    case "chatPrivate":
      return m.toast_chat_private({ name: isolate(text.who) });
    case "chatMention":
      return m.toast_chat_mention({ name: isolate(text.who) });
    case "why":
      return whyText(text.why);
    case "shareKept":
      return m.toast_share_kept();
    case "handedOver":
      return handedOverText(text);
    case "noHands":
      return m.toast_no_hands();
    case "partMissing":
      return m.part_missing();
    case "deskClosed":
      return m.desk_closed();
    case "offline":
      return m.offline_nothing();
    case "refused":
      return refusedText(text.code, text.retryAfterS);
  }
}

const byText = (what: string, by: string | null): string =>
  by === null ? what : m.toast_by({ what, name: isolate(by) });

function revokedText(text: Extract<ToastText, { kind: "revoked" }>): string {
  const source = switchOf(text.source);
  if (text.reason === "muted") {
    return text.by === null ? m[`toast_muted_${source}`]() : m[`toast_muted_by_${source}`]({ name: isolate(text.by) });
  }
  const what = {
    locked: m[`toast_lock_on_${source}`],
    permission_revoked: m[`toast_right_off_${source}`],
    stopped: m[`toast_stopped_${source}`],
    taken_over: () => m.toast_taken_over(),
    suspended: m[`toast_stopped_${source}`],
  };
  return byText(what[text.reason](), text.by);
}

function handedOverText(text: Extract<ToastText, { kind: "handedOver" }>): string {
  const name = isolate(text.who);
  if (text.answer === null) return m.toast_handover_unanswered({ name });
  if (text.answer !== "accept") return m.toast_handover_declined({ name });
  return text.permanent ? m.toast_handed_over_forever({ name }) : m.toast_handed_over({ name });
}

function lobbyResultText(text: Extract<ToastText, { kind: "lobbyResult" }>): string {
  const name = text.who === "" ? m.somebody() : isolate(text.who);
  switch (text.result) {
    case "already_handled":
      return text.by === null ? m.lobby_already({ name }) : m.lobby_already_by({ name, by: isolate(text.by) });
    case "full":
      return m.lobby_full({ name });
    default:
      return m.lobby_gone({ name });
  }
}

/** Why a verb of a moderator was refused. */
export function refusedText(code: ErrorCode | "offline", retryAfterS: number | null): string {
  switch (code) {
    case "offline":
      return m.offline_nothing();
    case "forbidden":
      return m.refused_forbidden();
    case "not_found":
      return m.refused_not_found();
    case "conflict":
      return m.refused_conflict();
    case "already_handled":
      return m.refused_already();
    case "rate_limited":
      return m.error_rate({ seconds: retryAfterS ?? 10 });
    case "not_available":
      return m.refused_not_available();
    case "chat_disabled":
      return m.refused_chat_disabled();
    case "private_disabled":
      return m.refused_private_disabled();
    case "slow_mode":
      return m.refused_slow({ seconds: retryAfterS ?? 10 });
    case "too_large":
      return m.refused_too_long();
    case "too_long":
    case "bad_request":
      return m.refused_bad();
    default:
      return m.refused_other({ code });
  }
}

/** Why a control is greyed. */
export function whyText(why: Why): string {
  switch (why.reason) {
    case "locked":
      return m.why_locked();
    case "policy":
      return m.why_policy();
    case "override":
      return why.until === null ? m.why_override() : m.why_override_until({ time: timeText(why.until) });
    case "suspended":
      return m.why_suspended();
  }
}
