// The page has a beginning and an end, not a left and a right: Arabic is the same page mirrored.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const folder = new URL("../src/ui/", import.meta.url);
const sheets = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((path) => /\.(svelte|css)$/.test(path))
  .map((path) => {
    const text = readFileSync(new URL(path, folder), "utf8");
    const styles = path.endsWith(".css")
      ? text
      : [...text.matchAll(/<style>([\s\S]*?)<\/style>/g)].map((match) => match[1] ?? "").join("\n");
    return { path, declarations: [...styles.matchAll(/^\s*([\w-]+):\s*([^;{]+);/gm)] };
  });

/** The parts of a value, each function with its arguments as one. */
const parts = (value: string): string[] => value.match(/[\w-]*\((?:[^()]|\([^()]*\))*\)|[^\s]+/g) ?? [];

const isSided = (name: string, value: string): boolean => {
  if (/(^|-)(left|right)(-|$)/.test(name)) return true;
  if (/^(text-align|float|clear)$/.test(name)) return /^(left|right)$/.test(value);
  // The corner of a device that is round stays where it is.
  if (/safe-area-inset-(left|right)/.test(value)) return name.includes("inline");
  const [top, right, bottom, left] = parts(value);
  if (/^(margin|padding|inset|scroll-(margin|padding)|border-(width|style|color))$/.test(name)) {
    return left !== undefined && left !== right;
  }
  if (name === "border-radius") {
    // Two values are the diagonals.
    return left !== undefined ? top !== right || bottom !== left : right !== undefined && top !== right;
  }
  return false;
};

test("styles name no side that does not turn with the language", () => {
  expect(sheets.length).toBeGreaterThan(40);
  const sided = sheets.flatMap(({ path, declarations }) =>
    declarations
      .filter(([, name, value]) => isSided(name ?? "", (value ?? "").trim()))
      .map(([whole]) => `${path}: ${whole.trim()}`),
  );
  expect(sided).toEqual([]);
});
