import react from "@vitejs/plugin-react";
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";

// `npm run dev` talks to a running `flightdeck serve`; FLIGHTDECK_URL names another one.
const server = loadEnv("", ".", "FLIGHTDECK_")["FLIGHTDECK_URL"] ?? "http://127.0.0.1:8765";

export default defineConfig({
  // Relative addresses, so that the page also works below a path of a reverse proxy.
  base: "./",
  plugins: [react()],
  build: { target: "es2023", sourcemap: false, chunkSizeWarningLimit: 700 },
  server: { proxy: { "/v1": server, "/health": server } },
  test: {
    environment: "jsdom",
    testTimeout: 60_000,
    setupFiles: ["test/setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
  },
});
