/** The check of the ways to the relay before one joins: what is tried, and what follows from it. */
import type { IceServer } from "../wire/messages";
import { parseUrl, WAYS, type Way } from "./relay";

/** `none`: the server offers no such way. */
export type Outcome = "trying" | "works" | "blocked" | "none";
export type Outcomes = Readonly<Record<Way, Outcome>>;

/** Where the ways of `server` begin; null for a way that it does not offer. */
export function trials(server: IceServer | null): Readonly<Record<Way, string | null>> {
  const url = (way: Way): string | null => server?.urls.find((one) => parseUrl(one)?.way === way) ?? null;
  return { udp: url("udp"), tcp: url("tcp"), tls: url("tls") };
}

export const offered = (server: IceServer | null): boolean => WAYS.some((way) => trials(server)[way] !== null);

/**
 * What follows: `good` for the best way, `fallback` for one with more delay, `blocked` for none at all; null while
 * something is tried that may change it, and where nothing is offered.
 */
export function adviceOf(outcomes: Outcomes): "good" | "fallback" | "blocked" | null {
  if (outcomes.udp === "works") return "good";
  if (WAYS.some((way) => outcomes[way] === "trying")) return null;
  if (outcomes.tcp === "works" || outcomes.tls === "works") return "fallback";
  return WAYS.some((way) => outcomes[way] === "blocked") ? "blocked" : null;
}
