/** Short, soft sounds that call for attention. */
import { audioContext } from "./levels";

/** Notes in Hz, and how far apart they begin. */
const NOTES = {
  knock: { notes: [587.33, 440], gapS: 0.16 },
  admitted: { notes: [440, 554.37, 659.25], gapS: 0.12 },
} as const;
const LENGTH_S = 0.28;
const LOUDNESS = 0.12;

/** Plays a sound; without a gesture before, or without sound in this browser, nothing happens. */
export function chime(sound: keyof typeof NOTES): void {
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
      gain.gain.linearRampToValueAtTime(LOUDNESS, start + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.001, start + LENGTH_S);
      note.connect(gain).connect(audio.destination);
      note.start(start);
      note.stop(start + LENGTH_S);
    });
  } catch {
    // No sound card, no sound: the page says the same in words.
  }
}
