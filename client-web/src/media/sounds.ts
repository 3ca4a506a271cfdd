/** Short, soft sounds that call for attention. */
import { audioContext } from "./levels";

/** Notes in Hz, and how far apart they begin. */
const NOTES = {
  knock: { notes: [587.33, 440], gapS: 0.16 },
  message: { notes: [783.99], gapS: 0 },
  admitted: { notes: [440, 554.37, 659.25], gapS: 0.12 },
  joined: { notes: [493.88, 659.25], gapS: 0.1 },
  left: { notes: [493.88, 369.99], gapS: 0.1 },
  hand: { notes: [659.25, 659.25], gapS: 0.2 },
} as const;
const LENGTH_S = 0.28;
/** At full volume; the usual one is about half of it. */
const LOUDNESS = 0.2;

export type Sound = keyof typeof NOTES;

/** Plays a sound in a volume from 0 to 1; without a gesture before, or without sound here, nothing happens. */
export function chime(sound: Sound, volume: number): void {
  if (volume <= 0) return;
  try {
    const audio = audioContext();
    const { notes, gapS } = NOTES[sound];
    notes.forEach((frequency, index) => {
      const start = audio.currentTime + index * gapS;
      const note = audio.createOscillator();
      const gain = audio.createGain();
      note.type = "sine";
      note.frequency.value = frequency;
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(LOUDNESS * volume, start + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.001, start + LENGTH_S);
      note.connect(gain).connect(audio.destination);
      note.start(start);
      note.stop(start + LENGTH_S);
    });
  } catch {
    // No sound card, no sound: the page says the same in words.
  }
}
