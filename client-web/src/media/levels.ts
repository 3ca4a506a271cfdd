/** How loud a track is, and the test tone. One AudioContext for all, opened by a gesture. */
let context: AudioContext | null = null;

/** Returns the page's one audio context; it is silent until the user has touched the page. */
export function audioContext(): AudioContext {
  context ??= new AudioContext();
  if (context.state === "suspended") void context.resume();
  return context;
}

const READ_EVERY_MS = 80;
const FLOOR_DB = -60;
const FALL = 0.8;

/** Reports the loudness of `track` from 0 to 1 about twelve times a second, until `signal` aborts. */
export function watchLevel(track: MediaStreamTrack, report: (level: number) => void, signal: AbortSignal): void {
  const audio = audioContext();
  const source = audio.createMediaStreamSource(new MediaStream([track]));
  const analyser = audio.createAnalyser();
  analyser.fftSize = 512;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let shown = 0;
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const level = Math.min(1, Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / FLOOR_DB));
    shown = Math.max(level, shown * FALL);
    report(shown);
  }, READ_EVERY_MS);
  signal.addEventListener(
    "abort",
    () => {
      clearInterval(timer);
      source.disconnect();
    },
    { once: true },
  );
}

/** Plays two soft notes on the chosen speaker; `element` carries them there. */
export async function playTestTone(element: HTMLAudioElement, speaker: string | null): Promise<void> {
  const audio = audioContext();
  const out = audio.createMediaStreamDestination();
  const now = audio.currentTime;
  [392, 523.25].forEach((frequency, index) => {
    const start = now + index * 0.35;
    const note = audio.createOscillator();
    const gain = audio.createGain();
    note.frequency.value = frequency;
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(0.2, start + 0.03);
    gain.gain.linearRampToValueAtTime(0, start + 0.5);
    note.connect(gain).connect(out);
    note.start(start);
    note.stop(start + 0.5);
  });
  element.srcObject = out.stream;
  if (speaker !== null && "setSinkId" in element) await element.setSinkId(speaker).catch(() => undefined);
  await element.play().catch(() => undefined);
}
