import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ask } from "../api";
import { useLive, useNow, useTask } from "../ui/hooks";
import { Empty, Field, Lamplight, Party, Section, Trouble } from "../ui/parts";
import type { Call } from "../types";
import { callLamp, duration, plain } from "../labels";

/** Rows shown at once: a board of a thousand calls is not read by eye. */
const SHOWN = 100;

/** Calls in progress, and a form that makes one. */
export function Calls({ calls }: { calls: Call[] }): JSX.Element {
  const now = useNow();
  const task = useTask();
  const { state } = useLive();
  const number = (party: string | null): string | null => (party === null ? null : (state?.lines[party]?.extension ?? party));
  const sorted = [...calls].sort((a, b) => b.started_micros - a.started_micros);
  const hangUp = (id: string): Promise<boolean> => task.run(() => ask(`/calls/${id}`, { method: "DELETE" }));
  return (
    <Section title="Calls" aside={<span class="count">{calls.length}</span>}>
      {sorted.length === 0 ? <Empty>No calls in progress.</Empty> : (
        <div class="scroll">
          <table>
            <thead>
              <tr><th>State</th><th>From</th><th>To</th><th class="right">Duration</th><th>Routing reason</th><th><span class="unseen">Actions</span></th></tr>
            </thead>
            <tbody>
              {sorted.slice(0, SHOWN).map((call) => (
                <tr key={call.id} data-call={call.id} data-state={call.state}>
                  <td>
                    <Lamplight lamp={callLamp(call.state)} /> {plain(call.state)}
                    {call.emergency && <strong class="tag tag-bad">Emergency</strong>}
                  </td>
                  <td><Party name={call.from} />{call.caller !== null && call.caller !== call.from && <span class="faint"> as {call.caller}</span>}</td>
                  <td>{call.to === null ? "…" : <Party name={call.to} />}{call.dialled !== "" && call.dialled !== number(call.to) && <span class="faint"> dialled {call.dialled}</span>}</td>
                  <td class="right number">{duration(now - (call.answered_micros ?? call.started_micros) / 1000)}</td>
                  <td class="faint wrap">{call.because ?? ""}</td>
                  <td class="right">
                    <button type="button" class="small danger" aria-label={`Hang up the call from ${call.from}`} onClick={() => void hangUp(call.id)}>
                      Hang up
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {sorted.length > SHOWN && <p class="faint">and {sorted.length - SHOWN} more</p>}
        </div>
      )}
      <Trouble error={task.error} />
      <Originate />
    </Section>
  );
}

function Originate(): JSX.Element {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const task = useTask();
  const submit = (event: Event): void => {
    event.preventDefault();
    void task.run(() => ask("/calls", { json: { from: from.trim(), to: to.trim() } }));
  };
  return (
    <form class="row originate" onSubmit={submit} aria-label="Make a call">
      <Field label="Ring first">
        <input value={from} required placeholder="101 or fxs1" onInput={(e) => setFrom(e.currentTarget.value)} />
      </Field>
      <Field label="then call">
        <input value={to} required maxLength={128} placeholder="102" onInput={(e) => setTo(e.currentTarget.value)} />
      </Field>
      <button type="submit" disabled={task.busy}>Call</button>
      <Trouble error={task.error} />
    </form>
  );
}
