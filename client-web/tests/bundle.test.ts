// What a browser is given: small, from our origin alone, and within the content policy.
import { brotliCompressSync } from "node:zlib";
import { build } from "vite";
import { beforeAll, expect, test } from "vitest";
import { LOCALES } from "../src/ui/languages";

const BUDGET_BYTES = 200_000;
/** Of everything in one language but the model of noise suppression, which is loaded when it is switched on. */
const WHOLE_BYTES = 260_000;
const files = new Map<string, string>();
const sizes = new Map<string, number>();
/** What the page loads before it shows anything: the entry, what it imports at once, their style sheets, one language. */
const first = new Set<string>(["index.html"]);
/** The chunk of each language, the largest first. */
let languages: string[] = [];

beforeAll(async () => {
  // The runner says "test", for which the framework builds in its checks.
  process.env["NODE_ENV"] = "production";
  const result = await build({ logLevel: "error", build: { write: false } });
  if (!("output" in result)) throw new Error("one build has one output");
  const chunks = result.output.filter((file) => file.type === "chunk");
  const follow = (name: string): void => {
    if (first.has(name)) return;
    first.add(name);
    const chunk = chunks.find((one) => one.fileName === name);
    chunk?.imports.forEach(follow);
    for (const sheet of chunk?.viteMetadata?.importedCss ?? []) first.add(sheet);
  };
  chunks.filter((one) => one.isEntry).forEach((one) => follow(one.fileName));
  const eager = new Set(first);
  for (const file of result.output) {
    sizes.set(file.fileName, brotliCompressSync(file.type === "chunk" ? file.code : file.source).length);
    files.set(file.fileName, file.type === "chunk" ? file.code : Buffer.from(file.source).toString("utf8"));
  }
  const isLanguage = (id: string | null): boolean => id?.includes("/src/paraglide/messages/") ?? false;
  languages = chunks
    .filter((one) => isLanguage(one.facadeModuleId))
    .map((one) => one.fileName)
    .sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0));
  expect(languages).toHaveLength(LOCALES.length);
  expect(chunks.filter((one) => eager.has(one.fileName)).flatMap((one) => one.moduleIds.filter(isLanguage))).toEqual(
    [],
  );
  languages.slice(0, 1).forEach(follow);
}, 60_000);

test("the first load stays within its budget", () => {
  const sum = (names: readonly string[]): number => names.reduce((total, name) => total + (sizes.get(name) ?? 0), 0);
  const kB = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;
  const isModel = (name: string): boolean => name.endsWith(".wasm") || name.includes("workletProcessor");
  const names = [...files.keys()];
  const whole = sum(names.filter((name) => !isModel(name) && !languages.slice(1).includes(name)));
  console.log(`first load: ${kB(sum([...first]))} compressed of ${kB(BUDGET_BYTES)}, everything: ${kB(whole)}`);
  expect(sum([...first])).toBeGreaterThan(10_000);
  expect(sum([...first])).toBeLessThanOrEqual(BUDGET_BYTES);
  expect(whole).toBeLessThanOrEqual(WHOLE_BYTES);
  expect([...first].filter(isModel)).toEqual([]);
});

test("the page has no inline script and no inline style", () => {
  const html = files.get("index.html") ?? "";
  expect(html).toContain("<script");
  expect(html).not.toMatch(/<script(?![^>]*\ssrc=)/);
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/);
});

test("no template carries a style attribute", () => {
  for (const [name, text] of files) if (name.endsWith(".js")) expect(text, name).not.toMatch(/<[^>`]*\sstyle=/);
});

test("no address of anybody else is in the bundle", () => {
  // Names that are never asked: XML namespaces, words of error messages, bases to parse relative addresses with.
  const WORDS =
    /^https?:\/\/(www\.w3\.org|svelte\.dev|paraglidejs\.com|example\.com|fallback\.com|localhost|rolldown\.rs|emscripten\.org)$/;
  for (const [name, text] of files) {
    const foreign = [...text.matchAll(/https?:\/\/[\w.-]+/g)].map(([address]) => address);
    expect(
      foreign.filter((address) => !WORDS.test(address)),
      name,
    ).toEqual([]);
  }
});

test("assets are named by their content", () => {
  for (const name of files.keys()) if (name !== "index.html") expect(name).toMatch(/^assets\/[\w.-]+-[\w-]{8}\.\w+$/);
});
