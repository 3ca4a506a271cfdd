// What a browser is given: small, from our origin alone, and within the content policy.
import { brotliCompressSync } from "node:zlib";
import { build } from "vite";
import { beforeAll, expect, test } from "vitest";

const BUDGET_BYTES = 200_000;
const files = new Map<string, string>();

beforeAll(async () => {
  // The runner says "test", for which the framework builds in its checks.
  process.env["NODE_ENV"] = "production";
  const result = await build({ logLevel: "error", build: { write: false } });
  if (!("output" in result)) throw new Error("one build has one output");
  for (const file of result.output) {
    files.set(file.fileName, file.type === "chunk" ? file.code : Buffer.from(file.source).toString("utf8"));
  }
}, 60_000);

test("the first load stays within its budget", () => {
  const sizes = [...files].map(([name, text]) => [name, brotliCompressSync(text).length] as const);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  console.log(`first load: ${(total / 1000).toFixed(1)} kB compressed of ${BUDGET_BYTES / 1000} kB`);
  expect(total).toBeGreaterThan(0);
  expect(total).toBeLessThanOrEqual(BUDGET_BYTES);
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
  const WORDS = /^https?:\/\/(www\.w3\.org|svelte\.dev|paraglidejs\.com|example\.com|fallback\.com|localhost)$/;
  for (const [name, text] of files) {
    const foreign = [...text.matchAll(/https?:\/\/[\w.-]+/g)].map(([address]) => address);
    expect(
      foreign.filter((address) => !WORDS.test(address)),
      name,
    ).toEqual([]);
  }
});

test("assets are named by their content", () => {
  for (const name of files.keys()) if (name !== "index.html") expect(name).toMatch(/^assets\/[\w-]+-[\w-]{8}\.\w+$/);
});
