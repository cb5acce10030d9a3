// What the console computes by itself: plans read out of a configuration, WAV files, sample rates, labels.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";

const src = new URL("../src", import.meta.url).pathname;
let folder;
const load = async (file) => {
  const outfile = join(folder, `${file.replaceAll("/", "-")}.mjs`);
  await build({ entryPoints: [`${src}/${file}.ts`], outfile, bundle: true, format: "esm", logLevel: "error" });
  return import(outfile);
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ringtrip-units-"));
});
after(() => rm(folder, { recursive: true, force: true }));

test("plans are found in every kind of TOML string, and nowhere else", async () => {
  const { plansIn } = await load("routing/plans");
  const check = (toml, want) => assert.deepEqual(plansIn(toml).map((p) => [p.name, p.text]), want, toml);
  check("", []);
  check('home = "(xx)"\n', []);
  check('[plans]\nhome = "(xx.)"\n', [["home", "(xx.)"]]);
  check('[plans] # rules\n  # home = "(no)"\nhome = "(9\\"x)" # why\n"a b" = \'(\\d)\'\n', [["home", '(9"x)'], ["a b", "(\\d)"]]);
  check('[plans]\nlong = """\n(1xx|\\\n   2xx)"""\nraw = \'\'\'\n(3xx)\'\'\'\n', [["long", "(1xx|2xx)"], ["raw", "(3xx)"]]);
  check('[plans]\na = "(x)"\n[line.fxs1]\nplan = "a"\n[ plans ]\nb = "(y)"\n', [["a", "(x)"], ["b", "(y)"]]);
  check('[plans]\nbroken = "(x\nnext = "(y)"\n', [["next", "(y)"]]);
});

test("a WAV file reads back as it was written", async () => {
  const { readWav, writeWav } = await load("phone/wav");
  const tone = Float32Array.from({ length: 1600 }, (_, n) => 0.5 * Math.sin((2 * Math.PI * 1004 * n) / 8000));
  const back = readWav(await writeWav(tone).arrayBuffer());
  assert.equal(back.length, tone.length);
  tone.forEach((s, n) => assert.ok(Math.abs(s - back[n]) < 1e-4, `sample ${n}: ${s} became ${back[n]}`));
  const loud = readWav(await writeWav(Float32Array.of(2, -2)).arrayBuffer());
  assert.ok(loud[0] > 0.99 && loud[1] < -0.99, "what is too loud is clipped, not wrapped");
});

test("what is no WAV file is silence, never an exception", async () => {
  const { readWav, writeWav } = await load("phone/wav");
  const whole = new Uint8Array(await writeWav(new Float32Array(100)).arrayBuffer());
  for (let length = 0; length < whole.length; length += 1) assert.ok(readWav(whole.slice(0, length).buffer).length <= 100);
  assert.equal(readWav(new TextEncoder().encode('{"error":"nobody there"}').buffer).length, 0);
});

test("a microphone at any rate becomes 8000 samples a second, with its pitch", async () => {
  const { Down } = await load("phone/wav");
  for (const rate of [16000, 44100, 48000]) {
    const down = new Down(rate);
    const out = [];
    // As it comes from the sound card: in pieces of 128.
    for (let start = 0; start < rate; start += 128) {
      down.take(Float32Array.from({ length: Math.min(128, rate - start) }, (_, n) => Math.sin((2 * Math.PI * 500 * (start + n)) / rate)), out);
    }
    assert.equal(out.length, 8000, `${rate} Hz`);
    const rises = out.filter((s, n) => n > 0 && out[n - 1] < 0 && s >= 0).length;
    assert.ok(Math.abs(rises - 500) <= 1, `${rate} Hz: ${rises} periods instead of 500`);
  }
});

test("durations and causes have labels", async () => {
  const { duration, causeLabel, describe, isAlarm } = await load("labels");
  for (const [ms, want] of [[0, "0:00"], [-5, "0:00"], [59_999, "0:59"], [61_000, "1:01"], [3_723_000, "1:02:03"]]) {
    assert.equal(duration(ms), want);
  }
  assert.equal(causeLabel("no-answer"), "No answer");
  assert.equal(causeLabel("cpc"), "Hung up (CPC)");
  const down = { seq: 1, at_micros: 0, event: "gateway.state", data: { gateway: "gw1", up: false, why: "403" } };
  assert.equal(describe(down), "gateway gw1 is down: 403");
  assert.ok(isAlarm(down) && !isAlarm({ ...down, data: { ...down.data, up: true } }));
});
