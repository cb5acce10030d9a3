// Makes the component: node build.mjs OUT.wasm [FOLDER-WITH-WIT]
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const [out, wit] = process.argv.slice(2);
if (!out) {
  console.error("usage: node build.mjs OUT.wasm [FOLDER-WITH-WIT]");
  process.exit(2);
}
const { component } = await componentize(await readFile(here("policy.js"), "utf8"), {
  witPath: wit ?? here("../../../wit/0.1.0"),
  worldName: "policy-plugin",
  // A plugin has no clock, no dice and no files but what the exchange grants.
  disableFeatures: ["clocks", "random", "stdio", "http", "fetch-event"],
});
await writeFile(out, component);
