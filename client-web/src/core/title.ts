/** What the title of the tab says besides the name of the meeting. */
export type Badge = { kind: "none" } | { kind: "waiting"; count: string } | { kind: "admitted" };

const MOST = 99;

/** Returns the badge: how many wait for those who may admit, or that one was just let in. */
export function badgeOf(waiting: number, admitted: boolean): Badge {
  if (admitted) return { kind: "admitted" };
  if (waiting === 0) return { kind: "none" };
  return { kind: "waiting", count: waiting > MOST ? `${MOST}+` : String(waiting) };
}
