// vite.config.ts -- builds web/ into web/dist, which the server embeds.
// SPDX-License-Identifier: Apache-2.0
import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [preact({ reactAliasesEnabled: false, devToolsEnabled: false, prefreshEnabled: false })],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // fonts and icons are files: the policy allows no data: font
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { "/api": process.env.TELLTALE_API ?? "http://127.0.0.1:4320" },
  },
});
