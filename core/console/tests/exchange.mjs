// Starts a real exchange for a test: free ports, its own data folder, the simulated board.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How long a start may take on a busy machine, ms. */
const START = 30_000;

export class Exchange {
  constructor(bin, drivers, data, config) {
    Object.assign(this, { bin, drivers, data, config, url: "", secret: "", said: "" });
  }

  /** An exchange with two telephones and two landlines, and the secret of its first start. */
  static async first({ bin, drivers }) {
    const data = await mkdtemp(join(tmpdir(), "ringtrip-console-"));
    const config = join(data, "first.toml");
    await writeFile(config, document(await freePort()));
    const exchange = new Exchange(bin, drivers, data, config);
    await exchange.start("127.0.0.1:0");
    return exchange;
  }

  /** Starts, and reads the console's address (and the first time the secret) from what is printed. */
  async start(http) {
    const args = ["serve", "--data", this.data, "--drivers", this.drivers, "--http", http];
    // Only the first start imports the document; later the store has it.
    if (this.config !== null) args.push("--config", this.config);
    this.config = null;
    this.child = spawn(this.bin, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, RUST_LOG: "info" } });
    const child = this.child;
    this.said = "";
    await new Promise((ready, fail) => {
      const timer = setTimeout(() => fail(new Error(`the exchange did not start within ${START / 1000} s:\n${this.said}`)), START);
      const hear = (bytes) => {
        this.said += bytes;
        const url = /Console\s+(http:\S+)/.exec(this.said);
        const secret = /Admin secret\s+(\S+)/.exec(this.said);
        if (!url || !secret) return;
        clearTimeout(timer);
        this.url = url[1].replace(/\/$/, "");
        if (secret[1] !== "as") this.secret = secret[1];
        ready();
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", (bytes) => { this.said += bytes; });
      child.once("exit", (code) => {
        clearTimeout(timer);
        fail(new Error(`the exchange ended with ${code}:\n${this.said}`));
      });
    });
  }

  async stop(signal = "SIGTERM") {
    const child = this.child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((then) => child.once("exit", then));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await gone;
    clearTimeout(timer);
  }

  async end() {
    await this.stop();
    await rm(this.data, { recursive: true, force: true });
  }
}

function freePort() {
  return new Promise((then, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => then(port));
    });
  });
}

const document = (sip) => `region = "us"
default_plan = "home"
script = "scripts/default.rhai"

[plans]
home = "([12]xx|<9,:>xxxxxxx<:@gw0>)"

[extension.101]
name = "Hall"
line = "fxs1"

[extension.102]
name = "Kitchen"
line = "fxs2"

[extension.201]
password = "correct-horse-battery"

[line.fxs1]
kind = "fxs"
port = "virtual:0"

[line.fxs2]
kind = "fxs"
port = "virtual:1"

[line.fxo1]
kind = "fxo"
port = "virtual:2"
ring_through = ["101"]

[emergency]
country = "US"

[sip]
listen = ["udp:127.0.0.1:${sip}", "tcp:127.0.0.1:${sip}"]
`;
