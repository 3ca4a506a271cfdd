/**
 * Which track feeds which receiving m-line, and whether its picture may be shown.
 *
 * A slot is never shown under a name before the first frame of its new source: it goes `detached` when the server says
 * that the source changes, `armed` (attached to a hidden element) when the server has told the first RTP timestamp of
 * the new source, and `shown` at the first frame at or after that.
 */
import type { PictureSource, Slot as Assignment } from "../wire/messages";
import { isAtOrAfter } from "./rtp";

export type SlotView =
  | { kind: "empty" }
  | { kind: "detached"; rev: number }
  | { kind: "armed"; rev: number; firstRtp: number | null; framesSeen: number }
  | { kind: "shown"; rev: number };

export interface Slot {
  mid: string;
  participant: string | null;
  source: PictureSource | null;
  paused: boolean;
  reason: string | null;
  view: SlotView;
}

export interface SlotTable {
  rev: number;
  slots: ReadonlyMap<string, Slot>;
}

/** Frames that a browser without RTP timestamps in its frame callback has to present before a slot is believed. */
const FRAMES_WITHOUT_TIMESTAMP = 2;

export const noSlots: SlotTable = { rev: 0, slots: new Map() };

/** Takes `media.slots`. The caller acknowledges `rev` after the elements of the changed slots were detached. */
export function assign(table: SlotTable, rev: number, changes: readonly Assignment[]): SlotTable {
  const slots = new Map(table.slots);
  for (const change of changes) slots.set(change.mid, assignOne(slots.get(change.mid), rev, change));
  return { rev: Math.max(table.rev, rev), slots };
}

function assignOne(old: Slot | undefined, rev: number, change: Assignment): Slot {
  const { mid, participant, source, paused, reason } = change;
  const fed = participant !== null && source !== null && !paused;
  const same = old?.participant === participant && old.source === source && !old.paused;
  const view: SlotView = !fed
    ? { kind: "empty" }
    : same && old.view.kind === "shown"
      ? old.view
      : { kind: "detached", rev };
  return { mid, participant, source, paused, reason, view };
}

/** Takes the reply to the acknowledgement of `rev`: from now on frames of the new sources may arrive. */
export function arm(table: SlotTable, rev: number, firstRtp: Readonly<Record<string, number>>): SlotTable {
  const slots = new Map(table.slots);
  for (const [mid, slot] of table.slots) {
    if (slot.view.kind !== "detached" || slot.view.rev > rev) continue;
    slots.set(mid, { ...slot, view: { kind: "armed", rev, firstRtp: firstRtp[mid] ?? null, framesSeen: 0 } });
  }
  return { ...table, slots };
}

/**
 * Takes one presented frame of an armed slot. `rev` names the assignment that the element was armed for; `rtp` is the
 * RTP timestamp of the frame where the browser tells it.
 */
export function frame(table: SlotTable, mid: string, rev: number, rtp: number | null): SlotTable {
  const slot = table.slots.get(mid);
  if (slot?.view.kind !== "armed" || slot.view.rev !== rev) return table;
  const { firstRtp, framesSeen } = slot.view;
  const believed =
    rtp !== null && firstRtp !== null ? isAtOrAfter(rtp, firstRtp) : framesSeen + 1 >= FRAMES_WITHOUT_TIMESTAMP;
  const view: SlotView = believed ? { kind: "shown", rev } : { ...slot.view, framesSeen: framesSeen + 1 };
  return { ...table, slots: new Map(table.slots).set(mid, { ...slot, view }) };
}

/** What keeps a picture from a viewer that its owner sends. */
export type Lack = "bandwidth" | "overload" | "codec" | "waiting";

/**
 * Why a slot shows nothing although its picture is sent; `null` if nobody can say. A server that is busy is told from a
 * weak network: against the one a viewer can do nothing. A picture that is only smaller than wished lacks nothing.
 */
export function lackOf(slot: Slot | null): Lack | null {
  switch (slot?.reason) {
    case "bandwidth":
    case "overload":
      return slot.reason;
    case "codec_unsupported":
      return "codec";
    default:
      return slot === null || slot.view.kind === "empty" ? null : "waiting";
  }
}

/** The slot that carries the picture of `participant`, if there is one. */
export function slotOf(table: SlotTable, participant: string, source: PictureSource): Slot | null {
  for (const slot of table.slots.values()) {
    if (slot.participant === participant && slot.source === source) return slot;
  }
  return null;
}
