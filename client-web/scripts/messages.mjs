// Compiles messages/*.json to one module for each language, of which the page loads one (src/ui/languages.ts).
import { compile } from "@inlang/paraglide-js";

await compile({
  project: "./project.inlang",
  outdir: "./src/paraglide",
  strategy: ["globalVariable", "baseLocale"],
  outputStructure: "locale-modules",
  // Another check may be reading the folder meanwhile.
  cleanOutdir: false,
  emitReadme: false,
  // In place of the compiler's own, which would hold every language at once.
  additionalFiles: { "messages.js": 'export { m } from "../ui/languages";\n' },
});
