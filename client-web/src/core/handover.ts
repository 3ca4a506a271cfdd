/** Handing the lead of a meeting over: asked, answered, and with it perhaps the room itself. */
import type { HostTransferRequested, Participant, RequestAnswer } from "../wire/messages";
import { leave } from "./leaving";
import type { MeetingState, Step } from "./state";
import { ask, nameOf, only } from "./state";
import { toasted } from "./toasts";

export interface Handover {
  /** Whom the own offer went to; `request` is null until the server has taken it. */
  offered: { request: string | null; to: string; name: string; permanent: boolean; thenLeave: boolean } | null;
  /** Who offers the lead to this one. */
  incoming: { request: string; by: string | null; permanent: boolean; untilMs: number } | null;
  /** The secret of a new host link, shown this once. */
  secret: string | null;
}

export const noHandover: Handover = { offered: null, incoming: null, secret: null };

const withHandover = (state: MeetingState, change: Partial<Handover>): MeetingState => ({
  ...state,
  life: { ...state.life, handover: { ...state.life.handover, ...change } },
});

/** Whether this one may hand the lead over at all. */
export const leads = (self: Participant | null): boolean => self?.role === "host";

/** Whether it may hand the room over for good: only who came by the room's host link. */
export const owns = (state: MeetingState): boolean =>
  leads(state.self) && state.phase.kind === "inside" && state.phase.entry.credential.kind === "invite";

/** Returns who may take the lead: everybody here but the hosts, co-hosts first. */
export function heirs(roster: ReadonlyMap<string, Participant>): Participant[] {
  const others = [...roster.values()].filter((one) => one.role !== "host" && one.presence === "connected");
  const rank = (one: Participant): number => (one.role === "co_host" ? 0 : 1);
  return others.sort((a, b) => rank(a) - rank(b));
}

/** Offers the lead to somebody, and with `thenLeave` goes when it is taken. */
export function offer(
  state: MeetingState,
  to: string,
  how: { permanent: boolean; thenLeave: boolean },
  nowMs: number,
): Step {
  if (state.link.kind !== "up") return only({ ...state, toasts: toasted(state.toasts, { kind: "offline" }, nowMs) });
  const offered = { request: null, to, name: nameOf(state, to) ?? "", ...how };
  return {
    state: withHandover(state, { offered }),
    effects: [ask({ type: "host.transfer", data: { participant: to, permanent: how.permanent } })],
  };
}

/** Takes that the other was asked. */
export function offerTaken(state: MeetingState, request: string, nowMs: number): Step {
  const { offered } = state.life.handover;
  if (offered === null) return only(state);
  const toasts = toasted(state.toasts, { kind: "asked", who: offered.name, source: "microphone" }, nowMs);
  return only({ ...withHandover(state, { offered: { ...offered, request } }), toasts });
}

export const offerRefused = (state: MeetingState): MeetingState => withHandover(state, { offered: null });

/** Takes the answer of who was asked. */
export function offerAnswered(state: MeetingState, request: string, answer: RequestAnswer | null, nowMs: number): Step {
  const { offered } = state.life.handover;
  if (offered?.request !== request) return only(state);
  const next = withHandover(state, { offered: null });
  if (answer === "accept" && offered.thenLeave) return leave(next);
  const { name, permanent } = offered;
  return only({ ...next, toasts: toasted(next.toasts, { kind: "handedOver", who: name, answer, permanent }, nowMs) });
}

/** Takes that the lead is offered to this one. */
export function requested(state: MeetingState, push: HostTransferRequested, nowMs: number): Step {
  const { request, by, permanent, expires_s } = push;
  const incoming = { request, by: nameOf(state, by), permanent, untilMs: nowMs + expires_s * 1_000 };
  return only(withHandover(state, { incoming }));
}

/** Answers who offers the lead. */
export function answer(state: MeetingState, request: string, given: RequestAnswer): Step {
  if (state.life.handover.incoming?.request !== request) return only(state);
  return {
    state: withHandover(state, { incoming: null }),
    effects: [ask({ type: "host.transfer.reply", data: { request, answer: given } })],
  };
}

/** Takes what came with the lead. */
export const received = (state: MeetingState, secret: string | null): MeetingState =>
  secret === null ? state : withHandover(state, { secret });

export const linkSeen = (state: MeetingState): MeetingState => withHandover(state, { secret: null });

/** Drops an offer that can no longer be answered. Returns `handover` itself when nothing is dropped. */
export const expired = (handover: Handover, nowMs: number): Handover =>
  handover.incoming !== null && nowMs >= handover.incoming.untilMs ? { ...handover, incoming: null } : handover;
