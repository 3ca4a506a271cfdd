import { afterAll, expect, test } from "vitest";
import { loadTexts, showTextsOf } from "./languages";
import { lackText } from "./lacks";

afterAll(() => showTextsOf(() => "en"));

test.each([
  ["en", "overload", "Picture paused: the server is busy"],
  ["en", "bandwidth", "Picture paused: weak network"],
  ["de", "overload", "Bild angehalten: Server ausgelastet"],
  ["de", "bandwidth", "Bild angehalten: schwaches Netz"],
] as const)("in %s a picture that is paused for %s says: %s", async (locale, lack, words) => {
  await loadTexts(locale);
  showTextsOf(() => locale);
  expect(lackText(lack)).toBe(words);
});
