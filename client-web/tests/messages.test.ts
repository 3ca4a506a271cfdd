// Every text exists in every language, is used, takes the same inputs and has the plural forms of its language.
import { readdirSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { getTextDirection } from "../src/paraglide/runtime.js";
import { isLocale, LANGUAGES, loadTexts, LOCALES, m, showTextsOf } from "../src/ui/languages";

interface Variants {
  readonly declarations: readonly string[];
  readonly selectors: readonly string[];
  readonly match: Readonly<Record<string, string>>;
}
type Text = string | readonly Variants[];

const root = new URL("../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");
const settings = JSON.parse(read("project.inlang/settings.json")) as { baseLocale: string; locales: string[] };
const texts = new Map(
  settings.locales.map((one) => {
    const { $schema: _, ...rest } = JSON.parse(read(`messages/${one}.json`)) as Record<string, Text>;
    return [one, rest] as const;
  }),
);
const base = texts.get(settings.baseLocale) ?? {};
const keys = Object.keys(base);

/** What is shown in one case or another, by the case. */
const cases = (text: Text): [when: string, words: string][] =>
  typeof text === "string" ? [["", text]] : text.flatMap(({ match }) => Object.entries(match));
const inputs = (text: Text): string[] => {
  const named = cases(text).flatMap(([, words]) => [...words.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? ""));
  const declared = typeof text === "string" ? [] : text.flatMap(({ declarations }) => declarations);
  const given = declared.flatMap((one) => /^input (\w+)$/.exec(one)?.[1] ?? []);
  return [...new Set([...named, ...given])].sort();
};

test("there are texts, and the page offers the languages that the settings name", () => {
  expect(keys.length).toBeGreaterThan(0);
  expect([...LOCALES].sort()).toEqual([...settings.locales].sort());
  expect(readdirSync(new URL("messages/", root)).sort()).toEqual(settings.locales.map((one) => `${one}.json`).sort());
});

describe.each(settings.locales)("in %s", (locale) => {
  const own = texts.get(locale) ?? {};

  test("there is every text, and none too many", () => {
    expect(Object.keys(own).sort()).toEqual([...keys].sort());
  });

  test("every text takes the same inputs", () => {
    for (const key of keys) expect(inputs(own[key] ?? ""), key).toEqual(inputs(base[key] ?? ""));
  });

  test("every text that counts has the forms of the language", () => {
    const forms = new Intl.PluralRules(locale).resolvedOptions().pluralCategories;
    for (const key of keys) {
      const text = own[key] ?? "";
      expect(typeof text, key).toBe(typeof base[key]);
      if (typeof text === "string") continue;
      expect(text, key).toHaveLength(1);
      for (const { declarations, selectors, match } of text) {
        expect(selectors, key).toHaveLength(1);
        const [selector] = selectors;
        expect(declarations, key).toContainEqual(expect.stringMatching(`^local ${selector} = \\w+: plural$`));
        expect(Object.keys(match).sort(), key).toEqual(forms.map((form) => `${selector}=${form}`).sort());
      }
    }
  });

  test("no text is empty, or has blanks around it or two in a row", () => {
    for (const key of keys) {
      for (const [when, words] of cases(own[key] ?? "")) expect(words, `${key} ${when}`).not.toMatch(/^$|^\s|\s$|\s\s/);
    }
  });
});

describe("as compiled", () => {
  beforeAll(async () => {
    for (const locale of LOCALES) await loadTexts(locale);
  });

  test.each([...LOCALES])("every text of %s is what the file says", (locale) => {
    // With a plug-in that is not found the compiler succeeds without a single text.
    showTextsOf(() => locale);
    const say = m as unknown as Record<string, (inputs: Record<string, unknown>) => string>;
    for (const key of keys) {
      const text = texts.get(locale)?.[key] ?? "";
      const given = Object.fromEntries(inputs(text).map((input) => [input, 2]));
      const form = `=${new Intl.PluralRules(locale).select(2)}`;
      const words = typeof text === "string" ? text : cases(text).find(([when]) => when.endsWith(form))?.[1];
      expect(say[key]?.(given), key).toBe(words?.replace(/\{\w+\}/g, "2"));
    }
  });

  test("a text follows the language that is shown, also when it was taken before", () => {
    const { language } = m;
    showTextsOf(() => "en");
    expect(language()).toBe("Language");
    showTextsOf(() => "de");
    expect(language()).toBe("Sprache");
    expect(m.left_title_takenOver()).toBe(texts.get("de")?.["left_title_takenOver"]);
  });

  test("a language says its own name and direction", () => {
    for (const locale of LOCALES) {
      const { name, direction } = LANGUAGES[locale];
      expect(name.toLowerCase()).toBe(new Intl.DisplayNames(locale, { type: "language" }).of(locale)?.toLowerCase());
      expect(direction).toBe(getTextDirection(locale));
    }
    expect(isLocale("toString")).toBe(false);
  });
});

test("every text is used, and no component has words of its own", () => {
  const folder = new URL("src/ui/", root);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
    /\.(svelte|ts)$/.test(path),
  );
  const code = files.map((path) => readFileSync(new URL(path, folder), "utf8")).join("\n");
  const families = [...code.matchAll(/m\[`(\w+?)\$\{/g)].map((match) => match[1] ?? "-");
  const unused = keys.filter(
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
