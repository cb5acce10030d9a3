/** Small pieces of behaviour that many pages share. */

import { createContext } from "preact";
import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks";
import { sentence } from "../api";
import type { Live } from "../live";

export const LiveContext = createContext<Live>({ state: null, link: { is: "connecting" }, log: [] });
export const useLive = (): Live => useContext(LiveContext);

/** The wall clock, once a second, for durations that tick. */
export function useNow(): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export interface Task {
  busy: boolean;
  /** A sentence, or null. */
  error: string | null;
  /** Runs the work; an error is kept as a sentence until the next run. Answers whether it went well. */
  run: (work: () => Promise<unknown>) => Promise<boolean>;
  clear: () => void;
}

/** Something that the person started and that may fail. */
export function useTask(): Task {
  const [state, set] = useState<{ busy: boolean; error: string | null }>({ busy: false, error: null });
  const run = useCallback(async (work: () => Promise<unknown>) => {
    set({ busy: true, error: null });
    try {
      await work();
      set({ busy: false, error: null });
      return true;
    } catch (why) {
      set({ busy: false, error: sentence(why) });
      return false;
    }
  }, []);
  const clear = useCallback(() => set({ busy: false, error: null }), []);
  return { ...state, run, clear };
}

/** Does something again and again, never twice at once, while the page is seen. */
export function usePoll(work: () => Promise<void>, every: number, on = true): void {
  const latest = useRef(work);
  latest.current = work;
  useEffect(() => {
    if (!on) return;
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    const step = async (): Promise<void> => {
      if (!document.hidden) await latest.current();
      if (!gone) timer = setTimeout(() => void step(), every);
    };
    void step();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [every, on]);
}

/** Calls `then` when `value` has rested for so long, and at once the first time. */
export function useSettled<T>(value: T, ms: number, then: (value: T) => void): void {
  const latest = useRef(then);
  latest.current = then;
  const first = useRef(true);
  useEffect(() => {
    const timer = setTimeout(() => latest.current(value), first.current ? 0 : ms);
    first.current = false;
    return () => clearTimeout(timer);
  }, [value, ms]);
}
