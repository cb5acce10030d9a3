/** One virtual telephone: handset, keys, bell, display, and sound both ways. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { sentence } from "../api";
import { useTask } from "../ui/hooks";
import { Lamplight, Trouble } from "../ui/parts";
import type { Line } from "../types";
import { lineLamp, lineLabel, milliamps, volts } from "../labels";
import { Bell } from "./bell";
import { output } from "./playback";
import { Keypad } from "./keypad";
import type { Sim, TelephonePort } from "./sim";
import { Speaking } from "./speaking";
import { usePlayback } from "./use-playback";
import { Display } from "./display";

interface Props {
  sim: Sim;
  port: TelephonePort;
  line: Line;
  name: string;
  /** Looks at the board at once. */
  refresh: () => Promise<void>;
}

export function Telephone({ sim, port, line, name, refresh }: Props): JSX.Element {
  const task = useTask();
  const [pressed, setPressed] = useState("");
  const [pulse, setPulse] = useState(false);
  const [listening, setListening] = useState(true);
  const bell = useRef(new Bell());
  const queue = useRef<Promise<unknown>>(Promise.resolve());
  const playback = usePlayback(sim, port.port, "listen", port.lifted && listening);

  const ringing = port.bell.sounding && !port.lifted;
  // Between two rings the bell rests, but somebody still calls.
  const called = ringing || (line.state === "ringing" && !port.lifted);
  useEffect(() => bell.current.sound(ringing, port.ring_hz), [ringing, port.ring_hz]);
  useEffect(() => () => bell.current.sound(false, 0), []);

  /** One verb after the other, in the order of the clicks. */
  const act = (verb: string, more: Record<string, unknown> = {}): void => {
    queue.current = queue.current.then(() => task.run(async () => {
      await sim.do(verb, { port: port.port, ...more });
      await refresh();
    }));
  };
  const hook = (): void => {
    output();
    setPressed("");
    act(port.lifted ? "hangup" : "lift");
  };
  const press = (keys: string): void => {
    output();
    if (pulse && !/^\d$/.test(keys)) return;
    if (port.lifted) setPressed((before) => (before + keys).slice(-24));
    act("press", { keys, how: pulse ? "pulse" : "dtmf" });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (/^[0-9*#]$/.test(event.key)) press(event.key);
    else if (event.key === "l") hook();
    else if (event.key === "r" && port.lifted) act("flash");
    else return;
    event.preventDefault();
  };

  return (
    <article class={`telephone ${port.lifted ? "is-lifted" : ""} ${called ? "is-called" : ""} ${ringing ? "is-ringing" : ""}`} tabIndex={0} onKeyDown={onKeyDown}
      aria-label={`Telephone ${name}`} aria-keyshortcuts="L R 0 1 2 3 4 5 6 7 8 9 * #"
      data-telephone={line.id} data-lifted={String(port.lifted)} data-ringing={String(ringing)} data-heard={playback.samples}>
      <header class="telephone-head">
        <strong>{name}</strong>
        <span class="faint">{line.id}</span>
      </header>
      <p class="telephone-state" role="status">
        <Lamplight lamp={called ? "flash" : lineLamp(line.state)} /> {lineLabel(line.state)}
        <span class="faint number">{volts(port.volts)} · {milliamps(port.milliamps)}</span>
      </p>
      <Display messages={port.display} pressed={pressed} ringing={called} bursts={port.bell.bursts} />
      <button type="button" class={`handset ${port.lifted ? "danger" : "main"}`} onClick={hook} aria-pressed={port.lifted}>
        <Handset /> {port.lifted ? "Hang up" : called ? "Answer" : "Lift"}
      </button>
      <Keypad press={press} disabled={!port.lifted} pulse={pulse} />
      <div class="row tight">
        <button type="button" class="small" disabled={!port.lifted} onClick={() => act("flash")}>Flash (R)</button>
        <label class="check"><input type="checkbox" checked={pulse} onChange={(e) => setPulse(e.currentTarget.checked)} /> Rotary dial</label>
        <label class="check">
          <input type="checkbox" checked={listening} onChange={(e) => setListening(e.currentTarget.checked)} /> Hear it
        </label>
        <meter class="level" min={0} max={1} value={port.lifted && listening ? playback.level : 0} aria-label="Level in the earpiece" />
      </div>
      <Speaking sim={sim} port={port.port} verb="speak" enabled={port.lifted} waiting={port.speaking_ms} microphone />
      <Trouble error={task.error ?? (playback.failed === null ? null : sentence(playback.failed))} />
      <p class="hint">With the keyboard: Tab here, then <kbd>L</kbd> lifts and hangs up, digits dial, <kbd>R</kbd> flashes.</p>
    </article>
  );
}

function Handset(): JSX.Element {
  return (
    <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
      <path fill="currentColor" d="M3 12c0-4 4-6.5 9-6.5s9 2.5 9 6.5v2.200h-5.200v-3c-2.400-.8-5.200-.8-7.600 0v3H3z" />
    </svg>
  );
}
