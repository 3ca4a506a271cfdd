import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2022",
    assetsDir: "assets",
    // The page's policy admits no inline code and no data: scripts; files are few and small.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // `npm run dev` beside a running `conclave serve --dev`.
  server: { proxy: { "/api": { target: "http://localhost:8080", ws: true, changeOrigin: true } } },
});
