import { useEffect, useState } from "preact/hooks";
import { Playback } from "./playback";
import type { PlaybackStats } from "./playback";
import type { Earpiece, Sim } from "./sim";

/** Listens while `on`; the browser's loudspeaker is the earpiece. */
export function usePlayback(sim: Sim, port: number, verb: Earpiece, on: boolean): PlaybackStats & { failed: unknown } {
  const [hearing, setHearing] = useState<PlaybackStats>({ samples: 0, level: 0 });
  const [failed, setFailed] = useState<unknown>(null);
  useEffect(() => {
    setFailed(null);
    setHearing({ samples: 0, level: 0 });
    if (!on) return;
    const heard = (now: PlaybackStats): void => {
      setFailed(null);
      setHearing(now);
    };
    const playback = new Playback(sim, port, verb, heard, setFailed);
    return () => playback.stop();
  }, [sim, port, verb, on]);
  return { ...hearing, failed };
}
