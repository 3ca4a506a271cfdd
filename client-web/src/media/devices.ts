/** Cameras, microphones, speakers and shared screens. Whoever takes a track from here gives it back by `release`. */
import type { Source } from "../wire/messages";
import type { Comfort } from "../core/comfort";
import type { Device, DeviceKind } from "../core/plug";
import type { CaptureFailure } from "../core/state";
import type { Hint } from "../core/screens";

export interface Captured {
  tracks: Partial<Record<Source, MediaStreamTrack>>;
  failures: { source: Source; reason: CaptureFailure }[];
}

/** How devices are opened: which ones, null for the system's default, and what of them. */
export interface DeviceChoice {
  microphone: string | null;
  camera: string | null;
  /** Of the camera's picture. */
  heightPx: number;
  denoise: Comfort["denoise"];
}

type DeviceSource = "microphone" | "camera";

/** Hot-plugging fires the change event in storms. */
const CHANGE_SETTLES_MS = 500;

/** Opens the devices in one prompt; when that fails each one alone, so that a missing camera costs no microphone. */
export async function capture(sources: readonly DeviceSource[], choice: DeviceChoice): Promise<Captured> {
  const first = await open(sources, choice);
  if (first.failures.length === 0 || sources.length < 2) return first;
  const each = await Promise.all(sources.map((source) => open([source], choice)));
  return {
    tracks: Object.assign({}, ...each.map((one) => one.tracks)) as Captured["tracks"],
    failures: each.flatMap((one) => one.failures),
  };
}

async function open(sources: readonly DeviceSource[], choice: DeviceChoice): Promise<Captured> {
  const fail = (reason: CaptureFailure): Captured => ({
    tracks: {},
    failures: sources.map((source) => ({ source, reason })),
  });
  if (navigator.mediaDevices === undefined) return fail("unsupported");
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: sources.includes("microphone") && {
        ...ideal(choice.microphone),
        echoCancellation: true,
        // Two of them one after the other eat voices.
        noiseSuppression: choice.denoise === "own",
        autoGainControl: true,
      },
      video: sources.includes("camera") && {
        ...ideal(choice.camera),
        width: { ideal: Math.round((choice.heightPx * 16) / 9) },
        height: { ideal: choice.heightPx },
        frameRate: { ideal: 30 },
      },
    });
    const [microphone] = stream.getAudioTracks();
    const [camera] = stream.getVideoTracks();
    return {
      tracks: { ...(microphone && { microphone }), ...(camera && { camera }) },
      failures: [],
    };
  } catch (error) {
    return fail(reasonOf(error));
  }
}

/** A wish, never a demand: a device that is gone must not fail the call. */
const ideal = (id: string | null): MediaTrackConstraints => (id === null ? {} : { deviceId: { ideal: id } });

/** A larger screen is scaled down. Letters want sharpness, films want pictures a second. */
const screenOf = (hint: Hint): MediaTrackConstraints => ({
  width: { ideal: 1920 },
  height: { ideal: 1080 },
  frameRate: { ideal: hint === "motion" ? 30 : 15 },
});

/** Tells the encoder of a shared screen what matters in it. */
export async function hintScreen(track: MediaStreamTrack, hint: Hint): Promise<void> {
  track.contentHint = hint;
  // A browser that cannot change the rate keeps the one it has.
  await track.applyConstraints(screenOf(hint)).catch(() => undefined);
}

/** Lets the user pick a screen, window or tab. */
export async function captureScreen(audio: boolean, hint: Hint): Promise<Captured> {
  const fail = (reason: CaptureFailure): Captured => ({ tracks: {}, failures: [{ source: "screen", reason }] });
  if (navigator.mediaDevices?.getDisplayMedia === undefined) return fail("unsupported");
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: screenOf(hint), audio });
    const [screen] = stream.getVideoTracks();
    const [sound] = stream.getAudioTracks();
    if (screen === undefined) return fail("cancelled");
    screen.contentHint = hint;
    return { tracks: { screen, ...(sound && { screen_audio: sound }) }, failures: [] };
  } catch (error) {
    const reason = reasonOf(error);
    return fail(reason === "denied" ? "cancelled" : reason);
  }
}

function reasonOf(error: unknown): CaptureFailure {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    default:
      return "unsupported";
  }
}

/** Lists what there is; labels are empty until a device was allowed once. */
export async function listDevices(): Promise<Device[]> {
  if (navigator.mediaDevices?.enumerateDevices === undefined) return [];
  const all = await navigator.mediaDevices.enumerateDevices();
  return all
    .filter((one) => one.deviceId !== "")
    .map((one) => ({ kind: one.kind as DeviceKind, id: one.deviceId, label: one.label, group: one.groupId }));
}

/** Calls `changed` after devices came or went, until `signal` aborts. */
export function watchDevices(changed: () => void, signal: AbortSignal): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(changed, CHANGE_SETTLES_MS);
  };
  navigator.mediaDevices?.addEventListener("devicechange", later, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
}

/** Whether sound can be sent to a chosen speaker here. */
export const canChooseSpeaker = (): boolean => "setSinkId" in HTMLMediaElement.prototype;

export const canShareScreen = (): boolean => navigator.mediaDevices?.getDisplayMedia !== undefined;
