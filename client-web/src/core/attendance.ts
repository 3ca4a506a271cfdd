/** Who was there: the table, and the files that are made of it. */
import type { Attendance, ErrorCode } from "../wire/messages";

export type Attending =
  | { kind: "closed" }
  | { kind: "loading" }
  | { kind: "open"; attendance: Attendance }
  | { kind: "failed"; code: ErrorCode | "offline" };

export const noAttendance: Attending = { kind: "closed" };

/** Returns the table as a file of JSON, without the CSV that came with it. */
export function asJson(attendance: Attendance): string {
  const { since, people, more } = attendance;
  return `${JSON.stringify({ since, people, more }, null, 2)}\n`;
}

/** Returns a name for a file about the meeting `slug` that began at `since`, as in `attendance-team-2026-11-22`. */
export const fileName = (slug: string, since: string): string => `attendance-${slug}-${since.slice(0, 10)}`;

/** Returns a span of seconds as `1:02:03` or `2:03`. */
export function clock(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3_600);
  const minutes = Math.floor((whole % 3_600) / 60);
  const rest = two(whole % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}
