/** Speaks the browser's microphone into a telephone, in small WAV pieces. */

import { output } from "./playback";
import type { Sim } from "./sim";
import { Down, RATE, writeWav } from "./wav";

/** Length of a piece, samples: 160 ms, a compromise of delay and number of requests. */
const PIECE = 1280;
/** When more than this waits to be said, pieces are dropped rather than said late, ms. */
const LATE = 800;

/** A microphone is only given to pages from this machine or over HTTPS. */
export function hasMicrophone(): boolean {
  return isSecureContext && navigator.mediaDevices !== undefined && "audioWorklet" in AudioContext.prototype;
}

export class Capture {
  private waiting: number[] = [];
  private sending = false;
  private closed = false;

  private constructor(
    private readonly sim: Sim,
    private readonly port: number,
    private readonly voice: MediaStream,
    private readonly nodes: AudioNode[],
    private readonly fail: (why: unknown) => void,
  ) {}

  static async open(sim: Sim, port: number, fail: (why: unknown) => void): Promise<Capture> {
    const out = output();
    const voice = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true },
    });
    await out.audioWorklet.addModule("/microphone.js");
    const source = out.createMediaStreamSource(voice);
    const tap = new AudioWorkletNode(out, "ringtrip-microphone", { numberOfOutputs: 0 });
    source.connect(tap);
    const capture = new Capture(sim, port, voice, [source, tap], fail);
    const down = new Down(out.sampleRate);
    tap.port.onmessage = (message: MessageEvent<Float32Array>) => {
      down.take(message.data, capture.waiting);
      void capture.send();
    };
    return capture;
  }

  close(): void {
    this.closed = true;
    this.voice.getTracks().forEach((track) => track.stop());
    this.nodes.forEach((node) => node.disconnect());
  }

  private async send(): Promise<void> {
    if (this.sending || this.closed || this.waiting.length < PIECE) return;
    this.sending = true;
    const piece = Float32Array.from(this.waiting.splice(0));
    try {
      const queued = await this.sim.say("speak", this.port, writeWav(piece));
      // Let the telephone catch up: what comes meanwhile is forgotten.
      if (queued > LATE) await new Promise((then) => setTimeout(then, queued - LATE / 2));
      if (queued > LATE) this.waiting.length = 0;
    } catch (why) {
      if (!this.closed) this.fail(why);
    } finally {
      this.sending = false;
      if (this.waiting.length > RATE) this.waiting.splice(0, this.waiting.length - PIECE);
    }
  }
}
