/**
 * The own microphone as it is sent, and as it is heard on this device.
 *
 * What is sent is a track of its own, clean of noise if the user wants that. The raw one stays open beside it: its level
 * tells somebody who is muted that he speaks. Nothing of the raw one leaves the device.
 */
interface Origin {
  raw: MediaStreamTrack;
  stop: () => void;
}

const origins = new WeakMap<MediaStreamTrack, Origin>();

export type DenoiseTrouble = "failed" | "slow";

/** Returns the track to be sent for `raw`. `trouble` is called when noise suppression does not work here. */
export async function prepare(
  raw: MediaStreamTrack,
  strong: boolean,
  trouble: (why: DenoiseTrouble) => void,
): Promise<MediaStreamTrack> {
  if (strong) {
    try {
      const { denoise } = await import("./denoise");
      const clean = await denoise(raw, () => trouble("slow"));
      origins.set(clean.track, { raw, stop: clean.stop });
      return clean.track;
    } catch {
      trouble("failed");
    }
  }
  const sent = raw.clone();
  origins.set(sent, { raw, stop: () => undefined });
  return sent;
}

/** The track of the device behind a track that is sent. */
export const rawOf = (track: MediaStreamTrack): MediaStreamTrack => origins.get(track)?.raw ?? track;

/** Ends a track, and what is behind it. */
export function stopTrack(track: MediaStreamTrack): void {
  const origin = origins.get(track);
  track.stop();
  origin?.stop();
  origin?.raw.stop();
}
