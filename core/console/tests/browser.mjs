// A person at the console, played by a real browser on a real exchange: logs in, lifts a telephone, dials, answers,
// hears, hangs up, reads the record, tries a plan, edits the configuration, and sees the exchange restart.
//
//   RINGTRIP_BIN      the program            (default: ../../target/debug/ringtrip)
//   RINGTRIP_DRIVERS  folder of the drivers  (default: the program's)
//   RINGTRIP_CHROMIUM the browser            (default: /usr/bin/chromium)
//   RINGTRIP_SHOTS    where pictures go      (default: a folder under the system's temporary one, printed at the end)
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { chromium } from "playwright-core";
import { Exchange } from "./exchange.mjs";

const here = new URL(".", import.meta.url).pathname;
const bin = resolve(process.env.RINGTRIP_BIN ?? join(here, "../../../target/debug/ringtrip"));
const drivers = resolve(process.env.RINGTRIP_DRIVERS ?? dirname(bin));
const shots = process.env.RINGTRIP_SHOTS ?? join(tmpdir(), "ringtrip-console-shots");
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
];

const exchange = await Exchange.first({ bin, drivers });
const profile = await mkdtemp(join(tmpdir(), "ringtrip-browser-"));
await mkdir(shots, { recursive: true });
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.RINGTRIP_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  viewport: { width: 1280, height: 900 },
  args: FLAGS,
});
// A landline call takes a dozen seconds by itself: dial tone, digits, ringback.
browser.setDefaultTimeout(30_000);
const page = await browser.newPage();
// Notes what is laid into the loudspeaker: when each piece begins, how long it is, and how loud.
await page.addInitScript(() => {
  globalThis.played = [];
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (when = 0) {
    const peak = this.buffer.getChannelData(0).reduce((most, s) => Math.max(most, Math.abs(s)), 0);
    globalThis.played.push({ when, long: this.buffer.duration, peak, running: this.context.state === "running", now: this.context.currentTime });
    return start.call(this, when);
  };
});

/** What the page complained about, and every request that left this machine's exchange. */
const complaints = [];
page.on("pageerror", (error) => complaints.push(`error: ${error}`));
page.on("console", (message) => {
  if (message.type() === "error" && !/status of 4\d\d|ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY/.test(message.text())) complaints.push(message.text());
});
page.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(`${exchange.url}/`) && !/^(blob|data):/.test(url)) complaints.push(`asked somebody else: ${url}`);
});

let picture = 0;
const shoot = (name) => page.screenshot({ path: join(shots, `${String(++picture).padStart(2, "0")}-${name}.png`), fullPage: true });
const step = async (name, work) => {
  const start = Date.now();
  try {
    await work();
  } catch (error) {
    await shoot("failed").catch(() => undefined);
    error.message = `${name}: ${error.message}`;
    throw error;
  }
  console.log(`ok  ${name} (${Date.now() - start} ms)`);
};
const seen = (selector) => page.locator(selector).first().waitFor();
const open = (title) => page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: title, exact: true }).click();
const telephone = (line) => page.locator(`[data-telephone=${line}]`);
const heard = async (line) => Number(await telephone(line).getAttribute("data-heard"));
const login = async (secret) => {
  await page.getByLabel("Admin secret").fill(secret);
  await page.getByRole("button", { name: "Log in" }).click();
};

