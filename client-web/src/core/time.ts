/** Times as messages and as forms write them. */

/** Writes a time as the server reads it: RFC 3339 in UTC, whole seconds without a fraction. */
export const wireTime = (unixMs: number): string =>
  new Date(Math.floor(unixMs / 1_000) * 1_000).toISOString().replace(".000Z", "Z");

const two = (value: number): string => String(value).padStart(2, "0");

/** Writes a time of the server for a field of date and time, which shows local time without a zone. */
export function localField(at: string | null): string {
  if (at === null) return "";
  const date = new Date(at);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Reads such a field; null when it is empty or no time. */
export function fromLocalField(value: string): string | null {
  const unixMs = new Date(value).getTime();
  return value === "" || !Number.isFinite(unixMs) ? null : wireTime(unixMs);
}
