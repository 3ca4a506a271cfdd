import type { MeetingState } from "../../core/state";

/** The time of the server's clock, as far as it is known. */
export const serverMs = (state: MeetingState): number =>
  state.clock === null ? Date.now() : state.clock.unixMs + performance.now() - state.clock.atMs;
