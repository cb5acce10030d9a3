/** What the API says, as far as the console shows it. Times are microseconds since 1970 UTC. */

export interface Contact {
  uri: string;
  address: string;
  transport: string;
  user_agent: string;
  expires_micros: number;
  latency_ms: number | null;
}

export interface Extension {
  id: string;
  name: string;
  line: string | null;
  contacts: Contact[];
  calls: number;
}

export interface Line {
  id: string;
  kind: "fxs" | "fxo";
  /** Board and port: `virtual:0`. */
  port: string;
  state: string;
  since_micros: number;
  off_hook: boolean;
  volts: number | null;
  milliamps: number | null;
  call: string | null;
  /** Landline: which way its call goes, and how far it has come. */
  call_type: string | null;
  pstn_state: string | null;
  last_number: string | null;
  last_disconnect: string | null;
  fault: string | null;
  extension: string | null;
}

export interface Gateway {
  id: string;
  server: string;
  registration: string;
  why: string | null;
  up: boolean;
  latency_ms: number | null;
  expires_micros: number | null;
  address: string | null;
  calls: number;
}

export interface Call {
  id: string;
  state: string;
  from: string;
  caller: string | null;
  dialled: string;
  to: string | null;
  started_micros: number;
  answered_micros: number | null;
  emergency: boolean;
  because: string | null;
}

export interface Board {
  id: string;
  up: boolean;
  pid: number | null;
  driver: string;
  generation: number;
  ports: string[];
  why: string | null;
}

export interface Part {
  name: string;
  up: boolean;
  generation: number;
  why: string | null;
}

export interface Script {
  name: string;
  hash: string;
  refused: string | null;
}

export interface Snapshot {
  /** The newest event when the snapshot was taken. */
  after: number;
  extensions: Record<string, Extension>;
  lines: Record<string, Line>;
  gateways: Record<string, Gateway>;
  calls: Record<string, Call>;
  boards: Record<string, Board>;
  parts: Record<string, Part>;
  script: Script;
}

export interface ExchangeEvent {
  seq: number;
  at_micros: number;
  event: string;
  data: Record<string, string | number | boolean>;
}

/** A fault of a document (configuration or script). Line and column count from 1; 0 is "unknown". */
export interface Fault {
  severity: "error" | "warning";
  line: number;
  column: number;
  path: string;
  what: string;
  hint: string;
}

export interface Figures {
  received: number;
  sent: number;
  lost: number;
  refused: number;
  jitter_ms: number;
  round_trip_ms: number | null;
  far_loss_percent: number | null;
}

export interface Provenance {
  alternative: string | null;
  script: string | null;
  because: string;
}

export interface Cdr {
  call: string;
  source: { kind: string; name: string };
  caller: { number: string; name: string; private: boolean };
  dialled: string;
  sent: string;
  target: string;
  started_micros: number;
  answered_after_us: number | null;
  ended_after_us: number | null;
  cause: string | null;
  ended_by: string | null;
  emergency: boolean;
  provenance: Provenance;
  a: Figures | null;
  b: Figures | null;
}

export interface ConfigMeta {
  version: number;
  at_micros: number;
  author: string;
  note: string;
  sha256: string;
}

export interface DiffLine {
  op: " " | "-" | "+";
  text: string;
}

export interface System {
  version: string;
  uptime_s: number;
  boot: number;
  resident_octets: number;
  config_version: number;
  /** More than 0: the disk refuses call records. */
  cdrs_waiting: number;
  developer: boolean;
}
