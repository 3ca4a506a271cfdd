// Recomputes every contrast of the design language (WCAG 2.2, 1.4.3 and 1.4.11) from the style sheets themselves.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../src/ui/${path}`, import.meta.url), "utf8");
const css = read("tokens.css");

function tokens(text: string): Map<string, string> {
  return new Map([...text.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/gi)].map((match) => [match[1] ?? "", match[2] ?? ""]));
}
/** The tokens of the first block that `selector` opens. */
function block(selector: string): Map<string, string> {
  const from = css.indexOf(`${selector} {`);
  return from < 0 ? new Map() : tokens(css.slice(from, css.indexOf("}", from)));
}
const dark = block(":root");
const chosenLight = block(':root[data-theme="light"]');
const light = new Map([...dark, ...chosenLight]);
const contrastTheme = new Map([...dark, ...block(':root[data-theme="contrast"]')]);

test("the light theme is the same by choice and by the system", () => {
  expect(chosenLight.size).toBeGreaterThan(9);
  expect(block(":root:not([data-theme])")).toEqual(chosenLight);
});

test("the theme of high contrast is more than readable", () => {
  const of = (name: string): string => contrastTheme.get(name) ?? `no token ${name}`;
  for (const background of BACKGROUNDS) {
    for (const name of TEXT) expect(contrast(of(name), of(background)), name).toBeGreaterThanOrEqual(7);
    for (const name of OTHER) expect(contrast(of(name), of(background)), name).toBeGreaterThanOrEqual(4.5);
  }
});

function luminance(colour: string): number {
  const channel = (from: number): number => {
    const value = parseInt(colour.slice(from, from + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

function contrast(one: string, other: string): number {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

const BACKGROUNDS = ["stage", "surface", "raised"];
const TEXT = ["text", "muted", "accent", "attention", "danger"];
const OTHER = ["outline", "focus"];

for (const [theme, colours] of [
  ["dark", dark],
  ["light", light],
  ["contrast", contrastTheme],
] as const) {
  const of = (name: string): string => colours.get(name) ?? `no token ${name}`;
  test.each(TEXT)(`${theme}: %s is readable on every background`, (name) => {
    for (const background of BACKGROUNDS) expect(contrast(of(name), of(background))).toBeGreaterThanOrEqual(4.5);
  });
  test.each(OTHER)(`${theme}: %s is told apart from every background`, (name) => {
    for (const background of BACKGROUNDS) expect(contrast(of(name), of(background))).toBeGreaterThanOrEqual(3);
  });
  test(`${theme}: words on buttons are readable`, () => {
    expect(contrast(of("on-accent"), of("accent"))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(of("on-leave"), of("leave"))).toBeGreaterThanOrEqual(4.5);
  });
}

test("a name on the scrim is readable over white video", () => {
  const share = Number(/--scrim:\s*rgb\(0 0 0 \/ (\d+)%\)/.exec(css)?.[1]) / 100;
  const grey = Math.round(255 * (1 - share))
    .toString(16)
    .padStart(2, "0");
  expect(contrast("#ffffff", `#${grey.repeat(3)}`)).toBeGreaterThanOrEqual(4.5);
});

test("initials are readable on every avatar", () => {
  const tones = [...read("Avatar.svelte").matchAll(/--tone:\s*(#[0-9a-f]{6})/gi)].map((match) => match[1] ?? "");
  expect(tones).not.toEqual([]);
  for (const tone of tones) expect(contrast("#ffffff", tone)).toBeGreaterThanOrEqual(4.5);
});
