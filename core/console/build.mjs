// Builds the console into dist/: one script, one style sheet, one audio worklet, and the files of static/.
// Everything is served by the exchange itself, so nothing here may name another server.
import { build } from "esbuild";
import { cp, mkdir, rm } from "node:fs/promises";

const here = new URL(".", import.meta.url).pathname;
const dist = `${here}dist`;

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
await build({
  entryPoints: { console: `${here}src/main.tsx`, microphone: `${here}src/phone/microphone.worklet.ts` },
  outdir: dist,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "eof",
  logLevel: "warning",
});
await cp(`${here}static`, dist, { recursive: true });
