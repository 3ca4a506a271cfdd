/** What to do when devices come and go. */
export type DeviceKind = "audioinput" | "videoinput" | "audiooutput";

export interface Device {
  kind: DeviceKind;
  id: string;
  label: string;
  /** The same for the parts of one thing, as a headset; the system's default has that of what it stands for. */
  group: string;
}

export type DeviceRole = "microphone" | "camera" | "speaker";
export const KIND: Readonly<Record<DeviceRole, DeviceKind>> = {
  microphone: "audioinput",
  camera: "videoinput",
  speaker: "audiooutput",
};
export const ROLES: readonly DeviceRole[] = ["microphone", "camera", "speaker"];

/** Entries that stand for another one. */
export const isAlias = (device: Device): boolean => device.id === "default" || device.id === "communications";

export interface Plugged {
  /** What was not there before, one per role. */
  offered: readonly { role: DeviceRole; device: Device }[];
  /** Roles that follow the system's default, which has become another. */
  moved: readonly DeviceRole[];
  /** Roles whose chosen device is not there any more: the default takes its place. */
  lost: readonly DeviceRole[];
}

/** Compares what was there with what is; `chosen` are the ids of devices, null for the system's default. */
export function plugged(
  before: readonly Device[],
  after: readonly Device[],
  chosen: Readonly<Record<DeviceRole, string | null>>,
): Plugged {
  const offered: { role: DeviceRole; device: Device }[] = [];
  const moved: DeviceRole[] = [];
  const lost: DeviceRole[] = [];
  for (const role of ROLES) {
    const [old, now] = [before, after].map((all) => all.filter((one) => one.kind === KIND[role])) as [
      Device[],
      Device[],
    ];
    // The first list, and one without names, say nothing about what is new: labels come with the permission.
    const known = old.length > 0 && old.every((one) => one.label !== "") && now.every((one) => one.label !== "");
    const fresh = now.find((one) => !isAlias(one) && !old.some((other) => other.id === one.id));
    if (known && fresh !== undefined && fresh.id !== chosen[role]) offered.push({ role, device: fresh });
    const here = (all: readonly Device[]): boolean => all.some((one) => one.id === chosen[role]);
    if (chosen[role] !== null && here(old) && !here(now)) lost.push(role);
    const standsFor = (all: readonly Device[]): string | undefined => all.find((one) => one.id === "default")?.group;
    const [from, to] = [standsFor(old), standsFor(now)];
    if (chosen[role] === null && from !== undefined && to !== undefined && from !== to) moved.push(role);
  }
  return { offered, moved, lost };
}