try {
  await step("a wrong secret is refused in words, the right one opens", async () => {
    await page.goto(exchange.url);
    await login("not-the-secret");
    await page.getByRole("alert").getByText("This is not the admin secret").waitFor();
    await shoot("login");
    await login(exchange.secret);
    await seen("[data-link=live]");
  });

  await step("the switchboard shows lines, extensions and the board", async () => {
    for (const line of ["fxs1", "fxs2", "fxo1"]) await seen(`[data-line=${line}][data-state=idle]`);
    await seen("[data-board=virtual]");
    assert.match(await page.locator("[data-extension='101']").innerText(), /Hall/);
    await page.getByText("No calls in progress").waitFor();
    await shoot("switchboard-idle");
  });

  await step("a lifted telephone has dial tone that can be heard", async () => {
    await open("Telephones");
    await telephone("fxs1").getByRole("button", { name: "Lift" }).click();
    await seen("[data-telephone=fxs1][data-lifted=true]");
    await page.waitForFunction(() => Number(document.querySelector("[data-telephone=fxs1]")?.dataset.heard) > 4000);
    await page.waitForFunction(() => (document.querySelector("[data-telephone=fxs1] meter")?.value ?? 0) > 0.02);
  });

  await step("it reaches the loudspeaker in one piece", async () => {
    await page.evaluate(() => { globalThis.played.length = 0; });
    await page.waitForTimeout(2000);
    const played = await page.evaluate(() => globalThis.played);
    assert.ok(played.length > 5, `${played.length} pieces in two seconds`);
    assert.ok(played.every((p) => p.running && p.when > p.now && p.peak > 0.02), "every piece is in time and has sound in it");
    const breaks = played.filter((p, n) => n > 0 && Math.abs(p.when - played[n - 1].when - played[n - 1].long) > 1e-6);
    // One is forgiven: a busy machine may be late once.
    assert.ok(breaks.length <= 1, `${breaks.length} breaks in ${played.length} pieces`);
  });

  await step("dialling 102 rings the other telephone, with keys of mouse and keyboard", async () => {
    await telephone("fxs1").locator("[data-key='1']").click();
    await telephone("fxs1").focus();
    await page.keyboard.press("0");
    await page.keyboard.press("2");
    await seen("[data-telephone=fxs2][data-ringing=true]");
    await shoot("ringing");
  });

  await step("answered, they talk, and a tone said here is heard there", async () => {
    // The caller ID comes between the first two rings; a person lets it ring.
    await page.waitForFunction(() => /101/.test(document.querySelector("[data-telephone=fxs2] .display")?.dataset.display ?? ""));
    await telephone("fxs2").focus();
    await page.keyboard.press("l");
    await seen("[data-telephone=fxs2][data-lifted=true]");
    await telephone("fxs1").getByText("Talking").waitFor();
    await telephone("fxs2").getByText("Talking").waitFor();
    // Silence first, so that what is then heard is the tone.
    await page.waitForFunction(() => (document.querySelector("[data-telephone=fxs2] meter")?.value ?? 1) < 0.01);
    await telephone("fxs1").getByRole("button", { name: "Play tone" }).click();
    await page.waitForFunction(() => (document.querySelector("[data-telephone=fxs2] meter")?.value ?? 0) > 0.05); // Each telephone loses 3 dB in each direction.
    const before = await heard("fxs2");
    await page.waitForTimeout(1000);
    const second = (await heard("fxs2")) - before;
    assert.ok(second > 6000 && second < 12_000, `${second} samples were heard in a second, not 8000`);
    await shoot("talking");
  });

  await step("the microphone is heard at the other end", async () => {
    // The browser's fake microphone beeps once a second.
    await page.waitForFunction(() => (document.querySelector("[data-telephone=fxs2] meter")?.value ?? 1) < 0.01);
    await telephone("fxs1").getByRole("button", { name: "Talk" }).click();
    await telephone("fxs1").getByRole("button", { name: "Stop talking" }).waitFor();
    await page.waitForFunction(() => (document.querySelector("[data-telephone=fxs2] meter")?.value ?? 0) > 0.02);
    await telephone("fxs1").getByRole("button", { name: "Stop talking" }).click();
  });

  await step("the switchboard shows the call as talking", async () => {
    await open("Switchboard");
    await seen("[data-call][data-state=talking]");
    assert.match(await page.locator("[data-call]").innerText(), /101[^]*102/);
    await seen("[data-line=fxs1][data-state=talking]");
    await shoot("switchboard-talking");
  });

  await step("hung up, everything is idle and the record says so", async () => {
    await open("Telephones");
    await telephone("fxs1").getByRole("button", { name: "Hang up" }).click();
    await telephone("fxs2").getByRole("button", { name: "Hang up" }).click();
    await open("Switchboard");
    await page.getByText("No calls in progress").waitFor();
    for (const line of ["fxs1", "fxs2"]) await seen(`[data-line=${line}][data-state=idle]`);
    await open("Call records");
    const row = page.locator("[data-cdr]").first();
    await row.getByText("Hung up").waitFor();
    assert.match(await row.innerText(), /101[^]*102[^]*by the caller/);
    await row.getByRole("button", { name: "Details" }).click();
    await page.getByText("Plan alternative").waitFor();
    await shoot("records");
  });

  await step("the office calls the landline, the caller ID is read, a polarity reversal ends it", async () => {
    await open("Telephones");
    await page.getByRole("button", { name: "Call the landline" }).click();
    await seen("[data-telephone=fxs1][data-ringing=true]");
    await page.waitForFunction(() => /5551234/.test(document.querySelector("[data-telephone=fxs1] .display")?.dataset.display ?? ""));
    await telephone("fxs1").getByRole("button", { name: /Answer|Lift/ }).click();
    await seen("[data-office=fxo1][data-office-state=talking]");
    await shoot("from-the-landline");
    // What the pair does in the first moment after it is taken is the office's own business; people talk a little first.
    await page.waitForFunction(() => Number(document.querySelector("[data-telephone=fxs1]")?.dataset.heard) > 16_000);
    await page.getByRole("button", { name: "Reversal" }).click();
    await telephone("fxs1").getByText(/Far end disconnected|Reorder tone|Busy tone|Congestion tone|Off hook|Left off hook|Hung up/i).first().waitFor();
    await telephone("fxs1").getByRole("button", { name: "Hang up" }).click();
    await open("Switchboard");
    await seen("[data-line=fxo1] .jack-last:has-text('Polarity Reversal')");
  });

  await step("a number for the landline is decoded at the office; CPC ends the call", async () => {
    await open("Telephones");
    await telephone("fxs2").getByRole("button", { name: "Lift" }).click();
    await seen("[data-telephone=fxs2][data-lifted=true]");
    await telephone("fxs2").focus();
    for (const key of "95551000") await page.keyboard.press(key);
    await seen("[data-office=fxo1] [data-digits='5551000']");
    await seen("[data-office=fxo1][data-office-state=talking]");
    await page.getByRole("button", { name: "CPC" }).click();
    await seen("[data-office=fxo1][data-office-state=idle]");
    await telephone("fxs2").getByRole("button", { name: "Hang up" }).click();
    await open("Call records");
    await page.locator("[data-cdr]").first().getByText("Hung up (CPC)").waitFor();
  });

  await step("the operator makes a call and hangs it up", async () => {
    await open("Switchboard");
    await page.getByLabel("Ring first").fill("999x");
    await page.getByLabel("then call").fill("102");
    await page.getByRole("button", { name: "Call", exact: true }).click();
    await page.getByRole("alert").getByText("999x").waitFor();
    await page.getByLabel("Ring first").fill("101");
    await page.getByRole("button", { name: "Call", exact: true }).click();
    await seen("[data-line=fxs1][data-state=ringing]");
    await page.locator("[data-call]").getByRole("button", { name: /Hang up/ }).click();
    await seen("[data-line=fxs1][data-state=idle]");
    await page.getByText("No calls in progress").waitFor();
  });

  await step("the dial-plan tester: a result, and an error with its place and cure", async () => {
    await open("Dial plan");
    await page.waitForFunction(() => document.querySelector("[name=plan]")?.value === "([12]xx|<9,:>xxxxxxx<:@gw0>)");
    await page.getByText("This dial plan is valid").waitFor();
    await page.locator("[name=keys]").fill("102");
    await page.getByRole("button", { name: "Run" }).click();
    await seen("[data-result=SEND]");
    assert.match(await page.locator("[data-result]").innerText(), /Number\s+102[^]*\[12\]xx/);
    await page.getByLabel("dialled", { exact: true }).fill("911");
    await page.getByRole("button", { name: "Explain route" }).click();
    await seen("[data-verdict=emergency]");
    await shoot("dialplan");
    await page.locator("[name=plan]").fill("([12]xx|3[x)");
    await seen("[data-fault]");
    assert.match(await page.locator("[data-fault]").first().innerText(), /Error\s+Character \d+: /);
    await shoot("dialplan-error");
  });

  await step("a fault in the configuration is shown at its line, and mended it is saved and undone", async () => {
    await open("Configuration");
    const shown = page.getByRole("textbox", { name: "Active configuration" });
    await shown.waitFor();
    assert.doesNotMatch(await shown.inputValue(), /correct-horse/, "passwords are hidden until somebody edits");
    await page.getByRole("button", { name: "Edit" }).click();
    const draft = page.getByRole("textbox", { name: "Draft of the configuration" });
    const text = await draft.inputValue();
    assert.match(text, /correct-horse/);
    await draft.fill(text.replace("[plans]", 'colour = "green"\n[plans]'));
    const line = text.split("\n").indexOf("[plans]") + 1;
    await seen(`.faults [data-line='${line}'][data-severity=error]`);
    assert.ok(await page.getByRole("button", { name: "Save as new version" }).isDisabled());
    await shoot("config-fault");
    await draft.fill(text.replace('name = "Hall"', 'name = "Lobby"'));
    await seen("[data-verdict=good]");
    await page.getByLabel("Reason for the change").fill("the hall has a new name");
    await page.getByRole("button", { name: "Save as new version" }).click();
    await page.getByText("Version 2 is active").waitFor();
    await page.locator("[data-version='2']").getByRole("button", { name: "Show changes" }).click();
    await page.locator(".diff .added", { hasText: "Lobby" }).waitFor();
    await shoot("config-versions");
    await page.locator("[data-version='1']").getByRole("button", { name: "Restore" }).click();
    await page.getByText("Back to version 1, as version 3").waitFor();
    await open("Switchboard");
    await page.locator("[data-extension='101']").getByText("Hall").waitFor();
  });

  await step("a broken script is refused at its line, a right one decides the next call", async () => {
    await open("Script");
    const text = page.getByRole("textbox", { name: "Script default.rhai" });
    await page.waitForFunction(() => document.querySelector("textarea")?.value.includes("fn route"));
    await text.fill("fn route(c) {\n    block(\n}\n");
    await seen(".faults [data-severity=error]");
    await page.getByText("It cannot be activated").waitFor();
    await shoot("script-broken");
    await text.fill('fn route(c) {\n    if c.number != "102" { return pass(); }\n    block("closed at night")\n}\n');
    await page.getByText("It compiles").waitFor();
    await page.getByRole("button", { name: "Save and make active" }).click();
    await page.getByText("The script is active").waitFor();
    await open("Dial plan");
    await page.getByLabel("dialled", { exact: true }).fill("102");
    await page.getByRole("button", { name: "Explain route" }).click();
    await seen("[data-verdict=refuse]");
    assert.match(await page.locator("[data-verdict]").innerText(), /closed at night/);
  });

  await step("killed and started again: the console says so, asks for the secret, and shows the house again", async () => {
    await open("Switchboard");
    const http = new URL(exchange.url).host;
    await exchange.stop("SIGKILL");
    await seen("[data-link=lost]");
    await shoot("lost");
    await exchange.start(http);
    await page.getByRole("button", { name: "Log in" }).waitFor();
    await login(exchange.secret);
    await seen("[data-link=live]");
    await seen("[data-line=fxs1][data-state=idle]");
  });

  await step("on a small dark screen nothing runs out of the side", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: "dark" });
    for (const title of ["Switchboard", "Telephones", "Dial plan", "Call records", "Configuration", "Script"]) {
      await open(title);
      await page.waitForTimeout(400);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(over, 0, `${title} is ${over} px too wide`);
      await shoot(`small-${title.toLowerCase().replace(" ", "-")}`);
    }
  });

  await step("logged out, nothing is shown any more", async () => {
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("button", { name: "Log in" }).waitFor();
    assert.equal((await page.request.get(`${exchange.url}/api/v1/state`)).status(), 401);
  });

  assert.deepEqual(complaints, [], "the page complained");
  console.log(`pictures in ${shots}`);
} catch (error) {
  const told = async (path) => page.request.get(`${exchange.url}/api/v1/${path}`).then((r) => r.text()).catch(String);
  console.error(`newest records: ${await told("cdrs?limit=2")}\nthe board: ${await told("sim/virtual/state")}`);
  console.error(`${error.stack}\ncomplaints: ${JSON.stringify(complaints)}\npictures in ${shots}\nthe exchange said:\n${exchange.said}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  await exchange.end();
  await rm(profile, { recursive: true, force: true });
}
