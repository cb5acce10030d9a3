/** The far end of a landline jack: a virtual central office that calls, answers, says and hangs up. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { sentence } from "../api";
import { useTask } from "../ui/hooks";
import type { Task } from "../ui/hooks";
import { Field, Lamplight, Section, Trouble } from "../ui/parts";
import type { Line } from "../types";
import type { Lamp } from "../labels";
import { lineLabel, milliamps, plain, volts } from "../labels";
import type { OfficePort, Sim } from "./sim";
import { Speaking } from "./speaking";
import { usePlayback } from "./use-playback";

interface Props {
  sim: Sim;
  port: OfficePort;
  line: Line;
  refresh: () => Promise<void>;
}

type Act = (verb: string, more?: Record<string, unknown>) => void;

const HANGUPS: [how: string, title: string, what: string][] = [
  ["cpc", "CPC", "Removes the battery voltage for half a second"],
  ["reversal", "Reversal", "Reverses the polarity; on an outgoing call the first reversal means that it was answered"],
  ["tone", "Tone", "Plays the disconnect tone"],
  ["silence", "Silence", "Sends silence"],
];

export function OfficeLine({ sim, port, line, refresh }: Props): JSX.Element {
  const task = useTask();
  const [listening, setListening] = useState(false);
  const playback = usePlayback(sim, port.port, "office.heard", listening);
  const act: Act = (verb, more = {}) => void task.run(async () => {
    await sim.do(verb, { port: port.port, ...more });
    await refresh();
  });
  const talking = port.office === "talking";
  const busy = port.office !== "idle" || port.ringing;
  return (
    <Section title={`Central office on ${line.id}`} class="office" aside={<span class="faint number">{volts(port.volts)} · {milliamps(port.milliamps)}</span>}>
      <div data-office={line.id} data-office-state={port.office}>
        <p class="telephone-state" role="status">
          <Lamplight lamp={lamp(port)} /> Office: {port.ringing ? "ringing the line" : plain(port.office).toLowerCase()}
          <span class="faint">line: {lineLabel(line.state).toLowerCase()}</span>
        </p>
        <p class="digits">
          <span class="faint">Digits decoded from the line</span> <output class="number" data-digits={port.digits}>{port.digits || "–"}</output>
          {port.keys !== "" && <><span class="faint"> keys in the call</span> <output class="number">{port.keys}</output></>}
        </p>
        <CallIn act={act} disabled={busy} />
        <div class="row tight" role="group" aria-label="The far end">
          <button type="button" class="small" disabled={port.office !== "ringback"} onClick={() => act("office.answer")}>Answer now</button>
          <span class="faint">Hang up by</span>
          {HANGUPS.map(([how, title, what]) => (
            <button key={how} type="button" class="small" title={what} disabled={!talking && !port.ringing && port.office !== "alerting"}
              onClick={() => act("office.hangup", { how })}>{title}</button>
          ))}
        </div>
        <div class="row tight">
          <Speaking sim={sim} port={port.port} verb="office.speak" enabled={talking} waiting={port.speaking_ms} />
          <label class="check"><input type="checkbox" checked={listening} onChange={(e) => setListening(e.currentTarget.checked)} /> Listen to the line</label>
          <label class="check">
            <input type="checkbox" checked={!port.battery} onChange={(e) => act("office.battery", { on: !e.currentTarget.checked })} /> Pair cut
          </label>
          <label class="check">
            <input type="checkbox" checked={port.parallel} onChange={(e) => act("office.parallel", { up: e.currentTarget.checked })} /> Another telephone lifted
          </label>
        </div>
        <Behaviour sim={sim} task={task} />
        <Trouble error={task.error ?? (playback.failed === null ? null : sentence(playback.failed))} />
        <details>
          <summary>Events at the central office</summary>
          <ol class="log">{[...port.log].reverse().map((entry, n) => (
            <li key={port.log.length - n}><span class="faint number">{(entry.ms / 1000).toFixed(2)} s</span> <span>{entry.what}</span></li>
          ))}</ol>
        </details>
      </div>
    </Section>
  );
}

function lamp(port: OfficePort): Lamp {
  if (!port.battery) return "fault";
  if (port.ringing || port.office === "ringback") return "flash";
  if (port.office === "talking") return "steady";
  return port.office === "idle" ? "dark" : "wink";
}

function CallIn({ act, disabled }: { act: Act; disabled: boolean }): JSX.Element {
  const [number, setNumber] = useState("5551234");
  const [name, setName] = useState("A. Bell");
  const [withheld, setWithheld] = useState(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    act("office.call", { number: number.trim(), name, private: withheld });
  };
  return (
    <form class="row" onSubmit={submit} aria-label="Call the landline">
      <Field label="Caller's number"><input value={number} inputMode="tel" maxLength={20} onInput={(e) => setNumber(e.currentTarget.value)} /></Field>
      <Field label="Name"><input value={name} maxLength={15} onInput={(e) => setName(e.currentTarget.value)} /></Field>
      <label class="check"><input type="checkbox" checked={withheld} onChange={(e) => setWithheld(e.currentTarget.checked)} /> Withheld</label>
      <button type="submit" disabled={disabled}>Call the landline</button>
    </form>
  );
}

const DOES = ["answer", "busy", "no-answer", "congestion", "announcement", "never"];

/** What the office does for a number that is dialled into it. */
function Behaviour({ sim, task }: { sim: Sim; task: Task }): JSX.Element {
  const [number, setNumber] = useState("");
  const [does, setDoes] = useState("busy");
  const [said, setSaid] = useState<string | null>(null);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const answers = does === "answer" ? { rings: 2, says: { tone: 1004 } } : {};
    const done = await task.run(() => sim.do("office.subscriber", { number: number.trim(), does, ...answers }));
    setSaid(done ? `${number.trim()}: ${plain(does).toLowerCase()}` : null);
  };
  return (
    <form class="row" onSubmit={(e) => void submit(e)} aria-label="What a number does">
      <Field label="When somebody dials">
        <input value={number} required inputMode="tel" placeholder="5551000 or 555xxxx" onInput={(e) => setNumber(e.currentTarget.value)} />
      </Field>
      <Field label="the office gives">
        <select value={does} onChange={(e) => setDoes(e.currentTarget.value)}>
          {DOES.map((word) => <option key={word} value={word}>{plain(word)}</option>)}
        </select>
      </Field>
      <button type="submit">Set</button>
      {said !== null && <span class="faint" role="status">{said}</span>}
    </form>
  );
}
