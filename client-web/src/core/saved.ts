/** What is kept over a reload of the page, for one tab. */
import type { MeetingState, SavedMeeting, SavedWait } from "./state";

/**
 * Returns what brings this one back after a reload: the stay, or the place in the lobby; null for neither.
 *
 * A typed password is kept for as long as one waits by it: a knock is found again only by who could knock.
 */
export function savedOf(state: MeetingState): SavedMeeting | SavedWait | null {
  const { phase, resume, room, self } = state;
  const microphone = state.publishing.sources.microphone.wanted;
  const camera = state.publishing.sources.camera.wanted;
  if (phase.kind === "waiting") {
    const { room: slug, name, credential } = phase.entry;
    const password = credential.kind === "password" ? credential.password : null;
    return { room: slug, name, password, waiting: true, microphone, camera };
  }
  if (phase.kind !== "inside" || resume === null || room === null || self === null) return null;
  return {
    room: phase.entry.room,
    name: phase.entry.name,
    resume,
    microphone,
    camera,
    media: state.media,
    iceServers: state.iceServers,
    roomInfo: room,
    self,
    roster: [...state.roster.values()],
    permissions: [...state.permissions],
    overrides: state.overrides,
  };
}
