/**
 * Noise suppression on this device: RNNoise, a small neural network as WebAssembly in an audio worklet. Loaded when it is
 * switched on; sound never leaves the device for it.
 */
import { loadRnnoise, RnnoiseWorkletNode } from "@sapphi-red/web-noise-suppressor";
import simdUrl from "@sapphi-red/web-noise-suppressor/rnnoise_simd.wasm?url";
import plainUrl from "@sapphi-red/web-noise-suppressor/rnnoise.wasm?url";
import workletUrl from "@sapphi-red/web-noise-suppressor/rnnoiseWorklet.js?url";
import { measure, noLoad, overloaded } from "../core/overload";

/** The network was trained at this rate. */
const RATE_HZ = 48_000;
const MEASURE_EVERY_MS = 2_000;

export interface Clean {
  track: MediaStreamTrack;
  stop: () => void;
}

/** Returns `raw` without noise. `slow` is called, once, when this device does not keep up. */
export async function denoise(raw: MediaStreamTrack, slow: () => void): Promise<Clean> {
  const audio = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
  try {
    const [wasmBinary] = await Promise.all([
      loadRnnoise({ url: plainUrl, simdUrl }),
      audio.audioWorklet.addModule(workletUrl),
    ]);
    await audio.resume();
    const source = audio.createMediaStreamSource(new MediaStream([raw]));
    const node = new RnnoiseWorkletNode(audio, { maxChannels: 1, wasmBinary });
    const out = audio.createMediaStreamDestination();
    // One voice, one channel.
    out.channelCount = 1;
    source.connect(node).connect(out);
    const [track] = out.stream.getAudioTracks();
    if (track === undefined) throw new Error("no track");
    const watch = watchLoad(audio, slow);
    const stop = (): void => {
      clearInterval(watch);
      node.destroy();
      source.disconnect();
      void audio.close();
    };
    return { track, stop };
  } catch (error) {
    void audio.close();
    throw error;
  }
}

function watchLoad(audio: AudioContext, slow: () => void): ReturnType<typeof setInterval> {
  let load = noLoad;
  const timer = setInterval(() => {
    // A page in the background has slow timers, and a context may be paused by the system: neither is load.
    if (document.hidden || audio.state !== "running") {
      load = noLoad;
      return;
    }
    load = measure(load, performance.now(), audio.currentTime * 1_000);
    if (!overloaded(load)) return;
    clearInterval(timer);
    slow();
  }, MEASURE_EVERY_MS);
  return timer;
}
