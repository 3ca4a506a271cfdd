// Writes a .br and a .gz beside every file that gets smaller of dist, so that the server never compresses while serving.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TEXT = new Set([".html", ".js", ".css", ".svg", ".json", ".txt", ".wasm"]);
const dist = new URL("../dist", import.meta.url).pathname;
let raw = 0;
let packed = 0;

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !TEXT.has(extname(entry.name))) continue;
  const path = join(entry.parentPath, entry.name);
  const bytes = readFileSync(path);
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  writeFileSync(`${path}.br`, brotli);
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  raw += bytes.length;
  packed += brotli.length;
}
console.log(`client: ${(raw / 1000).toFixed(1)} kB, ${(packed / 1000).toFixed(1)} kB with brotli`);
