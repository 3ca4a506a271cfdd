import { expect, test } from "vitest";
import { type Device, type DeviceKind, plugged } from "./plug";

const device = (kind: DeviceKind, id: string, group = id): Device => ({ kind, id, label: `the ${id}`, group });
const none = { microphone: null, camera: null, speaker: null };
const built = [device("audioinput", "default", "built-in"), device("audioinput", "built-in")];
const headset = device("audioinput", "headset");

test("a new device is offered", () => {
  expect(plugged(built, [...built, headset], none)).toEqual({
    offered: [{ role: "microphone", device: headset }],
    moved: [],
    lost: [],
  });
});

test("a device that was chosen before and comes back is not offered", () => {
  expect(plugged(built, [...built, headset], { ...none, microphone: "headset" }).offered).toEqual([]);
});

test("the first list, and names that come with the permission, are no news", () => {
  expect(plugged([], built, none).offered).toEqual([]);
  const unnamed = built.map((one) => ({ ...one, id: "x", label: "" }));
  expect(plugged(unnamed, built, none).offered).toEqual([]);
});

test("the chosen device goes: the default takes its place", () => {
  const before = [...built, headset];
  expect(plugged(before, built, { ...none, microphone: "headset" }).lost).toEqual(["microphone"]);
  expect(plugged(before, built, none).lost).toEqual([]);
});

test("whoever follows the system follows it to another device", () => {
  const after = [device("audioinput", "default", "headset"), device("audioinput", "built-in"), headset];
  expect(plugged([...built, headset], after, none).moved).toEqual(["microphone"]);
  expect(plugged([...built, headset], after, { ...none, microphone: "built-in" }).moved).toEqual([]);
});
