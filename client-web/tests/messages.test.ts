// Every text exists in every language, is used, and takes the same inputs; the compiler of the texts saw them all.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const LOCALES = ["en", "de"] as const;
const root = new URL("../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");
const texts = Object.fromEntries(LOCALES.map((one) => [one, JSON.parse(read(`messages/${one}.json`)) as object]));
const keys = (locale: string): string[] => Object.keys(texts[locale] ?? {}).filter((key) => !key.startsWith("$"));

test("there are texts, and every language has the same ones", () => {
  expect(keys("en").length).toBeGreaterThan(0);
  for (const locale of LOCALES) expect(keys(locale).sort()).toEqual(keys("en").sort());
});

test("the settings name these languages", () => {
  expect((JSON.parse(read("project.inlang/settings.json")) as { locales: string[] }).locales).toEqual([...LOCALES]);
});

test("every language takes the same inputs", () => {
  const inputs = (locale: string, key: string): string[] => {
    const text = JSON.stringify((texts[locale] as Record<string, unknown>)[key]);
    return [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? ""))].sort();
  };
  for (const key of keys("en")) expect(inputs("de", key), key).toEqual(inputs("en", key));
});

test("the compiled texts are complete", () => {
  // With a plug-in that is not found the compiler succeeds without a single text.
  const index = read("src/paraglide/messages/_index.js");
  expect(index.match(/^export \* from/gm)?.length).toBe(keys("en").length);
});

test("every text is used, and no component has words of its own", () => {
  const folder = new URL("src/ui/", root);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
    /\.(svelte|ts)$/.test(path),
  );
  const code = files.map((path) => readFileSync(new URL(path, folder), "utf8")).join("\n");
  const families = [...code.matchAll(/m\[`(\w+?)\$\{/g)].map((match) => match[1] ?? "-");
  const unused = keys("en").filter(
    (key) => !code.includes(`m.${key}(`) && !families.some((prefix) => key.startsWith(prefix)),
  );
  expect(unused).toEqual([]);
  const words = files
    .filter((path) => path.endsWith(".svelte"))
    .flatMap((path) => {
      const markup = readFileSync(new URL(path, folder), "utf8").replace(/<(script|style)[\s\S]*?<\/\1>/g, "");
      return [...markup.matchAll(/(?:aria-label|title|placeholder|alt)="([^"{}]*[a-z][^"{}]*)"/gi)].map(
        (match) => match[1],
      );
    });
  expect(words).toEqual([]);
});
