/** Words for what settings and measurements are. */
import { chordText } from "../../core/keys";
import { m } from "../../paraglide/messages.js";

/** How good a connection is, from 0 to 3. */
export function qualityText(level: number): string {
  if (level <= 0) return m.quality_0();
  if (level === 1) return m.quality_1();
  return level === 2 ? m.quality_2() : m.quality_3();
}

const isMac = /mac|iphone|ipad/i.test(navigator.userAgent);

/** A chord as it stands on the keys of this device. */
export const chordWords = (chord: string): string => chordText(chord, isMac).replace("Space", m.key_space());
