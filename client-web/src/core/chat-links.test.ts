import { describe, expect, it } from "vitest";
import { linkify } from "./chat-links";

const links = (text: string): string[] => linkify(text).flatMap((one) => (one.kind === "link" ? [one.text] : []));

describe("a link in a message", () => {
  it("is an address of http or https, and nothing else", () => {
    expect(links("see https://example.org/a?b=c#d and HTTP://example.org")).toEqual([
      "https://example.org/a?b=c#d",
      "HTTP://example.org",
    ]);
    for (const text of [
      "javascript:alert(1)",
      "JaVaScRiPt:alert(1)",
      "data:text/html,<script>alert(1)</script>",
      "vbscript:x",
      "file:///etc/passwd",
      "ftp://example.org",
      "blob:https://example.org/1".replace("https://", "https:/"),
      "www.example.org",
      "//example.org",
      "https:example.org",
      "https://",
      "http:// example.org",
      "mailto:a@example.org",
      "__proto__",
      "constructor",
    ])
      expect(links(text), text).toEqual([]);
  });

  it("is not hidden in another scheme", () => {
    // What stands in it is an address of its own, and leads there alone.
    expect(linkify("javascript:https://example.org/%0aalert(1)")).toEqual([
      { kind: "text", text: "javascript:" },
      { kind: "link", text: "https://example.org/%0aalert(1)", href: "https://example.org/%0aalert(1)" },
    ]);
    expect(links("xhttps://example.org")).toEqual([]);
  });

  it("ends before the sentence does", () => {
    expect(links("Go to https://example.org/a.")).toEqual(["https://example.org/a"]);
    expect(links("(https://example.org/a)")).toEqual(["https://example.org/a"]);
    expect(links("https://en.example.org/wiki/Rust_(language)")).toEqual([
      "https://en.example.org/wiki/Rust_(language)",
    ]);
    expect(links("(see https://example.org/a_(b)), really")).toEqual(["https://example.org/a_(b)"]);
    expect(links('<a href="https://example.org/x">y</a>')).toEqual(["https://example.org/x"]);
    expect(links("https://example.org/?!?!")).toEqual(["https://example.org/"]);
  });

  it("does not pretend to lead elsewhere", () => {
    expect(links("https://bank.example@evil.example/")).toEqual([]);
    expect(links("https://a:b@evil.example/")).toEqual([]);
    // What turns the direction of writing ends it.
    expect(links("https://example.org/\u202egpj.exe")).toEqual(["https://example.org/"]);
    expect(links("https://exa\u200bmple.org/")).toEqual(["https://exa"]);
  });

  it("shows where a name of other letters leads", () => {
    const [one] = linkify("https://аррӏе.com/");
    expect(one).toMatchObject({ kind: "link", text: "https://аррӏе.com/" });
    expect(one?.kind === "link" ? new URL(one.href).hostname : "").toMatch(/^xn--/);
  });

  it("is not followed when nobody could have read it", () => {
    expect(links(`https://example.org/${"a".repeat(3_000)}`)).toEqual([]);
  });
});

/** Numbers as by chance, the same in each run (Park and Miller). */
function chance(seed: number): (below: number) => number {
  let now = seed;
  return (below) => {
    now = (now * 48_271) % 2_147_483_647;
    return now % below;
  };
}

const SHREDS = [
  "https://",
  "http://",
  "javascript:",
  "data:text/html,",
  "<svg onload=alert(1)>",
  "<img src=x onerror=alert(1)>",
  "<script>",
  "&lt;",
  "__proto__",
  "constructor",
  "\u202e",
  "\u2066",
  "\u0000",
  "\n",
  " ",
  "\t",
  "@",
  ":",
  "(",
  ")",
  "]",
  "[::1]",
  ".",
  "example.org",
  "evil.example",
  "/",
  "?",
  "#",
  "%00",
  "%",
  "\\",
  '"',
  "'",
  "👍",
  "\ud800",
  "ä",
  "א",
];

describe("any text", () => {
  it("stays the same text, and leads only to http and https", () => {
    const pick = chance(20_261_122);
    for (let run = 0; run < 5_000; run += 1) {
      const text = Array.from({ length: 1 + pick(12) }, () => SHREDS[pick(SHREDS.length)] ?? "").join("");
      const pieces = linkify(text);
      expect(pieces.map((one) => one.text).join("")).toBe(text);
      for (const one of pieces) {
        expect(one.text).not.toBe("");
        if (one.kind !== "link") continue;
        const url = new URL(one.href);
        expect(["http:", "https:"]).toContain(url.protocol);
        expect(url.username + url.password).toBe("");
        expect(one.text).not.toMatch(/[\s<>"\p{Cc}\p{Cf}]/u);
        expect(one.text.toLowerCase()).toMatch(/^https?:\/\//);
      }
    }
  });

  it("takes no longer than its length allows", () => {
    const texts = ["https://", "https://a)", "(", "@", "https://a.", ")]"].map((one) =>
      one.repeat(Math.ceil(4_000 / one.length)),
    );
    for (const text of texts) {
      const began = performance.now();
      expect(
        linkify(text)
          .map((one) => one.text)
          .join(""),
      ).toBe(text);
      expect(performance.now() - began).toBeLessThan(200);
    }
  });
});
