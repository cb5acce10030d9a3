/** The doors of a simulated board: its telephones and its central office. */

import { ask, get } from "../api";
import { readWav } from "./wav";

export interface Display {
  number?: string;
  name?: string;
  private?: boolean;
  when?: string | null;
  message_waiting?: boolean;
  damaged?: boolean;
}

export interface TelephonePort {
  port: number;
  kind: "fxs";
  lifted: boolean;
  off_hook: boolean;
  volts: number;
  milliamps: number;
  reversed: boolean;
  ring_volts: number;
  ring_hz: number;
  bell: { sounding: boolean; bursts: number };
  dialling: boolean;
  speaking_ms: number;
  heard: number;
  display: Display[];
}

export interface OfficePort {
  port: number;
  kind: "fxo";
  number: string;
  off_hook: boolean;
  volts: number;
  milliamps: number;
  reversed: boolean;
  ringing: boolean;
  parallel: boolean;
  battery: boolean;
  office: string;
  digits: string;
  keys: string;
  flashes: number;
  speaking_ms: number;
  heard: number;
  log: { ms: number; what: string }[];
}

export type Port = TelephonePort | OfficePort;

/** Where one can listen: at a telephone, or in the office. */
export type Earpiece = "listen" | "office.heard";

export interface Heard {
  samples: Float32Array<ArrayBuffer>;
  next: number;
}

export class Sim {
  constructor(readonly board: string) {}

  /** All ports as they are. */
  async ports(): Promise<Port[]> {
    const { ports } = await get<{ ports: Port[] }>(`/sim/${encodeURIComponent(this.board)}/state`);
    return ports;
  }

  /** Does a verb: `lift`, `press`, `office.call`, … */
  async do(verb: string, what: Record<string, unknown>): Promise<void> {
    await ask(this.path(verb), { json: what });
  }

  /** Says a WAV file on a port; answers how many ms wait to be said in all. */
  async say(verb: "speak" | "office.speak", port: number, wav: Blob): Promise<number> {
    const answer = await get<{ speaking_ms?: number }>(`${this.path(verb)}?port=${port}`, { body: wav, type: "audio/wav" });
    return answer.speaking_ms ?? 0;
  }

  /** What was heard on a port from sample `since` on, and the sample to ask from the next time. */
  async hear(verb: Earpiece, port: number, since: number, max_ms: number, signal: AbortSignal): Promise<Heard> {
    const response = await ask(this.path(verb), { json: { port, since, max_ms }, signal });
    const samples = readWav(await response.arrayBuffer());
    const said = JSON.parse(response.headers.get("Ringtrip-Answer") ?? "{}") as { to?: number };
    return { samples, next: said.to ?? since + samples.length };
  }

  private path(verb: string): string {
    return `/sim/${encodeURIComponent(this.board)}/${verb}`;
  }
}
