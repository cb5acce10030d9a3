import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get } from "../api";
import { useLive, useTask } from "../ui/hooks";
import { Field, Trouble } from "../ui/parts";
import type { Provenance } from "../types";
import { plain } from "../labels";

interface RouteView {
  verdict: "stages" | "refuse" | "emergency";
  cause: string | null;
  emergency: string | null;
  stages: { timeout_ms: number; targets: { target: string; number: string; caller: string | null }[] }[];
  provenance: Provenance;
}

/** Asks emergency table, plan and script together what a call would do. Nothing rings. */
export function RouteTry(): JSX.Element {
  const { state } = useLive();
  const [from, setFrom] = useState("");
  const [number, setNumber] = useState("");
  const [view, setView] = useState<RouteView | null>(null);
  const task = useTask();
  const sources = state ? [...Object.keys(state.extensions), ...Object.keys(state.lines), ...Object.keys(state.gateways)] : [];
  const caller = from !== "" ? from : (sources[0] ?? "");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    let describe: RouteView | null = null;
    await task.run(async () => {
      describe = await get<RouteView>("/route/try", { json: { from: caller, number: number.trim() } });
    });
    setView(describe);
  };
  return (
    <form onSubmit={(e) => void submit(e)} aria-label="Explain a route">
      <div class="row">
        <Field label="If">
          <select value={caller} onChange={(e) => setFrom(e.currentTarget.value)}>
            {sources.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        </Field>
        <Field label="dialled"><input class="number" value={number} required onInput={(e) => setNumber(e.currentTarget.value)} /></Field>
        <button type="submit" disabled={task.busy}>Explain route</button>
      </div>
      <Trouble error={task.error} />
      {view && task.error === null && <Decision view={view} />}
    </form>
  );
}

function Decision({ view }: { view: RouteView }): JSX.Element {
  return (
    <div role="status" data-verdict={view.verdict}>
      {view.verdict === "refuse" && <p class="verdict"><span class="tag tag-bad">Refused</span> {plain(view.cause ?? "")}</p>}
      {view.verdict === "emergency" && <p class="verdict"><span class="tag tag-bad">Emergency call</span> {view.emergency}, before every plan and script</p>}
      <ol class="stages">
        {view.stages.map((stage, n) => (
          <li key={n}>
            {stage.targets.map((t) => `${t.target}${t.number ? ` with ${t.number}` : ""}, shown as ${t.caller ?? "withheld"}`).join("; together with ")}
            <span class="faint"> for {stage.timeout_ms / 1000} s</span>
          </li>
        ))}
      </ol>
      <dl class="facts">
        <div><dt>Because</dt><dd>{view.provenance.because || "–"}</dd></div>
        {view.provenance.alternative !== null && <div><dt>Alternative</dt><dd class="number">{view.provenance.alternative}</dd></div>}
        {view.provenance.script !== null && <div><dt>Script</dt><dd class="number">{view.provenance.script}</dd></div>}
      </dl>
    </div>
  );
}
