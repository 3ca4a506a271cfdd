/** Attachments: the few places where an element is given its media. */
import type { Attachment } from "svelte/attachments";

/** Plays `stream` in the element, or nothing. */
export function plays(stream: MediaStream | null): Attachment<HTMLVideoElement> {
  return (element) => {
    element.srcObject = stream;
    if (stream !== null) element.play().catch(() => undefined);
    return () => {
      element.srcObject = null;
    };
  };
}

/** Plays one own track in the element. */
export function playsTrack(track: MediaStreamTrack | null): Attachment<HTMLVideoElement> {
  return plays(track === null ? null : new MediaStream([track]));
}

/** Calls `report` for every presented frame, with its RTP timestamp where the browser tells it. */
export function frames(report: (rtp: number | null) => void): Attachment<HTMLVideoElement> {
  return (element) => {
    let handle = 0;
    const next: VideoFrameRequestCallback = (_now, metadata) => {
      handle = element.requestVideoFrameCallback(next);
      report(metadata.rtpTimestamp ?? null);
    };
    handle = element.requestVideoFrameCallback(next);
    return () => element.cancelVideoFrameCallback(handle);
  };
}

/** Plays sound on the chosen speaker; `blocked` is called when the browser wants a gesture first. */
export function sounds(
  stream: MediaStream | null,
  speaker: string | null,
  _gestures: number,
  blocked: () => void,
): Attachment<HTMLAudioElement> {
  return (element) => {
    if (element.srcObject !== stream) element.srcObject = stream;
    if ("setSinkId" in element) void element.setSinkId(speaker ?? "").catch(() => undefined);
    if (stream === null) return;
    element.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") blocked();
    });
  };
}
