/** The door to the exchange. Every error becomes a `Problem` that says what is wrong and what to do. */

import type { Fault } from "./types";

export class Problem extends Error {
  constructor(
    readonly status: number,
    /** The last word of the problem's type: `wrong-secret`. */
    readonly word: string,
    detail: string,
    readonly faults: Fault[] = [],
  ) {
    super(detail);
  }
}

/** Called when the session is over; the application shows the login. */
let onLoggedOut = (): void => {};
export function whenLoggedOut(then: () => void): void {
  onLoggedOut = then;
}

interface Ask {
  method?: string;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is, with its media type. */
  body?: BodyInit;
  type?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** How long to wait for the answer, ms. */
  timeout?: number;
}

/** The exchange answers most things in milliseconds and gives up by itself after ten seconds. */
const ANSWER_TIMEOUT = 20_000;

/** Asks the exchange and answers its response, or throws a `Problem`. */
export async function ask(path: string, how: Ask = {}): Promise<Response> {
  // A change by session cookie must prove that it comes from this console.
  const headers: Record<string, string> = { "X-Ringtrip": "console", ...how.headers };
  let body = how.body;
  if (how.json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(how.json);
  } else if (how.type) {
    headers["Content-Type"] = how.type;
  }
  const method = how.method ?? (body === undefined ? "GET" : "POST");
  const late = AbortSignal.timeout(how.timeout ?? ANSWER_TIMEOUT);
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      cache: "no-store",
      ...(body !== undefined && { body }),
      signal: how.signal ? AbortSignal.any([how.signal, late]) : late,
    });
  } catch (why) {
    if (how.signal?.aborted) throw why;
    if (late.aborted) throw new Problem(0, "silent", "The exchange did not answer in time.");
    throw new Problem(0, "unreachable", "The exchange cannot be reached. It may be restarting; the console keeps trying.");
  }
  if (response.ok) return response;
  const problem = await read(response);
  if (problem.status === 401 && path !== "/login") onLoggedOut();
  throw problem;
}

/** Asks, and answers the JSON of the response. */
export async function get<T>(path: string, how: Ask = {}): Promise<T> {
  const response = await ask(path, how);
  return (await response.json()) as T;
}

async function read(response: Response): Promise<Problem> {
  try {
    const describe = (await response.json()) as { type?: string; detail?: string; faults?: Fault[] };
    const word = (describe.type ?? "").split(":").pop() ?? "";
    return new Problem(response.status, word, describe.detail ?? response.statusText, describe.faults ?? []);
  } catch {
    return new Problem(response.status, "failed", `The exchange answered ${response.status} ${response.statusText}.`);
  }
}

/** A sentence for whatever was thrown. */
export function sentence(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const upper = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}
