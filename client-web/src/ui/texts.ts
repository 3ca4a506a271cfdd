/** Words for what the core says in codes. */
import type { Source } from "../wire/messages";
import { isolate } from "../core/bidi";
import type { Announcement, Notice, Refusal } from "../core/state";
import { locale } from "./locale.svelte";
import { m } from "../paraglide/messages.js";
import { spanText, timeText } from "./toast-texts";

type Device = "microphone" | "camera" | "screen";
const deviceOf = (source: Source): Device => (source === "screen_audio" ? "screen" : source);

export function announcementText(one: Announcement): string {
  switch (one.kind) {
    case "link":
      return one.state === "lost" ? m.announce_link_lost() : m.announce_link_back();
    case "lobby": {
      if (one.state === "waiting") return m.announce_waiting();
      if (one.state === "admitted") return m.announce_admitted();
      return one.state === "denied" ? m.announce_denied() : m.announce_sent_back();
    }
    case "knocks": {
      const [name] = one.names;
      return one.count === 1 && name !== undefined
        ? m.knock_one({ name: isolate(name) })
        : m.knock_many({ count: one.count });
    }
    case "reactions":
      return reactionsText(one);
    case "said":
      return one.by === null
        ? m.announce_said_server({ message: one.message })
        : m.announce_said({ name: isolate(one.by), message: one.message });
    case "suspended":
      return one.on ? m.suspended_banner() : m.announce_goes_on();
    case "called":
      return m.announce_called();
    case "hands": {
      const [name] = one.names;
      return one.names.length === 1 && name !== undefined
        ? m.announce_hand_one({ name: isolate(name) })
        : m.announce_hand_many({ count: one.names.length });
    }
    case "handStillUp":
      return m.hand_still_up();
    case "goesOn":
      return m.announce_goes_on();
    case "ending": {
      const words = m.announce_ending({ time: spanText(one.inS) });
      return one.message === null ? words : `${words} ${one.message}`;
    }
    case "joined": {
      const [name] = one.names;
      return one.names.length === 1 && name !== undefined
        ? m.announce_joined_one({ name: isolate(name) })
        : m.announce_joined_many({ count: one.names.length });
    }
    case "left": {
      const [name] = one.names;
      return one.names.length === 1 && name !== undefined
        ? m.announce_left_one({ name: isolate(name) })
        : m.announce_left_many({ count: one.names.length });
    }
  }
}

function reactionsText(one: Extract<Announcement, { kind: "reactions" }>): string {
  const [first] = one.tally;
  if (one.tally.length === 1 && first?.count === 1) {
    return one.name === null
      ? m.reaction_some({ emoji: first.emoji })
      : m.reaction_of({ emoji: first.emoji, name: isolate(one.name) });
  }
  return m.announce_reactions({ list: one.tally.map(({ emoji, count }) => `${emoji} ${count}`).join(", ") });
}

export interface NoticeText {
  text: string;
  help: string | null;
}

export function noticeText(notice: Notice, userAgent: string): NoticeText {
  const plain = (text: string): NoticeText => ({ text, help: null });
  switch (notice.kind) {
    case "refused":
      return plain(refusedText(notice));
    case "unreachable":
      return plain(m.error_unreachable());
    case "mediaLost":
      return plain(m.error_media_lost());
    case "noPath":
      return { text: m.error_no_path(), help: noPathHelp(notice.ports) };
    case "screenBusy":
      return plain(m.error_screen_busy());
    case "forbidden":
      return plain(m[`error_forbidden_${deviceOf(notice.source)}`]());
    case "notPublished":
      return plain(m.error_not_published({ source: sourceName(notice.source), code: notice.code }));
    case "bothDenied":
      return { text: m.device_denied_both(), help: `${permissionHelp(userAgent)} ${m.help_listen_only()}` };
    case "device": {
      if (notice.reason === "cancelled") return plain("");
      const text = m[`device_${notice.reason}_${deviceOf(notice.source)}`]();
      return { text, help: notice.reason === "denied" ? `${permissionHelp(userAgent)} ${m.help_listen_only()}` : null };
    }
  }
}

function noPathHelp(ports: readonly string[]): string {
  return ports.length === 0 ? m.no_path_no_relay() : m.no_path_help({ ports: listed(ports) });
}

/** One or more of these, as the language lists them. Names of ports read from left to right. */
export const listed = (ports: readonly string[]): string =>
  new Intl.ListFormat(locale.value, { type: "disjunction" }).format(ports.map(isolate));

function sourceName(source: Source): string {
  const names = { microphone: m.microphone, camera: m.camera, screen: m.share_screen };
  return names[deviceOf(source)]();
}

/** The words only: what the page does never depends on the name of the browser. */
function permissionHelp(userAgent: string): string {
  if (/firefox/i.test(userAgent)) return m.help_firefox();
  if (/chrom(e|ium)/i.test(userAgent)) return m.help_chromium();
  return m.help_safari();
}

function refusedText(notice: Refusal): string {
  switch (notice.code) {
    case "password_required":
      return m.error_password();
    case "bad_credentials":
    case "not_found":
      return notice.invited ? m.error_invite() : m.error_wrong_password();
    case "full":
      return m.error_full();
    case "locked":
      return m.error_locked();
    case "banned":
      return notice.until === null ? m.error_banned() : m.error_banned_until({ time: timeText(notice.until) });
    case "not_open_yet":
      return notice.opensAt === null ? m.error_not_open() : m.error_opens_at({ time: timeText(notice.opensAt) });
    case "rate_limited":
      return m.error_rate_now();
    case "invite_expired":
      return m.error_invite_expired();
    case "invite_revoked":
      return m.error_invite_revoked();
    case "invite_used_up":
      return m.error_invite_used_up();
    case "invite_not_yet":
      return notice.opensAt === null ? m.error_invite_not_yet() : m.error_opens_at({ time: timeText(notice.opensAt) });
    case "busy":
    case "conflict":
      return m.error_duplicate();
    case "version_unsupported":
      return m.error_version();
    default:
      return m.error_other({ code: notice.code });
  }
}
