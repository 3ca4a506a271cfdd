/** Rooms entered lately, in this browser only. */
import { readJson, write } from "../media/storage";

const MOST = 6;
const isSlugs = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === "string");

export const recentRooms = (): string[] => readJson("local", "recent", isSlugs) ?? [];

export function rememberRoom(slug: string): void {
  const others = recentRooms().filter((one) => one !== slug);
  write("local", "recent", JSON.stringify([slug, ...others].slice(0, MOST)));
}

export const forgetRooms = (): void => write("local", "recent", null);

/** Deletes all that this browser remembers of this server, the device's identity included. */
export function forgetEverything(): void {
  const keys = ["recent", "name", "device_key", "locale", "join.microphone", "join.camera", "layout", "comfort"];
  for (const key of [...keys, "device.microphone", "device.camera", "device.speaker"]) write("local", key, null);
}
