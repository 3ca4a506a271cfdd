import { defineConfig } from "vitest/config";

// Without the plugins of the page: what is tested here has no components.
export default defineConfig({ test: { include: ["src/**/*.test.ts", "tests/**/*.test.ts"] } });
