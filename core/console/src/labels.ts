/** Labels and formats for display: states, times, values. */

import type { ExchangeEvent } from "./types";

/** What a lamp shows. The colour never stands alone: the word is always beside it. */
export type Lamp = "dark" | "steady" | "flash" | "flutter" | "wink" | "fault";

const LINES: Record<string, [word: string, lamp: Lamp]> = {
  idle: ["Idle", "dark"],
  dialling: ["Dialling", "wink"],
  calling: ["Calling", "wink"],
  seizing: ["Seizing", "wink"],
  ringing: ["Ringing", "flash"],
  talking: ["Talking", "steady"],
  "hung-up": ["Hung up", "dark"],
  disconnected: ["Far end disconnected", "flutter"],
  busy: ["Busy tone", "flutter"],
  congestion: ["Congestion tone", "flutter"],
  reorder: ["Reorder tone", "flutter"],
  "off-hook-warning": ["Off-hook warning", "flutter"],
  "off-hook": ["Left off hook", "flutter"],
  "in-use": ["In use by another telephone", "wink"],
  "no-battery": ["No battery", "fault"],
  faulty: ["Faulty", "fault"],
  "out-of-service": ["Out of service", "fault"],
};

export function lineLabel(state: string): string {
  return LINES[state]?.[0] ?? plain(state);
}

export function lineLamp(state: string): Lamp {
  return LINES[state]?.[1] ?? "wink";
}

export function callLamp(state: string): Lamp {
  if (state === "talking") return "steady";
  return state === "ringing" ? "flash" : "wink";
}

const CAUSES: Record<string, string> = {
  normal: "Hung up", cpc: "Hung up (CPC)", reversal: "Hung up (polarity reversal)", tone: "Hung up (disconnect tone)",
  silence: "Hung up (silence)", "media-timeout": "No audio", unallocated: "No such number", operator: "Ended by the operator",
  spent: "Spending limit reached",
};

/** Why a call ended. */
export function causeLabel(cause: string): string {
  return CAUSES[cause] ?? plain(cause);
}

/** Within a sentence; abbreviations keep their capitals. */
export function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** `no-answer` → `No answer`. */
export function plain(word: string): string {
  const text = word.replaceAll("-", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `1:02:03` or `4:05`. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

export function clock(micros: number): string {
  return new Date(micros / 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function moment(micros: number): string {
  return new Date(micros / 1000).toLocaleString([], {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
}

export function volts(v: number | null | undefined): string {
  return v === null || v === undefined ? "– V" : `${v.toFixed(1)} V`;
}

export function milliamps(ma: number | null | undefined): string {
  return ma === null || ma === undefined ? "– mA" : `${ma.toFixed(1)} mA`;
}

export function ms(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

const ENDED: Record<string, string> = { a: "the caller", b: "the called party", x: "the exchange" };

export function endedBy(side: string | null): string {
  return side === null ? "" : (ENDED[side] ?? side);
}

/** An event as one sentence. */
export function describe(h: ExchangeEvent): string {
  const d = h.data;
  switch (h.event) {
    case "call.started": return `${d.from} dialled ${d.dialled || "nothing yet"}`;
    case "call.ringing": return `${d.target} rings`;
    case "call.answered": return `${d.target} answered`;
    case "call.transferred": return `${d.by} transferred the call to ${d.to}`;
    case "call.ended": return `call ended: ${lower(causeLabel(String(d.cause)))}, by ${endedBy(String(d.by))}`;
    case "call.digit": return `key ${d.key} relayed`;
    case "line.state": return `line ${d.line}: ${lineLabel(String(d.state)).toLowerCase()}`;
    case "line.hook": return `line ${d.line} ${d.off_hook ? "off hook" : "on hook"}`;
    case "extension.registered": return `extension ${d.ext} registered from ${d.contact}`;
    case "extension.unregistered": return `extension ${d.ext}: ${d.contact} is gone (${d.why})`;
    case "gateway.state": return `gateway ${d.gateway} is ${d.up ? "up" : "down"}: ${d.why}`;
    case "board.state": return `board ${d.board} is ${d.up ? "up" : "down"}${d.why ? `: ${d.why}` : ""}`;
    case "part.restarted": return `${d.part} ${d.gave_up ? "failed too often and stays stopped" : "was restarted"}: ${d.why}`;
    case "script.refused": return `script ${d.script} rejected: ${d.why}`;
    case "script.active": return `script ${d.script} is active`;
    case "script.failed": return `script ${d.script} failed; the dial plan decided: ${d.why}`;
    case "config.active": return `configuration version ${d.version} is active (${d.by}: ${d.summary})`;
    case "emergency": return `EMERGENCY call from ${d.from} to ${d.number}${d.location ? ` (${d.location})` : ""}`;
    case "board.alarm": return `Board ${d.board}, port ${d.port}: ${d.alarms} alarm ${d.raised ? "raised" : "ended"}`;
    case "line.messages": return `${d.line}: ${d.waiting ? "messages waiting at the central office" : "no messages waiting at the central office"}`;
    case "auth.failures": return `${d.what} refused ${d.count} times, from ${d.addresses} addresses, most from ${d.most_from}`;
    case "auth.failed": return `${d.what} refused for ${d.who} from ${d.from}`;
    case "alarm": return `${d.what}: ${d.text}`;
    case "stream.gap": return "some events were missed; the view is up to date again";
    default: return `${h.event} ${JSON.stringify(d)}`;
  }
}

/** Whether an event needs the operator's attention. */
export function isAlarm(h: ExchangeEvent): boolean {
  const d = h.data;
  switch (h.event) {
    case "alarm": case "board.alarm": case "emergency": case "part.restarted": case "script.refused": case "script.failed": case "auth.failed": case "auth.failures":
      return true;
    case "board.state": case "gateway.state":
      return d.up === false;
    default:
      return false;
  }
}
