/**
 * The exchange as it is now. Events say that something changed, the snapshot says what is; so a lost event can never
 * leave a wrong picture on the screen for long. The stream is resumed by number after a break.
 */

import { get, Problem } from "./api";
import type { ExchangeEvent, Snapshot } from "./types";

export type Link = { is: "connecting" } | { is: "live" } | { is: "lost"; since: number };

export interface Live {
  state: Snapshot | null;
  link: Link;
  /** What happened, newest first. */
  log: ExchangeEvent[];
}

/** Happenings kept for the log. */
const LOG = 200;
/** Snapshots are not asked for more often than this, ms. */
const PACE = 150;
/** Happenings from before the console was opened that are asked for. */
const BEFORE = 50;
/** Volts and milliamps change without an event: look again this often, ms. */
const READINGS = 3000;
/** A snapshot that takes longer will not come, ms. */
const SILENCE = 8000;
/** Pauses before the stream is tried again, ms. */
const RETRY = [500, 1000, 2000, 4000];

export class Watch {
  now: Live = { state: null, link: { is: "connecting" }, log: [] };
  private stream: EventSource | null = null;
  private last: number | null = null;
  private tries = 0;
  private timers = new Set<ReturnType<typeof setTimeout>>();
  private poll: ReturnType<typeof setInterval> | null = null;
  private looking = false;
  private again = false;
  private closed = false;

  constructor(private readonly tell: (live: Live) => void) {}

  start(): void {
    this.closed = false;
    void this.refresh().then(() => this.listen());
    this.poll = setInterval(() => {
      if (!document.hidden) void this.refresh();
    }, READINGS);
  }

  stop(): void {
    this.closed = true;
    this.stream?.close();
    this.timers.forEach(clearTimeout);
    if (this.poll) clearInterval(this.poll);
  }

  /** Takes a snapshot soon; several requests become one. */
  async refresh(): Promise<void> {
    if (this.looking) {
      this.again = true;
      return;
    }
    this.looking = true;
    try {
      const state = await get<Snapshot>("/state", { timeout: SILENCE });
      this.last ??= Math.max(0, state.after - BEFORE);
      this.change({ state });
    } catch (why) {
      if (!(why instanceof Problem)) throw why;
      // A stream on a dead network stays open for long and says nothing: what cannot be asked cannot be heard either.
      // After a 401 the application has already gone to the login.
      if (why.status === 0 && this.now.link.is === "live") this.broken();
    } finally {
      this.later(PACE, () => {
        this.looking = false;
        if (!this.again) return;
        this.again = false;
        void this.refresh();
      });
    }
  }

  private listen(): void {
    if (this.closed) return;
    const from = this.last === null ? "" : `?after=${this.last}`;
    const stream = new EventSource(`/api/v1/events${from}`);
    this.stream = stream;
    stream.onopen = () => {
      this.tries = 0;
      this.change({ link: { is: "live" } });
      void this.refresh();
    };
    stream.onmessage = (message: MessageEvent<string>) => this.hear(message.data);
    stream.onerror = () => this.broken();
  }

  /** Reconnecting is done here, not by EventSource, so that the console can say so and an ended session is seen. */
  private broken(): void {
    this.stream?.close();
    if (this.now.link.is !== "lost") this.change({ link: { is: "lost", since: Date.now() } });
    const wait = RETRY[Math.min(this.tries, RETRY.length - 1)] ?? 4000;
    this.tries += 1;
    this.later(wait, () => {
      void this.refresh();
      this.listen();
    });
  }

  private hear(data: string): void {
    let happening: ExchangeEvent;
    try {
      happening = JSON.parse(data) as ExchangeEvent;
    } catch {
      return;
    }
    if (typeof happening.seq === "number") {
      this.last = happening.seq;
      this.change({ log: [happening, ...this.now.log].slice(0, LOG) });
    } else if (typeof happening.data?.before === "number") {
      this.last = happening.data.before - 1;
      // There is no gap in a log that has not begun.
      if (this.now.log.length === 0) return;
      // What was missed is in the snapshot; the log says that a part is lost.
      const gap = { ...happening, seq: this.last, at_micros: Date.now() * 1000 };
      this.change({ log: [gap, ...this.now.log].slice(0, LOG) });
    }
    void this.refresh();
  }

  private change(part: Partial<Live>): void {
    if (this.closed) return;
    this.now = { ...this.now, ...part };
    this.tell(this.now);
  }

  private later(ms: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.closed) then();
    }, ms);
    this.timers.add(timer);
  }
}
