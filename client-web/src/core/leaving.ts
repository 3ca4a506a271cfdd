/** The ways out: back to the page before the room, or to the page after it. */
import { emptyChat, remainder } from "./chat";
import * as own from "./publishing";
import { noLife } from "./life";
import type { Effect, Farewell, LeftReason, MeetingState, Notice, Step } from "./state";
import { ask, initialState, only } from "./state";
import { nobodyWaits } from "./watch";

/** Goes back to the page before the room, with the reason. A shared screen ends: nobody would see that it runs. */
export function outside(state: MeetingState, notice: Notice | null): Step {
  const screen = own.stopScreen(state.publishing);
  const next: MeetingState = {
    ...state,
    phase: { kind: "outside" },
    link: { kind: "off" },
    resume: null,
    transport: { kind: "closed" },
    pathless: null,
    publishing: own.unpublished(screen.publishing),
    picking: false,
    permissions: new Set(),
    overrides: [],
    watch: nobodyWaits,
    life: noLife(),
    prompts: [],
    toasts: [],
    chat: emptyChat,
    notice,
  };
  return {
    state: next,
    effects: [{ kind: "forget" }, ...screen.effects, { kind: "closeTransport" }, { kind: "closeLink" }],
  };
}

/** Ends the stay: every device stops, nothing is kept that could bring the participant back by itself. */
export function gone(state: MeetingState, reason: LeftReason, said: Partial<Farewell> = {}): Step {
  const { phase } = state;
  if (phase.kind === "outside" || phase.kind === "left" || phase.kind === "denied") return only(state);
  if (phase.kind !== "inside" && phase.kind !== "waiting") return outside(state, null);
  const wants = state.publishing.sources;
  const release = own.SOURCES.map((source): Effect => ({ kind: "release", source }));
  const cleared = initialState({ microphone: wants.microphone.wanted, camera: wants.camera.wanted });
  return {
    state: {
      ...cleared,
      room: state.room,
      generation: state.generation,
      relay: { ...cleared.relay, own: state.relay.own },
      asksPassword: state.asksPassword,
      // Who comes back after a broken link finds what was typed.
      chat: reason === "connectionLost" ? remainder(state.chat) : emptyChat,
      phase: { kind: "left", reason, message: null, cause: null, until: null, by: null, ...said, entry: phase.entry },
    },
    effects: [{ kind: "forget" }, { kind: "closeTransport" }, ...release, { kind: "closeLink" }],
  };
}

/** Goes by the own wish: the server is told, so that nobody waits for a link that does not come back. */
export function leave(state: MeetingState): Step {
  const goodbye: Effect[] = state.link.kind === "up" ? [ask({ type: "leave", data: {} })] : [];
  const left = state.phase.kind === "inside" ? gone(state, "left") : outside(state, null);
  return { state: left.state, effects: [...goodbye, ...left.effects] };
}
