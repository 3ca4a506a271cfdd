import { expect, test } from "vitest";
import { pickLanguage, regionalTag } from "./language";

const SPOKEN = ["de", "en", "es", "fr", "pt-BR", "ar"] as const;

test("the first wish that is met wins", () => {
  expect(pickLanguage(["nl", "fr", "de"], SPOKEN)).toBe("fr");
  expect(pickLanguage(["", "es-419", "en"], SPOKEN)).toBe("es");
  expect(pickLanguage(["nl", "ja"], SPOKEN)).toBeNull();
  expect(pickLanguage([], SPOKEN)).toBeNull();
});

test("a region is met by its language, and the very tag goes before", () => {
  expect(pickLanguage(["pt-PT"], SPOKEN)).toBe("pt-BR");
  expect(pickLanguage(["pt"], SPOKEN)).toBe("pt-BR");
  expect(pickLanguage(["PT-br"], SPOKEN)).toBe("pt-BR");
  expect(pickLanguage(["pt-BR"], ["pt-PT", "pt-BR"])).toBe("pt-BR");
  expect(pickLanguage(["fil", "arz"], SPOKEN)).toBeNull();
});

test("dates have the browser's region of the language, and the digits of the texts", () => {
  const digits = (tag: string): string => (12.5).toLocaleString(tag);
  expect(regionalTag("en", ["de-AT", "en-GB", "en-US"])).toBe("en-GB-u-nu-latn");
  expect(regionalTag("fr", ["de-AT"])).toBe("fr-u-nu-latn");
  expect(regionalTag("ar", ["ar-EG"])).toBe("ar-EG-u-nu-latn");
  expect(digits("ar-EG")).not.toBe("12.5");
  expect(digits(regionalTag("ar", ["ar-EG"]))).toBe("12.5");
  expect(digits(regionalTag("de", ["de-AT"]))).toBe("12,5");
  expect(regionalTag("en", ["en-"])).toBe("en");
});
