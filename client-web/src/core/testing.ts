/** Made-up objects for tests. */
import type { Joined, Participant, Room, Source, SourceState } from "../wire/messages";

const on: SourceState = { published: true, muted: false, muted_by: null, locked: false };
const off: SourceState = { published: false, muted: true, muted_by: null, locked: false };

export function participant(id: string, has: Partial<Record<Source, boolean>> = {}, rev = 1): Participant {
  return {
    id,
    rev,
    name: id.charAt(0).toUpperCase() + id.slice(1),
    role: "attendee",
    identity: "guest",
    presence: "connected",
    joined_at: "2026-11-22T10:00:05Z",
    hand: null,
    sources: {
      microphone: has.microphone === true ? on : off,
      camera: has.camera === true ? on : off,
      ...(has.screen === true ? { screen: on } : {}),
      ...(has.screen_audio === true ? { screen_audio: on } : {}),
    },
  };
}

export const room: Room = {
  id: "room_1",
  slug: "welcome",
  title: "Welcome",
  rev: 1,
  preset: "meeting",
  locked: false,
  lobby: "off",
  lobby_message: null,
  password_bypasses_lobby: false,
  start_without_host: true,
  no_host: "wait",
  no_host_grace_s: 120,
  waiting_for_host: false,
  duplicate: "ask",
  default_role: "attendee",
  guests_may_cohost: false,
  attendees: { microphone: true, camera: true, screen: true, rename: true, invite: false },
  viewers: { chat: false, hands: true, reactions: true },
  reactions: true,
  hands: "fifo",
  cohosts_end: true,
  max_duration_s: null,
  roster: "all",
  caps: { participants: null, microphone: null, camera: null },
  opens_at: null,
  closes_at: null,
  consent_text: null,
  custom_roles: [],
  password_set: false,
  av_lock: {
    microphone: { on: false, allow: [] },
    camera: { on: false, allow: [] },
    screen: { on: false, allow: [] },
  },
  chat: { public: "all", private: "all", slow_s: 0, links: true, history: "none", keep: "none", keep_days: 7 },
  screen: "one",
  relay_only: false,
  suspended: false,
  ends_at: null,
  spotlight: [],
};

export function joined(...others: Participant[]): { outcome: "joined" } & Joined {
  return {
    outcome: "joined",
    session: "ses_1",
    room,
    self: participant("me"),
    permissions: ["room.join", "publish.audio", "publish.video", "publish.screen", "publish.screen_audio"],
    overrides: [],
    roster: others,
    hands: { hands: [] },
    ending: null,
    chat: [],
    ice_servers: [],
    seq: 0,
    resume_token: "rt_0",
  };
}
