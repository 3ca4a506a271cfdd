// Fake cameras: one colour per browser process, so that a picture tells who sent it.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * The colours by name, as `[r, g, b]`. All are darker or brighter than what Firefox's own fake
 * camera sends (it walks through all hues at a middle brightness), see `colourName` in page.js.
 */
export const COLOURS = {
  red: [170, 0, 0],
  blue: [0, 0, 190],
  green: [0, 110, 0],
  yellow: [230, 230, 40],
};

const WIDTH = 320;
const HEIGHT = 180;
const FRAMES = 20;
const FPS = 10;
const STRIPE = 32;

let folder;

/** Returns the path of a y4m file, 320x180 at 10 fps, of `colour` with a brighter stripe that wanders. */
export function cameraFile(colour) {
  if (!folder) {
    folder = mkdtempSync(join(tmpdir(), "conclave-cameras-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  }
  const path = join(folder, `${colour}.y4m`);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, y4m(COLOURS[colour]));
  }
  return path;
}

function y4m(rgb) {
  const base = yuv(rgb);
  const stripe = yuv(rgb.map((part) => Math.min(255, part * 1.3 + 20)));
  const chunks = [Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F${FPS}:1 Ip A1:1\n`)];
  for (let frame = 0; frame < FRAMES; frame += 1) {
    const left = Math.floor((frame * WIDTH) / FRAMES);
    chunks.push(Buffer.from("FRAME\n"));
    chunks.push(plane(WIDTH, HEIGHT, left, STRIPE, base[0], stripe[0]));
    chunks.push(plane(WIDTH / 2, HEIGHT / 2, left / 2, STRIPE / 2, base[1], stripe[1]));
    chunks.push(plane(WIDTH / 2, HEIGHT / 2, left / 2, STRIPE / 2, base[2], stripe[2]));
  }
  return Buffer.concat(chunks);
}

function plane(width, height, left, stripeWidth, base, stripe) {
  const row = Buffer.alloc(width, base);
  row.fill(stripe, left, Math.min(width, left + stripeWidth));
  return Buffer.concat(Array(height).fill(row));
}

// ITU-R BT.601, limited range.
function yuv([r, g, b]) {
  return [
    16 + 0.257 * r + 0.504 * g + 0.098 * b,
    128 - 0.148 * r - 0.291 * g + 0.439 * b,
    128 + 0.439 * r - 0.368 * g - 0.071 * b,
  ].map(Math.round);
}
