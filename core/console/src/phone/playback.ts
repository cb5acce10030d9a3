/**
 * Plays a telephone's earpiece in the browser. The board counts every sample since its start, so requesting from the last
 * one on gives a gapless stream, which is queued in the audio output with a small buffer.
 */

import type { Earpiece, Sim } from "./sim";
import { RATE } from "./wav";

/** Sound kept ahead of the loudspeaker, s: what the network may be late. */
const CUSHION = 0.15;
/** More than this ahead is thrown away, so that what is heard stays near what is said, s. */
const MOST = 0.7;
/** Pause between two questions, ms. */
const PAUSE = 80;
/** At most so much at once, ms. */
const ONCE = 4000;
/** After a longer sleep (a hidden page) playback starts over, ms: the board remembers half a minute. */
const SLEPT = 3000;

let context: AudioContext | null = null;

/** The sound output. Browsers allow it from a click or key on. */
export function output(): AudioContext {
  context ??= new AudioContext({ latencyHint: "interactive" });
  if (context.state === "suspended") void context.resume();
  return context;
}

/** The output if there is one already that may sound: for bells, which ring unasked. */
export function allowed(): AudioContext | null {
  return context?.state === "running" ? context : null;
}

export interface PlaybackStats {
  /** Samples heard. */
  samples: number;
  /** How loud the last piece was, 0 to 1. */
  level: number;
}

export class Playback {
  private readonly gone = new AbortController();
  private readonly gain: GainNode;
  private playhead = 0;
  private heard = 0;

  constructor(
    private readonly sim: Sim,
    private readonly port: number,
    private readonly verb: Earpiece,
    private readonly tell: (hearing: PlaybackStats) => void,
    private readonly fail: (why: unknown) => void,
  ) {
    const out = output();
    this.gain = out.createGain();
    this.gain.connect(out.destination);
    void this.listen();
  }

  stop(): void {
    this.gone.abort();
    this.gain.disconnect();
  }

  private async listen(): Promise<void> {
    const { signal } = this.gone;
    let since: number | null = null;
    let asked = 0;
    while (!signal.aborted) {
      try {
        if (since === null || performance.now() - asked > SLEPT) since = await this.end();
        asked = performance.now();
        const heard = await this.sim.hear(this.verb, this.port, since, ONCE, signal);
        since = heard.next;
        if (heard.samples.length > 0) this.play(heard.samples);
      } catch (why) {
        if (signal.aborted) return;
        this.fail(why);
        since = null;
        await sleep(1000);
      }
      await sleep(PAUSE);
    }
  }

  /** How many samples the board has heard on this port so far. */
  private async end(): Promise<number> {
    const ports = await this.sim.ports();
    return ports.find((p) => p.port === this.port)?.heard ?? 0;
  }

  private play(samples: Float32Array<ArrayBuffer>): void {
    const out = output();
    const now = out.currentTime;
    if (this.playhead < now + 0.01) this.playhead = now + CUSHION;
    let peak = 0;
    for (const s of samples) peak = Math.max(peak, Math.abs(s));
    this.heard += samples.length;
    this.tell({ samples: this.heard, level: peak });
    if (this.playhead > now + MOST) return;
    const buffer = out.createBuffer(1, samples.length, RATE);
    buffer.copyToChannel(samples, 0);
    const source = out.createBufferSource();
    source.buffer = buffer;
    source.connect(this.gain);
    source.start(this.playhead);
    this.playhead += buffer.duration;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((then) => setTimeout(then, ms));
}
