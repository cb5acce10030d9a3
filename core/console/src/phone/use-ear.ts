import { useEffect, useState } from "preact/hooks";
import { Ear } from "./ear";
import type { Hearing } from "./ear";
import type { Earpiece, Sim } from "./sim";

/** Listens while `on`; the browser's loudspeaker is the earpiece. */
export function useEar(sim: Sim, port: number, verb: Earpiece, on: boolean): Hearing & { failed: unknown } {
  const [hearing, setHearing] = useState<Hearing>({ samples: 0, level: 0 });
  const [failed, setFailed] = useState<unknown>(null);
  useEffect(() => {
    setFailed(null);
    setHearing({ samples: 0, level: 0 });
    if (!on) return;
    const heard = (now: Hearing): void => {
      setFailed(null);
      setHearing(now);
    };
    const ear = new Ear(sim, port, verb, heard, setFailed);
    return () => ear.stop();
  }, [sim, port, verb, on]);
  return { ...hearing, failed };
}
