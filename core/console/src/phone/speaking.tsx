import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { sentence } from "../api";
import { useTask } from "../ui/hooks";
import { Trouble } from "../ui/parts";
import { hasMicrophone, Capture } from "./capture";
import type { Sim } from "./sim";
import { telephoneWav } from "./wav";

interface Props {
  sim: Sim;
  port: number;
  verb: "speak" | "office.speak";
  enabled: boolean;
  /** What waits to be said, ms. */
  waiting: number;
  microphone?: boolean;
}

/** Says something into a line: a tone, a sound file, or the microphone. */
export function Speaking({ sim, port, verb, enabled, waiting, microphone = false }: Props): JSX.Element {
  const task = useTask();
  const [open, setOpen] = useState(false);
  const [lost, setLost] = useState<string | null>(null);
  const file = useRef<HTMLInputElement>(null);
  const capture = useRef<Capture | null>(null);
  const shut = (): void => {
    capture.current?.close();
    capture.current = null;
    setOpen(false);
  };
  useEffect(() => {
    if (!enabled) shut();
  }, [enabled]);
  useEffect(() => shut, []);

  const tone = (): void => void task.run(() => sim.do(verb, { port, tone: { hz: 1004, ms: 1000 } }));
  const quiet = (): void => void task.run(() => sim.do(verb === "speak" ? "quiet" : "office.quiet", { port }));
  const say = (input: HTMLInputElement): void => {
    const chosen = input.files?.[0];
    input.value = "";
    if (chosen) void task.run(async () => sim.say(verb, port, await telephoneWav(chosen)));
  };
  const talk = (): void => {
    if (open) return shut();
    setLost(null);
    void task.run(async () => {
      capture.current = await Capture.open(sim, port, (why) => setLost(sentence(why))).catch((why: unknown) => {
        const refused = why instanceof DOMException && why.name === "NotAllowedError";
        throw refused ? new Error("The browser did not allow the microphone.") : why;
      });
      setOpen(true);
    });
  };

  return (
    <>
      <div class="row tight" role="group" aria-label="Speak into the telephone">
        {microphone && (
          <button type="button" class="small" disabled={!enabled || !hasMicrophone()} aria-pressed={open} onClick={talk}
            title={hasMicrophone() ? undefined : "Browsers give the microphone only to pages from this machine or over HTTPS"}>
            {open ? "Stop talking" : "Talk"}
          </button>
        )}
        <button type="button" class="small" disabled={!enabled} onClick={tone}>Play tone</button>
        <button type="button" class="small" disabled={!enabled} onClick={() => file.current?.click()}>Play file…</button>
        <input ref={file} type="file" accept="audio/*" hidden onChange={(e) => say(e.currentTarget)} />
        {enabled && waiting > 300 && <button type="button" class="small" onClick={quiet}>Be quiet ({Math.ceil(waiting / 1000)} s)</button>}
      </div>
      <Trouble error={lost ?? task.error} />
    </>
  );
}
