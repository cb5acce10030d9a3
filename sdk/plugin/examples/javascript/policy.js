// Calls from the family ring every telephone at once; all others go where the plan says.
import { log, setting } from "ringtrip:plugin/host@0.1.0";

const list = (key) => (setting(key) ?? "").split(",").map((s) => s.trim()).filter(Boolean);
const pass = { verdict: { tag: "pass" }, because: "" };

export const policy = {
  route(call) {
    const outside = call.origin === "gateway" || call.origin === "landline";
    if (!outside || !list("family").includes(call.caller.number)) {
      return pass;
    }
    const targets = list("ring").map((name) => ({ name }));
    if (targets.length === 0) {
      log("warn", "nothing is set to ring for the family");
      return pass;
    }
    return { verdict: { tag: "stages", val: [{ targets, seconds: 40 }] }, because: "the family calls" };
  },
};
