import { defineConfig } from "vitest/config";

// No React plugin: esbuild compiles JSX itself, and Fast Refresh is not worth its dependency tree.
export default defineConfig({
  esbuild: { jsx: "automatic" },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    // A strict CSP has no `data:` sources to lean on.
    assetsInlineLimit: 0,
    // Vite's preload polyfill is an inline-able script; module preload is native wherever CodeMirror 6 runs.
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        manualChunks(id: string): string | undefined {
          // Only who looks at the history needs it.
          if (id.includes("/@codemirror/merge/")) return "merge";
          if (id.includes("/@codemirror/") || id.includes("/@lezer/")) return "editor";
          if (id.includes("/node_modules/react")) return "react";
          return undefined;
        },
      },
    },
  },
  server: {
    proxy: {
      "/api": "http://127.0.0.1:8000",
      "/ws": { target: "ws://127.0.0.1:8000", ws: true },
    },
  },
  test: { include: ["tests/**/*.test.{ts,tsx}"], testTimeout: 20_000 },
});
